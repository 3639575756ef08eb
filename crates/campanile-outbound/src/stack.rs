//! The layers of outgoing calls, in their order.

use crate::{MetricsLayer, PropagateLayer};

/// [`MetricsLayer`] around [`PropagateLayer`]. See [`stack`].
pub type Stack = tower_layer::Stack<PropagateLayer, MetricsLayer>;

/// Returns the layers of outgoing calls in their order: metrics outside, propagation inside.
///
/// Metrics stand outside so that they count what propagation ends by itself: a call whose deadline has passed.
#[must_use]
pub fn stack() -> Stack {
    tower_layer::Stack::new(PropagateLayer::new(), MetricsLayer::new())
}
