//! The list of outcomes.

use std::collections::HashSet;

use campanile_core::Outcome;

#[test]
fn the_list_and_the_index_agree() {
    for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome.index(), place);
    }
    assert_eq!(HashSet::from(Outcome::ALL).len(), Outcome::ALL.len());
}

#[test]
fn the_words_are_those_of_the_label() {
    let words = Outcome::ALL.map(|outcome| outcome.to_string());
    assert_eq!(
        words,
        [
            "completed",
            "cancelled",
            "aborted",
            "timed_out",
            "shed",
            "panicked",
            "failed"
        ]
    );
    assert_eq!(words, Outcome::ALL.map(Outcome::as_str));
}
