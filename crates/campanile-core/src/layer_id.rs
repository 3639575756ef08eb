//! Detects that a layer already encloses the running code.
//!
//! Two of the same layer around one request would count it twice. A layer pushes its id onto a per-thread stack while it
//! calls and polls the inner service; the same layer further in finds it there and passes the request through. The stack
//! needs no allocation and no mark on the request, and works where an inner router makes a new request. It does not see
//! an inner layer behind a task of its own (`tower::buffer`).

use std::cell::Cell;

/// Layers nested deeper than this are not recorded; the same layer further in then counts twice.
const DEPTH: usize = 16;

struct Stack {
    len: Cell<usize>,
    layers: [Cell<LayerId>; DEPTH],
}

thread_local! {
    static STACK: Stack =
        const { Stack { len: Cell::new(0), layers: [const { Cell::new(LayerId(0)) }; DEPTH] } };
}

/// Identifies a layer; equal for all its clones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerId(usize);

impl LayerId {
    /// Makes the id of the layer that keeps its state at `state`.
    ///
    /// The state must not move, and must have a size: values without one share addresses.
    #[inline]
    #[must_use]
    pub fn of<T: ?Sized>(state: &T) -> Self {
        Self(std::ptr::from_ref(state).addr())
    }

    /// Narrows the id, for layers that enclose several calls at once.
    #[inline]
    #[must_use]
    pub fn with(self, part: usize) -> Self {
        Self(self.0 ^ part.rotate_left(17))
    }

    /// Returns whether the layer encloses the running code.
    #[inline]
    #[must_use]
    pub fn is_entered(self) -> bool {
        STACK.with(|stack| {
            let len = stack.len.get().min(DEPTH);
            stack.layers[..len].iter().any(|layer| layer.get() == self)
        })
    }

    /// Records that the layer encloses the code that runs until the matching [`leave`](Self::leave).
    #[inline]
    pub fn enter(self) {
        STACK.with(|stack| {
            let len = stack.len.get();
            if let Some(top) = stack.layers.get(len) {
                top.set(self);
            }
            stack.len.set(len + 1);
        });
    }

    /// Removes the layer entered last on this thread.
    #[inline]
    pub fn leave() {
        STACK.with(|stack| stack.len.set(stack.len.get().saturating_sub(1)));
    }
}
