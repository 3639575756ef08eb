//! Two processes that share an address are stopped in turn, under load: the other one serves on, and nobody is lost.
//!
//! The servers are this test's own program, started again with the name of one test and what it should listen on.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]
#![allow(clippy::print_stdout, reason = "how the servers speak, and what was measured")]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::{AsFd, OwnedFd},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use campanile_drain::{
    client::h1,
    fate::{Fate, Tally},
    load::{Kind, Load},
    order::{Order, Orders},
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
const VISITORS: usize = 4;

/// From one stop of a group to the next: longer than a close takes and a SYN that it dropped needs to come again, or it
/// might meet the next close, and come again after twice as long.
const APART: Duration = Duration::from_millis(1400);

/// For a start, an answer and an end, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server is told to listen on: `inherited`, or an address to share by `SO_REUSEPORT`.
const LISTEN: &str = "CAMPANILE_TEST_LISTEN";

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: drain\r\nconnection: close\r\n\r\n";

/// How two processes come to share an address.
enum Way {
    /// Both have a descriptor of one socket, as this process has.
    Inherited(TcpListener),
    /// Each has a socket of its own in one group.
    Group(SocketAddr),
}

impl Way {
    fn apart(&self) -> Duration {
        match self {
            Self::Inherited(_) => Duration::from_millis(300),
            Self::Group(_) => APART,
        }
    }
}

#[test]
fn one_of_two_that_inherited_a_listener_stops_and_the_other_serves_on() {
    if serves() {
        return;
    }
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any_port: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    socket.bind(&any_port.into()).unwrap();
    socket.listen(4096).unwrap();
    stop_in_turn(
        &Way::Inherited(socket.into()),
        "one_of_two_that_inherited_a_listener_stops_and_the_other_serves_on",
    );
}

#[test]
fn one_of_two_in_a_group_stops_and_the_other_serves_on() {
    if serves() {
        return;
    }
    // A port that is free, and stays so: below the range that connections take theirs from.
    let address = (18_000..20_000)
        .map(|port| (Ipv4Addr::LOCALHOST, port).into())
        .find(|address: &SocketAddr| TcpListener::bind(address).is_ok());
    stop_in_turn(
        &Way::Group(address.unwrap()),
        "one_of_two_in_a_group_stops_and_the_other_serves_on",
    );
}

/// Serves if this process was started to serve, to the end of its stop; says then how many it has answered.
fn serves() -> bool {
    let Ok(listen) = std::env::var(LISTEN) else {
        return false;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let answered = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&answered);
        let app = Router::new().route(
            "/",
            get(async move || {
                // So that there are requests in flight at any moment.
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
            // The harness has written half a line.
            println!("\nready");
        };
        let (report, ()) = tokio::join!(bound.run(), ready);
        assert!(!report.was_cut(), "{report:?}");
        println!("answered {}", answered.load(Ordering::Relaxed));
    });
    true
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    async fn start(way: &Way, test: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]);
        match way {
            Way::Inherited(listener) => {
                let socket: OwnedFd = listener.try_clone().unwrap().into();
                command.env(LISTEN, "inherited").stdin(socket);
            }
            Way::Group(address) => {
                command.env(LISTEN, address.to_string()).stdin(Stdio::null());
            }
        }
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        process.says("ready").await;
        process
    }

    /// Reads up to a line that begins so, and returns the rest of it.
    async fn says(&mut self, what: &str) -> String {
        let said = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(rest) = line.strip_prefix(what) {
                    return rest.trim().to_owned();
                }
            }
            panic!("a server ended without saying `{what}`")
        };
        timeout(PATIENCE, said)
            .await
            .unwrap_or_else(|_| panic!("after {PATIENCE:?} a server does not say `{what}`"))
    }

    /// Sends it TERM, waits for its end, and returns how many it has answered.
    async fn stop(mut self) -> u64 {
        let id = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        let answered = self.says("answered").await;
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.expect("who has said its last word ends").unwrap();
        assert_eq!(status.code(), Some(0));
        answered.parse().unwrap()
    }
}

/// Comes again and again, with a connection for each request, and tells how long it took at worst.
async fn visit(address: SocketAddr, orders: Orders, enough: Arc<AtomicBool>) -> (Tally, Duration) {
    let (mut tally, mut worst) = (Tally::default(), Duration::ZERO);
    while !enough.load(Ordering::Relaxed) {
        let begun = Instant::now();
        tally.add(ask(address, &orders).await);
        worst = worst.max(begun.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    (tally, worst)
}

async fn ask(address: SocketAddr, orders: &Orders) -> Fate {
    let asked = async {
        match h1::Connection::open(address, orders).await {
            Ok(mut connection) => connection.ask(REQUEST).await.fate,
            Err(fate) => fate,
        }
    };
    timeout(PATIENCE, asked)
        .await
        .unwrap_or_else(|_| panic!("after {PATIENCE:?} there is no answer: the port is deaf"))
}

/// Stops one of two processes, and puts another in its place, many times; then both.
#[tokio::main]
async fn stop_in_turn(way: &Way, test: &str) {
    let address = match way {
        Way::Inherited(listener) => listener.local_addr().unwrap(),
        Way::Group(address) => *address,
    };
    let mut staying = Process::start(way, test).await;
    let mut leaving = Process::start(way, test).await;
    let (sender, orders) = Orders::channel();
    let mut loads = JoinSet::new();
    for (kind, connections) in [(Kind::KeepAlive, 20), (Kind::H2, 3)] {
        loads.spawn(Load::new(kind, address, connections).run(orders.clone(), || {}));
    }
    let mut next = Instant::now() + way.apart();
    let enough = Arc::new(AtomicBool::new(false));
    let mut visitors = JoinSet::new();
    for _ in 0..VISITORS {
        visitors.spawn(visit(address, orders.clone(), Arc::clone(&enough)));
    }

    let (mut bursts, mut by_leaving) = (Tally::default(), 0);
    for stop in 0..STOPS {
        // Both have their load then, also before the first stop.
        sleep_until(next).await;
        next = Instant::now() + way.apart();
        let (sender, orders) = Orders::channel();
        let burst = tokio::spawn(Load::new(Kind::Burst, address, BURST).run(orders.clone(), || {}));
        sender.send_replace(Order::Burst);
        sleep(Duration::from_millis(stop % 5)).await;
        by_leaving += leaving.stop().await;
        // Nobody but the other is there now.
        assert_eq!(ask(address, &orders).await, Fate::Answered, "stop {stop}");
        bursts += &timeout(PATIENCE, burst).await.expect("a burst ends").unwrap();
        leaving = std::mem::replace(&mut staying, Process::start(way, test).await);
    }
    enough.store(true, Ordering::Relaxed);
    let (mut visits, mut worst) = (Tally::default(), Duration::ZERO);
    while let Some(visitor) = visitors.join_next().await {
        let (tally, slowest) = visitor.unwrap();
        visits += &tally;
        worst = worst.max(slowest);
    }
    // Those of the load that met the last close have come again too.
    sleep_until(next).await;
    // Nobody opens another connection from now on, and those that are open end with their servers.
    sender.send_replace(Order::Finish);
    tokio::join!(leaving.stop(), staying.stop());
    let mut kept = Tally::default();
    while let Some(load) = loads.join_next().await {
        kept += &load.unwrap();
    }

    println!("{STOPS} stops, at worst {worst:?}: visitors {visits:?}; bursts {bursts:?}; others {kept:?}");
    assert!(by_leaving > 100, "who was stopped had no load: {by_leaving}");
    assert!(kept.answered > 1000 && visits.answered > 100, "too few to tell");
    assert_eq!(bursts.answered, STOPS * BURST as u64, "{bursts:?}");
    for tally in [&visits, &kept] {
        assert_eq!(
            (tally.refused, tally.all_lost(), tally.unsent),
            (0, 0, 0),
            "{tally:?}"
        );
    }
    // Nobody would be answered ever whose SYN went to a socket that is deaf; those of a group may come twice, and on a
    // machine that stands still three times.
    assert!(worst < Duration::from_secs(10), "somebody waited for {worst:?}");
}
