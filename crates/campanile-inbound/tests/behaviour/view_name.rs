//! Which responses are named in `X-View-Name`, and after what.

use std::{convert::Infallible, future::pending, time::Duration};

use campanile_inbound::{DeadlineLayer, Route, stack};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

/// Sends a call to a handler; returns the name that the response carries.
async fn name_of<F>(request: http::request::Builder, handler: fn(Request<String>) -> F) -> Option<String>
where
    F: Future<Output = Result<Response<String>, Infallible>>,
{
    let layers = stack()
        .with_view_name(true)
        .with_deadline(DeadlineLayer::new().with_timeout(Duration::from_secs(1)));
    let response = layers
        .layer(service_fn(handler))
        .oneshot(request.body(String::new()).unwrap())
        .await
        .unwrap();
    let name = response.headers().get("x-view-name")?;
    Some(name.to_str().unwrap().to_owned())
}

fn call() -> http::request::Builder {
    Request::post("/pkg.Greeter/Hello").header("content-type", "application/grpc")
}

#[tokio::test(start_paused = true)]
async fn a_grpc_method_names_the_response_of_its_handler_only() {
    let served = name_of(call(), |_| async {
        let response = Response::builder().header("content-type", "application/grpc");
        Ok(response.body(String::new()).unwrap())
    });
    assert_eq!(served.await.as_deref(), Some("/pkg.Greeter/Hello"));
    // A router without that route responds in plain HTTP.
    let not_found = name_of(call(), |_| async {
        Ok(Response::builder().status(404).body(String::new()).unwrap())
    });
    assert_eq!(not_found.await, None);
    assert_eq!(name_of(call(), |_| pending()).await, None);
    assert_eq!(name_of(call(), |_| async { panic!("on purpose") }).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_route_names_the_responses_that_stand_in_for_its_handler_too() {
    let request = || Request::get("/users/1").extension(Route::new("/users/{id}"));
    let named = Some("/users/{id}");
    assert_eq!(name_of(request(), |_| pending()).await.as_deref(), named);
    assert_eq!(
        name_of(request(), |_| async { panic!("on purpose") })
            .await
            .as_deref(),
        named
    );
}
