//! Request counts by service and outcome, from the metrics or from the clients.

use std::{
    collections::BTreeMap,
    ops::{Index, IndexMut},
};

use campanile::Outcome;

use crate::metrics_text;

/// The three services, from the outermost to the innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Edge,
    Catalog,
    Stock,
}

impl Service {
    pub(crate) const ALL: [Self; 3] = [Self::Edge, Self::Catalog, Self::Stock];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Catalog => "catalog",
            Self::Stock => "stock",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// Request counts by service and outcome, and by status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    by_outcome: [[u64; Outcome::ALL.len()]; Service::ALL.len()],
    /// Counts of the edge only, whose responses the clients see.
    pub(crate) by_status: BTreeMap<String, u64>,
}

impl Tally {
    /// Reads the counts from the metrics text.
    pub(crate) fn from_metrics(text: &str) -> Self {
        let mut tally = Self::default();
        for sample in metrics_text::samples(text, "http_server_requests_total") {
            let outcome = Outcome::ALL
                .into_iter()
                .find(|outcome| outcome.as_str() == sample.label("outcome"));
            let (Some(service), Some(outcome)) = (Service::from_name(sample.label("service")), outcome)
            else {
                continue;
            };
            let requests = sample.value as u64;
            tally[(service, outcome)] += requests;
            let status = sample.label("http_response_status_code");
            if service == Service::Edge && !status.is_empty() {
                *tally.by_status.entry(status.to_owned()).or_default() += requests;
            }
        }
        tally
    }

    /// Returns the number of requests to a service.
    pub(crate) fn of_service(&self, service: Service) -> u64 {
        self.by_outcome[service as usize].iter().sum()
    }

    /// Returns the number of requests to all services.
    pub(crate) fn sum(&self) -> u64 {
        Service::ALL
            .into_iter()
            .map(|service| self.of_service(service))
            .sum()
    }

    /// Returns whether no count exceeds that of `other`.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let mut outcomes = self
            .by_outcome
            .iter()
            .flatten()
            .zip(other.by_outcome.iter().flatten());
        let mut statuses = self.by_status.iter();
        outcomes.all(|(own, other)| own <= other)
            && statuses.all(|(status, own)| other.by_status.get(status).is_some_and(|other| own <= other))
    }
}

impl Index<(Service, Outcome)> for Tally {
    type Output = u64;

    fn index(&self, (service, outcome): (Service, Outcome)) -> &u64 {
        &self.by_outcome[service as usize][outcome.index()]
    }
}

impl IndexMut<(Service, Outcome)> for Tally {
    fn index_mut(&mut self, (service, outcome): (Service, Outcome)) -> &mut u64 {
        &mut self.by_outcome[service as usize][outcome.index()]
    }
}
