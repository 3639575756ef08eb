//! Two processes share an address and are shut down in turn under load; the other one continues, and no request is lost.
//!
//! The servers are child processes of the test program, started with the name of a test and a listen address.

#![allow(
    clippy::print_stdout,
    reason = "the protocol of the servers, and measurements"
)]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::{AsFd, OwnedFd},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use axum::{Router, routing::get};
use campanile_drain::{
    client::h1,
    load::{Load, LoadKind},
    load_command::{LoadCommand, LoadCommands},
    request_outcome::{OutcomeCounts, RequestOutcome},
};
use campanile_listen::{Bind, Listener, Sharing};
use campanile_server::Server;
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

const STOPS: u64 = 20;
const BURST: usize = 100;
const CLIENTS: usize = 4;

/// The time between two shutdowns in a group: longer than a close and the retransmission of a SYN that it dropped, which
/// could otherwise meet the next close.
const GROUP_INTERVAL: Duration = Duration::from_millis(1400);

/// The time limit for a start, a response and an exit.
const PATIENCE: Duration = Duration::from_secs(30);

/// The environment variable with the listen address of a server: `inherited`, or an address to share by `SO_REUSEPORT`.
const LISTEN: &str = "CAMPANILE_TEST_LISTEN";

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: drain\r\nconnection: close\r\n\r\n";

/// How two processes share an address.
enum SharingMode {
    /// Both inherit the listening socket of this process.
    Inherited(TcpListener),
    /// Each has a socket of its own in a `SO_REUSEPORT` group.
    Group(SocketAddr),
}

impl SharingMode {
    fn interval(&self) -> Duration {
        match self {
            Self::Inherited(_) => Duration::from_millis(300),
            Self::Group(_) => GROUP_INTERVAL,
        }
    }
}

#[test]
fn shutdown_with_an_inherited_listener_loses_no_request() {
    if run_as_server() {
        return;
    }
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any_port: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    socket.bind(&any_port.into()).unwrap();
    socket.listen(4096).unwrap();
    stop_in_turn(
        &SharingMode::Inherited(socket.into()),
        STOPS,
        "shared_listener::shutdown_with_an_inherited_listener_loses_no_request",
    );
}

#[test]
fn shutdown_in_a_reuse_port_group_loses_no_request() {
    if run_as_server() {
        return;
    }
    // Two groups at once, each with half of the shutdowns, because these are far apart.
    thread::scope(|scope| {
        for ports in [18_000..19_000, 19_000..20_000] {
            scope.spawn(move || {
                // A free port below the ephemeral range, so that no client is assigned it.
                let address = ports
                    .map(|port| (Ipv4Addr::LOCALHOST, port).into())
                    .find(|address: &SocketAddr| TcpListener::bind(address).is_ok());
                stop_in_turn(
                    &SharingMode::Group(address.unwrap()),
                    STOPS / 2,
                    "shared_listener::shutdown_in_a_reuse_port_group_loses_no_request",
                );
            });
        }
    });
}

/// In a child process, serves until its shutdown is complete, prints the number of responses, and returns true.
fn run_as_server() -> bool {
    let Ok(listen) = std::env::var(LISTEN) else {
        return false;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let completed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&completed);
        let app = Router::new().route(
            "/",
            get(async move || {
                // Keeps requests in flight.
                sleep(Duration::from_millis(1)).await;
                count.fetch_add(1, Ordering::Relaxed);
                "ok"
            }),
        );
        let server = Server::new(app).drain_time(Duration::ZERO);
        let server = match &*listen {
            "inherited" => {
                let socket = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
                server.listener(Listener::from_fd(socket, Sharing::Shared).unwrap())
            }
            address => {
                let address: SocketAddr = address.parse().unwrap();
                server.bind_with(Bind::new(address).with_reuse_port(true).with_backlog(4096))
            }
        };
        let bound = server.try_bind().unwrap();
        let handle = bound.handle();
        let ready = async {
            handle.ready().await;
            // The test harness has printed an incomplete line.
            println!("\nready");
        };
        let (report, ()) = tokio::join!(bound.run(), ready);
        assert!(!report.was_cut(), "{report:?}");
        println!("completed {}", completed.load(Ordering::Relaxed));
    });
    true
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    async fn start(mode: &SharingMode, test: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]);
        match mode {
            SharingMode::Inherited(listener) => {
                let socket: OwnedFd = listener.try_clone().unwrap().into();
                command.env(LISTEN, "inherited").stdin(socket);
            }
            SharingMode::Group(address) => {
                command.env(LISTEN, address.to_string()).stdin(Stdio::null());
            }
        }
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        process.wait_for_line("ready").await;
        process
    }

    /// Waits for a line with this prefix, and returns the rest of it.
    async fn wait_for_line(&mut self, what: &str) -> String {
        let lines = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(rest) = line.strip_prefix(what) {
                    return rest.trim().to_owned();
                }
            }
            panic!("a server exited without printing `{what}`")
        };
        timeout(PATIENCE, lines)
            .await
            .unwrap_or_else(|_| panic!("a server did not print `{what}` within {PATIENCE:?}"))
    }

    /// Sends TERM, waits for the exit, and returns the number of responses.
    async fn stop(mut self) -> u64 {
        let id = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        let completed = self.wait_for_line("completed").await;
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.expect("the server exits after its last line").unwrap();
        assert_eq!(status.code(), Some(0));
        completed.parse().unwrap()
    }
}

/// Sends requests with a connection each, and returns the outcomes and the longest duration.
async fn send_in_a_loop(
    address: SocketAddr,
    commands: LoadCommands,
    stopped: Arc<AtomicBool>,
) -> (OutcomeCounts, Duration) {
    let (mut counts, mut worst) = (OutcomeCounts::default(), Duration::ZERO);
    while !stopped.load(Ordering::Relaxed) {
        let begun = Instant::now();
        counts.add(send_request(address, &commands).await);
        worst = worst.max(begun.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    (counts, worst)
}

async fn send_request(address: SocketAddr, commands: &LoadCommands) -> RequestOutcome {
    let exchange = async {
        match h1::Connection::open(address, commands).await {
            Ok(mut connection) => connection.send(REQUEST).await.outcome,
            Err(outcome) => outcome,
        }
    };
    timeout(PATIENCE, exchange)
        .await
        .unwrap_or_else(|_| panic!("no response within {PATIENCE:?}"))
}

/// Shuts one of two processes down and replaces it, many times; then shuts down both.
#[tokio::main]
async fn stop_in_turn(mode: &SharingMode, stops: u64, test: &str) {
    let address = match mode {
        SharingMode::Inherited(listener) => listener.local_addr().unwrap(),
        SharingMode::Group(address) => *address,
    };
    let mut staying = Process::start(mode, test).await;
    let mut leaving = Process::start(mode, test).await;
    let (sender, commands) = LoadCommands::channel();
    let mut loads = JoinSet::new();
    for (kind, connections) in [(LoadKind::KeepAlive, 20), (LoadKind::H2, 3)] {
        loads.spawn(Load::new(kind, address, connections).run(commands.clone(), || {}));
    }
    let mut next = Instant::now() + mode.interval();
    let stopped = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(send_in_a_loop(address, commands.clone(), Arc::clone(&stopped)));
    }

    let (mut bursts, mut by_leaving) = (OutcomeCounts::default(), 0);
    for stop in 0..stops {
        // Both processes have load by then.
        sleep_until(next).await;
        next = Instant::now() + mode.interval();
        let (sender, commands) = LoadCommands::channel();
        let burst = tokio::spawn(Load::new(LoadKind::Burst, address, BURST).run(commands.clone(), || {}));
        sender.send_replace(LoadCommand::Burst);
        sleep(Duration::from_millis(stop % 5)).await;
        by_leaving += leaving.stop().await;
        // Only the other process is left.
        assert_eq!(
            send_request(address, &commands).await,
            RequestOutcome::Completed,
            "stop {stop}"
        );
        bursts += &timeout(PATIENCE, burst).await.expect("a burst ends").unwrap();
        leaving = std::mem::replace(&mut staying, Process::start(mode, test).await);
    }
    stopped.store(true, Ordering::Relaxed);
    let (mut single_requests, mut worst) = (OutcomeCounts::default(), Duration::ZERO);
    while let Some(client) = clients.join_next().await {
        let (counts, slowest) = client.unwrap();
        single_requests += &counts;
        worst = worst.max(slowest);
    }
    // SYNs that the last close dropped have been retransmitted by then.
    sleep_until(next).await;
    // No further connections are opened, and open ones end with their servers.
    sender.send_replace(LoadCommand::Finish);
    tokio::join!(leaving.stop(), staying.stop());
    let mut kept = OutcomeCounts::default();
    while let Some(load) = loads.join_next().await {
        kept += &load.unwrap();
    }

    println!(
        "{stops} shutdowns, longest request {worst:?}: single requests {single_requests:?}; bursts {bursts:?}; others {kept:?}"
    );
    assert!(
        by_leaving > 100,
        "the stopped processes had no load: {by_leaving}"
    );
    assert!(
        kept.completed > 1000 && single_requests.completed > 100,
        "too few requests"
    );
    assert_eq!(bursts.completed, stops * BURST as u64, "{bursts:?}");
    for counts in [&single_requests, &kept] {
        assert_eq!(
            (counts.refused, counts.total_lost(), counts.unsent),
            (0, 0, 0),
            "{counts:?}"
        );
    }
    // A SYN to a closed socket would never succeed. In a group a SYN may be retransmitted once, on a slow machine twice.
    assert!(worst < Duration::from_secs(10), "a request took {worst:?}");
}
