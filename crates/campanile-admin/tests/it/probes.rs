//! Probes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile_admin::{Admin, CheckResult, ServicePhase, ServiceStatus};
use http::Request;
use serde_json::json;
use tower::ServiceExt;

use crate::support::{local_request, read, request_from, send};

fn in_phase(phase: ServicePhase) -> Admin {
    Admin::new().with_status(move || ServiceStatus::new(phase))
}

fn with_failure(phase: ServicePhase) -> Admin {
    in_phase(phase).with_checks(|| async {
        vec![
            CheckResult::passed("cache"),
            CheckResult::failed("db", "no response within 1 s"),
        ]
    })
}

#[tokio::test]
async fn probes_reflect_the_phase() {
    let phases = [
        (ServicePhase::Starting, 503, 503),
        (ServicePhase::Ready, 200, 200),
        (ServicePhase::Draining, 503, 200),
        (ServicePhase::Stopping, 503, 200),
        (ServicePhase::Stopped, 503, 200),
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
            let response = send(&admin, local_request("GET", target)).await;
            assert_eq!(response.status(), status, "{target} in {phase:?}");
            if target.starts_with("/health") {
                assert_eq!(response.json()["phase"], phase.as_str(), "{target}");
            }
        }
    }
}

#[tokio::test]
async fn failed_check_makes_the_service_not_ready() {
    let admin = with_failure(ServicePhase::Ready);
    for target in ["/readyz", "/health"] {
        let response = send(&admin, local_request("GET", target)).await;
        assert_eq!(response.status(), 503);
        assert_eq!(
            response.json(),
            json!({
                "phase": "ready",
                "seconds_left": null,
                "checks": {"cache": "ok", "db": "no response within 1 s"},
            })
        );
    }
    // Liveness and startup ignore checks.
    for target in ["/health?type=liveness", "/health?type=startup", "/livez"] {
        assert_eq!(
            send(&admin, local_request("GET", target)).await.status(),
            200,
            "{target}"
        );
    }
}

#[tokio::test]
async fn probes_on_a_shared_port_have_the_pid() {
    let pid = async |shared, target| {
        let admin = Admin::new().with_shared_port(shared);
        send(&admin, local_request("GET", target)).await.json()["pid"].as_u64()
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
async fn remaining_drain_time_is_reported() {
    let left = Duration::from_micros(4_321_900);
    let admin = Admin::new()
        .with_status(move || ServiceStatus::new(ServicePhase::Draining).with_time_left(Some(left)));
    assert_eq!(
        send(&admin, local_request("GET", "/readyz")).await.json()["seconds_left"],
        4.322
    );
}

#[tokio::test]
async fn drain_that_starts_during_the_checks_is_reported() {
    let phase = Arc::new(AtomicUsize::new(0));
    let drained = Arc::clone(&phase);
    let admin = Admin::new()
        .with_status(move || ServicePhase::ALL[1 + phase.load(Ordering::SeqCst)])
        .with_checks(move || {
            drained.store(1, Ordering::SeqCst);
            async { vec![] }
        });
    let response = send(&admin, local_request("GET", "/readyz")).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.json()["phase"], "draining");
}

#[tokio::test(start_paused = true)]
async fn liveness_does_not_wait_for_checks() {
    let admin = Admin::new().with_checks(std::future::pending);
    for target in ["/livez", "/health?type=2", "/health?type=3", "/_status/ping"] {
        let response =
            tokio::time::timeout(Duration::from_secs(1), send(&admin, local_request("GET", target))).await;
        assert_eq!(
            response.expect("responds without waiting").status(),
            200,
            "{target}"
        );
    }
}

#[tokio::test]
async fn probes_close_the_connection_while_draining() {
    for target in ["/livez", "/readyz", "/health", "/_status/ping", "/_status/check"] {
        let header = async |phase, version| {
            let admin = in_phase(phase);
            // Liveness waits for no callback: it reports the status as of the last time that it was read.
            send(&admin, local_request("GET", "/readyz")).await;
            let response = send(&admin, local_request("GET", target).version(version)).await;
            response.header("connection").to_owned()
        };
        assert_eq!(
            header(ServicePhase::Ready, http::Version::HTTP_11).await,
            "",
            "{target}"
        );
        assert_eq!(
            header(ServicePhase::Draining, http::Version::HTTP_11).await,
            "close",
            "{target}"
        );
        assert_eq!(
            header(ServicePhase::Stopping, http::Version::HTTP_11).await,
            "close",
            "{target}"
        );
        assert_eq!(
            header(ServicePhase::Draining, http::Version::HTTP_2).await,
            "",
            "{target}"
        );
    }
}

#[tokio::test]
async fn ping_and_check_return_the_version() {
    let admin = in_phase(ServicePhase::Ready).with_version("1.2.3");
    for target in ["/_status/ping", "/_status/ping/", "/_status/check"] {
        let response = send(&admin, local_request("GET", target)).await;
        assert_eq!(
            (response.status().as_u16(), response.text()),
            (200, "1.2.3\n"),
            "{target}"
        );
    }
    assert_eq!(
        send(&Admin::new(), local_request("GET", "/_status/ping"))
            .await
            .text(),
        "unknown\n"
    );

    let check = async |admin: &Admin| send(admin, local_request("GET", "/_status/check")).await;
    let response = check(&with_failure(ServicePhase::Ready)).await;
    assert_eq!(
        (response.status().as_u16(), response.text()),
        (500, "db: no response within 1 s\n")
    );
    // While draining, a failed check is no reason to fail: everything is still served.
    assert_eq!(check(&with_failure(ServicePhase::Draining)).await.status(), 200);
}

#[tokio::test]
async fn probes_need_no_access() {
    for target in ["/livez", "/readyz", "/health", "/_status/ping", "/_status/check"] {
        let request = request_from([192, 0, 2, 1], "GET", target).header("host", "second.example");
        assert_eq!(send(&Admin::new(), request).await.status(), 200, "{target}");
    }
}

#[tokio::test]
async fn probe_service_has_three_paths() {
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
        let response = read(admin.probes().oneshot(request).await.unwrap()).await;
        assert_eq!(response.status(), status, "{target}");
    }
}
