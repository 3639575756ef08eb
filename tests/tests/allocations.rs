//! The layers allocate nothing for metrics: counted, not timed.
//!
//! A test binary of its own, since it replaces the allocator's front.

use campanile_tests::cases;

/// Allocations of one request, once everything is interned.
fn allocations(name: &str) -> u64 {
    const REQUESTS: u64 = 100;
    let mut cases = cases::all();
    let case = cases
        .iter_mut()
        .find(|case| case.name == name)
        .expect("the case exists");
    for _ in 0..REQUESTS {
        (case.run)();
    }
    let counted = allocation_counter::measure(|| {
        for _ in 0..REQUESTS {
            (case.run)();
        }
    });
    assert_eq!(
        counted.count_total % REQUESTS,
        0,
        "{name}: the requests differ in their allocations"
    );
    assert_eq!(counted.count_current, 0, "{name}: something is kept of a request");
    counted.count_total / REQUESTS
}

#[test]
fn metrics_allocate_nothing_around_a_tower_service() {
    let bare = allocations("tower: bare");
    for case in [
        "tower: metrics: count, duration, active",
        "tower: metrics: every family",
        "tower: concurrency limit",
        "tower: deadline layer, no deadline",
    ] {
        assert_eq!(allocations(case), bare, "{case}");
    }
}

#[test]
fn metrics_allocate_nothing_beyond_the_box_that_axum_makes_of_every_changed_body() {
    let no_op = allocations("axum: layer that does nothing");
    // One more than a layer that leaves the body's type alone, whose body axum need not box again.
    for case in [
        "axum: metrics: count, duration, active",
        "axum: metrics: every family",
    ] {
        assert_eq!(
            allocations(case),
            no_op + 1,
            "{case}; a layer that does nothing: {no_op}"
        );
    }
}

#[test]
fn an_id_costs_its_context_and_its_place_in_the_extensions() {
    let bare = allocations("tower: bare, id in the request");
    // The context; the extensions' map, its table and the context's box in it.
    assert_eq!(allocations("tower: id taken, scoped, echoed"), bare + 4);
}
