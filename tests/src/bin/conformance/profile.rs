//! The metric profiles: which labels the layers record, and how recorders rename metrics.

use campanile_outbound::PropagateLayer;
use campanile_recorder::{Profile as NameTable, profile::MethodCase};
use clap::ValueEnum;

/// The profile of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    Semconv,
    Talisker,
    Gunicorn,
    Baseplate,
}

impl Profile {
    /// Returns the name table of scraped metrics; `None` for the default names.
    pub(crate) fn scraped(self) -> Option<NameTable> {
        match self {
            Self::Semconv => None,
            Self::Talisker => Some(NameTable::talisker()),
            Self::Gunicorn => Some(NameTable::gunicorn()),
            Self::Baseplate => Some(NameTable::baseplate(MethodCase::Lower)),
        }
    }

    /// Returns the name table of metrics that are sent to statsd.
    pub(crate) fn sent(self) -> Option<NameTable> {
        match self {
            Self::Semconv => None,
            Self::Talisker => Some(NameTable::talisker()),
            Self::Gunicorn => Some(NameTable::gunicorn_statsd()),
            Self::Baseplate => Some(NameTable::baseplate_statsd()),
        }
    }

    /// Returns the metrics layer of incoming requests.
    pub(crate) fn server_metrics(self) -> campanile_inbound::MetricsLayer {
        let layer = campanile_inbound::MetricsLayer::new();
        match self {
            Self::Semconv | Self::Gunicorn => layer,
            Self::Talisker => layer.with_view_name_as_route(true).with_status_labels(true),
            Self::Baseplate => layer.with_status_labels(true),
        }
    }

    /// Returns the metrics layer of outgoing calls.
    pub(crate) fn client_metrics(self) -> campanile_outbound::MetricsLayer {
        let layer = campanile_outbound::MetricsLayer::new();
        match self {
            Self::Baseplate => layer.with_status_labels(true),
            _ => layer,
        }
    }

    /// Returns the propagation layer of outgoing calls.
    pub(crate) fn propagation(self) -> PropagateLayer {
        PropagateLayer::new().with_pass_through(self == Self::Talisker)
    }
}
