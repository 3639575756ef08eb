//! Reports to the gRPC health service.

use campanile_lifecycle::report_health;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_server::Health};
use tonic_health::server::{HealthReporter, HealthService};

use crate::support::{lifecycle, within};

async fn status(service: &HealthService, name: &str) -> ServingStatus {
    let request = HealthCheckRequest {
        service: name.to_owned(),
    };
    let response = service.check(tonic::Request::new(request)).await;
    let response = response.expect("the service is registered");
    response.into_inner().status()
}

#[tokio::test(start_paused = true)]
async fn status_is_serving_from_ready_until_the_drain() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let latch = lifecycle.latch("start");
    let reporter = HealthReporter::new();
    let service = HealthService::from_health_reporter(reporter.clone());
    let reporting = tokio::spawn(report_health(handle.clone(), reporter, ["stock.v1.Stock"]));
    let running = tokio::spawn(lifecycle.run());
    tokio::task::yield_now().await;
    for name in ["", "stock.v1.Stock"] {
        assert_eq!(
            status(&service, name).await,
            ServingStatus::NotServing,
            "starting {name}"
        );
    }
    latch.release();
    handle.ready().await;
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    for name in ["", "stock.v1.Stock"] {
        assert_eq!(
            status(&service, name).await,
            ServingStatus::Serving,
            "ready {name}"
        );
    }
    handle.drain();
    within("end of the reports", reporting).await.unwrap();
    for name in ["", "stock.v1.Stock"] {
        assert_eq!(
            status(&service, name).await,
            ServingStatus::NotServing,
            "draining {name}"
        );
    }
    assert!(handle.is_draining() && !running.is_finished());
}
