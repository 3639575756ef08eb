//! Runs this test binary again as a service in a child process.

use std::convert::Infallible;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use campanile_server::{BoundServer, Server, ServerRuntime};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use rustix::process::{Pid, Signal, kill_process};
use tower::Service;

const SCENARIO: &str = "CAMPANILE_SERVER_CHILD";
/// Longer than any step of a child takes.
const TIMEOUT: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);

/// A running child process.
pub(crate) struct RunningService {
    child: Child,
    lines: Receiver<String>,
}

/// Starts the child; `wrap` may change the command.
pub(crate) fn start_with(scenario: &str, wrap: impl FnOnce(Command) -> Command) -> RunningService {
    let program = env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.args(["--exact", "service::service", "--ignored", "--nocapture"]);
    let mut command = wrap(command);
    command
        .env(SCENARIO, scenario)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("this program starts");
    let (send, lines) = channel();
    let out = child.stdout.take().expect("it is piped");
    let err = child.stderr.take().expect("it is piped");
    for pipe in [Box::new(out) as Box<dyn Read + Send>, Box::new(err)] {
        let send = send.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
    }
    RunningService { child, lines }
}

pub(crate) fn start(scenario: &str) -> RunningService {
    start_with(scenario, |command| command)
}

impl RunningService {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the child is running");
    }

    /// Closes the readers of its output.
    pub(crate) fn close_output(&mut self) {
        self.lines = channel().1;
    }

    /// Waits for a line with this text; returns it.
    #[track_caller]
    pub(crate) fn expect(&self, text: &str) -> String {
        let mut lines = Vec::new();
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => lines.push(line),
                Err(error) => panic!("no `{text}` ({error}), but {lines:?}"),
            }
        }
    }

    /// Waits for the line with an address.
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        let line = self.expect("serving ");
        let (_, address) = line.split_once("serving ").expect("it was found");
        address.parse().expect("it is an address")
    }

    /// Waits for the process to exit.
    #[track_caller]
    pub(crate) fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is not reaped yet") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "still running after {TIMEOUT:?}: {:?}",
                self.lines.try_iter().collect::<Vec<_>>()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for RunningService {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request, and returns the connection.
pub(crate) fn request(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("it is not zero");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").expect("it is open");
    stream
}

/// Reads a response to its head.
pub(crate) fn response(stream: TcpStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("it responds");
    line
}

fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Blocks its thread, or a thread of the blocking pool, as the path says.
#[derive(Clone)]
struct App;

/// Panics when it is cloned for a connection.
struct PanicsOnClone(&'static AtomicBool);

impl Clone for PanicsOnClone {
    fn clone(&self) -> Self {
        assert!(!self.0.load(Ordering::Relaxed), "clone of the service");
        Self(self.0)
    }
}

impl Service<Request<Incoming>> for PanicsOnClone {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        self.0.store(true, Ordering::Relaxed);
        std::future::ready(Ok(Response::default()))
    }
}

impl Service<Request<Incoming>> for App {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        Box::pin(async move {
            match request.uri().path() {
                "/pool" => {
                    tokio::task::spawn_blocking(|| {
                        print("blocked");
                        thread::sleep(HOUR);
                    });
                }
                "/short" => {
                    tokio::task::spawn_blocking(|| {
                        print("blocked");
                        thread::sleep(Duration::from_millis(700));
                        print("written");
                    });
                }
                "/worker" => {
                    print("blocked");
                    thread::sleep(HOUR);
                }
                _ => {}
            }
            Ok(Response::default())
        })
    }
}

fn app() -> Server<App> {
    Server::new(App)
        .drain_time(Duration::ZERO)
        .stop_timeout(Duration::from_millis(300))
}

/// Prints the address once it is bound; the port is chosen here, since `run_blocking` does not return it.
fn serve<S>(server: Server<S>) -> Server<S> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    let listener = campanile_listen::Listener::from_tcp(listener, campanile_listen::Sharing::Exclusive);
    print(&format!("serving {address}"));
    server.listener(listener.expect("it listens"))
}

fn made<S>(server: Server<S>) -> Result<Server<S>, Infallible> {
    Ok(serve(server))
}

/// The service in the child process; without the scenario variable it does nothing.
#[test]
#[ignore = "runs in a process of its own"]
#[expect(clippy::exit, reason = "the test harness would exit with a code of its own")]
fn service() {
    let Ok(scenario) = env::var(SCENARIO) else {
        return;
    };
    if scenario != "no subscriber" {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(std::io::stderr)
            // Otherwise it panics when it cannot report that the log is closed.
            .log_internal_errors(false)
            .init();
    }
    let code = run(&scenario);
    let known = (0..5).find(|known| code == ExitCode::from(*known));
    std::process::exit(known.map_or(99, i32::from));
}

fn run(scenario: &str) -> ExitCode {
    static BROKEN: AtomicBool = AtomicBool::new(false);
    let runtime = ServerRuntime::new().with_worker_threads(2);
    match scenario {
        "serves" => runtime.run(async { made(app()) }),
        "patient" => runtime.run(async { made(app().stop_timeout(HOUR)) }),
        "nonzero" => runtime.run(async { made(app().exit_nonzero_when_cut(true)) }),
        "one worker" => runtime
            .with_worker_threads(1)
            .run(async { made(app().exit_nonzero_when_cut(true)) }),
        "current thread" => ServerRuntime::current_thread().run(async { made(app()) }),
        "slow start" => runtime.run(async {
            print("starting");
            std::future::pending::<()>().await;
            made(app())
        }),
        "blocked start" => runtime.run(async {
            let server = made(app());
            print("starting");
            thread::sleep(Duration::from_millis(500));
            server
        }),
        "failed start" => runtime.run(async { Err::<Server<App>, _>(std::io::Error::other("no database")) }),
        "panicking start" => runtime.run(async {
            tokio::task::spawn_blocking(|| thread::sleep(HOUR));
            assert!(env::var_os(SCENARIO).is_none(), "start panicked");
            made(app())
        }),
        "no subscriber" => app().bind("unix:/nowhere/app.sock").run_blocking(),
        "no workers" => runtime.with_worker_threads(0).run(async { made(app()) }),
        "panicking clone" => {
            BROKEN.store(false, Ordering::Relaxed);
            runtime.run(async { made(Server::new(PanicsOnClone(&BROKEN)).drain_time(Duration::ZERO)) })
        }
        "lost socket" => lost_socket(),
        "two servers" => two_servers(),
        "returns" => {
            let runtime = tokio::runtime::Runtime::new().expect("there are threads");
            runtime
                .block_on(async { serve(app()).run().await })
                .expect("it starts");
            print("returned");
            thread::sleep(HOUR);
            ExitCode::SUCCESS
        }
        unknown => panic!("no scenario {unknown}"),
    }
}

fn lost_socket() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    runtime.block_on(async {
        let bound = serve(app()).try_bind().expect("it listens");
        let socket = bound.listeners().next().expect("there is one").as_fd();
        let socket = socket.try_clone_to_owned().expect("there are descriptors");
        let handle = bound.handle();
        let running = tokio::spawn(bound.run());
        handle.ready().await;
        rustix::net::shutdown(&socket, rustix::net::Shutdown::Both).expect("it listens");
        let report = running.await.expect("it does not panic");
        print(&format!("failure: {:?}", report.failure()));
        report.exit_code()
    })
}

fn two_servers() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    runtime.block_on(async {
        let bind = || app().bind("127.0.0.1:0").try_bind().expect("there is a port");
        let first: BoundServer<App> = bind();
        let second = serve(app()).try_bind().expect("there is a port");
        first.handle().drain();
        first.run().await;
        print("first ended");
        second.run().await;
        print("second ended");
        // A server that is made later handles signals again.
        serve(app()).run().await.expect("there is a port").exit_code()
    })
}
