//! Labels of listeners.

use campanile_backlog::{BacklogMonitor, WatchOptions};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::namespace::{alone_in_namespace, in_namespace};
use crate::support::queue::{listen, listen_sharing_port, listen_unix};

fn label(listener: &Socket) -> String {
    BacklogMonitor::new().watch(listener).unwrap().label().to_owned()
}

#[test]
fn label_is_the_address() {
    in_namespace(|| {
        assert_eq!(label(&listen("127.0.0.1:8080", 1)), "127.0.0.1:8080");
        assert_eq!(label(&listen("0.0.0.0:8081", 1)), "0.0.0.0:8081");
        assert_eq!(label(&listen("[::1]:8080", 1)), "[::1]:8080");
        assert_eq!(label(&listen("[::]:8082", 1)), "[::]:8082");
        let path = std::env::temp_dir().join(format!("campanile-labels-{}.sock", std::process::id()));
        assert_eq!(label(&listen_unix(&path, 1)), format!("unix:{}", path.display()));
        std::fs::remove_file(path).unwrap();
        let named = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        named
            .bind(&SockAddr::unix("\0campanile-labels").unwrap())
            .unwrap();
        named.listen(1).unwrap();
        assert_eq!(label(&named), "unix:@campanile-labels");
    });
}

#[test]
fn sockets_of_a_group_are_numbered_with_the_smallest_free_number() {
    alone_in_namespace(|| {
        let mut monitor = BacklogMonitor::new();
        let group = [(); 4].map(|()| listen_sharing_port("127.0.0.1:8080", 1));
        let mut watch = |listener: &Socket| monitor.watch(listener).unwrap().label().to_owned();
        assert_eq!(
            [0, 1, 2].map(|index| watch(&group[index])),
            ["127.0.0.1:8080", "127.0.0.1:8080#1", "127.0.0.1:8080#2"]
        );
        let [first, second, third, fourth] = group;
        drop(second);
        monitor.sample();
        assert_eq!(monitor.watch(&fourth).unwrap().label(), "127.0.0.1:8080#1");
        drop((first, third));
    });
}

#[test]
fn custom_labels_are_numbered_too() {
    let mut monitor = BacklogMonitor::new();
    let listeners = [listen("127.0.0.1:0", 1), listen("127.0.0.1:0", 1)];
    let options = WatchOptions::new().with_label("front");
    let labels = listeners.map(|listener| {
        monitor
            .watch_with(&listener, &options)
            .unwrap()
            .label()
            .to_owned()
    });
    assert_eq!(labels, ["front", "front#1"]);
}
