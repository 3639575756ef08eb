//! Shuts each peer down many times under the same load, and tabulates the outcomes.

mod accept_queue;
mod process;
mod run;
mod shutdown;
mod table;

pub use self::{
    run::Comparison,
    table::{PeerRow, Table, TableFormat},
};
