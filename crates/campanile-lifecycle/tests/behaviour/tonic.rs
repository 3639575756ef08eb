//! gRPC's health service, asked by its own client protocol.

use campanile_lifecycle::report_health;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_server::Health};
use tonic_health::server::{HealthReporter, HealthService};

use crate::support::{lifecycle, within};

async fn status(service: &HealthService, name: &str) -> ServingStatus {
    let request = HealthCheckRequest {
        service: name.to_owned(),
    };
    let answer = service.check(tonic::Request::new(request)).await;
    let answer = answer.expect("the name is known");
    answer.into_inner().status()
}

#[tokio::test(start_paused = true)]
async fn it_serves_while_the_service_is_ready_and_not_from_the_drain_on() {
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
