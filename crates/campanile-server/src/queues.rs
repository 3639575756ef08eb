//! The accept queues of the server's listeners, watched while it serves.

use std::time::Duration;

use campanile_backlog::{Backlog, BacklogMonitor, Saturation, WaitRecorder, WatchOptions};
use campanile_listen::{Listener, Sharing};
use metrics::Recorder;

/// What is wanted of the queues.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// How often they are looked at, if at all.
    pub(crate) interval: Option<Duration>,
    /// Whether each accepted connection is asked how long it waited.
    pub(crate) waits: bool,
    pub(crate) saturation: Option<Saturation>,
}

/// The queues, once there are listeners.
pub(crate) struct Queues {
    monitor: BacklogMonitor,
    backlogs: Vec<Backlog>,
    wanted: Wanted,
    recorder: Option<&'static (dyn Recorder + Sync)>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_millis(250)),
            waits: true,
            saturation: None,
        }
    }
}

impl Queues {
    pub(crate) fn new(wanted: Wanted, recorder: Option<&'static (dyn Recorder + Sync)>) -> Self {
        let mut monitor = BacklogMonitor::new();
        if let Some(recorder) = recorder {
            monitor = monitor.with_recorder(recorder);
        }
        Self {
            monitor,
            backlogs: Vec::new(),
            wanted,
            recorder,
        }
    }

    /// Watches the queue of a listener, and returns what measures how long its connections waited there.
    ///
    /// A queue that cannot be watched is a line in the log: the listener serves all the same.
    pub(crate) fn watch(&mut self, listener: &Listener) -> WaitRecorder {
        let mut label = listener.label().as_str().to_owned();
        if self.wanted.interval.is_some() {
            let mut options = WatchOptions::new()
                .with_label(label.as_str())
                .with_sharing(listener.sharing() == Sharing::Shared);
            if let Some(backlog) = listener.backlog() {
                options = options.with_requested_limit(backlog);
            }
            match self.monitor.watch_with(listener, &options) {
                Ok(backlog) => {
                    backlog.label().clone_into(&mut label);
                    self.backlogs.push(backlog);
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(listener = label, error, "its accept queue cannot be watched");
                }
            }
        }
        let waits = WaitRecorder::new(label).with_measuring(self.wanted.waits);
        match self.recorder {
            Some(recorder) => waits.with_recorder(recorder),
            None => waits,
        }
    }

    /// Serves, and looks at the queues meanwhile.
    pub(crate) async fn watched<F: Future>(self, serving: F) -> F::Output {
        let Some(interval) = self.wanted.interval else {
            return serving.await;
        };
        let mut monitor = self.monitor;
        if let Some(saturation) = self.wanted.saturation {
            monitor = monitor.with_saturation(saturation.with_backlogs(self.backlogs));
        }
        tokio::select! {
            output = serving => output,
            () = monitor.run(interval) => unreachable!("it samples for ever"),
        }
    }
}
