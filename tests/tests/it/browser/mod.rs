//! The live page in a real browser, whose network ends at loopback.

mod alone;
mod driver;
mod stage;

use std::time::Duration;

use self::{alone::in_network_of_its_own, driver::Browser, stage::Stage};

#[test]
fn screenshots_are_taken() {
    if !in_network_of_its_own("browser::screenshots_are_taken") {
        return;
    }
    let stage = Stage::start(Duration::from_secs(60));
    stage.traffic(80.0);
    let _held: Vec<_> = (4711..4718).map(|n| stage.hold(&format!("order-{n}"))).collect();
    let browser = Browser::start();
    browser.open(&format!("http://{}/", stage.admin));
    browser.wait_for(
        "a minute",
        "document.querySelectorAll('#codes tbody tr').length >= 3",
    );
    std::thread::sleep(Duration::from_secs(20));
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.look(width, 900, scheme);
        let height = browser
            .run("return document.documentElement.scrollHeight")
            .as_u64()
            .unwrap();
        browser.look(width, height as u32, scheme);
        std::fs::write(format!("/tmp/shot-{width}-{scheme}.png"), browser.picture()).unwrap();
    }
    std::fs::write("/tmp/ax.txt", browser.told().join("\n")).unwrap();
    assert_eq!(browser.console(), Vec::<String>::new());
}
