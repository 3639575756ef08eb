//! The registered series. Only registration takes the lock, never recording.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use metrics::Unit;

use crate::{
    Distribution, Family, Labels, MetricKind, Series, Snapshot, Value,
    bounds::Bounds,
    buckets::BucketRules,
    cells::CellAllocator,
    deferred::RetryTimer,
    exemplars::{Exemplar, ExemplarSource, Exemplars},
    handles::{CounterCells, GaugeCells, HistogramCells},
    labels::EmptyLabels,
    names::{self, OwnMetric},
    storage::{CellStorage, SeriesDeclaration},
};

/// The label of the overflow series, as OpenTelemetry names it.
pub(crate) const OVERFLOW: (&str, &str) = ("otel_metric_overflow", "true");

/// The cells of a series.
#[derive(Debug, Clone)]
pub(crate) enum SeriesCells {
    Counter(Arc<CounterCells>),
    Gauge(Arc<GaugeCells>),
    Histogram(Arc<HistogramCells>),
}

impl SeriesCells {
    fn value(&self) -> Value {
        match self {
            Self::Counter(counter) => Value::Counter(counter.value()),
            Self::Gauge(gauge) => Value::Gauge(gauge.value()),
            Self::Histogram(histogram) => {
                let (counts, sum) = histogram.value();
                let bounds = histogram.bounds().share();
                Value::Histogram(Distribution::new(bounds, counts, sum.to_f64()))
            }
        }
    }

    fn exemplars(&self) -> Box<[Option<Exemplar>]> {
        match self {
            Self::Histogram(histogram) => histogram.exemplars().map(Exemplars::all).unwrap_or_default(),
            Self::Counter(_) | Self::Gauge(_) => Box::default(),
        }
    }
}

/// Why a registration was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RegisterError {
    /// The name belongs to a metric of another kind.
    KindConflict,
    /// There is no memory or disk space left.
    NoSpace,
}

/// A registered series.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) cells: SeriesCells,
    /// Whether this is the overflow series, in place of one beyond the limit.
    pub(crate) is_overflow: bool,
}

/// All registered series.
#[derive(Debug)]
pub(crate) struct Registry {
    entries: Mutex<RegistryEntries>,
    storage: CellStorage,
    buckets: BucketRules,
    exemplars: ExemplarSource,
    series_limit: usize,
    retry_timer: RetryTimer,
    this: Weak<Self>,
}

#[derive(Debug)]
struct RegistryEntries {
    families: BTreeMap<Arc<str>, FamilyEntry>,
    descriptions: HashMap<Arc<str>, (Option<Unit>, Arc<str>)>,
    allocator: CellAllocator,
}

#[derive(Debug)]
struct FamilyEntry {
    kind: MetricKind,
    /// The bounds of a histogram, chosen for the first series and used for all.
    bounds: Option<Arc<Bounds>>,
    series: BTreeMap<Labels, SeriesCells>,
    aliases: EmptyLabels,
}

impl FamilyEntry {
    /// Returns the series with these labels, an empty one counting as none.
    fn find(&self, labels: &Labels) -> Option<&SeriesCells> {
        self.series.get(labels).or_else(|| {
            let alias = self
                .aliases
                .find(labels, |labels| self.series.contains_key(labels))?;
            self.series.get(&alias)
        })
    }
}

impl Registry {
    pub(crate) fn new(
        storage: CellStorage,
        buckets: BucketRules,
        exemplars: ExemplarSource,
        series_limit: usize,
        slots: usize,
    ) -> Self {
        let allocator = CellAllocator::new(storage.clone(), slots);
        let entries = RegistryEntries {
            families: BTreeMap::new(),
            descriptions: HashMap::new(),
            allocator,
        };
        Self {
            entries: Mutex::new(entries),
            storage,
            buckets,
            exemplars,
            series_limit,
            retry_timer: RetryTimer::new(),
            this: Weak::new(),
        }
    }

    /// Shares the registry, also with the histograms that it makes.
    pub(crate) fn share(mut self) -> Arc<Self> {
        Arc::new_cyclic(|this| {
            self.this = Weak::clone(this);
            self
        })
    }

    /// Finds or makes a series, and counts what is not registered.
    pub(crate) fn register_series(
        &self,
        name: &str,
        kind: MetricKind,
        labels: Labels,
    ) -> Result<SeriesCells, RegisterError> {
        match self.register(name, kind, labels) {
            Ok(Registered { cells, is_overflow }) => {
                if is_overflow {
                    self.count_of(&names::OVERFLOWS, name);
                }
                Ok(cells)
            }
            Err(RegisterError::KindConflict) => {
                self.count_of(&names::CONFLICTS, name);
                Err(RegisterError::KindConflict)
            }
            Err(RegisterError::NoSpace) => {
                self.retry_timer.defer();
                self.count_of(&names::LOST, name);
                Err(RegisterError::NoSpace)
            }
        }
    }

    /// Registers a series that was counted as lost, if there is space by now.
    pub(crate) fn register_deferred(
        &self,
        name: &str,
        kind: MetricKind,
        labels: Labels,
    ) -> Option<SeriesCells> {
        match self.register(name, kind, labels) {
            Ok(Registered { cells, is_overflow }) => {
                if is_overflow {
                    self.count_of(&names::OVERFLOWS, name);
                }
                Some(cells)
            }
            Err(RegisterError::KindConflict) => None,
            Err(RegisterError::NoSpace) => {
                self.retry_timer.defer();
                None
            }
        }
    }

    /// Returns when series for which there was no space are tried again.
    pub(crate) const fn retry_timer(&self) -> &RetryTimer {
        &self.retry_timer
    }

    /// Returns a reference for handles that register later.
    pub(crate) fn weak(&self) -> Weak<Self> {
        Weak::clone(&self.this)
    }

    /// Increments a counter of the recorder itself, by the name of another metric.
    fn count_of(&self, own: &OwnMetric, metric: &str) {
        if own.name == metric {
            // The counter itself failed to register: counting that again would recurse.
            if own.name == names::LOST.name {
                self.count_lost_registration();
            }
            return;
        }
        self.count(own, Labels::new([("metric", metric)]));
    }

    /// Increments a counter of the recorder itself.
    pub(crate) fn count(&self, own: &OwnMetric, labels: Labels) {
        self.describe(own.name, own.unit, own.help);
        if let Ok(SeriesCells::Counter(counter)) = self.register_series(own.name, own.kind, labels) {
            metrics::CounterFn::increment(&*counter, 1);
        }
    }

    /// Sets a gauge of the recorder itself.
    pub(crate) fn set(&self, own: &OwnMetric, labels: Labels, value: f64) {
        self.describe(own.name, own.unit, own.help);
        if let Ok(SeriesCells::Gauge(gauge)) = self.register_series(own.name, own.kind, labels) {
            metrics::GaugeFn::set(&*gauge, value);
        }
    }

    /// Sets unit and help of a metric, unless it is described already.
    pub(crate) fn describe(&self, name: &str, unit: Option<Unit>, help: &str) {
        let mut entries = self.entries();
        if !entries.descriptions.contains_key(name) {
            entries.descriptions.insert(name.into(), (unit, help.into()));
            self.storage.describe(name, unit, help);
        }
    }

    /// Counts a registration for which there was no space, not even for a series that counts it.
    pub(crate) fn count_lost_registration(&self) {
        self.storage.count_lost_registration();
    }

    /// Returns a series, creating it if necessary.
    pub(crate) fn register(
        &self,
        name: &str,
        kind: MetricKind,
        labels: Labels,
    ) -> Result<Registered, RegisterError> {
        let entries = &mut *self.entries();
        if !entries.families.contains_key(name) {
            let unit = entries.descriptions.get(name).and_then(|(unit, _)| *unit);
            let family = FamilyEntry {
                kind,
                bounds: (kind == MetricKind::Histogram).then(|| self.buckets.find(name, unit)),
                series: BTreeMap::new(),
                aliases: EmptyLabels::default(),
            };
            entries.families.insert(name.into(), family);
        }
        let family = entries.families.get_mut(name).expect("inserted above");
        if family.kind != kind {
            return Err(RegisterError::KindConflict);
        }
        if let Some(cells) = family.find(&labels) {
            return Ok(Registered {
                cells: cells.clone(),
                is_overflow: false,
            });
        }
        // The overflow series is not included in the limit.
        let is_overflow = family.series.len() >= self.series_limit;
        let labels = if is_overflow {
            Labels::new([OVERFLOW])
        } else {
            labels
        };
        if let Some(cells) = family.series.get(&labels) {
            return Ok(Registered {
                cells: cells.clone(),
                is_overflow,
            });
        }
        let cells = self
            .create_cells(name, family, &labels, &mut entries.allocator)
            .map_err(|_| RegisterError::NoSpace)?;
        family.aliases.add(&labels);
        family.series.insert(labels, cells.clone());
        Ok(Registered { cells, is_overflow })
    }

    fn create_cells(
        &self,
        name: &str,
        family: &FamilyEntry,
        labels: &Labels,
        allocator: &mut CellAllocator,
    ) -> io::Result<SeriesCells> {
        let len = match (family.kind, &family.bounds) {
            (MetricKind::Histogram, Some(bounds)) => HistogramCells::len(bounds),
            (MetricKind::Gauge, _) => GaugeCells::LEN,
            _ => CounterCells::LEN,
        };
        let cells = allocator.allocate(len)?;
        self.storage.declare(&SeriesDeclaration {
            name,
            kind: family.kind,
            labels,
            bounds: family.bounds.as_ref().map_or(&[], |bounds| bounds.as_slice()),
            cells: &cells,
        })?;
        Ok(match (family.kind, &family.bounds) {
            (MetricKind::Histogram, Some(bounds)) => {
                let exemplars = self.exemplars.exemplars(bounds.buckets(), &self.this);
                let histogram = HistogramCells::new(cells, Arc::clone(bounds), exemplars);
                SeriesCells::Histogram(Arc::new(histogram))
            }
            (MetricKind::Gauge, _) => SeriesCells::Gauge(Arc::new(GaugeCells::new(cells))),
            _ => SeriesCells::Counter(Arc::new(CounterCells::new(cells))),
        })
    }

    /// Returns the values of all series.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let families = self.list().into_iter().map(|(mut family, cells)| {
            let series = cells.into_iter().map(|(labels, cells)| Series {
                labels,
                value: cells.value(),
                exemplars: cells.exemplars(),
            });
            family.series = series.collect();
            family
        });
        Snapshot {
            families: families.collect(),
        }
    }

    /// Adds the exemplars of this process to a snapshot of all processes, to histograms with the same buckets.
    pub(crate) fn add_exemplars(&self, snapshot: &mut Snapshot) {
        if !self.exemplars.is_enabled() {
            return;
        }
        for (own, cells) in self.list() {
            let family = snapshot
                .families
                .binary_search_by(|family| family.name.cmp(&own.name));
            let Ok(family) = family.map(|index| &mut snapshot.families[index]) else {
                continue;
            };
            for (labels, cells) in &cells {
                if let SeriesCells::Histogram(histogram) = cells
                    && let Ok(index) = family.series.binary_search_by(|series| series.labels.cmp(labels))
                    && let series = &mut family.series[index]
                    && let Value::Histogram(distribution) = &series.value
                    && *distribution.bounds == *histogram.bounds().as_slice()
                {
                    series.exemplars = cells.exemplars();
                }
            }
        }
    }

    /// Returns all families by name, without series, and their cells by labels. Cheap under the lock: the cells are
    /// summed afterwards.
    fn list(&self) -> Vec<(Family, Vec<(Labels, SeriesCells)>)> {
        let entries = self.entries();
        let families = entries.families.iter().map(|(name, entry)| {
            let mut family = Family::new(Arc::clone(name), entry.kind);
            if let Some((unit, help)) = entries.descriptions.get(name) {
                family.unit = *unit;
                family.help = Some(Arc::clone(help));
            }
            let series = entry.series.iter();
            let series = series.map(|(labels, cells)| (labels.clone(), cells.clone()));
            (family, series.collect())
        });
        families.collect()
    }

    fn entries(&self) -> MutexGuard<'_, RegistryEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
