//! The system's cap on the backlog.

use campanile_listen::Bind;

use super::isolation::{Log, block_on, in_namespace};

#[test]
fn capped_backlog_is_logged() {
    if !in_namespace("kernel::backlog::capped_backlog_is_logged") {
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
            let listener = Bind::new(address).with_backlog(16).bind().unwrap();
            assert_eq!(log.text(), "", "16 are not capped");
            drop(listener);
            let capped = Bind::new(address).with_backlog(500).bind().unwrap();
            let expected = format!("listener=\"{}\" requested=500 limit=16", capped.label());
            assert_eq!(log.count(&expected), 1, "{}", log.text());
            log.clear();
        }
    });
}
