//! Which series there are. Registration is the only thing that locks.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use metrics::Unit;

use crate::{
    Kind, Labels,
    bounds::Bounds,
    buckets::Buckets,
    cells::Space,
    exemplars::ExemplarSource,
    handles::{CounterCells, GaugeCells, HistogramCells},
    memory::{Declaration, Memory},
};

/// The label of a metric's overflow series, as OpenTelemetry names it.
pub(crate) const OVERFLOW: (&str, &str) = ("otel_metric_overflow", "true");

/// The cells of a series.
#[derive(Debug, Clone)]
pub(crate) enum Cells {
    Counter(Arc<CounterCells>),
    Gauge(Arc<GaugeCells>),
    Histogram(Arc<HistogramCells>),
}

/// What registration did not do, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The name is taken by another kind.
    Conflict,
    /// There is no memory.
    Lost,
}

/// A registered series, and whether it is the one for those beyond the limit.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) cells: Cells,
    pub(crate) overflow: bool,
}

/// A family, as whoever looks gets it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) unit: Option<Unit>,
    pub(crate) help: Option<Arc<str>>,
    pub(crate) series: Vec<(Labels, Cells)>,
}

/// All series.
#[derive(Debug)]
pub(crate) struct Registry {
    entries: Mutex<Entries>,
    memory: Memory,
    buckets: Buckets,
    exemplars: ExemplarSource,
    limit: usize,
}

#[derive(Debug)]
struct Entries {
    families: BTreeMap<Arc<str>, Family>,
    descriptions: HashMap<Arc<str>, (Option<Unit>, Arc<str>)>,
    space: Space,
}

#[derive(Debug)]
struct Family {
    kind: Kind,
    /// Those of the first series are those of all.
    bounds: Option<Arc<Bounds>>,
    series: BTreeMap<Labels, Cells>,
}

impl Registry {
    pub(crate) fn new(
        memory: Memory,
        buckets: Buckets,
        exemplars: ExemplarSource,
        limit: usize,
        slots: usize,
    ) -> Self {
        let space = Space::new(memory.clone(), slots);
        let entries = Entries {
            families: BTreeMap::new(),
            descriptions: HashMap::new(),
            space,
        };
        Self {
            entries: Mutex::new(entries),
            memory,
            buckets,
            exemplars,
            limit,
        }
    }

    /// Tells whether anybody wants exemplars.
    pub(crate) fn has_exemplars(&self) -> bool {
        self.exemplars.exemplars(0).is_some()
    }

    /// Notes a unit and a help; the first of each name counts.
    pub(crate) fn describe(&self, name: &str, unit: Option<Unit>, help: &str) {
        let mut entries = self.lock();
        if !entries.descriptions.contains_key(name) {
            entries.descriptions.insert(name.into(), (unit, help.into()));
            self.memory.describe(name, unit, help);
        }
    }

    /// Counts a registration that found no room, where there is none for a series that counts it either.
    pub(crate) fn lose(&self) {
        self.memory.lose();
    }

    /// Finds or makes a series.
    pub(crate) fn register(&self, name: &str, kind: Kind, labels: Labels) -> Result<Registered, Refusal> {
        let entries = &mut *self.lock();
        let unit = entries.descriptions.get(name).and_then(|(unit, _)| *unit);
        if !entries.families.contains_key(name) {
            let bounds = (kind == Kind::Histogram).then(|| self.buckets.find(name, unit));
            entries.families.insert(
                name.into(),
                Family {
                    kind,
                    bounds,
                    series: BTreeMap::new(),
                },
            );
        }
        let family = entries.families.get_mut(name).expect("put there if it was not");
        if family.kind != kind {
            return Err(Refusal::Conflict);
        }
        if let Some(cells) = family.series.get(&labels) {
            return Ok(Registered {
                cells: cells.clone(),
                overflow: false,
            });
        }
        // The overflow series is one more than the limit.
        let overflow = family.series.len() >= self.limit;
        let labels = if overflow { Labels::new([OVERFLOW]) } else { labels };
        if let Some(cells) = family.series.get(&labels) {
            return Ok(Registered {
                cells: cells.clone(),
                overflow,
            });
        }
        let cells = self
            .cells(name, family, &labels, &mut entries.space)
            .map_err(|_| Refusal::Lost)?;
        family.series.insert(labels, cells.clone());
        Ok(Registered { cells, overflow })
    }

    /// Makes the cells of a new series.
    fn cells(
        &self,
        name: &str,
        family: &Family,
        labels: &Labels,
        space: &mut Space,
    ) -> std::io::Result<Cells> {
        let len = match (family.kind, &family.bounds) {
            (Kind::Histogram, Some(bounds)) => HistogramCells::len(bounds),
            (Kind::Gauge, _) => GaugeCells::LEN,
            _ => CounterCells::LEN,
        };
        let place = space.take(len)?;
        self.memory.declare(&Declaration {
            name,
            kind: family.kind,
            labels,
            bounds: family.bounds.as_ref().map_or(&[], |bounds| bounds.as_slice()),
            place: &place,
        })?;
        Ok(match (family.kind, &family.bounds) {
            (Kind::Histogram, Some(bounds)) => {
                let exemplars = self.exemplars.exemplars(bounds.buckets());
                Cells::Histogram(Arc::new(HistogramCells::new(
                    place,
                    Arc::clone(bounds),
                    exemplars,
                )))
            }
            (Kind::Gauge, _) => Cells::Gauge(Arc::new(GaugeCells::new(place))),
            _ => Cells::Counter(Arc::new(CounterCells::new(place))),
        })
    }

    /// Lists all families by name, their series by labels.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let entries = self.lock();
        let families = entries.families.iter().map(|(name, family)| {
            let description = entries.descriptions.get(name);
            Listed {
                name: Arc::clone(name),
                kind: family.kind,
                unit: description.and_then(|(unit, _)| *unit),
                help: description.map(|(_, help)| Arc::clone(help)),
                series: family
                    .series
                    .iter()
                    .map(|(labels, cells)| (labels.clone(), cells.clone()))
                    .collect(),
            }
        });
        families.collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
