//! The table of series.

use campanile_core::series::{SeriesKey, SeriesTable};

#[test]
fn get_finds_inserted_keys_only() {
    let table = SeriesTable::new();
    assert!(table.is_empty());
    assert_eq!(table.get(SeriesKey::new(0, "a", "bc")), None);
    assert_eq!(*table.get_or_insert(SeriesKey::new(0, "a", "bc"), || 1), 1);
    assert_eq!(*table.get_or_insert(SeriesKey::new(0, "ab", "c"), || 2), 2);
    assert_eq!(*table.get_or_insert(SeriesKey::new(1, "a", "bc"), || 3), 3);
    assert_eq!(
        *table.get_or_insert(SeriesKey::new(0, "a", "bc"), || panic!("the key is present")),
        1
    );
    assert_eq!(table.get(SeriesKey::new(0, "ab", "c")), Some(&2));
    assert_eq!(table.get(SeriesKey::new(2, "a", "bc")), None);
    let mut all = Vec::new();
    table.for_each(|first, second, value| all.push((first.to_owned(), second.to_owned(), *value)));
    all.sort();
    assert_eq!(
        all,
        [
            ("a".into(), "bc".into(), 1),
            ("a".into(), "bc".into(), 3),
            ("ab".into(), "c".into(), 2)
        ]
    );
}

#[test]
fn a_panic_in_make_leaves_the_table_usable() {
    let table = SeriesTable::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        table.get_or_insert(SeriesKey::new(0, "a", ""), || -> u8 { panic!("on purpose") });
    }));
    assert!(panicked.is_err());
    assert!(table.is_empty());
    assert_eq!(*table.get_or_insert(SeriesKey::new(0, "a", ""), || 7), 7);
}

#[test]
fn readers_find_entries_while_the_table_grows() {
    let table = SeriesTable::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let table = &table;
            scope.spawn(move || {
                for n in 0..3_000_usize {
                    let name = n.to_string();
                    let key = SeriesKey::new(thread, &name, "x");
                    assert_eq!(*table.get_or_insert(key, || n), n);
                    let earlier = (n / 2).to_string();
                    assert_eq!(table.get(SeriesKey::new(thread, &earlier, "x")), Some(&(n / 2)));
                }
            });
        }
    });
    assert_eq!(table.len(), 12_000);
}
