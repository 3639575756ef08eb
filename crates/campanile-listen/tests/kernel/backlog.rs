//! The system's limit on the backlog.

use campanile_listen::{Bind, ListenAddress};

use crate::alone::{Log, block_on, in_namespace};

#[test]
fn backlog_that_the_system_cuts_is_logged() {
    if !in_namespace("backlog::backlog_that_the_system_cuts_is_logged") {
        return;
    }
    std::fs::write("/proc/sys/net/core/somaxconn", "16").unwrap();
    let log = Log::begin();
    block_on(async {
        let path = format!(
            "unix:{}/campanile-backlog-{}",
            std::env::temp_dir().display(),
            std::process::id()
        );
        for address in ["127.0.0.1:0", "[::1]:0", &path] {
            let address: ListenAddress = address.parse().unwrap();
            let listener = Bind::new(address.clone()).with_backlog(16).bind().unwrap();
            assert_eq!(log.text(), "", "16 are not cut");
            drop(listener);
            let cut = Bind::new(address).with_backlog(500).bind().unwrap();
            let said = format!("listener=\"{}\" wanted=500 limit=16", cut.label());
            assert_eq!(log.count(&said), 1, "{}", log.text());
            log.clear();
        }
    });
}
