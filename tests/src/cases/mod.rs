//! The measured cases: a trivial service, bare and under each layer.
//!
//! A request has three headers; the service answers at once with one header and eleven bytes. As hyper does, the
//! service is cloned for each request; the body is read to its end and everything is dropped. No sockets, no
//! runtime. The recorder does nothing, so what is left is the layers' own share.

mod idle;
mod inbound;
mod outbound;
mod recorders;
mod requests;
mod routers;
mod run;
mod services;

/// A case: does one request.
pub struct Case {
    /// What it measures.
    pub name: &'static str,
    /// The case whose time is taken off.
    pub baseline: &'static str,
    /// Does one request.
    pub run: Box<dyn FnMut()>,
}

/// All cases; each follows the baseline that it is compared to.
pub fn all() -> Vec<Case> {
    let mut all = inbound::cases();
    all.extend(outbound::cases());
    all.extend(routers::cases());
    all.extend(recorders::cases());
    all
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
