//! hyper-util's auto builder and `GracefulShutdown`, as in the example of its repository.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
};

use crate::peers::service::{handle, listen, terminated};

pub(super) async fn serve(address: SocketAddr) -> io::Result<()> {
    let listener = listen(address)?;
    let server = auto::Builder::new(TokioExecutor::new());
    let graceful = GracefulShutdown::new();
    let mut terminated = pin!(terminated());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                };
                let service = service_fn(|_| async {
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(handle().await)))
                });
                let stream = TokioIo::new(Box::pin(stream));
                let connection = server.serve_connection_with_upgrades(stream, service);
                let connection = graceful.watch(connection.into_owned());
                tokio::spawn(async move {
                    // Clients may close connections early.
                    let _ = connection.await;
                });
            }
            () = terminated.as_mut() => {
                drop(listener);
                break;
            }
        }
    }
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => {}
    }
    Ok(())
}
