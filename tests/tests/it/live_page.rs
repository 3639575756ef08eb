//! The live page shows the metrics of the layers.

use std::time::Duration;

use axum::{Router, routing::get};
use campanile_admin::{Admin, Peer};
use campanile_inbound::{InFlightLimitLayer, MetricsLayer};
use campanile_listen::Connections;
use campanile_recorder::{CellRecorder, Format};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

#[tokio::test]
async fn the_live_page_shows_what_the_layers_record() {
    let recorder: &'static CellRecorder = Box::leak(Box::new(CellRecorder::new()));
    let app: Router = Router::new()
        .route("/fine", get(|| async { "ok" }))
        .route(
            "/slow",
            get(|| async { tokio::time::sleep(Duration::from_millis(20)).await }),
        )
        .route("/teapot", get(|| async { StatusCode::IM_A_TEAPOT }))
        .route("/stuck", get(std::future::pending::<()>))
        .layer(InFlightLimitLayer::new(16).with_recorder(recorder))
        .layer(MetricsLayer::new().with_recorder(recorder));
    let call = async |target: &'static str| {
        let request = Request::get(target).body(axum::body::Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    };
    // The page needs two samples of a counter to show a rate.
    call("/fine").await;
    let connections = Connections::new("127.0.0.1:1".parse::<std::net::SocketAddr>().unwrap())
        .with_limit(10)
        .with_recorder(recorder);
    let open = connections.ready().await.wrap(());

    let admin = Admin::new().with_metrics(|_: &str| recorder.render(Format::Prometheus));
    let sampler = tokio::spawn(admin.sampler().run());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stuck = app
        .clone()
        .oneshot(Request::get("/stuck").body(axum::body::Body::empty()).unwrap());
    let stuck = tokio::spawn(stuck);
    for target in ["/fine", "/fine", "/fine", "/slow", "/teapot"] {
        call(target).await;
    }

    let request = Request::get("/live")
        .extension(Peer::Unix)
        .body(String::new())
        .unwrap();
    let mut page = admin.service().oneshot(request).await.unwrap().into_body();
    let sample = loop {
        let frame = page
            .frame()
            .await
            .expect("the stream goes on")
            .unwrap()
            .into_data()
            .unwrap();
        let text = str::from_utf8(&frame).unwrap();
        if let Some((_, sample)) = text.split_once("event: sample\ndata: ") {
            break serde_json::from_str::<serde_json::Value>(sample.lines().next().unwrap()).unwrap();
        }
    };
    // On a busy machine the sampling interval is longer, and rates are lower.
    let rate = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!((1.0..=5.1).contains(&rate(&sample["requests"])), "{sample}");
    assert!((0.8..=4.1).contains(&rate(&sample["codes"]["200"])), "{sample}");
    assert!(rate(&sample["codes"]["OTHERS"]) > 0.0, "{sample}");
    let [p50, p99] = [0, 2].map(|quantile| rate(&sample["latency"][quantile]));
    assert!(p50 < 0.02 && p99 > 0.015, "{sample}");
    assert_eq!(sample["in_flight"], 1.0, "{sample}");
    assert_eq!(sample["concurrency_limit"], 16.0, "{sample}");
    assert_eq!(
        (&sample["connections"], &sample["connection_limit"]),
        (&1.0.into(), &10.0.into()),
        "{sample}"
    );
    drop(open);
    stuck.abort();
    sampler.abort();
}
