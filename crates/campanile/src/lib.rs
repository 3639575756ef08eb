#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "admin")]
#[doc(inline)]
pub use campanile_admin as admin;
#[cfg(feature = "backlog")]
#[doc(inline)]
pub use campanile_backlog as backlog;
#[cfg(feature = "client")]
#[doc(inline)]
pub use campanile_client as client;
#[doc(inline)]
pub use campanile_http as http;
#[cfg(feature = "lifecycle")]
#[doc(inline)]
pub use campanile_lifecycle as lifecycle;
#[cfg(feature = "listen")]
#[doc(inline)]
pub use campanile_listen as listen;
#[cfg(feature = "recorder")]
#[doc(inline)]
pub use campanile_recorder as recorder;
#[cfg(feature = "serve")]
#[doc(inline)]
pub use campanile_serve as serve;
#[cfg(feature = "server")]
#[doc(inline)]
pub use campanile_server as server;
