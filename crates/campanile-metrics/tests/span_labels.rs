//! A recorder that adds the fields of the current span as labels. In a process of its own, since it installs a global
//! recorder.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

use campanile_metrics::{Descriptor, FoldCounter, LazyHandle, RecorderHandle};
use metrics::{Counter, Label, Recorder};
use metrics_tracing_context::{MetricsLayer, TracingContextLayer};
use metrics_util::{
    debugging::{DebuggingRecorder, Snapshotter},
    layers::Layer,
};
use tracing_subscriber::layer::SubscriberExt;

const HITS: Descriptor = Descriptor::counter("hits_total", None, "Hits", &["route"]);

fn labels(snapshotter: &Snapshotter) -> Vec<String> {
    let mut all: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, ..)| {
            let labels = key.key().labels();
            let labels: Vec<_> = labels
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            format!("{} {}", key.key().name(), labels.join(","))
        })
        .collect();
    all.sort_unstable();
    all
}

fn hit(handle: &LazyHandle<Counter>, recorder: RecorderHandle) {
    let register =
        |recorder: &dyn Recorder| HITS.register(recorder, vec![Label::from_static_parts("route", "/orders")]);
    handle.get(recorder, register).unwrap().increment(1);
}

#[test]
fn fields_of_the_first_request_are_not_labels_of_all() {
    let global = DebuggingRecorder::new();
    let of_global = global.snapshotter();
    assert!(metrics::set_global_recorder(TracingContextLayer::all().layer(global)).is_ok());
    let given = DebuggingRecorder::new();
    let of_given = given.snapshotter();
    let given: &'static _ = Box::leak(Box::new(TracingContextLayer::all().layer(given)));

    let subscriber = tracing_subscriber::registry().with(MetricsLayer::new());
    let logged = tracing::subscriber::with_default(subscriber, || {
        let span = tracing::info_span!("request", customer = "Ada", id = 7);
        let entered = span.enter();
        hit(&LazyHandle::new(), RecorderHandle::global());
        hit(&LazyHandle::new(), given.into());
        FoldCounter::new().increment(RecorderHandle::global());
        let local = DebuggingRecorder::new();
        metrics::with_local_recorder(&local, || hit(&LazyHandle::new(), RecorderHandle::global()));
        // What the program registers itself has its labels, and the span is still the current one.
        metrics::counter!("own_total").increment(1);
        drop(entered);
        tracing::Span::current().is_none()
    });
    assert!(logged);
    assert_eq!(
        labels(&of_global),
        [
            "campanile_series_folded_total ",
            "hits_total route=/orders",
            "own_total customer=Ada,id=7"
        ]
    );
    assert_eq!(labels(&of_given), ["hits_total route=/orders"]);
}
