//! Whether a layer encloses the running code.

use campanile_core::layer_id::LayerId;

#[test]
fn a_nested_layer_finds_itself_and_no_sibling() {
    let (one, other) = (Box::new(1_u8), Box::new(1_u8));
    let (one, other) = (LayerId::of(&*one), LayerId::of(&*other));
    assert!(!one.is_entered());
    one.enter();
    assert!(one.is_entered() && !other.is_entered());
    other.enter();
    assert!(one.is_entered() && other.is_entered());
    LayerId::leave();
    assert!(one.is_entered() && !other.is_entered());
    LayerId::leave();
    assert!(!one.is_entered());
}

#[test]
fn an_id_belongs_to_the_address_of_the_state() {
    let state = std::sync::Arc::new(5_u32);
    let clone = std::sync::Arc::clone(&state);
    assert_eq!(LayerId::of(&*state), LayerId::of(&*clone));
    assert_eq!(LayerId::of(&*state).with(0), LayerId::of(&*state));
    assert_ne!(LayerId::of(&*state).with(1), LayerId::of(&*state).with(2));
}

#[test]
fn layers_beyond_the_sixteenth_are_not_recorded() {
    let state = Box::new(0_u8);
    let layer = |depth| LayerId::of(&*state).with(depth);
    (0..100).for_each(|depth| layer(depth).enter());
    for depth in 0..100 {
        assert_eq!(layer(depth).is_entered(), depth < 16, "depth {depth}");
    }
    (0..100).for_each(|_| LayerId::leave());
    assert!(!layer(0).is_entered());
}
