//! What few calls have: a gRPC method that nobody has answered before, a line in the log.

use http::{Request, uri::PathAndQuery};

use super::log::Line;

/// What has to be known of few calls until their end.
pub(super) struct Rare {
    /// The path of the gRPC method, until it is known whether anybody implements it.
    pub(super) unproven: Option<PathAndQuery>,
    pub(super) line: Option<Line>,
}

/// [`Rare`], where it is not known.
pub(super) trait Rarity: Send + Sync {
    fn known(&mut self) -> &mut Rare;
}

impl Rarity for Rare {
    fn known(&mut self) -> &mut Rare {
        self
    }
}

impl Rare {
    pub(super) fn of<B>(request: &Request<B>, is_unproven: bool) -> Option<Box<dyn Rarity>> {
        let path = request.uri().path_and_query().filter(|_| is_unproven);
        let this = Self {
            unproven: path.cloned(),
            line: Line::begin(request),
        };
        if this.unproven.is_none() && this.line.is_none() {
            return None;
        }
        Some(Box::new(this))
    }
}
