//! The live page in a real browser, whose network ends at loopback.

mod alone;
mod driver;
mod looks;
mod metrics;
mod stage;

use std::time::{Duration, Instant};

use campanile_tests::wire::Ask;

use self::{
    alone::in_network_of_its_own,
    driver::Browser,
    metrics::{Watch, total},
    stage::{DRAIN_TIME, Stage},
};

/// The page is told once a second; the rest is for the way to it, on a machine that is busy.
const LAG: Duration = Duration::from_millis(1500);
/// The key, as [WebDriver](https://www.w3.org/TR/webdriver2/#keyboard-actions) spells it.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const LEFT: &str = "\u{e012}";

/// Opens the page of a service and waits until it draws.
fn open(stage: &Stage) -> Browser {
    let browser = Browser::start();
    browser.open(&format!("http://{}/", stage.admin));
    let drawn = "document.querySelector('#v-inflight').innerText != '–'";
    browser.wait_for("how many requests are in flight", drawn);
    browser
}

/// Asks whether the page was content all the while, and loaded nothing from elsewhere.
fn finish(stage: &Stage, browser: &Browser) {
    assert_eq!(browser.console(), Vec::<String>::new(), "the console is empty");
    let loaded = browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)");
    let own = format!("http://{}/", stage.admin);
    for name in loaded.as_array().unwrap() {
        let name = name.as_str().unwrap();
        assert!(name.starts_with(&own) || name.starts_with("data:"), "{name}");
    }
}

#[test]
fn page_shows_what_the_metrics_say() {
    if !in_network_of_its_own("browser::page_shows_what_the_metrics_say") {
        return;
    }
    let stage = Stage::start(Duration::from_secs(60));
    let watch = Watch::start(stage.admin);
    let browser = open(&stage);

    let mut held = Vec::new();
    for (turn, wanted) in [3, 8, 2].into_iter().enumerate() {
        held.truncate(wanted);
        while held.len() < wanted {
            held.push(stage.hold(&format!("turn-{turn}-{}", held.len())));
        }
        let known = watch.wait_for("requests in flight", |text| {
            total(text, "http_server_active_requests", "") == wanted as f64
        });
        let what = format!("{wanted} requests in flight");
        let shown = browser.wait_for(
            &what,
            &format!("document.querySelector('#v-inflight').innerText == '{wanted} of 64'"),
        );
        let late = shown.saturating_duration_since(known);
        assert!(
            late <= LAG,
            "{what} were shown {late:?} after the metrics said so"
        );
    }

    // From one rate to another: what is shown was so in the second before.
    for rate in [20.0, 120.0] {
        stage.traffic(rate);
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
                let Some((least, most)) = watch.rates("http_server_requests_total", labels, now, LAG) else {
                    continue;
                };
                // Seconds that begin elsewhere have a few more or fewer.
                let near = least * 0.85 - 4.0..=most * 1.15 + 4.0;
                assert!(
                    near.contains(&shown),
                    "{shown} of {labels:?} is shown, {least} to {most} was"
                );
                agreed += 1;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(agreed >= 10, "there was something to compare, {agreed} times");
    }
    let open = total(&watch.newest(), "http_server_open_connections", "");
    let what = format!("{open} open connections");
    let shown = format!("parseInt(document.querySelector('#v-connections').innerText) >= {open}");
    browser.wait_for(&what, &shown);
    finish(&stage, &browser);
}

#[test]
fn row_of_a_status_comes_and_goes() {
    if !in_network_of_its_own("browser::row_of_a_status_comes_and_goes") {
        return;
    }
    let history = Duration::from_secs(6);
    let stage = Stage::start(history);
    stage.traffic(40.0);
    let browser = open(&stage);
    let row = |status: u16| format!("document.querySelector('#codes tr[data-key=\"{status}\"]')");
    browser.wait_for("a row of 200", &row(200));
    assert_eq!(
        browser.run(&format!("return {}", row(451))),
        serde_json::Value::Null
    );

    assert_eq!(stage.send("GET", "/banned"), 451);
    let asked = Instant::now();
    let came = browser.wait_for("a row of 451", &row(451));
    assert!(came - asked <= LAG, "after {:?}", came - asked);
    let told = browser.text("#codes tr[data-key=\"451\"] th");
    assert_eq!(told, "451 Unavailable For Legal Reasons");
    let went = browser.wait_for("no row of 451", &format!("!{}", row(451)));
    let stayed = went - came;
    let about = history - Duration::from_secs(2)..history + Duration::from_secs(3);
    assert!(about.contains(&stayed), "it stayed for {stayed:?}");
    browser.wait_for("a row of 200 all the same", &row(200));
    finish(&stage, &browser);
}

#[test]
fn drain_is_counted_down() {
    if !in_network_of_its_own("browser::drain_is_counted_down") {
        return;
    }
    let stage = Stage::start(Duration::from_secs(60));
    stage.traffic(40.0);
    let browser = open(&stage);
    browser.wait_for("ready", "document.querySelector('#phase').innerText == 'ready'");
    assert_eq!(
        browser.run("return document.querySelector('#drain').hidden"),
        true
    );

    let status = browser.run("return fetch('drain', { method: 'POST' }).then(answer => answer.status)");
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
        let ready = Ask::get("/readyz").of(&stage.admin.to_string()).json();
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
    // Whoever listens is told once, not every second.
    let spoken = browser.text("#spoken");
    assert!(spoken.starts_with("Draining: "), "{spoken:?}");
    for scheme in ["light", "dark"] {
        browser.look(1280, 900, scheme);
        assert_eq!(looks::faint(&browser), Vec::<String>::new(), "{scheme}");
    }
    browser.wait_for(
        "the end",
        "document.querySelector('#drain').innerText.startsWith('Stop')",
    );
    finish(&stage, &browser);
}

#[test]
fn page_is_used_without_a_mouse_and_without_eyes() {
    if !in_network_of_its_own("browser::page_is_used_without_a_mouse_and_without_eyes") {
        return;
    }
    let stage = Stage::start(Duration::from_secs(60));
    let ids = ["order-4711", "order-4712", "order-4713", "invoice-4713"];
    let _held = ids.map(|id| stage.hold(id));
    let browser = open(&stage);
    let rows = |wanted: usize| format!("document.querySelectorAll('#table tbody tr').length == {wanted}");
    browser.wait_for("all requests", &rows(4));
    let focus = || browser.run("return document.activeElement.id || document.activeElement.className");

    browser.press(TAB);
    assert_eq!(focus(), "skip");
    for chart in ["g-requests", "g-latency", "g-inflight", "g-connections"] {
        browser.press(TAB);
        let host = browser.run("return document.activeElement.parentElement.id");
        assert_eq!(host, chart);
        let ring = browser.run("return getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(ring, "solid", "it shows where the focus is");
    }
    browser.press(LEFT);
    let spoken = browser.text("#spoken");
    assert!(spoken.starts_with("Open connections, 1 s ago: "), "{spoken:?}");

    // By the link that leads past the charts.
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
    // What comes each second is filtered too.
    std::thread::sleep(LAG);
    browser.wait_for("two requests still", &rows(2));
    browser.press("x");
    browser.wait_for("none", &rows(0));
    assert_eq!(browser.text("#e-table"), "No matching requests.");
    browser.run("document.querySelector('#filter').select()");
    browser.press("\u{e003}");
    browser.wait_for("all requests again", &rows(4));

    let told = browser.told();
    for wanted in [
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
        let there = told.iter().any(|told| told.starts_with(wanted));
        assert!(there, "{wanted:?} is not told:\n{}", told.join("\n"));
    }
    let nameless = told.iter().filter(|told| {
        [
            "image: ",
            "link: ",
            "button: ",
            "searchbox: ",
            "table: ",
            "region: ",
        ]
        .contains(&told.as_str())
    });
    assert_eq!(nameless.count(), 0, "{}", told.join("\n"));
    finish(&stage, &browser);
}

#[test]
fn page_can_be_read_in_any_light_and_width() {
    if !in_network_of_its_own("browser::page_can_be_read_in_any_light_and_width") {
        return;
    }
    let wanted = looks::wanted();
    let history = Duration::from_secs(if wanted { 120 } else { 12 });
    let stage = Stage::start(history);
    stage.traffic(80.0);
    let ids = [
        "order-4711",
        "order-4712",
        "order-4713",
        "a-part-of-a-fan-out:invoice-4713",
    ];
    let _held = ids.map(|id| stage.hold(id));
    let browser = open(&stage);
    let rows = "document.querySelectorAll('#codes tbody tr').length >= 3";
    browser.wait_for("a few statuses", rows);
    if wanted {
        std::thread::sleep(history);
    }
    for (width, first_screen) in [(1280, 735), (390, 844)] {
        for scheme in ["light", "dark"] {
            browser.look(width, first_screen, scheme);
            let first = browser.picture();
            let height = browser.run("return document.documentElement.scrollHeight");
            browser.look(width, u32::try_from(height.as_u64().unwrap()).unwrap(), scheme);
            looks::keep(
                &format!("live-page-{width}-{scheme}.png"),
                &browser.picture(),
                &first,
            );
            assert_eq!(looks::faint(&browser), Vec::<String>::new(), "{width} {scheme}");
            assert_eq!(looks::cut_off(&browser), Vec::<String>::new(), "{width} {scheme}");
        }
    }
    finish(&stage, &browser);
}
