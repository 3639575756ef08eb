//! The table of requests in flight. It is the process's, so the tests take turns.

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

const SEATS: usize = 65_536;

/// Lets one test at a time have the table, and sees that it finds and leaves it empty.
struct Turn(#[allow(dead_code, reason = "held")] MutexGuard<'static, ()>);

fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = Turn(TURN.lock().unwrap_or_else(PoisonError::into_inner));
    assert!(snapshot().is_empty());
    turn
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(snapshot().is_empty());
        }
    }
}

fn id(text: &str) -> RequestId {
    text.parse().expect("a valid id")
}

fn sit(text: &str, method: u8) -> Option<InFlightEntry> {
    InFlightEntry::take(&id(text), method, FastInstant::now())
}

fn row(text: &str) -> Option<InFlightRequest> {
    snapshot().into_iter().find(|row| row.id == text)
}

#[test]
fn a_row_tells_what_is_known_of_its_request() {
    let _turn = turn();
    let started = FastInstant::now();
    std::thread::sleep(Duration::from_millis(2));
    let seat = InFlightEntry::take(&id("order-7"), 3, started).unwrap();
    let seat_ref = seat.reference();
    let first = row("order-7").unwrap();
    assert_eq!(
        (first.method, first.phase, first.route, first.host),
        (3, RequestPhase::App, None, None)
    );
    assert!(first.age >= Duration::from_millis(2), "{:?}", first.age);

    seat_ref.set_route(InternedName::new("/orders/{id}"));
    seat_ref.set_calling(InternedName::new("stock"));
    let calling = row("order-7").unwrap();
    assert_eq!(calling.route, Some("/orders/{id}"));
    assert_eq!(
        (calling.phase, calling.host),
        (RequestPhase::Calling, Some("stock"))
    );
    assert!(calling.age >= first.age);

    seat_ref.set_app();
    let back = row("order-7").unwrap();
    assert_eq!(
        (back.phase, back.host, back.route),
        (RequestPhase::App, None, Some("/orders/{id}"))
    );

    seat_ref.set_calling(InternedName::new("stock"));
    seat_ref.set_body();
    let body = row("order-7").unwrap();
    assert_eq!(
        (body.phase, body.host, body.route),
        (RequestPhase::Body, None, Some("/orders/{id}"))
    );
    assert_eq!(
        [first.phase, calling.phase, body.phase].map(RequestPhase::as_str),
        ["app", "calling", "body"]
    );
    drop(seat);
    assert_eq!(row("order-7"), None);
}

#[test]
fn ids_of_every_length_are_told_whole() {
    let _turn = turn();
    let seats: Vec<_> = (1..=256)
        .map(|len| (len, sit(&"x".repeat(len), 0).unwrap()))
        .collect();
    let mut lengths: Vec<_> = snapshot().iter().map(|row| row.id.len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, (1..=256).collect::<Vec<_>>());
    drop(seats);
}

#[test]
fn a_seat_is_used_again_and_nothing_is_left_of_the_last_request() {
    let _turn = turn();
    let first = sit(&"long".repeat(60), 1).unwrap();
    first.reference().set_route(InternedName::new("/first"));
    first.reference().set_calling(InternedName::new("first-host"));
    let last = first.reference();
    drop(first);
    let second = sit("b", 2).unwrap();
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
fn a_reference_has_no_effect_after_the_end() {
    let _turn = turn();
    let first = sit("first", 1).unwrap();
    let late = first.reference();
    drop(first);
    late.set_body();
    assert!(snapshot().is_empty());
    let second = sit("second", 1).unwrap();
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
fn a_reference_has_no_effect_however_often_its_seat_is_used_again() {
    let _turn = turn();
    let first = sit("first", 1).unwrap();
    let late = first.reference();
    drop(first);
    let (id, now) = (id("other"), FastInstant::now());
    // As many generations as the word with the route has bits for, and one on either side.
    for _ in 0..(1 << 19) - 2 {
        drop(InFlightEntry::take(&id, 0, now));
    }
    for _ in 0..3 {
        let seat = InFlightEntry::take(&id, 0, now);
        late.set_body();
        assert_eq!(row("other").unwrap().phase, RequestPhase::App);
        drop(seat);
    }
}

#[test]
fn a_reference_works_from_another_thread() {
    let _turn = turn();
    let seat = sit("order-7", 1).unwrap();
    let seat_ref = seat.reference();
    std::thread::spawn(move || seat_ref.set_body()).join().unwrap();
    assert_eq!(row("order-7").unwrap().phase, RequestPhase::Body);
}

#[test]
fn rows_are_whole_while_four_threads_take_and_give_back_ten_thousand_seats() {
    let _turn = turn();
    let (done, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    let running = Barrier::new(5);
    let labels = [0_u8, 1, 2, 3].map(|n| InternedName::new(&format!("/thread/{n}")));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u8)
            .map(|thread| {
                let (running, seen, label) = (&running, &seen, labels[usize::from(thread)]);
                scope.spawn(move || {
                    running.wait();
                    // Goes on until the reader has had its share of the processor, but not for ever.
                    let enough = |n| n >= 10_000 && seen.load(Ordering::Relaxed) >= 100 || n == 200_000;
                    for n in (0..).take_while(|n| !enough(*n)) {
                        // The length and every part of the id tell the method and the route.
                        let text = format!("{thread}-{n}-").repeat(1 + usize::from(thread) * 8);
                        let seat = sit(&text, thread).expect("there are seats");
                        seat.reference().set_route(label);
                        seat.reference().set_calling(label);
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

/// Takes seats on this thread until there are none. The threads of tests that are just over may still keep a handful,
/// so a later count may be higher than an earlier one.
fn take_all() -> Vec<InFlightEntry> {
    let (id, now) = (id("one-of-many"), FastInstant::now());
    std::iter::from_fn(|| InFlightEntry::take(&id, 0, now)).collect()
}

/// Runs `f` on a thread of its own, so that the seats which that thread keeps come back with its end.
fn on_a_thread<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    std::thread::spawn(f).join().expect("no panic")
}

#[test]
fn beyond_the_last_seat_there_is_none_and_all_come_back() {
    let _turn = turn();
    for _ in 0..2 {
        on_a_thread(|| {
            let seats = take_all();
            assert!(
                (SEATS - 64 * 32..=SEATS).contains(&seats.len()),
                "{}",
                seats.len()
            );
            assert!(sit("no-room", 0).is_none());
            assert_eq!(snapshot().len(), seats.len());
            let mut seats = seats;
            drop(seats.pop());
            assert!(sit("room", 0).is_some());
        });
        assert!(snapshot().is_empty());
    }
}

#[test]
fn seats_taken_on_one_thread_may_be_given_back_on_another() {
    let _turn = turn();
    let before = on_a_thread(|| take_all().len());
    for _ in 0..3 {
        let seats = on_a_thread(take_all);
        assert!(seats.len() >= before);
        on_a_thread(move || drop(seats));
    }
    assert!(on_a_thread(|| take_all().len()) >= before);
}

#[test]
fn threads_that_end_give_their_seats_back() {
    let _turn = turn();
    let before = on_a_thread(|| take_all().len());
    // Each keeps a handful for itself; together they would need more than there are.
    for _ in 0..SEATS / 32 + 100 {
        on_a_thread(|| drop(sit("short", 0).expect("there are seats")));
    }
    assert!(on_a_thread(|| take_all().len()) >= before);
}

#[test]
fn a_label_is_the_same_for_the_same_name() {
    let one = InternedName::new("/users/{id}");
    assert_eq!(one, InternedName::new(&String::from("/users/{id}")));
    assert_ne!(one, InternedName::new("/orders/{id}"));
    assert_eq!(one.as_str(), Some("/users/{id}"));
    assert_eq!(InternedName::default().as_str(), None);
}
