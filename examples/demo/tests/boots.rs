//! Runs the demo as a process: to its end, and with visitors.

use axum::http::Version;
use campanile_examples_harness::{Example, ExampleOutput, get};

const PROGRAM: &str = env!("CARGO_BIN_EXE_campanile-demo");

/// Returns the numbers of a row of the table.
fn row(ended: &ExampleOutput, service: usize, counter: &str) -> Vec<u64> {
    let rows: Vec<_> = ended
        .stdout
        .iter()
        .filter(|line| line.contains(counter))
        .collect();
    let rows: Vec<_> = rows.iter().filter(|line| line.len() > 80).collect();
    assert_eq!(rows.len(), 3, "{ended:#?}");
    rows[service]
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[test]
fn metrics_and_clients_agree_on_all_outcomes_and_ids_are_linked() {
    let ended = Example::start(PROGRAM, &["--seconds", "2"]).wait();
    assert!(ended.status.success(), "{ended:#?}");
    let prints = |text: &str| ended.stdout.iter().any(|line| line.contains(text));
    assert!(prints("the metrics and the traffic agree on "), "{ended:#?}");
    assert!(
        !ended.stdout.iter().any(|line| line.contains('\x1b')),
        "colours in a pipe: {ended:#?}"
    );

    let drain = ended
        .stdout
        .iter()
        .find(|line| line.starts_with("drain under load"));
    assert!(drain.is_some_and(|line| line.ends_with("lost: 0")), "{ended:#?}");

    for service in 0..3 {
        let (metrics, traffic) = (
            row(&ended, service, "metrics  "),
            row(&ended, service, "traffic  "),
        );
        assert_eq!(metrics, traffic, "{ended:#?}");
        assert_eq!(metrics.len(), 7, "{ended:#?}");
        assert!(
            metrics[0] > 0 && metrics[1] > 0,
            "completed and cancelled: {ended:#?}"
        );
    }
    let edge = row(&ended, 0, "metrics  ");
    assert!(
        edge[2] > 0 && edge[3] > 0 && edge[4] > 0,
        "aborted, timed out and shed: {ended:#?}"
    );
    assert_eq!(edge[5..], [0, 0], "panicked and failed: {ended:#?}");

    let statuses: Vec<_> = ended.stdout.iter().filter(|line| line.contains(" ×")).collect();
    assert_eq!(statuses.len(), 2, "{ended:#?}");
    for status in ["200", "404", "502", "503", "504"] {
        let both = statuses.iter().all(|line| line.contains(&format!(" {status} ×")));
        assert!(both, "no {status}: {ended:#?}");
    }

    let id_of = |service: &str| {
        let last = ended
            .stdout
            .iter()
            .rfind(|line| line.trim_start().starts_with(service));
        last.and_then(|line| line.split_whitespace().last())
            .unwrap_or_default()
    };
    let (edge, catalog, stock) = (id_of("edge"), id_of("catalog"), id_of("stock"));
    assert_eq!(
        (edge.len(), catalog.len(), stock.len()),
        (36, 36 + 17, 36 + 2 * 17),
        "{ended:#?}"
    );
    assert!(
        stock.ends_with(&format!("-{catalog}")) && catalog.ends_with(&format!("-{edge}")),
        "{ended:#?}"
    );
}

#[tokio::test]
async fn visitors_are_served_and_counted_until_ctrl_c() {
    let mut demo = Example::start(
        PROGRAM,
        &[
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--no-traffic",
        ],
    );
    let (address, admin) = (demo.listening_on(), demo.admin_on());
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let response = get(
            version,
            &format!("http://{address}/products/7"),
            &[("x-request-id", "me")],
        )
        .await;
        assert_eq!((response.version, response.status.as_u16()), (version, 200));
        assert_eq!(response.header("x-request-id"), "me");
        let ids: Vec<_> = response
            .text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .collect();
        assert_eq!(ids[0], ("edge", "me"));
        assert!(
            ids[1].0 == "catalog" && ids[1].1.len() == 17 + 2 && ids[1].1.ends_with("-me"),
            "{ids:?}"
        );
        assert!(
            ids[2].0 == "stock" && ids[2].1.len() == 17 + ids[1].1.len(),
            "{ids:?}"
        );
        assert!(ids[2].1.ends_with(ids[1].1), "{ids:?}");
    }
    for (path, status) in [("products/0", 404), ("products/broken", 502), ("nowhere", 404)] {
        let response = get(Version::HTTP_11, &format!("http://{address}/{path}"), &[]).await;
        assert_eq!(response.status, status, "{path}");
    }
    let metrics = get(Version::HTTP_11, &format!("http://{admin}/metrics"), &[])
        .await
        .text;
    for name in [
        "http_server_requests_total",
        "http_client_requests_total",
        "http_server_open_connections",
    ] {
        let found = metrics
            .lines()
            .any(|line| line.starts_with(name) && line.contains("service=\"edge\""));
        assert!(found, "no {name} of the edge in\n{metrics}");
    }

    let page = get(Version::HTTP_11, &format!("http://{admin}/"), &[]).await;
    assert!(page.text.contains("<title>campanile</title>"), "{}", page.text);

    demo.interrupt();
    let ended = demo.wait();
    assert!(ended.status.success(), "{ended:#?}");
    assert_eq!(row(&ended, 0, "metrics  "), [5, 0, 0, 0, 0, 0, 0], "{ended:#?}");
    assert_eq!(row(&ended, 1, "metrics  "), [4, 0, 0, 0, 0, 0, 0], "{ended:#?}");
    assert_eq!(row(&ended, 2, "metrics  "), [2, 0, 0, 0, 0, 0, 0], "{ended:#?}");
}
