//! Tells a layer whether it already stands around the work at hand.
//!
//! Two of the same layer on one request would count it twice. A layer enters its identity while it calls and polls
//! the inner service; the same layer further in finds it and steps aside. Kept per thread: no allocation, no mark
//! on the request, and right also where an inner router made a new request of the old. What it does not see: an
//! inner layer behind a task of its own (`tower::buffer`).

use std::{cell::Cell, fmt, marker::PhantomData};

/// Layers deeper than this are not remembered, and then count twice when nested.
const DEPTH: usize = 16;

struct Stack {
    len: Cell<usize>,
    layers: [Cell<LayerId>; DEPTH],
}

thread_local! {
    static AROUND: Stack =
        const { Stack { len: Cell::new(0), layers: [const { Cell::new(LayerId(0)) }; DEPTH] } };
}

/// Which layer it is; equal for all clones of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerId(usize);

impl LayerId {
    /// Makes the identity of the layer that keeps its state in `state`: its address.
    ///
    /// The state has to stay where it is, as in an `Arc`, and to have a size: types without one share addresses.
    #[inline]
    #[must_use]
    pub fn of<T: ?Sized>(state: &T) -> Self {
        Self(std::ptr::from_ref(state).addr())
    }

    /// Narrows the identity by another, for layers that meet several works at once.
    #[inline]
    #[must_use]
    pub fn with(self, part: usize) -> Self {
        Self(self.0 ^ part.rotate_left(17))
    }

    /// Tells whether this layer stands around what runs now.
    #[inline]
    #[must_use]
    pub fn is_around(self) -> bool {
        AROUND.with(|stack| {
            let len = stack.len.get().min(DEPTH);
            stack.layers[..len].iter().any(|layer| layer.get() == self)
        })
    }

    /// Notes that this layer stands around what runs until the guard is dropped. Guards on one thread are dropped in
    /// the reverse order of their making.
    #[inline]
    pub fn enter(self) -> EnteredLayer {
        AROUND.with(|stack| {
            let len = stack.len.get();
            if let Some(place) = stack.layers.get(len) {
                place.set(self);
            }
            stack.len.set(len + 1);
        });
        EnteredLayer(PhantomData)
    }
}

/// A guard: the layer stands around what runs while it lives. See [`LayerId::enter`].
#[must_use = "the layer stands around what runs while the guard lives"]
pub struct EnteredLayer(PhantomData<*const ()>);

impl Drop for EnteredLayer {
    #[inline]
    fn drop(&mut self) {
        AROUND.with(|stack| stack.len.set(stack.len.get() - 1));
    }
}

impl fmt::Debug for EnteredLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnteredLayer")
    }
}
