//! Families that several crates record: one descriptor each, so that unit and help do not depend on who registers first.

use crate::Descriptor;

/// Observations whose label value was replaced by [`OTHER`](crate::OTHER).
pub const SERIES_FOLDED: Descriptor = Descriptor::counter(
    "campanile_series_folded_total",
    None,
    "Observations counted under the label value `other` because a limit on label values was reached",
    &[],
);

/// Open upgraded connections: counted by listeners for HTTP/1, by guards for tunnels over HTTP/2.
pub const UPGRADED_CONNECTIONS: Descriptor = Descriptor::gauge(
    "http_server_upgraded_connections",
    None,
    "Upgraded connections and tunnels that are open",
    &[],
);

/// The label of [`CLOSURE_PANICS`].
pub(crate) const CLOSURE: &str = "closure";

/// Caught panics of closures that the program passed to campanile, by the name of the closure.
pub const CLOSURE_PANICS: Descriptor = Descriptor::counter(
    "campanile_closure_panics_total",
    None,
    "Panics of closures of the program, which were caught",
    &[CLOSURE],
);
