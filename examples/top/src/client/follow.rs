//! The tasks that keep the model up to date.

use std::time::Duration;

use tokio::{
    sync::{mpsc::Sender, watch},
    time::sleep,
};

use super::{AdminClient, LiveStream};
use crate::model::Update;

/// The reconnection time that the stream requests (`retry: 1000`).
const RETRY: Duration = Duration::from_secs(1);

/// Sends the events of the stream, and reconnects when it ends. Returns when the receiver is dropped.
pub async fn follow(client: AdminClient, mut live: LiveStream, updates: Sender<Update>) {
    loop {
        let error = loop {
            let event = match live.next().await {
                Ok(event) => event,
                Err(error) => break error,
            };
            if updates.send(Update::Event(event)).await.is_err() {
                return;
            }
        };
        if updates.send(Update::Lost(error.to_string())).await.is_err() {
            return;
        }
        live = loop {
            sleep(RETRY).await;
            match client.connect().await {
                Ok(live) => break live,
                Err(error) if updates.send(Update::Lost(error.to_string())).await.is_err() => return,
                Err(_) => {}
            }
        };
    }
}

/// Fetches the requests that match the filter once a second, while the filter is not empty.
pub async fn poll_filtered(
    client: AdminClient,
    mut filter: watch::Receiver<String>,
    updates: Sender<Update>,
) {
    loop {
        let current = filter.borrow_and_update().clone();
        let changed = filter.changed();
        let poll = async {
            if current.is_empty() {
                return std::future::pending().await;
            }
            // Errors are ignored: `follow` reports a lost connection.
            if let Ok(found) = client.requests(&current).await {
                let _ = updates.send(Update::Filtered(current, found)).await;
            }
            sleep(RETRY).await;
        };
        tokio::select! {
            changed = changed => if changed.is_err() { return },
            () = poll => {}
        }
    }
}
