//! Reports the phases to tonic's health service.

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::handle::LifecycleHandle;

/// Sets the gRPC health status of these services, and of the server as a whole (the empty name): `SERVING` once the
/// service is ready, `NOT_SERVING` when the drain begins, so that clients that watch the health service move elsewhere
/// while the server still serves.
///
/// Services have their full names, as in `stock.v1.Stock`. The status does not change before the future is first polled.
/// It completes when the drain begins; spawn it.
pub async fn report_health<I, N>(handle: LifecycleHandle, reporter: HealthReporter, services: I)
where
    I: IntoIterator<Item = N>,
    N: AsRef<str>,
{
    let services: Vec<N> = services.into_iter().collect();
    let report = async |status| {
        reporter.set_service_status("", status).await;
        for service in &services {
            reporter.set_service_status(service, status).await;
        }
    };
    report(ServingStatus::NotServing).await;
    handle.ready().await;
    if handle.is_ready() {
        report(ServingStatus::Serving).await;
        handle.draining().await;
        report(ServingStatus::NotServing).await;
    }
}
