//! Test servers on loopback.

mod layer_setup;

use std::{fmt, net::SocketAddr};

use campanile_listen::Connections;
use futures_util::FutureExt;
use hyper::rt::Executor;
use hyper_util::{rt::TokioIo, server::conn::auto, service::TowerToHyperService};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

use self::layer_setup::BoxedApp;
pub use self::layer_setup::{LayerSetup, SharedLayers};
use crate::{app::TestApp, wait::within};

/// A server for HTTP/1 and HTTP/2. Stops accepting when dropped.
pub struct TestServer {
    /// The listen address.
    pub address: SocketAddr,
    /// The application.
    pub app: TestApp,
    /// Its connection gauge.
    pub connections: Connections,
    tasks: TaskCounter,
    accepting: AbortHandle,
}

impl TestServer {
    /// Starts a server of the application with the layers of a setup.
    pub async fn start(layers: &SharedLayers, setup: LayerSetup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let connections = Connections::new(address).with_recorder(layers.recorder());
        let app = TestApp::new(layers.id());
        let tasks = TaskCounter(watch::Sender::new(0));
        let accept = AcceptLoop {
            connections: connections.clone(),
            service: layers.around(app.clone(), setup),
            tasks: tasks.clone(),
            half_close: setup == LayerSetup::StackHalfClose,
        };
        Self {
            address,
            app,
            connections,
            tasks,
            accepting: tokio::spawn(accept.run(listener)).abort_handle(),
        }
    }

    /// Waits until all connections and their streams have ended, and are recorded.
    pub async fn idle(&self) {
        let mut running = self.tasks.0.subscribe();
        within(
            "the end of the tasks of the server",
            running.wait_for(|running| *running == 0),
        )
        .await
        .expect("self holds the sender");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

struct AcceptLoop {
    connections: Connections,
    service: BoxedApp,
    tasks: TaskCounter,
    half_close: bool,
}

impl AcceptLoop {
    async fn run(self, listener: TcpListener) {
        loop {
            let slot = self.connections.ready().await;
            // Out of descriptors, perhaps: the client fails then.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            stream.set_nodelay(true).expect("the socket is connected");
            self.serve(slot.wrap(stream));
        }
    }

    fn serve(&self, io: campanile_listen::CountedIo<TcpStream>) {
        let service = TowerToHyperService::new(self.service.clone());
        let mut builder = auto::Builder::new(self.tasks.clone());
        builder.http1().half_close(self.half_close);
        builder.http2().enable_connect_protocol();
        let served = builder.serve_connection_with_upgrades(TokioIo::new(io), service);
        // The layers record how a connection ends.
        self.tasks.execute(served.into_owned().map(drop));
    }
}

/// Spawns tasks, and counts those that run.
#[derive(Clone)]
struct TaskCounter(watch::Sender<usize>);

struct RunningTask(watch::Sender<usize>);

impl Drop for RunningTask {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for TaskCounter {
    fn execute(&self, future: F) {
        self.0.send_modify(|running| *running += 1);
        let running = RunningTask(self.0.clone());
        tokio::spawn(async move {
            // Dropped after the future, and on unwinding.
            let _running = running;
            future.await;
        });
    }
}
