//! Looks up the host of a daemon, again each minute and after errors.
//!
//! Each lookup has a thread of its own: the system's resolver blocks for many seconds while name servers do not respond,
//! and the sender must go on sending to the address that it has, and must end when it is stopped.

use std::{
    fmt, io, mem,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        mpsc::{self, Receiver, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use super::stats::{AtomicStats, add};

/// How long an address is used before the host is looked up again. Also the longest delay after errors.
const REFRESH: Duration = Duration::from_secs(60);
/// The delay after the first error; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Returns all addresses of a host, with the port.
pub(super) type Resolver = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Returns the system's resolver.
pub(super) fn system_resolver() -> Resolver {
    Arc::new(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
}

/// The host of a daemon and its current address.
pub(super) struct HostLookup {
    host: Host,
    only_v6: bool,
    stats: Arc<AtomicStats>,
    current: Option<SocketAddr>,
    /// Whether sending to the current address has failed.
    failed: bool,
    running: Option<Receiver<io::Result<Vec<SocketAddr>>>>,
    /// When the next lookup begins; `None`: at once.
    next: Option<Instant>,
    retry: Duration,
}

enum Host {
    Address(SocketAddr),
    Name {
        name: String,
        port: u16,
        resolver: Resolver,
    },
}

impl HostLookup {
    /// Looks nothing up yet.
    pub(super) fn new(
        host: &str,
        port: u16,
        only_v6: bool,
        resolver: Resolver,
        stats: Arc<AtomicStats>,
    ) -> Self {
        let host = match host.parse::<IpAddr>() {
            Ok(address) => Host::Address((address, port).into()),
            Err(_) => Host::Name {
                name: host.to_owned(),
                port,
                resolver,
            },
        };
        Self {
            host,
            only_v6,
            stats,
            current: None,
            failed: false,
            running: None,
            next: None,
            retry: FIRST_RETRY,
        }
    }

    /// Takes the address of a host that is given as an address, to which the caller opens a socket.
    ///
    /// # Errors
    ///
    /// If it is of the wrong family.
    pub(super) fn literal(&mut self) -> io::Result<Option<SocketAddr>> {
        match self.host {
            Host::Name { .. } => Ok(None),
            Host::Address(address) if address.is_ipv4() && self.only_v6 => {
                Err(io::Error::new(io::ErrorKind::NotFound, "no IPv6 address"))
            }
            Host::Address(address) => {
                self.current = Some(address);
                Ok(Some(address))
            }
        }
    }

    /// Begins a lookup that is due, and returns the address to which a socket is to be opened, if a lookup has ended
    /// with another one, or with any after an error.
    ///
    /// When a lookup ends, it unparks the thread that called this.
    pub(super) fn poll(&mut self, now: Instant) -> Option<SocketAddr> {
        if let Some(running) = &self.running {
            let result = match running.try_recv() {
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => Err(io::Error::other("the lookup has no result")),
                Ok(result) => result,
            };
            self.running = None;
            return self.finish(result, now);
        }
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        match &self.host {
            Host::Address(address) => {
                let addresses = vec![*address];
                self.finish(Ok(addresses), now)
            }
            Host::Name { name, port, resolver } => match begin(name.clone(), *port, Arc::clone(resolver)) {
                Ok(running) => {
                    self.running = Some(running);
                    None
                }
                Err(error) => self.finish(Err(error), now),
            },
        }
    }

    /// Looks up again soon, since sending to the address has failed.
    pub(super) fn fail(&mut self, now: Instant) {
        if !mem::replace(&mut self.failed, true) {
            let soon = now + self.retry;
            self.next = Some(self.next.map_or(soon, |next| next.min(soon)));
        }
    }

    /// Returns whether a lookup is running.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Returns when [`Self::poll`] begins the next lookup; `None` while one is running.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.filter(|_| !self.is_running())
    }

    fn finish(&mut self, result: io::Result<Vec<SocketAddr>>, now: Instant) -> Option<SocketAddr> {
        let mut addresses = result.unwrap_or_default();
        addresses.retain(|address| address.is_ipv6() || !self.only_v6);
        let failed = mem::take(&mut self.failed);
        let chosen = self.choose(&addresses, failed);
        if chosen.is_none() {
            add(&self.stats.lookup_errors, 1);
        }
        let delay = if chosen.is_some() { REFRESH } else { self.retry };
        self.next = Some(now + delay);
        self.retry = if failed || chosen.is_none() {
            (self.retry * 2).min(REFRESH)
        } else {
            FIRST_RETRY
        };
        let address = chosen.filter(|address| failed || self.current != Some(*address))?;
        self.current = Some(address);
        Some(address)
    }

    /// Chooses the current address as long as the host has it and sending does not fail, so that the order in which a
    /// name server lists addresses does not matter; otherwise the next one of the same family.
    fn choose(&self, addresses: &[SocketAddr], failed: bool) -> Option<SocketAddr> {
        // Daemons listen on IPv4 by default, and UDP does not report a missing listener on the other address.
        let is_v4 = addresses.iter().any(SocketAddr::is_ipv4);
        let mut family = addresses
            .iter()
            .copied()
            .filter(|address| address.is_ipv4() == is_v4);
        let current = self
            .current
            .and_then(|current| family.clone().position(|other| other == current));
        match current {
            None => family.next(),
            Some(index) if failed => family.clone().nth(index + 1).or_else(|| family.next()),
            Some(index) => family.nth(index),
        }
    }
}

impl fmt::Debug for HostLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostLookup")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

fn begin(host: String, port: u16, resolver: Resolver) -> io::Result<Receiver<io::Result<Vec<SocketAddr>>>> {
    let (sender, receiver) = mpsc::channel();
    let caller = thread::current();
    let lookup = move || {
        let result = panic::catch_unwind(AssertUnwindSafe(|| resolver(&host, port)));
        // The sender may have ended in the meantime.
        let _ = sender.send(result.unwrap_or_else(|_| Err(io::Error::other("the resolver panicked"))));
        caller.unpark();
    };
    thread::Builder::new()
        .name("statsd-lookup".to_owned())
        .spawn(lookup)?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    type Responses = Arc<Mutex<Vec<&'static [&'static str]>>>;

    /// A lookup whose resolver returns these addresses, one list per lookup, and panics after the last.
    fn lookup(responses: &[&'static [&'static str]]) -> (HostLookup, Arc<AtomicStats>) {
        let responses: Responses = Arc::new(Mutex::new(responses.iter().rev().copied().collect()));
        let resolver: Resolver = Arc::new(move |host, port| {
            assert_eq!(host, "statsd.test");
            let addresses = responses.lock().unwrap().pop().expect("another lookup");
            if addresses.is_empty() {
                return Err(io::ErrorKind::NotFound.into());
            }
            let address = |address: &&str| SocketAddr::new(address.parse().unwrap(), port);
            Ok(addresses.iter().map(address).collect())
        });
        let stats = Arc::<AtomicStats>::default();
        let lookup = HostLookup::new("statsd.test", 8125, false, resolver, Arc::clone(&stats));
        (lookup, stats)
    }

    /// Begins a lookup and waits for its end.
    fn look_up(lookup: &mut HostLookup, now: Instant) -> Option<String> {
        assert_eq!(lookup.poll(now), None);
        assert!(lookup.is_running(), "no lookup is due");
        while lookup.is_running() {
            if let Some(address) = lookup.poll(now) {
                return Some(address.ip().to_string());
            }
            thread::park_timeout(SECOND);
        }
        None
    }

    fn errors(stats: &AtomicStats) -> u64 {
        AtomicU64::load(&stats.lookup_errors, Ordering::Relaxed)
    }

    #[test]
    fn host_is_looked_up_each_minute_and_its_address_kept_while_it_is_listed() {
        let (mut lookup, stats) = lookup(&[&["10.0.0.1"], &["10.0.0.2", "10.0.0.1"], &["10.0.0.2"], &[]]);
        let start = Instant::now();
        assert_eq!(look_up(&mut lookup, start).as_deref(), Some("10.0.0.1"));
        assert_eq!(lookup.next(), Some(start + 60 * SECOND));
        assert_eq!(lookup.poll(start + 59 * SECOND), None);
        assert!(!lookup.is_running());
        assert_eq!(look_up(&mut lookup, start + 60 * SECOND), None);
        assert_eq!(
            look_up(&mut lookup, start + 120 * SECOND).as_deref(),
            Some("10.0.0.2")
        );
        assert_eq!(errors(&stats), 0);
        // The address stays when the name server is away.
        assert_eq!(look_up(&mut lookup, start + 180 * SECOND), None);
        assert_eq!(errors(&stats), 1);
        assert_eq!(lookup.next(), Some(start + 181 * SECOND));
    }

    #[test]
    fn delays_after_errors_double_up_to_a_minute_and_a_panic_is_an_error() {
        let (mut lookup, stats) = lookup(&[]);
        let mut now = Instant::now();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(look_up(&mut lookup, now), None);
            assert_eq!(lookup.next(), Some(now + seconds * SECOND));
            now += seconds * SECOND;
        }
        assert_eq!(errors(&stats), 8);
    }

    #[test]
    fn failed_sending_looks_up_soon_and_takes_the_next_address_of_the_family() {
        let addresses: &[&str] = &["::1", "10.0.0.1", "10.0.0.2"];
        let (mut lookup, _) = lookup(&[addresses; 4]);
        let start = Instant::now();
        assert_eq!(look_up(&mut lookup, start).as_deref(), Some("10.0.0.1"));
        lookup.fail(start + SECOND);
        lookup.fail(start + 2 * SECOND);
        assert_eq!(lookup.next(), Some(start + 2 * SECOND));
        assert_eq!(
            look_up(&mut lookup, start + 2 * SECOND).as_deref(),
            Some("10.0.0.2")
        );
        lookup.fail(start + 3 * SECOND);
        assert_eq!(lookup.next(), Some(start + 5 * SECOND), "doubled");
        assert_eq!(
            look_up(&mut lookup, start + 5 * SECOND).as_deref(),
            Some("10.0.0.1")
        );
        // Without errors the next one is a minute away, and the delay is the first one again.
        assert_eq!(look_up(&mut lookup, start + 65 * SECOND), None);
        lookup.fail(start + 66 * SECOND);
        assert_eq!(lookup.next(), Some(start + 67 * SECOND));
    }

    #[test]
    fn address_is_not_looked_up() {
        let stats = Arc::<AtomicStats>::default();
        let resolver: Resolver = Arc::new(|_, _| panic!("is an address"));
        let mut lookup = HostLookup::new("::1", 8125, true, resolver, stats);
        let address = "[::1]:8125".parse().unwrap();
        assert_eq!(lookup.literal().unwrap(), Some(address));
        let start = Instant::now();
        assert_eq!(lookup.poll(start), None);
        assert_eq!(lookup.poll(start + 60 * SECOND), None);
        // The socket is opened again after an error: its own address may be gone.
        lookup.fail(start + 61 * SECOND);
        assert_eq!(lookup.poll(start + 62 * SECOND), Some(address));
    }
}
