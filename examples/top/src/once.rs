//! One look, printed.

use std::{
    io::{ErrorKind, Write, stdout},
    time::Duration,
};

use campanile_top::{
    client::{Live, Port},
    model::{Event, Model, Update},
    snapshot,
};
use tokio::time::timeout;

/// A port that has just begun has its first rates after two seconds.
const PATIENCE: Duration = Duration::from_millis(3500);

pub(crate) async fn print(port: &Port, target: &str) -> Result<(), String> {
    let mut live = port.attach().await.map_err(|error| error.to_string())?;
    let mut model = Model::default();
    let looked = timeout(PATIENCE, look(&mut live, &mut model)).await;
    // What has no rates, as a port without metrics, is printed without.
    if let Ok(Err(why)) = looked {
        return Err(why);
    }
    if model.last().is_none() {
        return Err("tells nothing".to_owned());
    }
    // Not every port tells of them.
    let requests = port.requests("").await.ok();
    let text = snapshot::text(&model, requests.as_ref(), target).map_err(|error| error.to_string())?;
    match stdout().write_all(text.as_bytes()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| format!("was read, but not printed: {error}")),
    }
}

/// Reads until there is a second with rates that is as new as the look.
async fn look(live: &mut Live, model: &mut Model) -> Result<(), String> {
    loop {
        let event = live.next().await.map_err(|error| error.to_string())?;
        let fresh = matches!(event, Event::Sample(_));
        model.apply(Update::Event(event));
        if fresh && model.last().is_some_and(|sample| sample.requests.is_some()) {
            return Ok(());
        }
    }
}
