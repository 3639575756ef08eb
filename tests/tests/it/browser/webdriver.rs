//! Headless chromium, driven by chromedriver over [WebDriver](https://www.w3.org/TR/webdriver2/).

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use campanile_tests::client::{connect, read_response};
use serde_json::{Value, json};

use super::isolation::has_outside_network;

/// How long a page may take to show a state. Generous, because it costs nothing in a passing test.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Disables all requests of the browser itself, and the sandbox, which needs privileges that containers lack.
const ARGUMENTS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
];

/// A browser with one tab. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct Browser {
    driver: Driver,
    session: String,
}

impl Browser {
    /// Starts a browser with a new temporary profile.
    pub(super) fn start() -> Self {
        let driver = Driver::start();
        let mut arguments = ARGUMENTS.to_vec();
        if has_outside_network() {
            arguments.push("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
        }
        let capabilities = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": arguments },
        });
        let response = driver.send(
            "POST",
            "/session",
            &json!({ "capabilities": { "alwaysMatch": capabilities } }),
        );
        let session = response["sessionId"]
            .as_str()
            .expect("a session has an id")
            .to_owned();
        Self { driver, session }
    }

    /// Sends a WebDriver command.
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.driver
            .send(method, &format!("/session/{}{path}", self.session), body)
    }

    /// Sends a command of the DevTools protocol.
    pub(super) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("POST", "/goog/cdp/execute", &body)
    }

    /// Loads a page.
    pub(super) fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// Runs a function body in the page and returns its result.
    pub(super) fn run(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Returns the rendered text of an element.
    pub(super) fn text(&self, selector: &str) -> String {
        let text = self.run(&format!(
            "return document.querySelector({selector:?})?.innerText ?? null"
        ));
        text.as_str()
            .unwrap_or_else(|| panic!("no element {selector}"))
            .to_owned()
    }

    /// Waits until an expression is true in the page, and returns the time of that.
    pub(super) fn wait_for(&self, what: &str, expression: &str) -> Instant {
        let started = Instant::now();
        while self.run(&format!("return Boolean({expression})")) != true {
            assert!(
                started.elapsed() < TIMEOUT,
                "the page does not show {what}:\n{}",
                self.run("return document.body.innerText")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Instant::now()
    }

    /// Presses keys one after the other. Keys without a character are WebDriver
    /// [code points](https://www.w3.org/TR/webdriver2/#keyboard-actions).
    pub(super) fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        });
        let strokes: Vec<Value> = strokes.collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.command("POST", "/actions", &actions);
    }

    /// Sets the size of the screen and the colour scheme.
    pub(super) fn set_screen(&self, width: u32, height: u32, scheme: &str) {
        let screen =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
        // The new layout is drawn two frames later.
        self.command(
            "POST",
            "/execute/async",
            &json!({ "script": "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))", "args": [] }),
        );
    }

    /// Returns a screenshot as PNG.
    pub(super) fn screenshot(&self) -> Vec<u8> {
        let png = self.command("GET", "/screenshot", &Value::Null);
        BASE64_STANDARD
            .decode(png.as_str().expect("a screenshot is text"))
            .expect("a screenshot is base64")
    }

    /// Returns the accessibility tree as lines of `role: name`.
    pub(super) fn accessible_names(&self) -> Vec<String> {
        let tree = self.devtools("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().expect("a tree has nodes");
        let names = nodes.iter().filter(|node| node["ignored"] != true).map(|node| {
            let [role, name] = ["role", "name"].map(|key| node[key]["value"].as_str().unwrap_or_default());
            format!("{role}: {name}")
        });
        names.collect()
    }

    /// Returns the new console messages: errors, warnings, violations of the content security policy, and failed loads.
    pub(super) fn console(&self) -> Vec<String> {
        let log = self.command("POST", "/se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().expect("a log has entries").iter();
        entries
            .map(|entry| format!("{}: {}", entry["level"], entry["message"]))
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; chromedriver removes its profile.
        let path = format!("/session/{}", self.session);
        let _ = self.driver.try_send("DELETE", &path, &Value::Null);
    }
}

#[derive(Debug)]
struct Driver {
    child: Child,
    address: String,
}

impl Driver {
    fn start() -> Self {
        let child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed");
        // From here on the process is ended on any failure.
        let mut driver = Self {
            child,
            address: String::new(),
        };
        let mut stdout = BufReader::new(driver.child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        loop {
            line.clear();
            let read = stdout.read_line(&mut line).expect("the output is UTF-8");
            assert!(read > 0, "chromedriver exited before it printed its port");
            if let Some((_, port)) = line.split_once("successfully on port ") {
                let port = port.trim().trim_end_matches('.');
                driver.address = format!("127.0.0.1:{port}");
                // Keeps the pipe open.
                std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
                return driver;
            }
        }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_send(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }

    /// Sends a command over a connection of its own, which chromedriver keeps open.
    fn try_send(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let length = body.len();
        let mut connection = connect(&self.address).map_err(|error| error.to_string())?;
        write!(
            connection,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .map_err(|error| error.to_string())?;
        let (head, body) = read_response(&mut *connection);
        let mut json: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        if head.starts_with("http/1.1 200") {
            Ok(json["value"].take())
        } else {
            Err(json["value"]["message"].to_string())
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The process may have exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
