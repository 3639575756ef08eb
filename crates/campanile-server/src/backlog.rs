//! Watches the accept queues of the server's listeners.

use std::time::Duration;

use campanile_backlog::{Backlog, BacklogMonitor, Saturation, WaitRecorder, WatchOptions};
use campanile_listen::{Listener, Sharing};
use campanile_metrics::RecorderHandle;

/// The settings for accept queues.
#[derive(Debug)]
pub(crate) struct BacklogConfig {
    /// The sampling interval; `None` turns sampling off.
    pub(crate) interval: Option<Duration>,
    /// Whether to measure how long each accepted connection was queued.
    pub(crate) measure_wait: bool,
    pub(crate) saturation: Option<Saturation>,
}

/// The monitor of the accept queues.
pub(crate) struct QueueMonitor {
    monitor: BacklogMonitor,
    backlogs: Vec<Backlog>,
    config: BacklogConfig,
    recorder: RecorderHandle,
}

impl Default for BacklogConfig {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_millis(250)),
            measure_wait: true,
            saturation: None,
        }
    }
}

impl QueueMonitor {
    pub(crate) fn new(config: BacklogConfig, recorder: RecorderHandle) -> Self {
        Self {
            monitor: BacklogMonitor::new().with_recorder(recorder),
            backlogs: Vec::new(),
            config,
            recorder,
        }
    }

    /// Adds a listener; returns the recorder of its connections' queue waits.
    ///
    /// A queue that cannot be watched is logged, and the listener serves without.
    pub(crate) fn watch(&mut self, listener: &Listener) -> WaitRecorder {
        let mut label = listener.label().as_str().to_owned();
        if self.config.interval.is_some() {
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
                    tracing::warn!(listener = label, error, "cannot watch the accept queue");
                }
            }
        }
        WaitRecorder::new(label)
            .with_measuring(self.config.measure_wait)
            .with_recorder(self.recorder)
    }

    /// Samples the queues while it polls `serve`.
    pub(crate) async fn run_with<F: Future>(self, serve: F) -> F::Output {
        let Some(interval) = self.config.interval else {
            return serve.await;
        };
        let mut monitor = self.monitor;
        if let Some(saturation) = self.config.saturation {
            monitor = monitor.with_saturation(saturation.with_backlogs(self.backlogs));
        }
        tokio::select! {
            output = serve => output,
            () = monitor.run(interval) => unreachable!("the monitor never ends"),
        }
    }
}
