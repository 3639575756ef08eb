//! What is known of the request being served, for whoever is called while it is.

mod request;
mod scoped;

pub use self::{
    request::{Entered, Lent, RequestContext},
    scoped::Scoped,
};
