//! The thread that takes the signals of the process, also while every thread of the runtime is blocked.

use std::io::{self, Read};
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::Notify;

use crate::overdue::Overdue;
use crate::signal_actions::{HandledSignal, set_writer};
use crate::state::LifecycleState;

/// How late the thread itself may wake up before it grants the service more time.
const MAX_LATENESS: Duration = Duration::from_millis(300);

/// A receiver of signals, until it is dropped.
#[derive(Debug)]
pub(crate) struct Subscription {
    id: u64,
}

/// What a signal does.
#[derive(Clone, Debug)]
pub(crate) enum Receiver {
    /// TERM, INT and USR2 request the stages of a shutdown.
    Shutdown(Arc<LifecycleState>),
    /// HUP notifies a task.
    Hangup(Arc<Notify>),
}

/// A received signal, to be delivered without the lock: a waker may drop a task, and with it a subscription.
#[must_use]
struct Deliveries(Vec<(Receiver, HandledSignal)>);

/// The state of the thread, of which a process has one.
struct SignalThread {
    /// The process that it runs in: a forked child needs its own.
    process: u32,
    reader: Option<Arc<UnixStream>>,
    last_id: u64,
    receivers: Vec<(u64, Receiver, Overdue)>,
}

static THREAD: Mutex<SignalThread> = Mutex::new(SignalThread {
    process: 0,
    reader: None,
    last_id: 0,
    receivers: Vec::new(),
});

impl Receiver {
    const fn receives(&self, signal: HandledSignal) -> bool {
        match self {
            Self::Shutdown(_) => !matches!(signal, HandledSignal::Hangup),
            Self::Hangup(_) => matches!(signal, HandledSignal::Hangup),
        }
    }
}

impl Subscription {
    /// Installs the handlers, and starts the thread if there is none.
    pub(crate) fn new(receiver: Receiver) -> io::Result<Self> {
        let mut thread = lock();
        thread.start()?;
        thread.last_id += 1;
        let id = thread.last_id;
        let signals = HandledSignal::ALL.into_iter();
        let installed: io::Result<()> = signals
            .filter(|signal| receiver.receives(*signal))
            .try_for_each(HandledSignal::install);
        thread.receivers.push((id, receiver, Overdue::default()));
        drop(thread);
        // Dropped on failure, which restores what was installed.
        let subscription = Self { id };
        installed.map(|()| subscription)
    }

    /// Delivers what the handlers have received so far, without waiting for the thread.
    #[expect(
        clippy::unused_self,
        reason = "there are handlers only while there is a subscription"
    )]
    pub(crate) fn deliver(&self) {
        let deliveries = lock().receive_all();
        deliveries.run();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut thread = lock();
        let deliveries = thread.receive_all();
        let position = thread.receivers.iter().position(|(id, ..)| *id == self.id);
        let removed = position.map(|at| thread.receivers.swap_remove(at));
        for signal in HandledSignal::ALL {
            if !thread
                .receivers
                .iter()
                .any(|(_, receiver, _)| receiver.receives(signal))
            {
                // Fails only for signals that cannot be handled.
                let _ = signal.restore();
            }
        }
        drop(thread);
        drop(removed);
        deliveries.run();
    }
}

impl Deliveries {
    fn run(self) {
        for (receiver, signal) in self.0 {
            let deliver = || match &receiver {
                Receiver::Shutdown(state) => state.request_by_signals(),
                Receiver::Hangup(task) => task.notify_one(),
            };
            // Unwind safe: the state only has atomics and locks that ignore poisoning. A waker that panics must not end the
            // thread.
            if catch_unwind(AssertUnwindSafe(deliver)).is_err() {
                tracing::error!(signal = signal.name(), "the waker of a task panicked");
            }
        }
    }
}

impl SignalThread {
    fn start(&mut self) -> io::Result<()> {
        if self.reader.is_some() && self.process == process::id() {
            return Ok(());
        }
        // What a forked child has inherited belongs to its parent.
        self.receivers.clear();
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        let reader = Arc::new(reader);
        thread::Builder::new().name(String::from("signals")).spawn({
            let reader = Arc::clone(&reader);
            move || run(&reader)
        })?;
        // Kept open for the life of the process, as is the reader.
        set_writer(writer.into_raw_fd());
        self.reader = Some(reader);
        self.process = process::id();
        Ok(())
    }

    /// Counts the signals in the pipe.
    fn receive_all(&mut self) -> Deliveries {
        let mut deliveries = Deliveries(Vec::new());
        let Some(reader) = self.reader.clone() else {
            return deliveries;
        };
        let mut bytes = [0; 64];
        while let Ok(read @ 1..) = (&*reader).read(&mut bytes) {
            let received = bytes[..read].iter();
            for signal in received.filter_map(|byte| HandledSignal::from_byte(*byte)) {
                self.receive(signal, &mut deliveries);
            }
        }
        deliveries
    }

    fn receive(&mut self, signal: HandledSignal, deliveries: &mut Deliveries) {
        let mut received = false;
        for (_, receiver, overdue) in &mut self.receivers {
            if !receiver.receives(signal) {
                continue;
            }
            received = true;
            if let Receiver::Shutdown(state) = receiver {
                let count = state.signals.push(signal.name());
                overdue.on_signal(state, count);
            }
            deliveries.0.push((receiver.clone(), signal));
        }
        if !received {
            // Received while the last receiver was dropped.
            signal.raise_again();
        }
    }

    /// Returns the next moment at which a shutdown is overdue.
    fn next_deadline(&self) -> Option<Instant> {
        self.receivers
            .iter()
            .filter_map(|(.., overdue)| overdue.at())
            .min()
    }

    /// Returns a service that has not stopped in time.
    fn overdue(&mut self, now: Instant, late: bool) -> Option<Arc<LifecycleState>> {
        self.receivers
            .iter_mut()
            .find_map(|(_, receiver, overdue)| match receiver {
                Receiver::Shutdown(state) if overdue.is_over(state, now, late) => Some(Arc::clone(state)),
                _ => None,
            })
    }
}

fn run(reader: &UnixStream) {
    loop {
        let deadline = lock().next_deadline();
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        // Rounded up, so that it does not spin in the last millisecond.
        let timeout = left.and_then(|left| Timespec::try_from(left + Duration::from_millis(1)).ok());
        let mut fds = [PollFd::from_borrowed_fd(reader.as_fd(), PollFlags::IN)];
        // Only fails if it is interrupted.
        let _ = poll(&mut fds, timeout.as_ref());
        let now = Instant::now();
        // The whole process may have been stopped for a while.
        let late = deadline.is_some_and(|at| now.saturating_duration_since(at) > MAX_LATENESS);
        let mut thread = lock();
        let deliveries = thread.receive_all();
        let stuck = thread.overdue(now, late);
        drop(thread);
        deliveries.run();
        if let Some(state) = stuck {
            crate::overdue::end_process(&state);
        }
    }
}

fn lock() -> MutexGuard<'static, SignalThread> {
    THREAD.lock().unwrap_or_else(PoisonError::into_inner)
}
