//! The log line of a call, and what it redacts.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::{
    convert::Infallible,
    future::ready,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use campanile_outbound::{CallName, stack};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, ServiceExt, service_fn};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Output {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn log_of_call(filter: &str, status: Option<u16>) -> String {
    let output = Output::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .with_writer(output.clone())
        .finish();
    let service = stack().layer(service_fn(move |_: Request<()>| {
        ready(match status {
            Some(status) => Ok(Response::builder()
                .status(status)
                .body(Empty::<Bytes>::new())
                .unwrap()),
            None => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
        })
    }));
    let request = Request::get("http://user:secret@stock:81/items/7?token=hunter2&q=&bare-secret")
        .header("authorization", "Bearer hunter2")
        .header("cookie", "session=hunter2")
        .extension(CallName::new("stock", "get-item"))
        .body(())
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        drop(runtime.block_on(service.oneshot(request)));
    });
    let text = output.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_log_line_has_no_secrets() {
    let line = log_of_call("campanile::outbound=debug", Some(404));
    assert_eq!(line.lines().count(), 1, "{line}");
    for part in [
        "campanile::outbound: http call",
        "method=GET",
        "url=\"http://stock:81/items/7?token=<len 7>&q=<len 0>&<len 11>\"",
        "host=\"stock\"",
        "view=\"get-item\"",
        "status=404",
        "duration_ms=",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    for secret in ["hunter2", "secret", "user", "error_type"] {
        assert!(!line.contains(secret), "{secret} is in {line}");
    }
}

#[test]
fn an_error_is_logged_with_type_and_code() {
    let line = log_of_call("campanile::outbound=debug", None);
    assert!(
        line.contains("error_type=\"connection\" error_code=\"ECONNREFUSED\""),
        "{line}"
    );
    assert!(!line.contains("status="), "{line}");
}

#[test]
fn there_is_no_log_line_above_debug() {
    assert_eq!(log_of_call("campanile::outbound=info", Some(200)), "");
}

#[test]
fn the_stack_accepts_infallible_services() {
    let service = stack().layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    }));
    drop(service);
}
