//! Stays attached, whatever becomes of the port.

use std::time::Duration;

use tokio::{
    sync::{mpsc::Sender, watch},
    time::sleep,
};

use super::{Live, Port};
use crate::model::Update;

/// What the stream itself wishes for (`retry: 1000`).
const PAUSE: Duration = Duration::from_secs(1);

/// Sends what the stream tells, and attaches again when it ends, until nobody listens.
pub async fn follow(port: Port, mut live: Live, updates: Sender<Update>) {
    loop {
        let why = loop {
            let event = match live.next().await {
                Ok(event) => event,
                Err(why) => break why,
            };
            if updates.send(Update::Event(event)).await.is_err() {
                return;
            }
        };
        if updates.send(Update::Lost(why.to_string())).await.is_err() {
            return;
        }
        live = loop {
            sleep(PAUSE).await;
            match port.attach().await {
                Ok(live) => break live,
                Err(why) if updates.send(Update::Lost(why.to_string())).await.is_err() => return,
                Err(_) => {}
            }
        };
    }
}

/// Asks once a second for the requests that the filter finds, while there is one.
pub async fn filtered(port: Port, mut filter: watch::Receiver<String>, updates: Sender<Update>) {
    loop {
        let wanted = filter.borrow_and_update().clone();
        let changed = filter.changed();
        let ask = async {
            if wanted.is_empty() {
                return std::future::pending().await;
            }
            // The stream says that the port is gone.
            let found = port.requests(&wanted).await.ok();
            if let Some(found) = found {
                let _ = updates.send(Update::Found(wanted, found)).await;
            }
            sleep(PAUSE).await;
        };
        tokio::select! {
            changed = changed => if changed.is_err() { return },
            () = ask => {}
        }
    }
}
