//! A WebSocket that echoes, and closes when the service drains.

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
        // Over HTTP/2 only the guard shows how long the socket is open.
        let _guard = guard;
        echo_messages(socket, &connection).await;
    })
}

async fn echo_messages(mut socket: WebSocket, connection: &Connection) {
    let mut draining = connection.draining();
    let mut closing = false;
    loop {
        let received = tokio::select! {
            received = socket.recv() => received,
            () = &mut draining, if !closing => {
                closing = true;
                let away = CloseFrame { code: close_code::AWAY, reason: Utf8Bytes::from_static("the service drains") };
                // Messages are still received until the close frame of the client.
                if socket.send(Message::Close(Some(away))).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let Some(Ok(message)) = received else { return };
        // axum handles pings and closes itself.
        let to_echo = matches!(message, Message::Text(_) | Message::Binary(_)) && !closing;
        if to_echo && socket.send(message).await.is_err() {
            return;
        }
    }
}
