//! The series of the inbound layers: blocks of handles, found once per request.

mod keyed_list;
mod route;
mod rpc;
mod table;

pub(crate) use self::{
    route::{EndLabels, ResponseLabels, RouteSeries},
    rpc::RpcSeries,
    table::{InboundSeries, ROUTE_LIMIT, RPC_LIMIT},
};
