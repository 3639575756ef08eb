//! Signal handlers, installed and restored by sigaction(2), and the end of a process that cannot return from `main`.
//!
//! Not by the crate `signal-hook`, on which tokio's signals are based: it does not restore what was there before.
#![allow(unsafe_code, reason = "the only file of this crate that calls sigaction")]

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem::{MaybeUninit, transmute};
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use libc::{SIG_DFL, SIG_IGN, siginfo_t};

/// A signal that a service handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandledSignal {
    Hangup,
    Interrupt,
    Terminate,
    /// Einhorn sends each of TERM, INT and USR2 for a graceful shutdown.
    User2,
}

/// The action of one signal before ours.
struct Previous {
    action: Mutex<Option<libc::sigaction>>,
    // What the handler reads.
    handler: AtomicUsize,
    flags: AtomicI32,
    /// Whether ours was installed and not restored.
    installed: AtomicBool,
    /// Whether another handler was installed over ours, and so may call it at any later time.
    buried: AtomicBool,
}

thread_local! {
    /// Whether this thread is in the handler of each signal. Without a destructor or an initialization, which a handler must
    /// not run.
    static HANDLING: Cell<[bool; HandledSignal::ALL.len()]> =
        const { Cell::new([false; HandledSignal::ALL.len()]) };
}

type Handler = extern "C" fn(c_int);
type InfoHandler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

static PREVIOUS: [Previous; HandledSignal::ALL.len()] = [const { Previous::new() }; HandledSignal::ALL.len()];
/// The process whose handlers these are; a forked child is another.
static OWNER: AtomicU32 = AtomicU32::new(0);
/// Where the handler writes the number of its signal. Never closed, since a handler may be about to write.
static WRITER: AtomicI32 = AtomicI32::new(-1);

impl HandledSignal {
    pub(crate) const ALL: [Self; 4] = [Self::Hangup, Self::Interrupt, Self::Terminate, Self::User2];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::User2 => "SIGUSR2",
        }
    }

    const fn number(self) -> c_int {
        match self {
            Self::Hangup => libc::SIGHUP,
            Self::Interrupt => libc::SIGINT,
            Self::Terminate => libc::SIGTERM,
            Self::User2 => libc::SIGUSR2,
        }
    }

    /// Returns the signal of a byte that the handler wrote.
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|signal| signal.number() == c_int::from(byte))
    }

    fn previous(self) -> &'static Previous {
        &PREVIOUS[self as usize]
    }

    /// Installs the handler, unless it is installed already.
    pub(crate) fn install(self) -> io::Result<()> {
        let mut previous = current(self.number())?;
        if previous.sa_sigaction == ours() {
            return Ok(());
        }
        if self.previous().installed.swap(true, Ordering::AcqRel) {
            self.previous().buried.store(true, Ordering::Release);
        }
        // Stored first: the handler may run before `sigaction` returns.
        self.previous().store(&previous);
        let mut action = empty_action();
        action.sa_sigaction = ours();
        // Not `SA_ONSTACK`: the alternate stack of a thread has room for one frame, and several signals may arrive at once.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        // SAFETY: both are valid actions, and the handler is async-signal-safe.
        check(unsafe { libc::sigaction(self.number(), &raw const action, &raw mut previous) })
    }

    /// Restores the previous action. A handler that was installed over ours stays, and may call ours.
    pub(crate) fn restore(self) -> io::Result<()> {
        if current(self.number())?.sa_sigaction != ours() {
            let was_installed = self.previous().installed.load(Ordering::Acquire);
            self.previous().buried.fetch_or(was_installed, Ordering::AcqRel);
            return Ok(());
        }
        self.previous().installed.store(false, Ordering::Release);
        let action = self.previous().action.lock();
        let action = action
            .unwrap_or_else(PoisonError::into_inner)
            .unwrap_or_else(empty_action);
        // SAFETY: the action is the one that `install` found.
        check(unsafe { libc::sigaction(self.number(), &raw const action, ptr::null_mut()) })
    }

    /// Sends the signal to this process again, for the action that it has now. Not if that may be a handler that calls ours:
    /// it has received the signal, and would without end.
    pub(crate) fn raise_again(self) {
        if self.previous().buried.load(Ordering::Acquire) {
            return;
        }
        if current(self.number()).is_ok_and(|action| action.sa_sigaction != ours()) {
            // SAFETY: no memory is involved.
            unsafe { libc::kill(libc::getpid(), self.number()) };
        }
    }
}

impl Previous {
    const fn new() -> Self {
        Self {
            action: Mutex::new(None),
            handler: AtomicUsize::new(SIG_DFL),
            flags: AtomicI32::new(0),
            installed: AtomicBool::new(false),
            buried: AtomicBool::new(false),
        }
    }

    fn store(&self, action: &libc::sigaction) {
        *self.action.lock().unwrap_or_else(PoisonError::into_inner) = Some(*action);
        self.flags.store(action.sa_flags, Ordering::Relaxed);
        self.handler.store(action.sa_sigaction, Ordering::Release);
    }

    /// Calls the previous handler, if there is one. Returns whether the action is the default one.
    fn call(&self, signal: c_int, info: *mut siginfo_t, context: *mut c_void) -> bool {
        let handler = self.handler.load(Ordering::Acquire);
        if handler == SIG_DFL {
            return true;
        }
        if handler != SIG_IGN {
            if self.flags.load(Ordering::Relaxed) & libc::SA_SIGINFO == 0 {
                // SAFETY: `sigaction` returned this function, of this type.
                unsafe { transmute::<usize, Handler>(handler)(signal) };
            } else {
                // SAFETY: as above, with the flag for the three arguments.
                unsafe { transmute::<usize, InfoHandler>(handler)(signal, info, context) };
            }
        }
        false
    }
}

/// Sets the descriptor to which the handlers of this process write. It must never be closed.
pub(crate) fn set_writer(writer: c_int) {
    WRITER.store(writer, Ordering::Relaxed);
    OWNER.store(process::id(), Ordering::Release);
}

/// Ends the process without exit handlers, since a thread that stands still may hold a lock that one of them needs.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: no memory is involved.
    unsafe { libc::_exit(code) }
}

/// The handler. Only calls what signal-safety(7) lists.
extern "C" fn on_signal(number: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = errno::errno();
    let Some(signal) = HandledSignal::ALL
        .into_iter()
        .find(|signal| signal.number() == number)
    else {
        return;
    };
    if set_handling(signal, true) {
        // Called by the previous handler, over which ours was installed for the second time.
        return;
    }
    if OWNER.load(Ordering::Acquire) == process::id() {
        let byte = number.to_le_bytes()[0];
        // SAFETY: the byte outlives the call, and the descriptor is never closed. It does not block: the writer is
        // nonblocking, and a full pipe holds more signals than any shutdown needs.
        unsafe { libc::write(WRITER.load(Ordering::Relaxed), (&raw const byte).cast(), 1) };
        signal.previous().call(number, info, context);
    } else if signal.previous().call(number, info, context) {
        // A forked child has no thread that reads the pipe, which is its parent's.
        default_action(number);
    }
    set_handling(signal, false);
    errno::set_errno(errno);
}

/// Sets whether this thread is in the handler of a signal, which is blocked there; returns whether it was.
fn set_handling(signal: HandledSignal, handling: bool) -> bool {
    HANDLING.with(|cell| {
        let mut all = cell.get();
        let was = std::mem::replace(&mut all[signal as usize], handling);
        cell.set(all);
        was
    })
}

/// Performs the default action once the handler returns, unless another handler was installed over ours.
fn default_action(number: c_int) {
    if current(number).is_ok_and(|action| action.sa_sigaction == ours()) {
        let action = empty_action();
        // SAFETY: the default action is valid.
        unsafe { libc::sigaction(number, &raw const action, ptr::null_mut()) };
        // SAFETY: no memory is involved.
        unsafe { libc::raise(number) };
    }
}

fn ours() -> usize {
    on_signal as InfoHandler as usize
}

fn current(number: c_int) -> io::Result<libc::sigaction> {
    let mut action = empty_action();
    // SAFETY: only writes the current action.
    check(unsafe { libc::sigaction(number, ptr::null(), &raw mut action) })?;
    Ok(action)
}

/// Returns the default action, without flags and with an empty mask.
fn empty_action() -> libc::sigaction {
    // SAFETY: zeroes are a valid value of the type: `SIG_DFL` is zero, and there are no references.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the mask is part of the action.
    unsafe { libc::sigemptyset(&raw mut action.sa_mask) };
    action
}

fn check(result: c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
