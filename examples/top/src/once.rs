//! `--once`: prints one snapshot.

use std::{
    io::{ErrorKind, Write, stdout},
    time::Duration,
};

use campanile_top::{
    client::{AdminClient, LiveStream},
    model::{Event, Model, Update},
    snapshot,
};
use tokio::time::timeout;

/// A port that has just started has rates after two seconds.
const TIMEOUT: Duration = Duration::from_millis(3500);

pub(crate) async fn print(client: &AdminClient, target: &str) -> Result<(), String> {
    let mut live = client.connect().await.map_err(|error| error.to_string())?;
    let mut model = Model::default();
    let received = timeout(TIMEOUT, receive_rates(&mut live, &mut model)).await;
    // After the timeout the snapshot has no rates: the port may have no metrics.
    if let Ok(Err(error)) = received {
        return Err(error);
    }
    if model.last().is_none() {
        return Err("no samples received".to_owned());
    }
    // The port may not report requests in flight.
    let requests = client.requests("").await.ok();
    let text = snapshot::text(&model, requests.as_ref(), target);
    match stdout().write_all(text.as_bytes()) {
        // The reader has closed the pipe.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| format!("cannot write to stdout: {error}")),
    }
}

/// Receives events until a new sample has rates.
async fn receive_rates(live: &mut LiveStream, model: &mut Model) -> Result<(), String> {
    loop {
        let event = live.next().await.map_err(|error| error.to_string())?;
        let is_sample = matches!(event, Event::Sample(_));
        model.apply(Update::Event(event));
        if is_sample && model.last().is_some_and(|sample| sample.requests.is_some()) {
            return Ok(());
        }
    }
}
