//! What happens whenever the walk is woken, in whatever stage.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::Clock;
use crate::level::Place;
use crate::phase::{Ask, Phase};
use crate::report::Reason;
use crate::shared::{Owner, Shared};
use crate::signals::Signals;
use crate::walk::Supervisor;

/// How often the gauges are set though nothing has changed: a recorder may have come late, or forgets what is idle.
const SELDOM: Duration = Duration::from_secs(10);
/// How often the drain's seconds are told, and the service manager asked for more time.
const OFTEN: Duration = Duration::from_secs(1);
/// What the service manager is asked for beyond the time that a stop may take: to flush and to exit.
const TO_EXIT: Duration = Duration::from_secs(5);
/// The shortest time that tokio's timers know.
const A_TURN: Duration = Duration::from_millis(1);

/// The owner on its way.
pub(crate) struct Walk<'a, S: Future, C: Clock> {
    pub(super) shared: Arc<Shared>,
    pub(super) clock: C,
    pub(super) supervisor: Supervisor,
    pub(super) served: Option<S::Output>,
    pub(super) serving_ended: bool,
    serving: Pin<&'a mut S>,
    signals: Signals,
    signals_seen: Ask,
    /// Waits for more to be asked than was.
    asked: Place,
    refresh: Pin<Box<C::Sleep>>,
    _owner: Owner,
}

impl<'a, S: Future, C: Clock> Walk<'a, S, C> {
    pub(crate) fn new(
        owner: Owner,
        signals: Signals,
        supervisor: Supervisor,
        serving: Pin<&'a mut S>,
        clock: C,
    ) -> Self {
        Self {
            shared: Arc::clone(&owner.0),
            supervisor,
            served: None,
            serving_ended: false,
            serving,
            signals,
            signals_seen: Ask::Nothing,
            asked: Place::default(),
            refresh: Box::pin(clock.sleep(SELDOM)),
            clock,
            _owner: owner,
        }
    }

    /// Goes on until the condition holds. It is asked at every wake-up, and has to leave a waker for what it waits for
    /// beyond signals, what is asked, and what serves.
    pub(super) async fn until(&mut self, mut done: impl FnMut(&mut Self, &mut Context<'_>) -> bool) {
        poll_fn(|cx| {
            self.turn(cx);
            if done(self, cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    pub(super) fn asked(&self, ask: Ask) -> bool {
        self.shared.asks.now() >= ask
    }

    pub(super) fn idle(&self, cx: &Context<'_>) -> bool {
        self.serving_ended && self.shared.in_flight.poll_zero(cx).is_ready()
    }

    /// Lets the runtime see the signals that came before it was first polled. While its only thread was busy with the
    /// start, the system kept them; they arrive with the turn that also fires a timer.
    pub(super) async fn see_early_signals(&mut self) {
        if self.signals.are_installed() {
            let mut timer = pin!(self.clock.sleep(A_TURN));
            self.until(|walk, cx| timer.as_mut().poll(cx).is_ready() || walk.asked(Ask::Drain))
                .await;
        }
    }

    /// Tells the recorder and the service manager how things are.
    pub(super) fn show(&mut self) {
        let phase = self.shared.phase();
        self.shared.metrics.record_phase(phase, self.drained_for());
        if matches!(phase, Phase::Draining | Phase::Stopping) {
            let left = self.left() + TO_EXIT;
            self.supervisor
                .tell(format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", left.as_micros()));
        }
    }

    pub(super) fn drained_for(&self) -> Duration {
        let began = self.shared.drain_began.get();
        began.map_or(Duration::ZERO, |began| {
            self.clock.now().saturating_duration_since(*began)
        })
    }

    fn turn(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(signal) = self.signals.poll(cx) {
            // Counted apart from what code asks for: the TERM that follows a preStop hook's `/drain` is a first one.
            self.signals_seen = Ask::from(u8::from(self.signals_seen).saturating_add(1));
            tracing::info!(signal, "asked to stop");
            self.shared.ask(self.signals_seen, Reason::Signal(signal));
        }
        if !self.serving_ended
            && let Poll::Ready(output) = self.serving.as_mut().poll(cx)
        {
            self.serving_ended = true;
            self.served = Some(output);
        }
        if self.refresh.as_mut().poll(cx).is_ready() {
            self.supervisor.retry();
            self.show();
            self.refresh_later(cx);
        }
        self.watch_asks(cx);
    }

    /// Sets the next refresh: from the drain on they come often.
    pub(super) fn refresh_later(&mut self, cx: &mut Context<'_>) {
        let often = self.shared.phase() >= Phase::Draining;
        self.refresh
            .set(self.clock.sleep(if often { OFTEN } else { SELDOM }));
        if self.refresh.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Leaves a waker for whatever is asked next.
    fn watch_asks(&mut self, cx: &Context<'_>) {
        loop {
            let next = match self.shared.asks.now() {
                Ask::Nothing => Ask::Drain,
                Ask::Drain => Ask::EndDrainTime,
                Ask::EndDrainTime => Ask::Cut,
                Ask::Cut => return,
            };
            if self.shared.asks.poll(next, &mut self.asked, cx).is_pending() {
                return;
            }
        }
    }

    fn left(&self) -> Duration {
        let deadline = self.shared.stop_deadline().or_else(|| {
            let drained = self.shared.drain_deadline()?;
            Some(drained + self.shared.settings.stop_timeout)
        });
        deadline.map_or(Duration::ZERO, |deadline| {
            deadline.saturating_duration_since(self.clock.now())
        })
    }
}
