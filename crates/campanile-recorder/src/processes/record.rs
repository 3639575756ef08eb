//! Encodes and decodes journal records.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use metrics::Unit;

use crate::{
    GaugeMode, Labels,
    labels::valid_metric_name,
    processes::layout::{self, AtomicWord, SHARED, SeriesShape, kind},
};

/// The declaration of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeriesRecord {
    pub(crate) name: Arc<str>,
    pub(crate) labels: Labels,
    pub(crate) shape: SeriesShape,
    pub(crate) mode: GaugeMode,
    /// When the series was first declared, in nanoseconds since 1970. The oldest series stay within the series limit.
    pub(crate) since: u64,
    /// The bounds of a histogram, otherwise empty.
    pub(crate) bounds: Arc<[f64]>,
    pub(crate) block: u32,
    pub(crate) first: u32,
}

/// The unit and help of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DescriptionRecord {
    pub(crate) name: Arc<str>,
    pub(crate) unit: Option<Unit>,
    pub(crate) help: Arc<str>,
}

/// The location of the words of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellsRecord {
    pub(crate) block: u32,
    /// The thread slot; `None` for the words that all threads share.
    pub(crate) slot: Option<u32>,
    /// In words from the beginning of the file.
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// A journal record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    NextSegment {
        offset: u64,
        len: u64,
    },
    Cells(CellsRecord),
    Series(SeriesRecord),
    Description(DescriptionRecord),
    ArchivedFile(String),
    /// A record that a later version added.
    Unknown,
}

impl Record {
    /// Encodes the record, including its head word.
    pub(crate) fn to_words(&self) -> Vec<u64> {
        let mut words = vec![0];
        let kind = match self {
            Self::NextSegment { offset, len } => {
                words.extend([*offset, *len]);
                kind::NEXT_SEGMENT
            }
            Self::Cells(cells) => {
                words.extend([
                    layout::join(cells.block, cells.slot.unwrap_or(SHARED)),
                    cells.offset,
                    cells.len,
                ]);
                kind::CELLS
            }
            Self::Series(series) => {
                words.extend([
                    series.shape.code() | series.mode.code() << 8,
                    layout::join(series.block, series.first),
                    series.since,
                    layout::join(series.name.len() as u32, series.labels.as_str().len() as u32),
                    series.bounds.len() as u64,
                ]);
                put_text(&mut words, &series.name);
                put_text(&mut words, series.labels.as_str());
                words.extend(series.bounds.iter().map(|bound| bound.to_bits()));
                kind::SERIES
            }
            Self::Description(description) => {
                let unit = description.unit.map_or("", |unit| unit.as_str());
                words.extend([
                    layout::join(description.name.len() as u32, description.help.len() as u32),
                    unit.len() as u64,
                ]);
                put_text(&mut words, &description.name);
                put_text(&mut words, &description.help);
                put_text(&mut words, unit);
                kind::DESCRIPTION
            }
            Self::ArchivedFile(name) => {
                words.push(name.len() as u64);
                put_text(&mut words, name);
                kind::ARCHIVED_FILE
            }
            Self::Unknown => 0,
        };
        words[0] = layout::join(kind, words.len() as u32);
        words
    }

    /// Decodes a record from the kind in its head and the words after it; `None` if it is malformed.
    pub(crate) fn parse<W: AtomicWord>(kind: u32, words: &[W]) -> Option<Self> {
        let mut fields = RecordFields(words);
        Some(match kind {
            kind::NEXT_SEGMENT => Self::NextSegment {
                offset: fields.word()?,
                len: fields.word()?,
            },
            kind::CELLS => {
                let (block, slot) = layout::split(fields.word()?);
                Self::Cells(CellsRecord {
                    block,
                    slot: (slot != SHARED).then_some(slot),
                    offset: fields.word()?,
                    len: fields.word()?,
                })
            }
            kind::SERIES => return fields.series(),
            kind::DESCRIPTION => {
                let (name_len, help_len) = layout::split(fields.word()?);
                let unit_len = u32::try_from(fields.word()?).ok()?;
                Self::Description(DescriptionRecord {
                    name: fields.name(name_len)?,
                    help: fields.text(help_len)?.into(),
                    unit: Unit::from_string(&fields.text(unit_len)?),
                })
            }
            kind::ARCHIVED_FILE => {
                let len = u32::try_from(fields.word()?).ok()?;
                Self::ArchivedFile(fields.text(len)?)
            }
            _ => Self::Unknown,
        })
    }
}

/// The words of a record that have not been decoded.
struct RecordFields<'a, W>(&'a [W]);

impl<W: AtomicWord> RecordFields<'_, W> {
    fn word(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first.load(Relaxed))
    }

    fn text(&mut self, len: u32) -> Option<String> {
        let len = usize::try_from(len).ok()?;
        let (text, rest) = self.0.split_at_checked(len.div_ceil(8))?;
        self.0 = rest;
        let mut bytes: Vec<u8> = text
            .iter()
            .flat_map(|word| word.load(Relaxed).to_ne_bytes())
            .collect();
        bytes.truncate(len);
        String::from_utf8(bytes).ok()
    }

    /// Decodes a valid metric name.
    fn name(&mut self, len: u32) -> Option<Arc<str>> {
        let name = self.text(len)?;
        (valid_metric_name(&name) == name).then(|| name.into())
    }

    fn series(&mut self) -> Option<Record> {
        let codes = self.word()?;
        // Shapes of later versions are skipped like unknown records.
        let Some(shape) = SeriesShape::from_code(codes & 0xff) else {
            return Some(Record::Unknown);
        };
        let (block, first) = layout::split(self.word()?);
        let since = self.word()?;
        let (name_len, labels_len) = layout::split(self.word()?);
        let bounds_len = usize::try_from(self.word()?).ok()?;
        let name = self.name(name_len)?;
        let labels = Labels::parse(&self.text(labels_len)?)?;
        let (bounds, _) = self.0.split_at_checked(bounds_len)?;
        let bounds: Arc<[f64]> = bounds
            .iter()
            .map(|bound| f64::from_bits(bound.load(Relaxed)))
            .collect();
        let finite = bounds.iter().all(|bound| bound.is_finite());
        let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        (finite && ascending).then_some(Record::Series(SeriesRecord {
            name,
            labels: labels.into_series(shape.kind),
            shape,
            mode: GaugeMode::from_code(codes >> 8 & 0xff),
            since,
            bounds,
            block,
            first,
        }))
    }
}

fn put_text(words: &mut Vec<u64>, text: &str) {
    words.extend(text.as_bytes().chunks(8).map(|bytes| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_ne_bytes(word)
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::MetricKind;

    fn read_back(record: &Record) -> Option<Record> {
        let words: Vec<AtomicU64> = record.to_words().into_iter().map(AtomicU64::new).collect();
        let (kind, len) = layout::split(words[0].load(Relaxed));
        assert_eq!(len as usize, words.len());
        Record::parse(kind, &words[1..])
    }

    fn series(name: &str, bounds: &[f64]) -> Record {
        Record::Series(SeriesRecord {
            name: name.into(),
            labels: Labels::new([("a", "\"é\n"), ("b", "")]),
            shape: SeriesShape {
                kind: MetricKind::Histogram,
                exact: true,
            },
            mode: GaugeMode::Max,
            since: 7,
            bounds: bounds.into(),
            block: 3,
            first: 9,
        })
    }

    #[test]
    fn records_survive_a_round_trip() {
        for record in [
            Record::NextSegment { offset: 5, len: 6 },
            Record::Cells(CellsRecord {
                block: 1,
                slot: None,
                offset: 512,
                len: 512,
            }),
            Record::Cells(CellsRecord {
                block: 1,
                slot: Some(0),
                offset: 512,
                len: 512,
            }),
            series("wait_seconds", &[0.5, 1.0]),
            Record::Description(DescriptionRecord {
                name: "a".into(),
                unit: Some(Unit::Seconds),
                help: "eight by".into(),
            }),
            Record::ArchivedFile("a-name".to_owned()),
            Record::Unknown,
        ] {
            assert_eq!(read_back(&record).as_ref(), Some(&record));
        }
    }

    #[test]
    fn malformed_records_are_rejected() {
        for record in [
            series("not valid", &[]),
            series("", &[]),
            series("a", &[1.0, 1.0]),
            series("a", &[f64::NAN]),
        ] {
            assert_eq!(read_back(&record), None);
        }
        let words: Vec<AtomicU64> = series("wait_seconds", &[0.5])
            .to_words()
            .into_iter()
            .map(AtomicU64::new)
            .collect();
        for end in 1..words.len() {
            assert_eq!(Record::parse(kind::SERIES, &words[1..end]), None, "{end} words");
        }
    }
}
