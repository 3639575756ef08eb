//! An admin port over a recorder.

use std::{
    net::{SocketAddr, TcpListener},
    thread::{self, JoinHandle},
};

use campanile_admin::{Admin, Exposition};
use campanile_recorder::{CellRecorder, Format};
use tokio::sync::oneshot;

pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Port {
    pub(crate) fn start(recorder: CellRecorder) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let admin = Admin::new()
            .with_metrics(move |accept: &str| {
                let format = Format::from_accept(accept);
                Exposition::from_chunks(format.content_type(), recorder.snapshot().chunks(format))
            })
            .with_requests(|| {
                let rows = campanile_core::in_flight::snapshot();
                rows.into_iter()
                    .map(|row| campanile_admin::RequestRow::new(row.id))
                    .collect()
            });
        let run = move || {
            admin
                .run_blocking(listener, async {
                    let _ = stopped.await;
                })
                .unwrap();
        };
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread::spawn(run)),
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Makes a recorder with this many counters and histograms.
pub(crate) fn filled(counters: usize, histograms: usize) -> CellRecorder {
    let recorder = CellRecorder::new();
    metrics::with_local_recorder(&recorder, || {
        for route in 0..counters {
            let route = format!("/route-{route}/{{id}}");
            metrics::counter!("http_server_requests_total", "http_request_method" => "GET", "http_response_status_code" => "200",
                "http_route" => route, "outcome" => "completed")
            .increment(12_345);
        }
        for route in 0..histograms {
            let route = format!("/route-{route}/{{id}}");
            let histogram = metrics::histogram!("http_server_request_duration_seconds", "http_request_method" => "GET",
                "http_response_status_code" => "200", "http_route" => route);
            (0..50_u32).for_each(|time| histogram.record(f64::from(time) / 1e3));
        }
    });
    recorder
}
