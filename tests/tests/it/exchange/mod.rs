//! The end-of-exchange matrix: each row of the table, on a server and a recorder of its own.

use campanile_tests::{
    exchange::{Connection, Protocol, Row, drive, rows},
    server::{Layers, Server},
    tally::Tally,
    wait::within,
};

#[tokio::test]
async fn every_exchange_over_http1_ends_once_and_as_it_did() {
    all(Protocol::H1).await;
}

#[tokio::test]
async fn every_exchange_over_http2_ends_once_and_as_it_did() {
    all(Protocol::H2).await;
}

/// Runs every row before it fails, so that one run names all that are wrong.
async fn all(protocol: Protocol) {
    let mut wrong = Vec::new();
    for row in rows().iter().filter(|row| row.is_of(protocol)) {
        let run = within(format_args!("the row {:?}", row.name), run(row, protocol)).await;
        if let Err(why) = run {
            wrong.push(format!("{:?} over {protocol:?}: {why}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Makes one exchange, waits until nothing is left of its connection, and compares every series.
async fn run(row: &Row, protocol: Protocol) -> Result<(), String> {
    let tally = Tally::leak();
    let layers = Layers::new(tally);
    let server = Server::start(&layers, row.layers).await;
    let connection = Connection::open(server.address, protocol)
        .await
        .map_err(|error| error.to_string())?;
    drop(drive(row, connection, &server.app, Some(tally)).await?);
    tally.until_total("http_server_open_connections", 0.0).await;
    server.idle().await;
    let mut written = tally.written();
    written.retain(|series, _| !row.overlooks(series));
    let expected = row.series();
    if written != expected {
        let missing: Vec<_> = expected
            .iter()
            .filter(|(name, text)| written.get(*name) != Some(text))
            .collect();
        let beyond: Vec<_> = written
            .iter()
            .filter(|(name, text)| expected.get(*name) != Some(text))
            .collect();
        return Err(format!("missing {missing:?}, but there is {beyond:?}"));
    }
    if tally.lowest("http_server_active_requests") < 0.0 || server.connections.open() != 0 {
        return Err("a gauge went below zero, or a connection stayed open".into());
    }
    Ok(())
}
