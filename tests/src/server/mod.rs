//! Servers on loopback.

mod arrangement;

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

use self::arrangement::Served;
pub use self::arrangement::{Arrangement, Layers};
use crate::{app::App, wait::within};

/// A server that speaks HTTP/1 and HTTP/2. Stops accepting when dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it serves.
    pub app: App,
    /// Its counted connections.
    pub connections: Connections,
    tasks: Tasks,
    accepting: AbortHandle,
}

impl Server {
    /// Starts a server of the application under the layers.
    pub async fn start(layers: &Layers, arrangement: Arrangement) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let connections = Connections::new(address).with_recorder(layers.tally());
        let app = App::new(layers.id());
        let tasks = Tasks(watch::Sender::new(0));
        let accept = Accept {
            connections: connections.clone(),
            service: layers.around(app.clone(), arrangement),
            tasks: tasks.clone(),
            half_close: arrangement == Arrangement::StackHalfClose,
        };
        Self {
            address,
            app,
            connections,
            tasks,
            accepting: tokio::spawn(accept.run(listener)).abort_handle(),
        }
    }

    /// Waits until nothing is left of any connection: whatever was to be counted has been.
    pub async fn idle(&self) {
        let mut running = self.tasks.0.subscribe();
        within(
            "the end of the server's tasks",
            running.wait_for(|running| *running == 0),
        )
        .await
        .expect("the sender is in self");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

struct Accept {
    connections: Connections,
    service: Served,
    tasks: Tasks,
    half_close: bool,
}

impl Accept {
    async fn run(self, listener: TcpListener) {
        loop {
            let slot = self.connections.ready().await;
            // Out of descriptors, perhaps; the client sees it too, and fails with what it awaited.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            stream
                .set_nodelay(true)
                .expect("a connected socket takes options");
            self.serve(slot.wrap(stream));
        }
    }

    fn serve(&self, io: campanile_listen::CountedIo<TcpStream>) {
        let service = TowerToHyperService::new(self.service.clone());
        let mut builder = auto::Builder::new(self.tasks.clone());
        builder.http1().half_close(self.half_close);
        builder.http2().enable_connect_protocol();
        let served = builder.serve_connection_with_upgrades(TokioIo::new(io), service);
        // How a connection ends is for its layers to tell.
        self.tasks.execute(served.into_owned().map(drop));
    }
}

/// Spawns tasks and counts those that run.
#[derive(Clone)]
struct Tasks(watch::Sender<usize>);

struct Running(watch::Sender<usize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, future: F) {
        self.0.send_modify(|running| *running += 1);
        let running = Running(self.0.clone());
        tokio::spawn(async move {
            // Moved in, so that it is dropped after the future, also by a panic.
            let _running = running;
            future.await;
        });
    }
}
