//! Where a server listens, before it does.

use campanile_listen::{Bind, ListenAddress, Listener};
use metrics::Recorder;

use crate::ServeError;
use crate::error::Kind;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// Something to listen on.
pub(crate) struct Place {
    pub(crate) at: At,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}

pub(crate) enum At {
    Address(String),
    Bind(Bind),
    Listener(Listener),
}

impl At {
    /// Opens it.
    pub(crate) fn open(
        self,
        max_connections: Option<usize>,
        recorder: Option<&'static (dyn Recorder + Sync)>,
    ) -> Result<Listener, ServeError> {
        let mut bind = match self {
            Self::Listener(listener) => return Ok(listener),
            Self::Bind(bind) => bind,
            Self::Address(text) => {
                let bind = Bind::new(text.parse::<ListenAddress>().map_err(Kind::Address)?);
                match max_connections {
                    Some(limit) => bind.with_connection_limit(limit),
                    None => bind,
                }
            }
        };
        if let Some(recorder) = recorder {
            bind = bind.with_recorder(recorder);
        }
        Ok(bind.bind().map_err(Kind::Bind)?)
    }
}
