//! Outcomes and their label values.

use std::collections::HashSet;

use campanile_core::Outcome;

#[test]
fn all_is_ordered_by_index() {
    for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome.index(), index);
    }
    assert_eq!(HashSet::from(Outcome::ALL).len(), Outcome::ALL.len());
}

#[test]
fn outcomes_are_displayed_as_label_values() {
    let values = Outcome::ALL.map(|outcome| outcome.to_string());
    assert_eq!(
        values,
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
    assert_eq!(values, Outcome::ALL.map(Outcome::as_str));
}
