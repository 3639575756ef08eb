//! Requests by service and outcome, whoever counted them.

use std::ops::{Index, IndexMut};

use campanile::http::Outcome;

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

/// How many requests ended how, by service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally([[u64; Outcome::ALL.len()]; 3]);

impl Tally {
    /// Reads the counters of the metrics.
    pub(crate) fn of_metrics(text: &str) -> Self {
        let mut tally = Self::default();
        for sample in prometheus::samples(text, "http_server_requests_total") {
            let outcome = Outcome::ALL
                .into_iter()
                .find(|outcome| outcome.as_str() == sample.label("outcome"));
            if let (Some(service), Some(outcome)) = (Service::named(sample.label("service")), outcome) {
                tally[(service, outcome)] += sample.value as u64;
            }
        }
        tally
    }

    /// Counts the requests of a service, however they ended.
    pub(crate) fn of_service(&self, service: Service) -> u64 {
        self.0[service as usize].iter().sum()
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
        let mut pairs = self.0.iter().flatten().zip(other.0.iter().flatten());
        pairs.all(|(own, other)| own <= other)
    }
}

impl Index<(Service, Outcome)> for Tally {
    type Output = u64;

    fn index(&self, (service, outcome): (Service, Outcome)) -> &u64 {
        &self.0[service as usize][outcome.index()]
    }
}

impl IndexMut<(Service, Outcome)> for Tally {
    fn index_mut(&mut self, (service, outcome): (Service, Outcome)) -> &mut u64 {
        &mut self.0[service as usize][outcome.index()]
    }
}
