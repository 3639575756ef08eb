//! Writes records of the journal, and takes them apart.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use metrics::Unit;

use crate::{
    Labels,
    labels::valid_metric_name,
    processes::{
        GaugeMode,
        layout::{self, SHARED, Shape, Word, record},
    },
};

/// A series as its file declares it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    pub(crate) name: Arc<str>,
    pub(crate) labels: Labels,
    pub(crate) shape: Shape,
    pub(crate) mode: GaugeMode,
    /// Nanoseconds since 1970 when it was first declared, by whomever: the oldest are within the limit of series.
    pub(crate) since: u64,
    /// Empty unless it is a histogram.
    pub(crate) bounds: Arc<[f64]>,
    pub(crate) block: u32,
    pub(crate) first: u32,
}

/// What a metric is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: Arc<str>,
    pub(crate) unit: Option<Unit>,
    pub(crate) help: Arc<str>,
}

/// Words of a block within the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellsAt {
    pub(crate) block: u32,
    /// None: the words that all share.
    pub(crate) slot: Option<u32>,
    /// In words from the file's beginning.
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Continues {
        offset: u64,
        len: u64,
    },
    Cells(CellsAt),
    Series(Declared),
    Description(Described),
    Folded(String),
    /// Of a later version.
    Unknown,
}

impl Record {
    /// The record's words, with its head.
    pub(crate) fn to_words(&self) -> Vec<u64> {
        let mut words = vec![0];
        let kind = match self {
            Self::Continues { offset, len } => {
                words.extend([*offset, *len]);
                record::CONTINUES
            }
            Self::Cells(cells) => {
                words.extend([
                    layout::join(cells.block, cells.slot.unwrap_or(SHARED)),
                    cells.offset,
                    cells.len,
                ]);
                record::CELLS
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
                record::SERIES
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
                record::DESCRIPTION
            }
            Self::Folded(name) => {
                words.push(name.len() as u64);
                put_text(&mut words, name);
                record::FOLDED
            }
            Self::Unknown => 0,
        };
        words[0] = layout::join(kind, words.len() as u32);
        words
    }

    /// Takes a record apart, `kind` from its head and the words behind; nothing if it makes no sense.
    pub(crate) fn parse<W: Word>(kind: u32, words: &[W]) -> Option<Self> {
        let mut fields = Fields(words);
        Some(match kind {
            record::CONTINUES => Self::Continues {
                offset: fields.word()?,
                len: fields.word()?,
            },
            record::CELLS => {
                let (block, slot) = layout::split(fields.word()?);
                Self::Cells(CellsAt {
                    block,
                    slot: (slot != SHARED).then_some(slot),
                    offset: fields.word()?,
                    len: fields.word()?,
                })
            }
            record::SERIES => return fields.series(),
            record::DESCRIPTION => {
                let (name_len, help_len) = layout::split(fields.word()?);
                let unit_len = u32::try_from(fields.word()?).ok()?;
                Self::Description(Described {
                    name: fields.name(name_len)?,
                    help: fields.text(help_len)?.into(),
                    unit: Unit::from_string(&fields.text(unit_len)?),
                })
            }
            record::FOLDED => {
                let len = u32::try_from(fields.word()?).ok()?;
                Self::Folded(fields.text(len)?)
            }
            _ => Self::Unknown,
        })
    }
}

/// The words of a record that are not yet taken.
struct Fields<'a, W>(&'a [W]);

impl<W: Word> Fields<'_, W> {
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

    /// A name that Prometheus allows.
    fn name(&mut self, len: u32) -> Option<Arc<str>> {
        let name = self.text(len)?;
        (valid_metric_name(&name) == name).then(|| name.into())
    }

    fn series(&mut self) -> Option<Record> {
        let codes = self.word()?;
        // Of a later version, if it is unknown.
        let Some(shape) = Shape::of_code(codes & 0xff) else {
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
        let rising = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        (finite && rising).then_some(Record::Series(Declared {
            name,
            labels,
            shape,
            mode: GaugeMode::of_code(codes >> 8 & 0xff),
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
    use crate::Kind;

    fn read_back(record: &Record) -> Option<Record> {
        let words: Vec<AtomicU64> = record.to_words().into_iter().map(AtomicU64::new).collect();
        let (kind, len) = layout::split(words[0].load(Relaxed));
        assert_eq!(len as usize, words.len());
        Record::parse(kind, &words[1..])
    }

    fn series(name: &str, bounds: &[f64]) -> Record {
        Record::Series(Declared {
            name: name.into(),
            labels: Labels::new([("a", "\"é\n"), ("b", "")]),
            shape: Shape {
                kind: Kind::Histogram,
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
    fn records_are_read_as_they_were_written() {
        for record in [
            Record::Continues { offset: 5, len: 6 },
            Record::Cells(CellsAt {
                block: 1,
                slot: None,
                offset: 512,
                len: 512,
            }),
            Record::Cells(CellsAt {
                block: 1,
                slot: Some(0),
                offset: 512,
                len: 512,
            }),
            series("wait_seconds", &[0.5, 1.0]),
            Record::Description(Described {
                name: "a".into(),
                unit: Some(Unit::Seconds),
                help: "eight by".into(),
            }),
            Record::Folded("a-name".to_owned()),
            Record::Unknown,
        ] {
            assert_eq!(read_back(&record).as_ref(), Some(&record));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
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
            assert_eq!(Record::parse(record::SERIES, &words[1..end]), None, "{end} words");
        }
    }
}
