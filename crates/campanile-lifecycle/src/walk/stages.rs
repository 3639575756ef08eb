//! What follows what.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use crate::clock::Clock;
use crate::phase::{Ask, Stage};
use crate::report::{Reason, Report};
use crate::walk::Walk;

/// How long those who were told to cut have to do it, to count it and to name it.
pub(super) const TO_CUT: Duration = Duration::from_millis(250);

impl<S: Future, C: Clock> Walk<'_, S, C> {
    pub(crate) async fn walk(mut self) -> (Report, Option<S::Output>) {
        self.shared.settings.warn();
        self.show();
        let was_ready = self.become_ready().await;
        if was_ready {
            self.until(|walk, _| walk.asked(Ask::Drain) || walk.serving_ended)
                .await;
        }
        if !self.asked(Ask::Drain) {
            self.shared.ask(Ask::Drain, Reason::Ended);
        }
        self.drain(was_ready).await;
        let (in_flight, serving_cut) = self.stop().await;
        let took = self.drained_for();
        self.shared.stage.raise_to(Stage::Stopped);
        self.show();
        tracing::info!(?took, "stopped");
        let shared = &self.shared;
        let report = Report {
            reason: shared.reason.get().copied().unwrap_or(Reason::Asked),
            took,
            in_flight,
            serving_cut,
            names: shared.names.take_cut(),
            drained_requests: shared.drained_requests.load(Ordering::Relaxed),
            cut_requests: shared.cut_requests.load(Ordering::Relaxed),
            exit_nonzero_when_cut: shared.settings.exit_nonzero_when_cut,
        };
        (report, self.served)
    }

    /// Waits for the latches; tells whether the service came to be ready.
    async fn become_ready(&mut self) -> bool {
        self.see_early_signals().await;
        let mut released = false;
        self.until(|walk, cx| {
            released = walk.shared.latches.poll_released(cx).is_ready();
            released || walk.asked(Ask::Drain) || walk.serving_ended
        })
        .await;
        // A drain that is asked for at this moment wins: it has raised the stage further.
        let ready = released && !self.serving_ended && self.shared.stage.raise_to(Stage::Ready);
        if ready {
            tracing::info!("ready");
            self.supervisor.tell(String::from("READY=1"));
            self.show();
        }
        ready
    }

    /// Serves on until the drain time is over.
    async fn drain(&mut self, was_ready: bool) {
        let reason = self.shared.reason.get().copied().unwrap_or(Reason::Asked);
        let drain_time = if was_ready && !self.serving_ended {
            self.shared.settings.drain_time
        } else {
            Duration::ZERO
        };
        tracing::info!(%reason, ?drain_time, "draining");
        self.show();
        self.refresh_often().await;
        // Counted from when it was asked for, which is what those who ask were told.
        let left = drain_time.saturating_sub(self.drained_for());
        if !left.is_zero() {
            let mut timer = pin!(self.clock.sleep(left));
            self.until(|walk, cx| {
                timer.as_mut().poll(cx).is_ready() || walk.asked(Ask::EndDrainTime) || walk.serving_ended
            })
            .await;
        }
    }

    /// Waits for what is in flight, and cuts what is left of it; tells what that was.
    async fn stop(&mut self) -> (usize, bool) {
        let stop_timeout = self.shared.settings.stop_timeout;
        let _ = self.shared.stop_began.set(self.clock.now());
        self.shared.stage.raise_to(Stage::Stopping);
        tracing::info!(in_flight = self.shared.in_flight.now(), ?stop_timeout, "stopping");
        self.show();
        let mut idle = false;
        let mut timer = pin!(self.clock.sleep(stop_timeout));
        self.until(|walk, cx| {
            idle = walk.idle(cx);
            idle || walk.asked(Ask::Cut) || timer.as_mut().poll(cx).is_ready()
        })
        .await;
        if idle { (0, false) } else { self.cut().await }
    }

    async fn cut(&mut self) -> (usize, bool) {
        let in_flight = self.shared.in_flight.now();
        let names = self.shared.names.cut_all();
        tracing::warn!(
            in_flight,
            still_running = names.join(", "),
            "cutting what has not finished"
        );
        self.shared.stage.raise_to(Stage::Cutting);
        let mut timer = pin!(self.clock.sleep(TO_CUT));
        let serving_cut = !self.serving_ended;
        self.until(|walk, cx| walk.idle(cx) || timer.as_mut().poll(cx).is_ready())
            .await;
        (in_flight, serving_cut)
    }

    async fn refresh_often(&mut self) {
        std::future::poll_fn(|cx| {
            self.refresh_later(cx);
            Poll::Ready(())
        })
        .await;
    }
}
