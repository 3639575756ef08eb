//! Legibility of the page, and screenshots.

use std::{fs, path::Path};

use super::webdriver::Browser;

/// The environment variable that makes the test overwrite the screenshots of the README.
const UPDATE: &str = "UPDATE_SCREENSHOTS";
/// The maximum size of a screenshot for the README.
const MAX_BYTES: usize = 150_000;

/// Returns whether to overwrite the screenshots of the README.
pub(super) fn update_requested() -> bool {
    std::env::var_os(UPDATE).is_some()
}

/// Saves the screenshot of a whole page in the target directory, and on request that of the first screen for the README.
pub(super) fn save(name: &str, whole: &[u8], first: &[u8]) {
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), whole).unwrap();
    assert!(first.len() <= MAX_BYTES, "{name} has {} bytes", first.len());
    if update_requested() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        fs::create_dir_all(&docs).unwrap();
        fs::write(docs.join(name), first).unwrap();
    }
}

/// Returns the texts whose contrast with their background is less than
/// [4.5 to 1](https://www.w3.org/TR/WCAG22/#contrast-minimum).
pub(super) fn low_contrast(browser: &Browser) -> Vec<String> {
    list(
        browser,
        r"
        const channels = colour => colour.match(/[\d.]+/g).map(Number);
        const light = colour => {
          const [r, g, b] = channels(colour).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ground = element => {
          for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor, [, , , alpha = 1] = channels(colour);
            if (alpha === 1) { return colour; }
          }
          return matchMedia('(prefers-color-scheme: dark)').matches ? 'rgb(0, 0, 0)' : 'rgb(255, 255, 255)';
        };
        return [...document.body.querySelectorAll('*')]
          .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
          .map(e => {
            const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((a, b) => b - a);
            return [(a + 0.05) / (b + 0.05), e.innerText];
          })
          .filter(([contrast]) => contrast < 4.5)
          .map(([contrast, text]) => `${contrast.toFixed(2)}: ${text}`);
        ",
    )
}

/// Returns the elements that are wider than their container, except for the table of requests.
pub(super) fn overflowing(browser: &Browser) -> Vec<String> {
    list(
        browser,
        r"
        const wide = [document.documentElement, ...document.querySelectorAll('.scroll:not([role])')]
          .filter(e => e.scrollWidth > e.clientWidth);
        const outside = [...document.querySelectorAll('svg, input, h2, .value, .keys')]
          .filter(e => e.checkVisibility())
          .filter(e => { const box = e.getBoundingClientRect(); return box.left < 0 || box.right > innerWidth || box.width < 40 && e.tagName === 'svg'; });
        return [...wide, ...outside].map(e => `${e.tagName} ${e.id} ${e.ariaLabel ?? e.innerText ?? ''}`);
        ",
    )
}

fn list(browser: &Browser, script: &str) -> Vec<String> {
    serde_json::from_value(browser.run(script)).expect("a list of texts")
}
