//! Probes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile_admin::{Admin, Check, Phase, Status};
use http::Request;
use serde_json::json;
use tower::ServiceExt;

use crate::support::{ask, from, read, send};

fn in_phase(phase: Phase) -> Admin {
    Admin::new().with_status(move || Status::new(phase))
}

fn with_failure(phase: Phase) -> Admin {
    in_phase(phase).with_checks(|| async {
        vec![
            Check::passed("cache"),
            Check::failed("db", "no answer within 1 s"),
        ]
    })
}

#[tokio::test]
async fn each_probe_says_what_it_is_asked() {
    let phases = [
        (Phase::Starting, 503, 503),
        (Phase::Ready, 200, 200),
        (Phase::Draining, 503, 200),
        (Phase::Stopping, 503, 200),
        (Phase::Stopped, 503, 200),
    ];
    for (phase, readiness, startup) in phases {
        let admin = in_phase(phase);
        for (target, status) in [
            ("/livez", 200),
            ("/readyz", readiness),
            ("/health", readiness),
            ("/health?type=readiness", readiness),
            ("/health?type=1", readiness),
            ("/health?type=READINESS", readiness),
            ("/health?type=nonsense", readiness),
            ("/health?type=", readiness),
            ("/health?type=99", readiness),
            ("/health?type=liveness", 200),
            ("/health?type=Liveness", 200),
            ("/health?type=2", 200),
            ("/health?type=startup", startup),
            ("/health?type=%73tartup", startup),
            ("/health?type=3", startup),
        ] {
            let answer = send(&admin, ask("GET", target)).await;
            assert_eq!(answer.status(), status, "{target} in {phase:?}");
            if target.starts_with("/health") {
                assert_eq!(answer.json()["phase"], phase.as_str(), "{target}");
            }
        }
    }
}

#[tokio::test]
async fn a_check_that_fails_makes_the_service_not_ready_and_is_named() {
    let admin = with_failure(Phase::Ready);
    for target in ["/readyz", "/health"] {
        let answer = send(&admin, ask("GET", target)).await;
        assert_eq!(answer.status(), 503);
        assert_eq!(
            answer.json(),
            json!({
                "phase": "ready",
                "seconds_left": null,
                "checks": {"cache": "ok", "db": "no answer within 1 s"},
            })
        );
    }
    // Only readiness is theirs to say.
    for target in ["/health?type=liveness", "/health?type=startup", "/livez"] {
        assert_eq!(send(&admin, ask("GET", target)).await.status(), 200, "{target}");
    }
}

#[tokio::test]
async fn on_a_shared_port_probes_say_whose_they_are() {
    let pid = async |shared, target| {
        let admin = Admin::new().with_shared_port(shared);
        send(&admin, ask("GET", target)).await.json()["pid"].as_u64()
    };
    for target in ["/readyz", "/health", "/health?type=2"] {
        assert_eq!(pid(false, target).await, None, "{target}");
        assert_eq!(
            pid(true, target).await,
            Some(std::process::id().into()),
            "{target}"
        );
    }
}

#[tokio::test]
async fn the_seconds_left_are_told() {
    let left = Duration::from_micros(4_321_900);
    let admin = Admin::new().with_status(move || Status::new(Phase::Draining).with_time_left(Some(left)));
    assert_eq!(
        send(&admin, ask("GET", "/readyz")).await.json()["seconds_left"],
        4.322
    );
}

#[tokio::test]
async fn a_drain_that_begins_during_the_checks_is_seen() {
    let phase = Arc::new(AtomicUsize::new(0));
    let drained = Arc::clone(&phase);
    let admin = Admin::new()
        .with_status(move || Phase::ALL[1 + phase.load(Ordering::SeqCst)])
        .with_checks(move || {
            drained.store(1, Ordering::SeqCst);
            async { vec![] }
        });
    let answer = send(&admin, ask("GET", "/readyz")).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json()["phase"], "draining");
}

#[tokio::test(start_paused = true)]
async fn liveness_waits_for_no_check() {
    let admin = Admin::new().with_checks(std::future::pending);
    for target in ["/livez", "/health?type=2", "/health?type=3", "/_status/ping"] {
        let answer = tokio::time::timeout(Duration::from_secs(1), send(&admin, ask("GET", target))).await;
        assert_eq!(answer.expect("it does not wait").status(), 200, "{target}");
    }
}

#[tokio::test]
async fn probes_ask_clients_to_come_anew_once_the_service_drains() {
    for target in ["/livez", "/readyz", "/health", "/_status/ping", "/_status/check"] {
        let header = async |phase, version| {
            let answer = send(&in_phase(phase), ask("GET", target).version(version)).await;
            answer.header("connection").to_owned()
        };
        assert_eq!(header(Phase::Ready, http::Version::HTTP_11).await, "", "{target}");
        assert_eq!(
            header(Phase::Draining, http::Version::HTTP_11).await,
            "close",
            "{target}"
        );
        assert_eq!(
            header(Phase::Stopping, http::Version::HTTP_11).await,
            "close",
            "{target}"
        );
        assert_eq!(
            header(Phase::Draining, http::Version::HTTP_2).await,
            "",
            "{target}"
        );
    }
}

#[tokio::test]
async fn ping_and_check_answer_by_the_version() {
    let admin = in_phase(Phase::Ready).with_version("1.2.3");
    for target in ["/_status/ping", "/_status/ping/", "/_status/check"] {
        let answer = send(&admin, ask("GET", target)).await;
        assert_eq!(
            (answer.status().as_u16(), answer.text()),
            (200, "1.2.3\n"),
            "{target}"
        );
    }
    assert_eq!(
        send(&Admin::new(), ask("GET", "/_status/ping")).await.text(),
        "unknown\n"
    );

    let check = async |admin: &Admin| send(admin, ask("GET", "/_status/check")).await;
    let answer = check(&with_failure(Phase::Ready)).await;
    assert_eq!(
        (answer.status().as_u16(), answer.text()),
        (500, "db: no answer within 1 s\n")
    );
    // In a drain checks are not asked, and all is still served.
    assert_eq!(check(&with_failure(Phase::Draining)).await.status(), 200);
}

#[tokio::test]
async fn anybody_may_probe_by_any_name() {
    for target in ["/livez", "/readyz", "/health", "/_status/ping", "/_status/check"] {
        let request = from([192, 0, 2, 1], "GET", target).header("host", "second.example");
        assert_eq!(send(&Admin::new(), request).await.status(), 200, "{target}");
    }
}

#[tokio::test]
async fn the_service_for_the_application_has_three_paths() {
    let admin = Admin::new()
        .with_metrics(|_: &str| "up 1\n".to_owned())
        .with_requests(Vec::new)
        .with_drain(|| ());
    for (target, status) in [
        ("/health", 200),
        ("/_status/ping", 200),
        ("/_status/check", 200),
        ("/", 404),
        ("/live", 404),
        ("/livez", 404),
        ("/readyz", 404),
        ("/metrics", 404),
        ("/_status/metrics", 404),
        ("/requests", 404),
    ] {
        let request = Request::get(target).body(String::new()).unwrap();
        let answer = read(admin.probes().oneshot(request).await.unwrap()).await;
        assert_eq!(answer.status(), status, "{target}");
    }
}
