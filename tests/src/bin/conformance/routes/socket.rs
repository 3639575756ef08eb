//! A WebSocket that says back what it is told.

use axum::{
    Extension,
    extract::{
        WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
};
use campanile_server::UpgradeGuard;

/// `GET /ws`, over HTTP/2 an extended `CONNECT`.
pub(super) async fn echo(upgrade: WebSocketUpgrade, guard: Option<Extension<UpgradeGuard>>) -> Response {
    upgrade.on_upgrade(|socket| async move {
        // Over HTTP/2 only this task knows how long the socket lives.
        let _counted = guard;
        talk(socket).await;
    })
}

async fn talk(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        // axum answers pings and closes by itself.
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}
