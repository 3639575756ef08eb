//! The example as a process: what it prints and what it answers.

use axum::http::Version;
use campanile_examples_harness::{Example, get};

const PROGRAM: &str = env!("CARGO_BIN_EXE_fan-out");

/// Checks the tree by its ids alone.
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
async fn every_call_carries_the_id_of_its_caller_also_from_a_spawned_task() {
    let mut service = Example::start(PROGRAM, &["--listen", "127.0.0.1:0"]);
    let address = service.listening_on();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let answer = get(
            version,
            &format!("http://{address}/"),
            &[("x-request-id", "mine")],
        )
        .await;
        assert_eq!((answer.version, answer.status.as_u16()), (version, 200));
        check(&answer.text.lines().collect::<Vec<_>>(), "mine");
    }
}

#[test]
fn the_tree_is_printed_and_ctrl_c_ends_it() {
    let mut service = Example::start(PROGRAM, &[]);
    service.listening_on();
    let root = service.wait_for("a  ");
    service.wait_for("   └─ c  ");
    service.interrupt();
    let ended = service.wait();
    // It ends by its own hand, not by the signal.
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
