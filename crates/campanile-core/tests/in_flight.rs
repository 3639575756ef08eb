//! The table of requests in flight. Each process has one, so the tests run one at a time.

use std::{
    sync::{
        Barrier, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile_core::{
    RequestId,
    clock::FastInstant,
    in_flight::{InFlightEntry, InFlightRequest, InternedName, RequestPhase, snapshot},
};

const ROWS: usize = 65_536;

/// Excludes other tests, and asserts that the table is empty before and after.
struct Exclusive(#[allow(dead_code, reason = "held")] MutexGuard<'static, ()>);

fn exclusive() -> Exclusive {
    static LOCK: Mutex<()> = Mutex::new(());
    let exclusive = Exclusive(LOCK.lock().unwrap_or_else(PoisonError::into_inner));
    assert!(snapshot().is_empty());
    exclusive
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(snapshot().is_empty());
        }
    }
}

fn id(text: &str) -> RequestId {
    text.parse().expect("a valid id")
}

fn take(text: &str, method: u8) -> Option<InFlightEntry> {
    InFlightEntry::take(&id(text), method, FastInstant::now())
}

fn row(text: &str) -> Option<InFlightRequest> {
    snapshot().into_iter().find(|row| row.id == text)
}

#[test]
fn a_row_has_what_was_recorded_of_its_request() {
    let _exclusive = exclusive();
    let started = FastInstant::now();
    std::thread::sleep(Duration::from_millis(2));
    let entry = InFlightEntry::take(&id("order-7"), 3, started).unwrap();
    let reference = entry.reference();
    let first = row("order-7").unwrap();
    assert_eq!(
        (first.method, first.phase, first.route, first.host),
        (3, RequestPhase::App, None, None)
    );
    assert!(first.age >= Duration::from_millis(2), "{:?}", first.age);

    reference.set_route(InternedName::new("/orders/{id}"));
    reference.set_calling(InternedName::new("stock"));
    let calling = row("order-7").unwrap();
    assert_eq!(calling.route, Some("/orders/{id}"));
    assert_eq!(
        (calling.phase, calling.host),
        (RequestPhase::Calling, Some("stock"))
    );
    assert!(calling.age >= first.age);

    reference.set_app();
    let back = row("order-7").unwrap();
    assert_eq!(
        (back.phase, back.host, back.route),
        (RequestPhase::App, None, Some("/orders/{id}"))
    );

    reference.set_calling(InternedName::new("stock"));
    reference.set_body();
    let body = row("order-7").unwrap();
    assert_eq!(
        (body.phase, body.host, body.route),
        (RequestPhase::Body, None, Some("/orders/{id}"))
    );
    assert_eq!(
        [first.phase, calling.phase, body.phase].map(RequestPhase::as_str),
        ["app", "calling", "body"]
    );
    drop(entry);
    assert_eq!(row("order-7"), None);
}

#[test]
fn ids_of_each_length_are_read_complete() {
    let _exclusive = exclusive();
    let entries: Vec<_> = (1..=256)
        .map(|len| (len, take(&"x".repeat(len), 0).unwrap()))
        .collect();
    let mut lengths: Vec<_> = snapshot().iter().map(|row| row.id.len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, (1..=256).collect::<Vec<_>>());
    drop(entries);
}

#[test]
fn a_reused_row_has_nothing_of_the_previous_request() {
    let _exclusive = exclusive();
    let first = take(&"long".repeat(60), 1).unwrap();
    first.reference().set_route(InternedName::new("/first"));
    first.reference().set_calling(InternedName::new("first-host"));
    let last = first.reference();
    drop(first);
    let second = take("b", 2).unwrap();
    assert_ne!(last, second.reference());
    let rows = snapshot();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].id.as_str(), rows[0].method), ("b", 2));
    assert_eq!(
        (rows[0].route, rows[0].host, rows[0].phase),
        (None, None, RequestPhase::App)
    );
}

#[test]
fn a_reference_has_no_effect_after_the_request_ends() {
    let _exclusive = exclusive();
    let first = take("first", 1).unwrap();
    let late = first.reference();
    drop(first);
    late.set_body();
    assert!(snapshot().is_empty());
    let second = take("second", 1).unwrap();
    late.set_route(InternedName::new("/late"));
    late.set_calling(InternedName::new("late"));
    let seen = row("second").unwrap();
    assert_eq!(
        (seen.route, seen.host, seen.phase),
        (None, None, RequestPhase::App)
    );
    drop(second);
}

#[test]
fn a_reference_has_no_effect_after_the_generation_wraps() {
    let _exclusive = exclusive();
    let first = take("first", 1).unwrap();
    let late = first.reference();
    drop(first);
    let (id, now) = (id("other"), FastInstant::now());
    // As many generations as the state has bits for, and one more and one less.
    for _ in 0..(1 << 19) - 2 {
        drop(InFlightEntry::take(&id, 0, now));
    }
    for _ in 0..3 {
        let entry = InFlightEntry::take(&id, 0, now);
        late.set_body();
        assert_eq!(row("other").unwrap().phase, RequestPhase::App);
        drop(entry);
    }
}

#[test]
fn a_reference_works_from_another_thread() {
    let _exclusive = exclusive();
    let entry = take("order-7", 1).unwrap();
    let reference = entry.reference();
    std::thread::spawn(move || reference.set_body()).join().unwrap();
    assert_eq!(row("order-7").unwrap().phase, RequestPhase::Body);
}

#[test]
fn rows_are_consistent_while_four_threads_take_and_return_them() {
    let _exclusive = exclusive();
    let (done, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    let running = Barrier::new(5);
    let labels = [0_u8, 1, 2, 3].map(|n| InternedName::new(&format!("/thread/{n}")));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u8)
            .map(|thread| {
                let (running, seen, label) = (&running, &seen, labels[usize::from(thread)]);
                scope.spawn(move || {
                    running.wait();
                    // Continues until the reader has run, up to a limit.
                    let enough = |n| n >= 10_000 && seen.load(Ordering::Relaxed) >= 100 || n == 200_000;
                    for n in (0..).take_while(|n| !enough(*n)) {
                        // Length and each part of the id encode the method and the route.
                        let text = format!("{thread}-{n}-").repeat(1 + usize::from(thread) * 8);
                        let entry = take(&text, thread).expect("a row is free");
                        entry.reference().set_route(label);
                        entry.reference().set_calling(label);
                        if n % 16 == 0 {
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            running.wait();
            while !done.load(Ordering::Relaxed) {
                for row in snapshot() {
                    seen.fetch_add(1, Ordering::Relaxed);
                    let part = &row.id[..=row.id.match_indices('-').nth(1).expect("two dashes").0];
                    let times = 1 + usize::from(row.method) * 8;
                    assert_eq!(row.id, part.repeat(times), "{row:?}");
                    assert!(part.starts_with(&format!("{}-", row.method)), "{row:?}");
                    let own = format!("/thread/{}", row.method);
                    assert!(
                        [row.route, row.host]
                            .into_iter()
                            .flatten()
                            .all(|name| name == own),
                        "{row:?}"
                    );
                    assert_eq!(row.host.is_some(), row.phase == RequestPhase::Calling, "{row:?}");
                    assert!(row.host.is_none() || row.route.is_some(), "{row:?}");
                    assert!(row.age < Duration::from_secs(60), "{row:?}");
                }
            }
        });
        for thread in threads {
            thread.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert!(seen.into_inner() >= 100);
}

/// Takes rows on this thread until none is free. Threads of tests that have just ended may still hold free rows, so a
/// later count may be higher than an earlier one.
fn take_all() -> Vec<InFlightEntry> {
    let (id, now) = (id("one-of-many"), FastInstant::now());
    std::iter::from_fn(|| InFlightEntry::take(&id, 0, now)).collect()
}

/// Runs `f` on a new thread, whose free rows return to the table when it ends.
fn on_new_thread<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    std::thread::spawn(f).join().expect("no panic")
}

#[test]
fn a_full_table_has_no_row_and_all_rows_return() {
    let _exclusive = exclusive();
    for _ in 0..2 {
        on_new_thread(|| {
            let mut entries = take_all();
            assert!(
                (ROWS - 64 * 32..=ROWS).contains(&entries.len()),
                "{}",
                entries.len()
            );
            assert!(take("too-many", 0).is_none());
            assert_eq!(snapshot().len(), entries.len());
            drop(entries.pop());
            assert!(take("fits", 0).is_some());
        });
        assert!(snapshot().is_empty());
    }
}

#[test]
fn rows_can_be_taken_on_one_thread_and_returned_on_another() {
    let _exclusive = exclusive();
    let before = on_new_thread(|| take_all().len());
    for _ in 0..3 {
        let entries = on_new_thread(take_all);
        assert!(entries.len() >= before);
        on_new_thread(move || drop(entries));
    }
    assert!(on_new_thread(|| take_all().len()) >= before);
}

#[test]
fn an_ending_thread_returns_its_free_rows() {
    let _exclusive = exclusive();
    let before = on_new_thread(|| take_all().len());
    // Each thread holds 32 free rows; together they would need more than the table has.
    for _ in 0..ROWS / 32 + 100 {
        on_new_thread(|| drop(take("short", 0).expect("a row is free")));
    }
    assert!(on_new_thread(|| take_all().len()) >= before);
}

#[test]
fn equal_names_are_interned_once() {
    let one = InternedName::new("/users/{id}");
    assert_eq!(one, InternedName::new(&String::from("/users/{id}")));
    assert_ne!(one, InternedName::new("/orders/{id}"));
    assert_eq!(one.as_str(), Some("/users/{id}"));
    assert_eq!(InternedName::default().as_str(), None);
}
