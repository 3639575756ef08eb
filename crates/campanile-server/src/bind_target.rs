//! A listener to bind, or one that is bound already.

use campanile_listen::{Bind, ListenAddress, Listener};
use campanile_metrics::RecorderHandle;

use crate::error::{ServeError, ServeErrorKind};
#[cfg(feature = "tls")]
use crate::tls::Tls;

pub(crate) struct BindTarget {
    pub(crate) source: BindSource,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}

pub(crate) enum BindSource {
    /// Parsed when it is bound.
    Address(String),
    Bind(Bind),
    Listener(Listener),
}

impl BindTarget {
    pub(crate) fn new(source: BindSource) -> Self {
        Self {
            source,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn with_tls(source: BindSource, tls: Tls) -> Self {
        let tls = Some(tls);
        Self { source, tls }
    }
}

impl BindSource {
    /// Binds the listener. The connection limit applies to plain addresses, the recorder to all but bound listeners.
    pub(crate) fn bind(
        self,
        max_connections: Option<usize>,
        recorder: RecorderHandle,
    ) -> Result<Listener, ServeError> {
        let mut bind = match self {
            Self::Listener(listener) => return Ok(listener),
            Self::Bind(bind) => bind,
            Self::Address(text) => {
                let address = text.parse::<ListenAddress>().map_err(ServeErrorKind::Address)?;
                match max_connections {
                    Some(limit) => Bind::new(address).with_connection_limit(limit),
                    None => Bind::new(address),
                }
            }
        };
        // A `Bind` may have a recorder of its own.
        if recorder != RecorderHandle::global() {
            bind = bind.with_recorder(recorder);
        }
        Ok(bind.bind().map_err(ServeErrorKind::Bind)?)
    }
}
