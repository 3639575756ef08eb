//! What keeps the metrics, and what is laid over it.
//!
//! | `--recorder` | with a profile | with `--statsd` |
//! |---|---|---|
//! | `campanile`, `prometheus-exporter` | its table over the store, its buckets in it | our events beside it, under the profile's table for statsd |
//! | `statsd-exporter` | its table for statsd over a `StatefulRecorder` over the exporter | where the exporter sends |
//!
//! Without a profile metrics-exporter-statsd is left as it is: what it drops is to be seen.

mod exemplar;
mod prometheus_exporter;
mod statsd;

use std::{error::Error, io, thread, time::Duration};

use campanile_recorder::{CellRecorder, Format, Profile as Table, statsd::StatefulRecorder};
use metrics::Recorder;
use metrics_exporter_prometheus::PrometheusHandle;
use metrics_exporter_statsd::{StatsdBuilder, StatsdRecorder};
use metrics_util::layers::FanoutBuilder;

use self::statsd::Sending;
use crate::flags::{Flags, Store};

/// How often a recorder may drain what histograms were given, where it else keeps that until somebody asks.
const UPKEEP: Duration = Duration::from_secs(5);

type Boxed = Box<dyn Recorder + Sync>;

/// How the text of the metrics is come by.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    Campanile(CellRecorder),
    PrometheusExporter(PrometheusHandle),
    /// There is none.
    StatsdExporter(Option<StatefulRecorder<StatsdRecorder>>),
}

/// What was installed.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) text: Text,
    sending: Option<Sending>,
}

/// Builds the recorder and installs it for the process.
pub(crate) fn install(flags: &Flags) -> Result<Installed, Box<dyn Error>> {
    let (mut recorder, text) = store(flags)?;
    let mut sending = None;
    if let (Some(server), Store::Campanile | Store::PrometheusExporter) = (&flags.statsd, flags.recorder) {
        let (beside, thread) = statsd::recorder(flags, server)?;
        sending = Some(thread);
        let both = FanoutBuilder::default()
            .add_recorder(recorder)
            .add_recorder(beside);
        recorder = Box::new(both.build());
    }
    metrics::set_global_recorder(recorder).map_err(|error| error.to_string())?;
    Ok(Installed { text, sending })
}

fn store(flags: &Flags) -> Result<(Boxed, Text), Box<dyn Error>> {
    let scraped = flags.profile.scraped();
    Ok(match flags.recorder {
        Store::Campanile => {
            let mut builder = CellRecorder::builder().with_exemplars(exemplar::current_request);
            if let Some(table) = &scraped {
                builder = builder.with_profile_buckets(table);
            }
            let recorder = match &flags.multiprocess_dir {
                Some(directory) => builder.open(directory)?,
                None => builder.build(),
            };
            (worn(scraped, recorder.clone()), Text::Campanile(recorder))
        }
        Store::PrometheusExporter => {
            let recorder = prometheus_exporter::builder(scraped.as_ref())?.build_recorder();
            let handle = recorder.handle();
            (worn(scraped, recorder), Text::PrometheusExporter(handle))
        }
        Store::StatsdExporter => {
            let to = flags.statsd.as_ref().ok_or("no statsd server is named")?;
            let builder = StatsdBuilder::from(&to.host, to.port)
                // Longer than the buffer, each line is sent at once. What the buffer holds is else sent when it is full,
                // and not before.
                .with_buffer_size(1)
                .with_queue_size(10_000);
            let recorder = builder.build(flags.statsd_prefix.as_deref())?;
            match flags.profile.sent() {
                None => (Box::new(recorder), Text::StatsdExporter(None)),
                sent => {
                    let recorder = StatefulRecorder::new(recorder);
                    (worn(sent, recorder.clone()), Text::StatsdExporter(Some(recorder)))
                }
            }
        }
    })
}

/// Lays a table over a recorder, if there is one.
fn worn<R: Recorder + Sync + 'static>(table: Option<Table>, recorder: R) -> Boxed {
    match table {
        Some(table) => Box::new(table.over(recorder)),
        None => Box::new(recorder),
    }
}

impl Installed {
    /// Sends what waits to be sent. Nothing is recorded after this.
    pub(crate) fn finish(self) {
        if let Some(sending) = self.sending {
            sending.finish();
        }
    }
}

impl Text {
    /// Renders for whoever sent this `Accept` header; nothing if there is no text, an error if something is missing that
    /// may be there the next time. To be called where a thread may be busy for a while.
    pub(crate) fn render(&self, accept: &str) -> io::Result<Option<(&'static str, String)>> {
        Ok(match self {
            Self::Campanile(recorder) => {
                let format = Format::from_accept(accept);
                Some((format.content_type(), recorder.try_snapshot()?.render(format)))
            }
            Self::PrometheusExporter(handle) => Some((Format::Prometheus.content_type(), handle.render())),
            Self::StatsdExporter(_) => None,
        })
    }

    /// Has done what has to be done now and then, by a thread that ends with the process.
    pub(crate) fn keep_up(self) -> io::Result<()> {
        if matches!(self, Self::Campanile(_) | Self::StatsdExporter(None)) {
            return Ok(());
        }
        let now_and_then = move || {
            loop {
                thread::sleep(UPKEEP);
                match &self {
                    Self::Campanile(_) | Self::StatsdExporter(None) => {}
                    Self::PrometheusExporter(handle) => handle.run_upkeep(),
                    // A daemon forgets gauges that are not repeated.
                    Self::StatsdExporter(Some(recorder)) => recorder.resend(),
                }
            }
        };
        thread::Builder::new()
            .name("upkeep".to_owned())
            .spawn(now_and_then)?;
        Ok(())
    }
}
