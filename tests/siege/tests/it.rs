//! The short siege of campanile: no good client fails, and nothing is left of the hostile ones.

#![cfg(target_os = "linux")]

use std::time::Duration;

use campanile_siege::{serve::ServerKind, siege::Siege};

#[tokio::test]
async fn no_good_client_fails_and_the_server_recovers() {
    let siege = Siege::new(ServerKind::Campanile, Duration::from_secs(20))
        .with_program(env!("CARGO_BIN_EXE_campanile-siege"));
    let report = siege.run().await.unwrap();
    assert!(report.violations().is_empty(), "{report}");
}
