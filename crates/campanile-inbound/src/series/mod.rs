//! The series of the inbound layers: blocks of handles, found once per request.

mod at_end;
mod route;
mod routes;
mod rpc;
mod status;
mod table;

pub(crate) use self::{
    route::RouteSeries,
    rpc::RpcSeries,
    table::{ROUTE_LIMIT, RPC_LIMIT, ServerSeries, global, of_recorder},
};
