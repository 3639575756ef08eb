//! The torture, short.

use campanile_tests::torture::{Torture, expect_panics};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_number_adds_up_after_thousands_of_exchanges_at_random() {
    expect_panics();
    let torture = Torture {
        exchanges: 20_000,
        seed: 7,
        clients: 48,
        progress: false,
    };
    let report = torture.run().await;
    assert!(report.wrong.is_empty(), "{report}");
}
