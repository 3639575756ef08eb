//! Runs server and client as two processes.

use campanile_examples_harness::{Example, get};

const SERVER: &str = env!("CARGO_BIN_EXE_server");
const CLIENT: &str = env!("CARGO_BIN_EXE_client");

#[tokio::test]
async fn calls_carry_an_id_and_both_sides_count_them() {
    let mut server = Example::start(SERVER, &["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let (address, admin) = (server.listening_on(), server.admin_on());

    let client = Example::start(CLIENT, &["--server", &format!("http://{address}"), "polly"]).wait();
    assert!(client.status.success(), "{client:#?}");
    let id = client.stdout[0]
        .strip_prefix("said polly in request ")
        .unwrap_or_default();
    assert_eq!(
        id.len(),
        36,
        "a call outside any request has a new UUID: {client:#?}"
    );
    let expected = [
        "repeated polly",
        "repeated polly",
        "repeated polly",
        "rejected: text is empty",
    ];
    assert_eq!(client.stdout[1..5], expected);

    let client_metrics = client.stdout.join("\n");
    let server_metrics = get(http::Version::HTTP_11, &format!("http://{admin}/metrics"), &[])
        .await
        .text;
    for (metrics, name) in [
        (&client_metrics, "rpc_client_requests_total"),
        (&server_metrics, "rpc_server_requests_total"),
    ] {
        for (method, code) in [("Say", "OK"), ("Say", "INVALID_ARGUMENT"), ("Repeat", "OK")] {
            let line = format!(
                "{name}{{rpc_method=\"echo.v1.Echo/{method}\",rpc_response_status_code=\"{code}\"}} 1"
            );
            assert!(
                metrics.lines().any(|have| have == line),
                "no {line} in\n{metrics}"
            );
        }
    }
}

#[test]
fn ctrl_c_stops_the_server() {
    let mut server = Example::start(SERVER, &[]);
    server.admin_on();
    server.interrupt();
    let ended = server.wait();
    assert!(ended.status.success(), "{ended:?}");
}
