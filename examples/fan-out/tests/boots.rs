//! Runs the example as a process.

use axum::http::Version;
use campanile_examples_harness::{Example, get};

const PROGRAM: &str = env!("CARGO_BIN_EXE_fan-out");

/// Checks that each ID extends the ID of its caller.
fn check(tree: &[&str], root: &str) {
    let rows: Vec<(&str, &str)> = tree
        .iter()
        .filter_map(|line| {
            line.trim_start_matches(['│', '├', '└', '─', ' '])
                .split_once("  ")
        })
        .collect();
    let names: String = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, "abcbcbcbc", "{tree:#?}");
    let mut seen = Vec::new();
    let mut b = "";
    for (name, id) in &rows {
        let caller = match *name {
            "a" => {
                assert_eq!(*id, root, "{tree:#?}");
                continue;
            }
            "b" => root,
            _ => b,
        };
        let own = id.strip_suffix(caller).and_then(|own| own.strip_suffix('-'));
        assert!(
            own.is_some_and(|own| own.len() == 16 && own.bytes().all(|digit| digit.is_ascii_hexdigit())),
            "{name}'s {id} is not 16 digits, a dash and {caller} in {tree:#?}"
        );
        assert!(!seen.contains(id), "{id} twice in {tree:#?}");
        seen.push(id);
        if *name == "b" {
            b = id;
        }
    }
}

#[tokio::test]
async fn calls_carry_the_id_of_their_caller_also_from_spawned_tasks() {
    let mut service = Example::start(PROGRAM, &["--listen", "127.0.0.1:0"]);
    let address = service.listening_on();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let response = get(
            version,
            &format!("http://{address}/"),
            &[("x-request-id", "mine")],
        )
        .await;
        assert_eq!((response.version, response.status.as_u16()), (version, 200));
        check(&response.text.lines().collect::<Vec<_>>(), "mine");
    }
}

#[test]
fn tree_is_printed_and_ctrl_c_stops_the_service() {
    let mut service = Example::start(PROGRAM, &[]);
    service.listening_on();
    let root = service.wait_for("a  ");
    service.wait_for("   └─ c  ");
    service.interrupt();
    let ended = service.wait();
    // A graceful exit, not a death by the signal.
    assert!(ended.status.success(), "{ended:?}");
    check(
        &ended
            .stdout
            .iter()
            .skip(1)
            .map(String::as_str)
            .collect::<Vec<_>>(),
        &root,
    );
}
