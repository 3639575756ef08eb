//! How a listener is spelt in the label `listener`, and how those are that would be spelt alike.

use metrics::SharedString;

/// Returns `base`, or `base#1`, `base#2`, … where that is taken: the further sockets of a `SO_REUSEPORT` group.
pub(crate) fn free_label(base: &str, taken: impl Fn(&str) -> bool) -> SharedString {
    if !taken(base) {
        return SharedString::from_shared(base.into());
    }
    let mut number = 1_u32;
    loop {
        let label = format!("{base}#{number}");
        if !taken(&label) {
            return SharedString::from_shared(label.into());
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_free_number_is_taken() {
        let taken = ["a", "a#1", "a#3"];
        assert_eq!(&*free_label("b", |label| taken.contains(&label)), "b");
        assert_eq!(&*free_label("a", |label| taken.contains(&label)), "a#2");
    }
}
