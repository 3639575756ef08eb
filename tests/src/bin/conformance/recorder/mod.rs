//! The recorders of the metrics, with their profiles.
//!
//! | `--recorder` | with a profile | with `--statsd` |
//! |---|---|---|
//! | `campanile`, `prometheus-exporter` | the recorder under its name table, with its buckets | also campanile's statsd recorder, under the name table for statsd |
//! | `statsd-exporter` | a `StatefulRecorder` around the exporter, under the name table for statsd | the address of the exporter |
//!
//! Without a profile metrics-exporter-statsd is used alone, so that tests see which metrics it drops.

mod prometheus_exporter;
mod statsd;

use std::{error::Error, io, thread, time::Duration};

use campanile_core::RequestContext;
use campanile_recorder::{
    CellRecorder, ExemplarLabels, Format, Profile as NameTable, statsd::StatefulRecorder,
};
use metrics::Recorder;
use metrics_exporter_prometheus::PrometheusHandle;
use metrics_exporter_statsd::{StatsdBuilder, StatsdRecorder};
use metrics_util::layers::FanoutBuilder;

use self::statsd::StatsdSender;
use crate::flags::{Flags, RecorderKind};

/// How often recorders drain their histograms, which they otherwise do at the next scrape.
const UPKEEP: Duration = Duration::from_secs(5);

/// The maximum length of an ID, which with its label name fills an exemplar.
const MAX_ID_BYTES: usize = 118;

type Boxed = Box<dyn Recorder + Sync>;

/// The source of the metrics text.
#[derive(Debug, Clone)]
pub(crate) enum MetricsText {
    Campanile(CellRecorder),
    PrometheusExporter(PrometheusHandle),
    /// There is no text.
    StatsdExporter(Option<StatefulRecorder<StatsdRecorder>>),
}

/// The installed recorder.
#[derive(Debug)]
pub(crate) struct InstalledRecorder {
    pub(crate) text: MetricsText,
    sending: Option<StatsdSender>,
}

/// Builds the recorder and installs it for the process.
pub(crate) fn install(flags: &Flags) -> Result<InstalledRecorder, Box<dyn Error>> {
    let (mut recorder, text) = build(flags)?;
    let mut sending = None;
    if let (Some(server), RecorderKind::Campanile | RecorderKind::PrometheusExporter) =
        (&flags.statsd, flags.recorder)
    {
        let (beside, thread) = statsd::recorder(flags, server)?;
        sending = Some(thread);
        let both = FanoutBuilder::default()
            .add_recorder(recorder)
            .add_recorder(beside);
        recorder = Box::new(both.build());
    }
    metrics::set_global_recorder(recorder).map_err(|error| error.to_string())?;
    Ok(InstalledRecorder { text, sending })
}

fn build(flags: &Flags) -> Result<(Boxed, MetricsText), Box<dyn Error>> {
    let scraped = flags.profile.scraped();
    Ok(match flags.recorder {
        RecorderKind::Campanile => {
            let mut builder = CellRecorder::builder().with_exemplars(current_request);
            if let Some(table) = &scraped {
                builder = builder.with_profile_buckets(table);
            }
            let recorder = match &flags.multiprocess_dir {
                Some(directory) => builder.open(directory)?,
                None => builder.build(),
            };
            (
                with_profile(scraped, recorder.clone()),
                MetricsText::Campanile(recorder),
            )
        }
        RecorderKind::PrometheusExporter => {
            let recorder = prometheus_exporter::builder(scraped.as_ref())?.build_recorder();
            let handle = recorder.handle();
            (
                with_profile(scraped, recorder),
                MetricsText::PrometheusExporter(handle),
            )
        }
        RecorderKind::StatsdExporter => {
            let to = flags.statsd.as_ref().ok_or("no statsd server is named")?;
            let builder = StatsdBuilder::from(&to.host, to.port)
                // A line longer than the buffer is sent immediately; others wait until the buffer is full.
                .with_buffer_size(1)
                .with_queue_size(10_000);
            let recorder = builder.build(flags.statsd_prefix.as_deref())?;
            match flags.profile.sent() {
                None => (Box::new(recorder), MetricsText::StatsdExporter(None)),
                sent => {
                    let recorder = StatefulRecorder::new(recorder);
                    (
                        with_profile(sent, recorder.clone()),
                        MetricsText::StatsdExporter(Some(recorder)),
                    )
                }
            }
        }
    })
}

/// Wraps a recorder in a name table, if there is one.
fn with_profile<R: Recorder + Sync + 'static>(table: Option<NameTable>, recorder: R) -> Boxed {
    match table {
        Some(table) => Box::new(table.over(recorder)),
        None => Box::new(recorder),
    }
}

impl InstalledRecorder {
    /// Sends the buffered metrics. No metrics are recorded after this.
    pub(crate) fn finish(self) {
        if let Some(sending) = self.sending {
            sending.finish();
        }
    }
}

impl MetricsText {
    /// Renders the text for an `Accept` header; `None` if the recorder has no text. May block.
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

    /// Spawns the thread for the periodic upkeep of the recorder, if it needs any.
    pub(crate) fn spawn_upkeep(self) -> io::Result<()> {
        if matches!(self, Self::Campanile(_) | Self::StatsdExporter(None)) {
            return Ok(());
        }
        let upkeep = move || {
            loop {
                thread::sleep(UPKEEP);
                match &self {
                    Self::Campanile(_) | Self::StatsdExporter(None) => {}
                    Self::PrometheusExporter(handle) => handle.run_upkeep(),
                    // A statsd server forgets gauges that are not repeated.
                    Self::StatsdExporter(Some(recorder)) => recorder.resend(),
                }
            }
        };
        thread::Builder::new().name("upkeep".to_owned()).spawn(upkeep)?;
        Ok(())
    }
}

/// Adds the ID of the current request, and its trace ID if there is one.
fn current_request(labels: &mut ExemplarLabels) {
    RequestContext::with_current(|request| {
        let Some(request) = request else { return };
        let id = request.id().as_str();
        labels.push("request_id", &id[id.len().saturating_sub(MAX_ID_BYTES)..]);
        let trace = request
            .traceparent()
            .and_then(|value| value.to_str().ok()?.split('-').nth(1));
        if let Some(trace) = trace {
            labels.push("trace_id", trace);
        }
    });
}
