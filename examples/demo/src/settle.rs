//! Waits until everything has ended that the clients left behind, and compares.

use std::time::{Duration, Instant};

use campanile::{
    in_flight,
    recorder::{CellRecorder, Format},
};
use tokio::time::sleep;

use crate::{
    services::Visitors,
    tally::{Service, Tally},
    traffic::Counts,
};

/// How long a server may need to see that a client has gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// The two counts of the same requests.
pub(crate) struct End {
    pub(crate) metrics: Tally,
    pub(crate) traffic: Tally,
    pub(crate) lost: u64,
    pub(crate) refused: u64,
    pub(crate) visitors: u64,
}

/// Takes the metrics once no request is in flight and they say what the clients say, or never will.
pub(crate) async fn settle(metrics: &CellRecorder, counts: Counts, visitors: &Visitors) -> End {
    let last = Instant::now() + PATIENCE;
    loop {
        // Read first: what ends afterwards may only make them agree in the next round.
        let in_flight = in_flight::snapshot().len();
        let end = End {
            metrics: Tally::of_metrics(&metrics.render(Format::Prometheus)),
            traffic: counts.tally.clone(),
            lost: counts.lost,
            refused: counts.refused,
            visitors: visitors.count(),
        };
        if (in_flight == 0 && end.agree()) || Instant::now() > last {
            return end;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

impl End {
    /// Tells whether every request was counted once, and as what it was.
    ///
    /// Nobody asked the visitors how they fared: their requests have to be there, however they ended.
    pub(crate) fn agree(&self) -> bool {
        if self.lost > 0 {
            return false;
        }
        if self.visitors == 0 {
            return self.metrics == self.traffic;
        }
        let more = self
            .metrics
            .of_service(Service::Edge)
            .checked_sub(self.traffic.of_service(Service::Edge));
        self.traffic.is_within(&self.metrics) && more == Some(self.visitors)
    }
}
