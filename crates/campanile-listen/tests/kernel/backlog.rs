//! The system's limit on the backlog.

use std::net::SocketAddr;

use campanile_listen::Bind;

use crate::alone::{Log, block_on, in_namespace};

#[test]
fn backlog_that_the_system_cuts_is_logged() {
    if !in_namespace("backlog::backlog_that_the_system_cuts_is_logged") {
        return;
    }
    std::fs::write("/proc/sys/net/core/somaxconn", "16").unwrap();
    let log = Log::begin();
    block_on(async {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let listener = Bind::new(address).with_backlog(16).bind().unwrap();
            assert_eq!(log.text(), "", "16 are not cut");
            let cut = Bind::new(address).with_backlog(500).bind().unwrap();
            let said = format!("listener=\"{}\" wanted=500 limit=16", cut.label());
            assert_eq!(log.count(&said), 1, "{}", log.text());
            log.clear();
            drop(listener);
        }
    });
}
