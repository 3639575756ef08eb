//! The shutdown configuration.

use std::time::Duration;

use campanile_lifecycle::{Lifecycle, ShutdownConfig};

use crate::support::{Log, config, within};

#[test]
fn excessive_time_is_an_error_that_names_the_setting() {
    for (config, setting) in [
        (ShutdownConfig::new().with_drain_time(Duration::MAX), "drain_time"),
        (
            ShutdownConfig::new().with_stop_timeout(Duration::MAX),
            "stop_timeout",
        ),
    ] {
        let error = Lifecycle::new(config).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{setting} of 213503982334601 days exceeds the maximum of 365 days")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn short_termination_grace_is_logged_at_start() {
    let (log, _guard) = Log::start();
    for (grace, warns) in [(14, true), (15, false)] {
        let config = config().with_termination_grace(Duration::from_secs(grace));
        let lifecycle = Lifecycle::new(config).unwrap();
        lifecycle.handle().drain();
        let before = log.text().len();
        within("end", lifecycle.run()).await;
        assert_eq!(
            log.text()[before..].contains("WARN"),
            warns,
            "{grace}: {}",
            log.text()
        );
    }
    let line = log.line("WARN");
    let expected = "shutdown may take 15s (drain_time 5s + stop_timeout 10s), but the supervisor kills the process after 14s";
    assert!(line.contains(expected), "{line}");
}
