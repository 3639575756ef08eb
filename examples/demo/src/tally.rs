//! Requests by service and outcome, whoever counted them.

use std::{
    collections::BTreeMap,
    ops::{Index, IndexMut},
};

use campanile::Outcome;

use crate::prometheus;

/// The three services, from the outside in.
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

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// How many requests ended how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    by_outcome: [[u64; Outcome::ALL.len()]; Service::ALL.len()],
    /// Of the edge alone, whose answers are what a client sees.
    pub(crate) by_status: BTreeMap<String, u64>,
}

impl Tally {
    /// Reads the counters of the metrics.
    pub(crate) fn of_metrics(text: &str) -> Self {
        let mut tally = Self::default();
        for sample in prometheus::samples(text, "http_server_requests_total") {
            let outcome = Outcome::ALL
                .into_iter()
                .find(|outcome| outcome.as_str() == sample.label("outcome"));
            let (Some(service), Some(outcome)) = (Service::named(sample.label("service")), outcome) else {
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

    /// Counts the requests of a service, however they ended.
    pub(crate) fn of_service(&self, service: Service) -> u64 {
        self.by_outcome[service as usize].iter().sum()
    }

    /// Counts all.
    pub(crate) fn sum(&self) -> u64 {
        Service::ALL
            .into_iter()
            .map(|service| self.of_service(service))
            .sum()
    }

    /// Tells whether no number is above the other's.
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
