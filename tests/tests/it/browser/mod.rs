//! The live page in a real browser, on a loopback-only network.

mod isolation;
mod metrics_poller;
mod screenshots;
mod service;
mod webdriver;

use std::time::{Duration, Instant};

use campanile_tests::client::TestRequest;

use self::{
    isolation::run_isolated,
    metrics_poller::{MetricsPoller, total},
    service::{DRAIN_TIME, TestService},
    webdriver::Browser,
};

/// The page is updated once a second; the rest is tolerance for busy machines.
const LAG: Duration = Duration::from_millis(1500);
/// The Tab key as a [WebDriver](https://www.w3.org/TR/webdriver2/#keyboard-actions) code point.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const LEFT: &str = "\u{e012}";

/// Opens the page of a service and waits until it draws.
fn open(service: &TestService) -> Browser {
    let browser = Browser::start();
    browser.open(&format!("http://{}/", service.admin));
    let drawn = "document.querySelector('#v-inflight').innerText != '–'";
    browser.wait_for("how many requests are in flight", drawn);
    browser
}

/// Checks that the console is empty, and that the page loaded no foreign resource.
fn finish(service: &TestService, browser: &Browser) {
    assert_eq!(browser.console(), Vec::<String>::new(), "the console is empty");
    let loaded = browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)");
    let own = format!("http://{}/", service.admin);
    for name in loaded.as_array().unwrap() {
        let name = name.as_str().unwrap();
        assert!(name.starts_with(&own) || name.starts_with("data:"), "{name}");
    }
}

#[test]
fn page_shows_the_values_of_the_metrics() {
    if !run_isolated("browser::page_shows_the_values_of_the_metrics") {
        return;
    }
    let service = TestService::start(Duration::from_secs(60));
    let poller = MetricsPoller::start(service.admin);
    let browser = open(&service);

    let mut held = Vec::new();
    for (turn, count) in [3, 8, 2].into_iter().enumerate() {
        held.truncate(count);
        while held.len() < count {
            held.push(service.hold(&format!("turn-{turn}-{}", held.len())));
        }
        let known = poller.wait_for("requests in flight", |text| {
            total(text, "http_server_active_requests", "") == count as f64
        });
        let what = format!("{count} requests in flight");
        let shown = browser.wait_for(
            &what,
            &format!("document.querySelector('#v-inflight').innerText == '{count} of 64'"),
        );
        let late = shown.saturating_duration_since(known);
        assert!(
            late <= LAG,
            "{what} were shown {late:?} after the metrics showed them"
        );
    }

    // At each rate, the page shows the rate of the second before.
    for rate in [20.0, 120.0] {
        service.traffic(rate);
        let until = Instant::now() + Duration::from_secs(5);
        let mut agreed = 0;
        while Instant::now() < until {
            let shown = browser.run(
                "return ['#v-requests', '#codes tr[data-key=\"200\"] td'].map(name => document.querySelector(name)?.innerText)",
            );
            let now = Instant::now();
            for (index, labels) in ["", "http_response_status_code=\"200\""].into_iter().enumerate() {
                let Some(shown) = shown[index].as_str().and_then(|text| text.parse::<f64>().ok()) else {
                    continue;
                };
                let Some((least, most)) = poller.rates("http_server_requests_total", labels, now, LAG) else {
                    continue;
                };
                // The seconds of the page are not aligned with those of the poller.
                let near = least * 0.85 - 4.0..=most * 1.15 + 4.0;
                assert!(
                    near.contains(&shown),
                    "the page shows {shown} for {labels:?}, the metrics {least} to {most}"
                );
                agreed += 1;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(agreed >= 10, "only {agreed} comparisons");
    }
    let open = total(&poller.newest(), "http_server_open_connections", "");
    let what = format!("{open} open connections");
    let shown = format!("parseInt(document.querySelector('#v-connections').innerText) >= {open}");
    browser.wait_for(&what, &shown);
    finish(&service, &browser);
}

#[test]
fn row_of_a_status_appears_and_disappears() {
    if !run_isolated("browser::row_of_a_status_appears_and_disappears") {
        return;
    }
    let history = Duration::from_secs(6);
    let service = TestService::start(history);
    service.traffic(40.0);
    let browser = open(&service);
    let row = |status: u16| format!("document.querySelector('#codes tr[data-key=\"{status}\"]')");
    browser.wait_for("a row of 200", &row(200));
    assert_eq!(
        browser.run(&format!("return {}", row(451))),
        serde_json::Value::Null
    );

    assert_eq!(service.send("GET", "/banned"), 451);
    let sent = Instant::now();
    let appeared = browser.wait_for("a row of 451", &row(451));
    assert!(appeared - sent <= LAG, "after {:?}", appeared - sent);
    let title = browser.text("#codes tr[data-key=\"451\"] th");
    assert_eq!(title, "451 Unavailable For Legal Reasons");
    let disappeared = browser.wait_for("no row of 451", &format!("!{}", row(451)));
    let stayed = disappeared - appeared;
    let about = history - Duration::from_secs(2)..history + Duration::from_secs(3);
    assert!(about.contains(&stayed), "the row stayed for {stayed:?}");
    browser.wait_for("a row of 200 still", &row(200));
    finish(&service, &browser);
}

#[test]
fn drain_is_counted_down() {
    if !run_isolated("browser::drain_is_counted_down") {
        return;
    }
    let service = TestService::start(Duration::from_secs(60));
    service.traffic(40.0);
    let browser = open(&service);
    browser.wait_for("ready", "document.querySelector('#phase').innerText == 'ready'");
    assert_eq!(
        browser.run("return document.querySelector('#drain').hidden"),
        true
    );

    let status = browser.run("return fetch('drain', { method: 'POST' }).then(response => response.status)");
    assert_eq!(status, 202);
    browser.wait_for("a banner", "!document.querySelector('#drain').hidden");
    let mut seen: Vec<u64> = Vec::new();
    let began = Instant::now();
    while began.elapsed() < DRAIN_TIME / 2 {
        let banner = browser.text("#drain");
        let left = banner
            .strip_prefix("Draining: ")
            .and_then(|rest| rest.split_once(" s left"))
            .and_then(|(left, _)| left.parse().ok())
            .unwrap_or_else(|| panic!("no seconds in {banner:?}"));
        let ready = TestRequest::get("/readyz")
            .send(&service.admin.to_string())
            .json();
        let true_left = ready["seconds_left"].as_f64().unwrap();
        let late = left as f64 - true_left;
        assert!(
            (-0.1..=LAG.as_secs_f64() + 1.0).contains(&late),
            "{banner:?}, but {ready}"
        );
        if seen.last() != Some(&left) {
            seen.push(left);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(
        seen.len() >= 3 && seen.windows(2).all(|two| two[0] > two[1]),
        "{seen:?}"
    );
    assert_eq!(browser.text("#phase"), "draining");
    // Screen readers announce the drain once, not every second.
    let spoken = browser.text("#spoken");
    assert!(spoken.starts_with("Draining: "), "{spoken:?}");
    for scheme in ["light", "dark"] {
        browser.set_screen(1280, 900, scheme);
        assert_eq!(
            screenshots::low_contrast(&browser),
            Vec::<String>::new(),
            "{scheme}"
        );
    }
    browser.wait_for(
        "the end",
        "document.querySelector('#drain').innerText.startsWith('Stop')",
    );
    finish(&service, &browser);
}

#[test]
fn page_works_with_keyboard_and_screen_reader() {
    if !run_isolated("browser::page_works_with_keyboard_and_screen_reader") {
        return;
    }
    let service = TestService::start(Duration::from_secs(60));
    let ids = ["order-4711", "order-4712", "order-4713", "invoice-4713"];
    let _held = ids.map(|id| service.hold(id));
    let browser = open(&service);
    let rows = |count: usize| format!("document.querySelectorAll('#table tbody tr').length == {count}");
    browser.wait_for("all requests", &rows(4));
    let focus = || browser.run("return document.activeElement.id || document.activeElement.className");

    browser.press(TAB);
    assert_eq!(focus(), "skip");
    for chart in ["g-requests", "g-latency", "g-inflight", "g-connections"] {
        browser.press(TAB);
        let host = browser.run("return document.activeElement.parentElement.id");
        assert_eq!(host, chart);
        let ring = browser.run("return getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(ring, "solid", "the focus is visible");
    }
    browser.press(LEFT);
    let spoken = browser.text("#spoken");
    assert!(spoken.starts_with("Open connections, 1 s ago: "), "{spoken:?}");

    // By the link that skips the charts.
    browser.run("document.activeElement.blur(); scrollTo(0, 0)");
    browser.run("document.querySelector('a.skip').focus()");
    browser.press(ENTER);
    browser.wait_for("the table", "location.hash == '#inflight'");
    browser.press(TAB);
    assert_eq!(focus(), "filter");
    browser.press("4713");
    browser.wait_for("two requests", &rows(2));
    let table = browser.text("#table");
    assert!(
        table.contains("order-4713") && table.contains("invoice-4713"),
        "{table}"
    );
    assert!(
        table.contains("calling ledger") && table.contains("/reports/{name}"),
        "{table}"
    );
    // Updates are filtered too.
    std::thread::sleep(LAG);
    browser.wait_for("two requests still", &rows(2));
    browser.press("x");
    browser.wait_for("none", &rows(0));
    assert_eq!(browser.text("#e-table"), "No matching requests.");
    browser.run("document.querySelector('#filter').select()");
    browser.press("\u{e003}");
    browser.wait_for("all requests again", &rows(4));

    let names = browser.accessible_names();
    for expected in [
        "RootWebArea: shop",
        "heading: shop",
        "image: Open connections: now ",
        "image: Time to the response head, p50, p95 and p99: now ",
        "region: Requests per second",
        "region: Responses per second by status",
        "region: Accept queues",
        "table: Connections waiting in the accept queue of each listener",
        "table: Requests in flight, oldest first",
        "searchbox: Filter by ID",
        "columnheader: Age",
        "cell: calling ledger",
        "link: metrics",
        "contentinfo: ",
    ] {
        let found = names.iter().any(|name| name.starts_with(expected));
        assert!(found, "no {expected:?} among\n{}", names.join("\n"));
    }
    let nameless = names.iter().filter(|name| {
        [
            "image: ",
            "link: ",
            "button: ",
            "searchbox: ",
            "table: ",
            "region: ",
        ]
        .contains(&name.as_str())
    });
    assert_eq!(nameless.count(), 0, "{}", names.join("\n"));
    finish(&service, &browser);
}

#[test]
fn page_is_legible_in_each_colour_scheme_and_width() {
    if !run_isolated("browser::page_is_legible_in_each_colour_scheme_and_width") {
        return;
    }
    let update = screenshots::update_requested();
    let history = Duration::from_secs(if update { 120 } else { 12 });
    let service = TestService::start(history);
    service.traffic(80.0);
    let ids = [
        "order-4711",
        "order-4712",
        "order-4713",
        "a-part-of-a-fan-out:invoice-4713",
    ];
    let _held = ids.map(|id| service.hold(id));
    let browser = open(&service);
    let rows = "document.querySelectorAll('#codes tbody tr').length >= 3";
    browser.wait_for("a few statuses", rows);
    if update {
        std::thread::sleep(history);
    }
    for (width, first_screen) in [(1280, 735), (390, 844)] {
        for scheme in ["light", "dark"] {
            browser.set_screen(width, first_screen, scheme);
            let first = browser.screenshot();
            let height = browser.run("return document.documentElement.scrollHeight");
            browser.set_screen(width, u32::try_from(height.as_u64().unwrap()).unwrap(), scheme);
            screenshots::save(
                &format!("live-page-{width}-{scheme}.png"),
                &browser.screenshot(),
                &first,
            );
            assert_eq!(
                screenshots::low_contrast(&browser),
                Vec::<String>::new(),
                "{width} {scheme}"
            );
            assert_eq!(
                screenshots::overflowing(&browser),
                Vec::<String>::new(),
                "{width} {scheme}"
            );
        }
    }
    finish(&service, &browser);
}
