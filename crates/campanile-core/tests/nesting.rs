//! Whether a layer already stands around the work at hand.

use std::panic::catch_unwind;

use campanile_core::nesting::LayerId;

#[test]
fn a_nested_layer_sees_itself_and_a_sibling_does_not() {
    let (one, other) = (Box::new(1_u8), Box::new(1_u8));
    let (one, other) = (LayerId::of(&*one), LayerId::of(&*other));
    assert!(!one.is_around());
    let around = one.enter();
    assert!(one.is_around() && !other.is_around());
    {
        let _inner = other.enter();
        assert!(one.is_around() && other.is_around());
    }
    assert!(one.is_around() && !other.is_around());
    drop(around);
    assert!(!one.is_around());
}

#[test]
fn an_identity_is_that_of_the_state_whoever_asks() {
    let state = std::sync::Arc::new(5_u32);
    let clone = std::sync::Arc::clone(&state);
    assert_eq!(LayerId::of(&*state), LayerId::of(&*clone));
    assert_eq!(LayerId::of(&*state).with(0), LayerId::of(&*state));
    assert_ne!(LayerId::of(&*state).with(1), LayerId::of(&*state).with(2));
}

#[test]
fn parts_of_a_layer_are_told_apart() {
    let state = Box::new(0_u8);
    let (first, second) = (LayerId::of(&*state).with(1), LayerId::of(&*state).with(2));
    let _around = first.enter();
    assert!(first.is_around() && !second.is_around());
}

#[test]
fn after_a_panic_it_is_clean() {
    let state = Box::new(0_u8);
    let layer = LayerId::of(&*state);
    let panicked = catch_unwind(|| {
        let _around = layer.enter();
        let _again = layer.with(1).enter();
        panic!("on purpose");
    });
    assert!(panicked.is_err());
    assert!(!layer.is_around() && !layer.with(1).is_around());
}

#[test]
fn deeper_than_sixteen_is_forgotten_and_nothing_else() {
    let state = Box::new(0_u8);
    let layer = |depth| LayerId::of(&*state).with(depth);
    let mut guards: Vec<_> = (0..100).map(|depth| layer(depth).enter()).collect();
    for depth in 0..100 {
        assert_eq!(layer(depth).is_around(), depth < 16, "depth {depth}");
    }
    while let Some(guard) = guards.pop() {
        drop(guard);
        let left = guards.len();
        assert_eq!(layer(15).is_around(), left > 15, "{left} left");
        assert_eq!(layer(0).is_around(), left > 0, "{left} left");
    }
    let _around = layer(50).enter();
    assert!(layer(50).is_around());
}

#[test]
fn another_thread_is_another_stack() {
    let state = Box::new(0_u8);
    let layer = LayerId::of(&*state);
    let _around = layer.enter();
    std::thread::scope(|scope| {
        let seen = scope.spawn(|| layer.is_around()).join().unwrap();
        assert!(!seen);
    });
}
