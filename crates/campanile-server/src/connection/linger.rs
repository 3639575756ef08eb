//! The end of a connection whose peer may still be sending.

use std::io;
use std::time::Duration;

use campanile_lifecycle::{PhaseReached, ShutdownGuard};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::io::Stream;

/// How long a peer is listened to that is not answered any more.
pub(super) struct Patience {
    pub(super) silence: Duration,
    pub(super) all: Duration,
    pub(super) cutting: Option<PhaseReached>,
}

impl Patience {
    pub(super) fn of(time: Duration) -> Self {
        Self {
            silence: time,
            all: time,
            cutting: None,
        }
    }
}

/// Says that no more is sent, and throws away what still comes, for a while.
pub(super) async fn linger(mut stream: Stream, patience: Patience, hold: Option<ShutdownGuard>) {
    let farewell = async {
        // It may have been shut down already.
        let _ = stream.shutdown().await;
        let mut scratch = [0; 4096];
        while timeout(patience.silence, stream.read(&mut scratch)).await?? > 0 {}
        io::Result::Ok(())
    };
    let cutting = async {
        match patience.cutting {
            Some(cutting) => cutting.await,
            None => std::future::pending().await,
        }
    };
    // Who does not hear in time, or has hung up, has had the chance.
    tokio::select! {
        _ = timeout(patience.all, farewell) => {}
        () = cutting => {}
    }
    drop(stream);
    drop(hold);
}
