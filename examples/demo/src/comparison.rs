//! The comparison of the counts of the metrics and the clients.

use std::time::{Duration, Instant};

use campanile::{
    in_flight,
    recorder::{CellRecorder, Format},
};
use tokio::time::sleep;

use crate::{
    services::Visitors,
    tally::{Service, Tally},
    traffic::ClientCounts,
};

/// The longest time a server may take to notice that a client has disconnected.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Two counts of the same requests.
pub(crate) struct Comparison {
    pub(crate) metrics: Tally,
    pub(crate) clients: Tally,
    /// Requests without a complete response.
    pub(crate) lost: u64,
    /// Requests that could not connect.
    pub(crate) refused: u64,
    /// Requests that did not come from the demo's clients.
    pub(crate) visitors: u64,
}

impl Comparison {
    /// Waits until no request is in flight and both counts are equal, or until the timeout.
    pub(crate) async fn wait_for_end(
        metrics: &CellRecorder,
        counts: ClientCounts,
        visitors: &Visitors,
    ) -> Self {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            // Read before the metrics, which then include all requests that have ended.
            let in_flight = in_flight::snapshot().len();
            let comparison = Self {
                metrics: Tally::from_metrics(&metrics.render(Format::Prometheus)),
                clients: counts.tally.clone(),
                lost: counts.lost,
                refused: counts.refused,
                visitors: visitors.count(),
            };
            if (in_flight == 0 && comparison.is_equal()) || Instant::now() > deadline {
                return comparison;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns whether every request was recorded exactly once and with the right outcome.
    ///
    /// The outcomes of visitors' requests are unknown: they must be recorded, with any outcome.
    pub(crate) fn is_equal(&self) -> bool {
        if self.lost > 0 {
            return false;
        }
        if self.visitors == 0 {
            return self.metrics == self.clients;
        }
        let edge = |tally: &Tally| tally.of_service(Service::Edge);
        let surplus = edge(&self.metrics).checked_sub(edge(&self.clients));
        self.clients.is_within(&self.metrics) && surplus == Some(self.visitors)
    }
}
