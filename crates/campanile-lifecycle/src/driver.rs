//! Moves a lifecycle through its stages.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

#[cfg(unix)]
use crate::notifier::Notifier;
use crate::phase::{Phase, Stage};
use crate::report::{Report, StopReason};
use crate::signals::Signals;
use crate::state::{LifecycleState, StateOwner};
use crate::watch_cell::Waiter;

/// How long holders of guards have, once cut, to drop them and to count their requests.
pub(crate) const CUT_GRACE: Duration = Duration::from_millis(250);
/// How often gauges are set again: a recorder may be installed late, or drop idle series.
const REFRESH: Duration = Duration::from_secs(10);
/// How often, during a shutdown, its seconds are recorded and the service manager's timeout is extended.
const SHUTDOWN_REFRESH: Duration = Duration::from_secs(1);
/// Added to the time requested from the service manager, to flush logs and exit.
const EXIT_MARGIN: Duration = Duration::from_secs(5);

/// The source of timers: tokio, or a model without time in loom tests.
pub(crate) trait Clock {
    type Sleep: Future<Output = ()>;

    fn now(&self) -> Instant;

    fn sleep(&self, duration: Duration) -> Self::Sleep;
}

#[derive(Debug)]
pub(crate) struct TokioClock;

/// The future behind [`Lifecycle::run_with`](crate::Lifecycle::run_with).
pub(crate) struct Driver<'a, S: Future, C: Clock> {
    state: Arc<LifecycleState>,
    clock: C,
    manager: ServiceManager,
    serve: Pin<&'a mut S>,
    serve_ended: bool,
    output: Option<S::Output>,
    signals: Signals,
    next_request: Waiter,
    refresh: Pin<Box<C::Sleep>>,
    _owner: StateOwner,
}

/// The service manager, if there is one. Repeats a message that it could not send.
#[derive(Debug, Default)]
pub(crate) struct ServiceManager {
    #[cfg(unix)]
    notifier: Option<Notifier>,
    #[cfg(unix)]
    unsent: Option<String>,
}

impl Clock for TokioClock {
    type Sleep = Sleep;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        tokio::time::sleep(duration)
    }
}

impl<'a, S: Future, C: Clock> Driver<'a, S, C> {
    pub(crate) fn new(
        owner: StateOwner,
        signals: Signals,
        manager: ServiceManager,
        serve: Pin<&'a mut S>,
        clock: C,
    ) -> Self {
        Self {
            state: Arc::clone(&owner.0),
            manager,
            serve,
            serve_ended: false,
            output: None,
            signals,
            next_request: Waiter::default(),
            refresh: Box::pin(clock.sleep(REFRESH)),
            clock,
            _owner: owner,
        }
    }

    pub(crate) async fn run(mut self) -> (Report, Option<S::Output>) {
        self.state.config.warn_of_short_grace();
        self.publish();
        let was_ready = self.become_ready().await;
        if was_ready {
            self.until(|this, _| this.is_requested(Stage::Draining) || this.serve_ended)
                .await;
        }
        if !self.is_requested(Stage::Draining) {
            self.state.request(Stage::Draining, StopReason::ServeEnded);
        }
        self.drain(was_ready).await;
        let (in_flight, serve_cut) = self.stop().await;
        let took = self.drain_elapsed();
        self.state.stage.raise_to(Stage::Stopped);
        self.publish();
        tracing::info!(?took, "stopped");
        let state = &self.state;
        let report = Report {
            reason: state.reason.get().copied().unwrap_or(StopReason::Requested),
            took,
            in_flight,
            serve_cut,
            names: state.guard_names.take_cut(),
            failure: state.failure.get().cloned(),
            drained_requests: state.drained_requests.load(Ordering::Relaxed),
            cut_requests: state.cut_requests.load(Ordering::Relaxed),
            exit_nonzero_when_cut: state.config.exit_nonzero_when_cut,
        };
        (report, self.output)
    }

    /// Waits for the latches; returns whether the service became ready.
    async fn become_ready(&mut self) -> bool {
        // From before the first poll, which the signal thread may not have received or delivered yet.
        self.signals.deliver();
        #[cfg(unix)]
        self.state.request_by_signals();
        let mut released = false;
        self.until(|this, cx| {
            released = this.state.latches.poll_released(cx).is_ready();
            released || this.is_requested(Stage::Draining) || this.serve_ended
        })
        .await;
        // A concurrent drain wins: it has raised the stage further.
        let ready = released && !self.serve_ended && self.state.stage.raise_to(Stage::Ready);
        if ready {
            tracing::info!("ready");
            self.manager.notify(String::from("READY=1"));
            self.publish();
        }
        ready
    }

    /// Waits for the end of the drain time.
    async fn drain(&mut self, was_ready: bool) {
        let reason = self.state.reason.get().copied();
        let reason = reason.unwrap_or(StopReason::Requested);
        let drain_time = if was_ready && !self.serve_ended {
            self.state.config.drain_time
        } else {
            Duration::ZERO
        };
        tracing::info!(%reason, ?drain_time, "draining");
        self.publish();
        poll_fn(|cx| {
            self.schedule_refresh(cx);
            Poll::Ready(())
        })
        .await;
        // From the request on, as `drain_deadline` does.
        let left = drain_time.saturating_sub(self.drain_elapsed());
        if !left.is_zero() {
            let mut timer = pin!(self.clock.sleep(left));
            self.until(|this, cx| {
                timer.as_mut().poll(cx).is_ready() || this.is_requested(Stage::Stopping) || this.serve_ended
            })
            .await;
        }
    }

    /// Waits for work in flight and cuts the rest; returns the number of guards held then, and whether serving was cut.
    async fn stop(&mut self) -> (usize, bool) {
        let stop_timeout = self.state.config.stop_timeout;
        let _ = self.state.stop_began.set(self.clock.now());
        self.state.stage.raise_to(Stage::Stopping);
        tracing::info!(
            in_flight = self.state.in_flight.count(),
            ?stop_timeout,
            "stopping"
        );
        self.publish();
        let mut idle = false;
        let mut timer = pin!(self.clock.sleep(stop_timeout));
        self.until(|this, cx| {
            idle = this.is_idle(cx);
            idle || this.is_requested(Stage::Cutting) || timer.as_mut().poll(cx).is_ready()
        })
        .await;
        if idle { (0, false) } else { self.cut().await }
    }

    async fn cut(&mut self) -> (usize, bool) {
        let in_flight = self.state.in_flight.count();
        let names = self.state.guard_names.cut_held();
        tracing::warn!(
            in_flight,
            still_running = names.join(", "),
            "cutting work in flight"
        );
        self.state.stage.raise_to(Stage::Cutting);
        let mut timer = pin!(self.clock.sleep(CUT_GRACE));
        let serve_cut = !self.serve_ended;
        self.until(|this, cx| this.is_idle(cx) || timer.as_mut().poll(cx).is_ready())
            .await;
        (in_flight, serve_cut)
    }

    /// Waits for a condition. It is evaluated at every wake-up, and registers the waker with anything that
    /// [`turn`](Self::turn) does not poll.
    async fn until(&mut self, mut condition: impl FnMut(&mut Self, &mut Context<'_>) -> bool) {
        poll_fn(|cx| {
            self.turn(cx);
            if condition(self, cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Logs signals, polls the serve future, the refresh timer and requests for a later stage.
    fn turn(&mut self, cx: &mut Context<'_>) {
        // Not by the signal thread, which a log that blocks must not hold up.
        for signal in self.state.signals.take_unlogged() {
            tracing::info!(signal, "received shutdown signal");
        }
        if !self.serve_ended
            && let Poll::Ready(output) = self.serve.as_mut().poll(cx)
        {
            self.serve_ended = true;
            self.output = Some(output);
        }
        if self.refresh.as_mut().poll(cx).is_ready() {
            self.manager.retry();
            self.publish();
            self.schedule_refresh(cx);
        }
        let requested = &self.state.requested;
        while requested
            .poll_above(requested.get(), &mut self.next_request, cx)
            .is_ready()
        {}
    }

    fn is_requested(&self, stage: Stage) -> bool {
        self.state.requested.get() >= stage
    }

    fn is_idle(&self, cx: &Context<'_>) -> bool {
        self.serve_ended && self.state.in_flight.poll_zero(cx).is_ready()
    }

    /// Sends the phase to the recorder and the service manager.
    fn publish(&mut self) {
        let phase = self.state.phase();
        self.state.metrics.record_phase(phase, self.drain_elapsed());
        if matches!(phase, Phase::Draining | Phase::Stopping) {
            let left = self.shutdown_time_left() + EXIT_MARGIN;
            self.manager
                .notify(format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", left.as_micros()));
        }
    }

    fn schedule_refresh(&mut self, cx: &mut Context<'_>) {
        let interval = match self.state.phase() {
            Phase::Starting | Phase::Ready => REFRESH,
            Phase::Draining | Phase::Stopping | Phase::Stopped => SHUTDOWN_REFRESH,
        };
        self.refresh.set(self.clock.sleep(interval));
        if self.refresh.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    fn drain_elapsed(&self) -> Duration {
        let began = self.state.drain_began.get();
        began.map_or(Duration::ZERO, |began| {
            self.clock.now().saturating_duration_since(*began)
        })
    }

    fn shutdown_time_left(&self) -> Duration {
        let deadline = self.state.stop_deadline().or_else(|| {
            let drain_deadline = self.state.drain_deadline()?;
            Some(drain_deadline + self.state.config.stop_timeout)
        });
        deadline.map_or(Duration::ZERO, |deadline| {
            deadline.saturating_duration_since(self.clock.now())
        })
    }
}

#[cfg(unix)]
impl ServiceManager {
    pub(crate) fn new(notifier: Notifier) -> Self {
        Self {
            notifier: Some(notifier),
            unsent: None,
        }
    }

    /// Sends a message, which replaces an unsent one.
    fn notify(&mut self, message: String) {
        let Some(notifier) = &self.notifier else {
            return;
        };
        match notifier.notify(&message) {
            Ok(()) => self.unsent = None,
            Err(error) => {
                tracing::warn!(%error, message, "failed to notify the service manager; will retry");
                self.unsent = Some(message);
            }
        }
    }

    fn retry(&mut self) {
        if let Some(message) = self.unsent.take() {
            self.notify(message);
        }
    }
}

#[cfg(not(unix))]
impl ServiceManager {
    fn notify(&mut self, _: String) {}

    fn retry(&mut self) {}
}
