//! Holds the limit of series over all files.

use std::collections::BTreeMap;

use crate::{
    Labels,
    processes::totals::{Total, merge},
    registry::OVERFLOW,
};

/// Leaves a metric as many series as allowed, and adds those beyond to its overflow series.
///
/// The oldest stay. A counter is never removed, only added to, so one that is beyond once is beyond for ever: no total
/// goes to and fro between its own series and that of the others.
pub(crate) fn limit_series<T>(
    totals: &mut BTreeMap<Labels, Total<T>>,
    limit: usize,
    add: impl Fn(&mut T, T),
) {
    let overflow = Labels::new([OVERFLOW]);
    let series = totals.len() - usize::from(totals.contains_key(&overflow));
    if series <= limit {
        return;
    }
    let mut by_age: Vec<(u64, Labels)> = totals
        .iter()
        .filter(|(labels, _)| **labels != overflow)
        .map(|(labels, total)| (total.since, labels.clone()))
        .collect();
    by_age.sort_unstable();
    for (_, labels) in &by_age[limit..] {
        if let Some(Total { since, value }) = totals.remove(labels) {
            merge(totals, &overflow, since, value, &add);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_series_stay_and_the_others_share_one() {
        let mut totals: BTreeMap<Labels, Total<u64>> = [("a", 3), ("b", 1), ("c", 2), ("d", 4)]
            .into_iter()
            .map(|(id, since)| (Labels::new([("id", id)]), Total { since, value: since }))
            .collect();
        limit_series(&mut totals, 2, |total, value| *total += value);
        limit_series(&mut totals, 2, |total, value| *total += value);
        let left: Vec<_> = totals
            .iter()
            .map(|(labels, total)| (labels.as_str(), total.value))
            .collect();
        assert_eq!(
            left,
            [
                ("id=\"b\"", 1),
                ("id=\"c\"", 2),
                ("otel_metric_overflow=\"true\"", 7)
            ]
        );
    }
}
