//! Which recorder a reference points to.

use std::{
    hash::{Hash, Hasher},
    ptr,
};

use metrics::{NoopRecorder, Recorder};

/// The identity of a recorder: equal for two references to the same one.
///
/// One type can have several vtables, so the identity of a recorder with a size is its address, and the size
/// distinguishes it from its own first field. A type without a size has no address of its own, but its recorders are
/// interchangeable: they are identified by address and vtable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    address: usize,
    size: usize,
    vtable: usize,
}

impl Identity {
    pub(crate) fn of(recorder: &dyn Recorder) -> Self {
        let (address, vtable) = pointer_parts(recorder);
        let size = size_of_val(recorder);
        Self {
            address,
            size,
            vtable: if size == 0 { vtable } else { 0 },
        }
    }

    /// Returns the identity of what the facade lends, unless that is the no-op it lends while no recorder is installed.
    ///
    /// The no-op is a static of a type without a size, so it has an address in the program. A recorder of such a type
    /// that was installed is in a box, which has no allocation and hence the lowest address that is aligned.
    pub(crate) fn of_installed(recorder: &dyn Recorder) -> Option<Self> {
        let identity = Self::of(recorder);
        let is_no_op = identity.size == 0
            && (identity.address != align_of_val(recorder)
                || identity.vtable == pointer_parts(&NoopRecorder).1);
        (!is_no_op).then_some(identity)
    }
}

/// Returns the address and the vtable of a pointer. A pointer hashes both, and the vtable is not available otherwise.
fn pointer_parts(recorder: &dyn Recorder) -> (usize, usize) {
    #[derive(Default)]
    struct Words {
        last: [usize; 2],
    }
    impl Hasher for Words {
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.last[1] = self.last[1].rotate_left(8) ^ usize::from(*byte);
            }
        }
        fn write_usize(&mut self, word: usize) {
            self.last = [self.last[1], word];
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut words = Words::default();
    ptr::from_ref(recorder).hash(&mut words);
    let address = ptr::from_ref(recorder).cast::<()>().addr();
    (address, words.last[1])
}
