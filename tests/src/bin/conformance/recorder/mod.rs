//! What keeps the metrics.

mod exemplar;
mod prometheus_exporter;

use std::error::Error;

use campanile_recorder::{CellRecorder, Format};
use metrics::Recorder;
use metrics_exporter_prometheus::PrometheusHandle;
use metrics_exporter_statsd::StatsdBuilder;

use crate::flags::{Flags, Store};

type Boxed = Box<dyn Recorder + Send + Sync>;

/// How the text of the metrics is come by.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    Campanile(CellRecorder),
    PrometheusExporter(PrometheusHandle),
    /// There is none.
    StatsdExporter,
}

/// Builds the recorder and installs it for the process.
pub(crate) fn install(flags: &Flags) -> Result<Text, Box<dyn Error>> {
    // What stands beside the store (a statsd path of our own, by a `Fanout`) and what is put around it (a profile) goes
    // between these two lines.
    let (recorder, text) = store(flags)?;
    metrics::set_global_recorder(recorder).map_err(|error| error.to_string())?;
    Ok(text)
}

fn store(flags: &Flags) -> Result<(Boxed, Text), Box<dyn Error>> {
    Ok(match flags.recorder {
        Store::Campanile => {
            let builder = CellRecorder::builder().with_exemplars(exemplar::current_request);
            let recorder = match &flags.multiprocess_dir {
                Some(directory) => builder.open(directory)?,
                None => builder.build(),
            };
            (Box::new(recorder.clone()), Text::Campanile(recorder))
        }
        Store::PrometheusExporter => {
            let recorder = prometheus_exporter::builder()?.build_recorder();
            let handle = recorder.handle();
            (Box::new(recorder), Text::PrometheusExporter(handle))
        }
        Store::StatsdExporter => {
            let to = flags.statsd.as_ref().ok_or("no statsd server is named")?;
            let builder = StatsdBuilder::from(&to.host, to.port)
                // Longer than the buffer, each line is sent at once. What the buffer holds is else sent when it is full,
                // and not before.
                .with_buffer_size(1)
                .with_queue_size(10_000);
            let recorder = builder.build(flags.statsd_prefix.as_deref())?;
            (Box::new(recorder), Text::StatsdExporter)
        }
    })
}

impl Text {
    /// Renders for whoever sent this `Accept` header; nothing if there is no text. To be called where a thread may be
    /// busy for a while.
    pub(crate) fn render(&self, accept: &str) -> Option<(&'static str, String)> {
        match self {
            Self::Campanile(recorder) => {
                let format = Format::of_accept(accept);
                Some((format.content_type(), recorder.render(format)))
            }
            Self::PrometheusExporter(handle) => Some((Format::Prometheus.content_type(), handle.render())),
            Self::StatsdExporter => None,
        }
    }

    /// Does what has to be done now and then.
    pub(crate) fn keep_up(&self) {
        if let Self::PrometheusExporter(handle) = self {
            handle.run_upkeep();
        }
    }
}
