//! The series of the inbound layers: blocks of handles, found once per request.

mod route;
mod rpc;
mod table;

pub(crate) use self::{
    route::{RouteSeries, StatusSeries},
    rpc::RpcSeries,
    table::{ROUTE_LIMIT, RPC_LIMIT, ServerSeries, global, of_recorder},
};
