//! A browser without a window: chromium, driven by chromedriver over [WebDriver](https://www.w3.org/TR/webdriver2/).

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use campanile_tests::wire::{connect, read_head};
use serde_json::{Value, json};

use super::alone::is_wide;

/// How long what must be seen may take. Long, since it costs nothing where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// It asks nobody for anything by itself. The sandbox takes privileges that a container has not; what is shown is ours.
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

/// A browser with one tab. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Browser {
    driver: Driver,
    session: String,
}

impl Browser {
    /// Starts one, with a profile that is new and goes with it.
    pub(super) fn start() -> Self {
        let driver = Driver::start();
        let mut arguments = ARGUMENTS.to_vec();
        if is_wide() {
            arguments.push("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
        }
        let wanted = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": arguments },
        });
        let answer = driver.ask(
            "POST",
            "/session",
            &json!({ "capabilities": { "alwaysMatch": wanted } }),
        );
        let session = answer["sessionId"]
            .as_str()
            .expect("a session has an id")
            .to_owned();
        Self { driver, session }
    }

    /// Sends a command of WebDriver.
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.driver
            .ask(method, &format!("/session/{}{path}", self.session), body)
    }

    /// Sends a command of the browser's own protocol.
    pub(super) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("POST", "/goog/cdp/execute", &body)
    }

    /// Loads a page.
    pub(super) fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// Runs the body of a function in the page and returns what it returns.
    pub(super) fn run(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Returns the text of the element, spaces as they are shown.
    pub(super) fn text(&self, selector: &str) -> String {
        let text = self.run(&format!(
            "return document.querySelector({selector:?})?.innerText ?? null"
        ));
        text.as_str()
            .unwrap_or_else(|| panic!("there is no {selector}"))
            .to_owned()
    }

    /// Waits until an expression is true in the page, and returns when it was seen to be.
    pub(super) fn wait_for(&self, what: &str, expression: &str) -> Instant {
        let started = Instant::now();
        while self.run(&format!("return Boolean({expression})")) != true {
            assert!(
                started.elapsed() < PATIENCE,
                "the page never showed {what}:\n{}",
                self.run("return document.body.innerText")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Instant::now()
    }

    /// Presses keys, one after the other, wherever the focus is. Keys without a character are WebDriver's
    /// [code points](https://www.w3.org/TR/webdriver2/#keyboard-actions).
    pub(super) fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        });
        let strokes: Vec<Value> = strokes.collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.command("POST", "/actions", &actions);
    }

    /// Lays the page out for a screen of this size, and for eyes that want it light or dark.
    pub(super) fn look(&self, width: u32, height: u32, scheme: &str) {
        let screen =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
        // What is laid out anew is drawn two frames later.
        self.command(
            "POST",
            "/execute/async",
            &json!({ "script": "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))", "args": [] }),
        );
    }

    /// Returns what the screen shows, as a PNG.
    pub(super) fn picture(&self) -> Vec<u8> {
        let picture = self.command("GET", "/screenshot", &Value::Null);
        BASE64_STANDARD
            .decode(picture.as_str().expect("a picture is text"))
            .expect("a picture is base64")
    }

    /// Returns the accessible names of all that has a role which a screen reader would tell, as `role: name`.
    pub(super) fn told(&self) -> Vec<String> {
        let tree = self.devtools("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().expect("a tree has nodes");
        let told = nodes.iter().filter(|node| node["ignored"] != true).map(|node| {
            let [role, name] = ["role", "name"].map(|key| node[key]["value"].as_str().unwrap_or_default());
            format!("{role}: {name}")
        });
        told.collect()
    }

    /// Returns what the console said since this was asked last: errors, warnings, what the policy forbade and what could
    /// not be loaded.
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
        // Ends the browser; the driver removes its profile.
        let path = format!("/session/{}", self.session);
        let _ = self.driver.try_ask("DELETE", &path, &Value::Null);
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
            .expect("it was there a moment ago");
        // From here on it is ended whatever happens.
        let mut driver = Self {
            child,
            address: String::new(),
        };
        let mut said = BufReader::new(driver.child.stdout.take().expect("the pipe was asked for"));
        let mut line = String::new();
        loop {
            line.clear();
            let read = said.read_line(&mut line).expect("it speaks UTF-8");
            assert!(read > 0, "chromedriver ended before it said where it listens");
            if let Some((_, port)) = line.split_once("successfully on port ") {
                let port = port.trim().trim_end_matches('.');
                driver.address = format!("127.0.0.1:{port}");
                // It is not to be told that nobody reads any more.
                std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
                return driver;
            }
        }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_ask(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }

    /// Asks over a connection of its own, which the driver leaves open behind its answer.
    fn try_ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
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
        let head = read_head(&mut *connection).to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|length| length.trim().parse().ok())
            .ok_or_else(|| format!("an answer without a length: {head}"))?;
        let mut said = vec![0; length];
        connection
            .read_exact(&mut said)
            .map_err(|error| error.to_string())?;
        let mut said: Value = serde_json::from_slice(&said).map_err(|error| error.to_string())?;
        if head.starts_with("http/1.1 200") {
            Ok(said["value"].take())
        } else {
            Err(said["value"]["message"].to_string())
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
