//! The layers record metrics without allocating.
//!
//! A test binary of its own, because it replaces the global allocator.

use campanile_tests::bench_cases;

/// Returns the number of allocations of one request after a warm-up.
fn allocations(name: &str) -> u64 {
    const REQUESTS: u64 = 100;
    let mut cases = bench_cases::all();
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
        "{name}: requests differ in their allocations"
    );
    assert_eq!(
        counted.count_current, 0,
        "{name}: a request leaves memory allocated"
    );
    counted.count_total / REQUESTS
}

#[test]
fn metrics_allocate_nothing_around_a_tower_service() {
    let bare = allocations("tower: bare");
    for case in [
        "tower: metrics: count, duration, active",
        "tower: metrics: every family",
        "tower: in-flight limit",
        "tower: deadline layer, no deadline",
    ] {
        assert_eq!(allocations(case), bare, "{case}");
    }
}

#[test]
fn metrics_allocate_only_the_box_that_axum_makes_for_a_changed_body() {
    let no_op = allocations("axum: layer that does nothing");
    // One more than for a layer that keeps the body type, which axum does not box again.
    for case in [
        "axum: metrics: count, duration, active",
        "axum: metrics: every family",
    ] {
        assert_eq!(allocations(case), no_op + 1, "{case}; no-op layer: {no_op}");
    }
}

#[test]
fn a_request_id_allocates_only_the_text_of_a_generated_id() {
    let bare = allocations("tower: bare, id in the request");
    assert_eq!(allocations("tower: id taken, scoped, echoed"), bare);
    // Text and header value are one allocation.
    let bare = allocations("tower: bare");
    assert_eq!(allocations("tower: id generated, scoped, echoed"), bare + 1);
}

#[test]
fn the_stack_allocates_nothing_of_its_own() {
    let bare = allocations("tower: bare, id in the request");
    assert_eq!(allocations("tower: stack(), every family"), bare);
    // The box that axum makes for a changed body, and the text of the generated id.
    let no_op = allocations("axum: layer that does nothing");
    assert_eq!(allocations("axum: stack(), every family"), no_op + 2);
}
