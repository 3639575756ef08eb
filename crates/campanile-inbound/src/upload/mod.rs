//! Watches request bodies for clients that leave before they have sent all of it.
//!
//! The type of a request body must not change, so only the bodies that may hold any other are watched: axum's and tonic's. A
//! service over hyper's own body learns of it from campanile-server.

#[cfg(any(feature = "axum", feature = "tonic"))]
mod watched_body;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether the client of one request left before its body was complete. Shared by the body and the observer.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    client_left: AtomicBool,
}

impl Upload {
    /// Returns whether the client has left.
    pub(crate) fn has_client_left(&self) -> bool {
        // Acquire and release are not needed: the flag publishes nothing else.
        self.client_left.load(Ordering::Relaxed)
    }

    /// Begins to watch a request body; `None` if its type cannot hold another body.
    #[inline]
    #[cfg_attr(
        not(any(feature = "axum", feature = "tonic")),
        allow(unused_variables, reason = "there is no type that can be watched")
    )]
    pub(crate) fn watch<B: 'static>(body: &mut B) -> Option<Arc<Self>> {
        #[cfg(any(feature = "axum", feature = "tonic"))]
        {
            use std::any::Any;

            use self::watched_body::WatchedBody;

            #[cfg(feature = "axum")]
            if let Some(body) = (body as &mut dyn Any).downcast_mut::<axum::body::Body>() {
                let upload = Arc::new(Self::default());
                let watched = WatchedBody::new(std::mem::take(body), Arc::clone(&upload));
                *body = axum::body::Body::new(watched);
                return Some(upload);
            }
            #[cfg(feature = "tonic")]
            if let Some(body) = (body as &mut dyn Any).downcast_mut::<tonic::body::Body>() {
                let upload = Arc::new(Self::default());
                let watched = WatchedBody::new(std::mem::take(body), Arc::clone(&upload));
                *body = tonic::body::Body::new(watched);
                return Some(upload);
            }
        }
        None
    }

    /// Returns whether bodies of this type are watched. A constant to the compiler.
    #[inline(always)]
    pub(crate) fn watches<B: 'static>() -> bool {
        #[cfg(feature = "axum")]
        if std::any::TypeId::of::<B>() == std::any::TypeId::of::<axum::body::Body>() {
            return true;
        }
        #[cfg(feature = "tonic")]
        if std::any::TypeId::of::<B>() == std::any::TypeId::of::<tonic::body::Body>() {
            return true;
        }
        false
    }
}
