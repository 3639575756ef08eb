//! A short list of series by their labels.

use std::sync::OnceLock;

/// A list that only grows, found by comparing keys in the order of their coming. For the few combinations of labels that
/// one route has.
pub(super) struct KeyedList<K, V>(OnceLock<Box<Node<K, V>>>);

struct Node<K, V> {
    key: K,
    value: V,
    next: KeyedList<K, V>,
}

impl<K, V> Default for KeyedList<K, V> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<K: Copy + PartialEq, V: Default> KeyedList<K, V> {
    /// Returns the first key that fits.
    pub(super) fn first(&self, fits: impl Fn(K) -> bool) -> Option<K> {
        let mut list = self;
        while let Some(node) = list.0.get() {
            if fits(node.key) {
                return Some(node.key);
            }
            list = &node.next;
        }
        None
    }

    /// Finds the value of a key, or appends a new one.
    pub(super) fn get(&self, key: K) -> &V {
        let mut list = self;
        loop {
            let node = list.0.get_or_init(|| {
                Box::new(Node {
                    key,
                    value: V::default(),
                    next: Self::default(),
                })
            });
            if node.key == key {
                return &node.value;
            }
            list = &node.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn threads_that_race_agree_on_one_value_per_key() {
        let list: KeyedList<u16, AtomicUsize> = KeyedList::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for key in 0..100 {
                        list.get(key).fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        for key in 0..100 {
            assert_eq!(list.get(key).load(Ordering::Relaxed), 4);
        }
    }
}
