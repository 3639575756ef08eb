//! A short run of the torture test.

use campanile_tests::torture::{Torture, expect_panics};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_agree_after_thousands_of_random_exchanges() {
    expect_panics();
    let torture = Torture {
        exchanges: 20_000,
        seed: 7,
        clients: 48,
        progress: false,
    };
    let report = torture.run().await;
    assert!(report.mismatches.is_empty(), "{report}");
}
