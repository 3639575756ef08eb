//! Whose metrics are shown: what the layers have to record for it, and the tables that are laid over the recorders.

use campanile_outbound::PropagateLayer;
use campanile_recorder::{Profile as Table, profile::MethodCase};
use clap::ValueEnum;

/// Whose metrics are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    Semconv,
    Talisker,
    Gunicorn,
    Baseplate,
}

impl Profile {
    /// The table over what is scraped; nothing where the names stay.
    pub(crate) fn scraped(self) -> Option<Table> {
        match self {
            Self::Semconv => None,
            Self::Talisker => Some(Table::talisker()),
            Self::Gunicorn => Some(Table::gunicorn()),
            Self::Baseplate => Some(Table::baseplate(MethodCase::Lower)),
        }
    }

    /// The table over what is sent.
    pub(crate) fn sent(self) -> Option<Table> {
        match self {
            Self::Semconv => None,
            Self::Talisker => Some(Table::talisker()),
            Self::Gunicorn => Some(Table::gunicorn_statsd()),
            Self::Baseplate => Some(Table::baseplate_statsd()),
        }
    }

    /// The layer of incoming requests.
    pub(crate) fn server_metrics(self) -> campanile_inbound::MetricsLayer {
        let layer = campanile_inbound::MetricsLayer::new();
        match self {
            Self::Semconv | Self::Gunicorn => layer,
            Self::Talisker => layer.with_view_name_as_route(true).with_status_labels(true),
            Self::Baseplate => layer.with_status_labels(true),
        }
    }

    /// The layer of outgoing calls.
    pub(crate) fn client_metrics(self) -> campanile_outbound::MetricsLayer {
        let layer = campanile_outbound::MetricsLayer::new();
        match self {
            Self::Baseplate => layer.with_status_labels(true),
            _ => layer,
        }
    }

    /// The layer of what is sent along.
    pub(crate) fn propagation(self) -> PropagateLayer {
        PropagateLayer::new().with_pass_through(self == Self::Talisker)
    }
}
