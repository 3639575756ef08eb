//! Times that can and cannot be honoured.

use std::time::Duration;

use campanile_lifecycle::{Lifecycle, Settings};

use crate::support::{Log, settings, within};

#[test]
fn a_time_that_nobody_means_is_refused_by_name() {
    for (settings, setting) in [
        (Settings::new().with_drain_time(Duration::MAX), "drain_time"),
        (Settings::new().with_stop_timeout(Duration::MAX), "stop_timeout"),
    ] {
        let error = Lifecycle::new(settings).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{setting} of 213503982334601 days: the longest is 365 days")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_kills_too_early_is_warned_of_at_the_start() {
    let (log, _guard) = Log::start();
    for (grace, warns) in [(14, true), (15, false)] {
        let settings = settings().with_termination_grace(Duration::from_secs(grace));
        let lifecycle = Lifecycle::new(settings).unwrap();
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
    let said = "a stop may take 15s (drain_time 5s + stop_timeout 10s), but the supervisor kills after 14s";
    assert!(line.contains(said), "{line}");
}
