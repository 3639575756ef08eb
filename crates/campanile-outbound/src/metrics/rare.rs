//! What few calls have: a gRPC method that nobody has answered before, a line in the log.

use campanile_core::seldom::Seldom;
use http::{Request, uri::PathAndQuery};

use super::log::Line;

/// What has to be known of few calls until their end.
pub(super) struct Rare {
    /// The path of the gRPC method, until it is known whether anybody implements it.
    pub(super) unproven: Option<PathAndQuery>,
    pub(super) line: Option<Line>,
}

impl Rare {
    pub(super) fn of<B>(request: &Request<B>, is_unproven: bool) -> Seldom<Self> {
        let path = request.uri().path_and_query().filter(|_| is_unproven);
        let this = Self {
            unproven: path.cloned(),
            line: Line::begin(request),
        };
        if this.unproven.is_none() && this.line.is_none() {
            return Seldom::nothing();
        }
        Seldom::new(this)
    }
}
