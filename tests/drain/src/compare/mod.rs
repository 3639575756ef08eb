//! Stops each peer many times under the same load, and makes a table of what its clients saw.

mod listener;
mod process;
mod run;
mod stop;
mod table;

pub use self::{
    run::Comparison,
    table::{Form, Row, Table},
};
