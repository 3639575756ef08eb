//! tonic services.

use campanile_server::Server;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::support::{start, times, within};

struct ChecksPeer;

#[tonic::async_trait]
impl Health for ChecksPeer {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let peer = request.remote_addr().expect("the server sets the remote address");
        let local = request.local_addr().expect("the server sets the local address");
        assert!(peer.ip().is_loopback() && local.ip().is_loopback());
        Ok(Response::new(HealthCheckResponse { status: 1 }))
    }

    type WatchStream = tokio_stream::Pending<Result<HealthCheckResponse, Status>>;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(tokio_stream::pending()))
    }
}

async fn check(address: std::net::SocketAddr) -> i32 {
    let channel = tonic::transport::Endpoint::new(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = tonic_health::pb::health_client::HealthClient::new(channel);
    let response = within("a response", client.check(HealthCheckRequest::default())).await;
    response.unwrap().into_inner().status
}

#[tokio::test]
async fn generated_service_and_routes_get_connect_info() {
    let running = start(times(0, 2000), Server::new(HealthServer::new(ChecksPeer))).await;
    assert_eq!(check(running.address).await, 1);
    let routes = Routes::new(HealthServer::new(ChecksPeer));
    let running = start(times(0, 2000), Server::new(routes)).await;
    assert_eq!(check(running.address).await, 1);
}
