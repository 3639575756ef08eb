//! How listeners are bound: the options, what goes wrong, and the file of a unix socket.

mod error;
mod options;
mod path;

pub use self::error::BindError;
pub use self::options::Bind;
pub(crate) use self::path::OwnPath;
