//! A WebSocket that says back what it is told, and goodbye when the service drains.

use axum::{
    Extension,
    extract::{
        WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    response::Response,
};
use campanile_inbound::UpgradeGuard;
use campanile_server::Connection;

/// `GET /ws`, over HTTP/2 an extended `CONNECT`.
pub(super) async fn echo(
    upgrade: WebSocketUpgrade,
    guard: Option<Extension<UpgradeGuard>>,
    Extension(connection): Extension<Connection>,
) -> Response {
    upgrade.on_upgrade(|socket| async move {
        // Over HTTP/2 only this task knows how long the socket lives.
        let _counted = guard;
        talk(socket, &connection).await;
    })
}

async fn talk(mut socket: WebSocket, connection: &Connection) {
    let mut draining = connection.draining();
    let mut told = false;
    loop {
        let heard = tokio::select! {
            heard = socket.recv() => heard,
            () = &mut draining, if !told => {
                told = true;
                let away = CloseFrame { code: close_code::AWAY, reason: Utf8Bytes::from_static("the service drains") };
                // What the client says until its own close frame is still heard.
                if socket.send(Message::Close(Some(away))).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let Some(Ok(message)) = heard else { return };
        // axum answers pings and closes by itself.
        let to_echo = matches!(message, Message::Text(_) | Message::Binary(_)) && !told;
        if to_echo && socket.send(message).await.is_err() {
            return;
        }
    }
}
