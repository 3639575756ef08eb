//! gRPC's health service told of the phases.

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::handle::Handle;

/// Tells gRPC's health service that these services, and the server as a whole (the empty name), serve once the service
/// is ready, and no longer serve when the drain begins. Clients that watch the health service go elsewhere then,
/// while the server still answers.
///
/// The services are named in full, `stock.v1.Stock`. Until the future is first polled the reporter says what it said
/// before. It ends when the drain begins; spawn it.
pub async fn report_health<I, N>(handle: Handle, reporter: HealthReporter, services: I)
where
    I: IntoIterator<Item = N>,
    N: AsRef<str>,
{
    let services: Vec<N> = services.into_iter().collect();
    let report = async |status| {
        // The reporter keeps its clients' watches itself, one name at a time.
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
