//! Docs and comments use the words of the field.
//!
//! The rule counts words per 10,000 words of Rust comments and Markdown, without code. It reports the rates of the whole
//! workspace, and the files that exceed a limit.

use std::collections::BTreeMap;

use crate::tidy::finding::Finding;
use crate::tidy::lexer::lex;
use crate::tidy::repository::Repository;

/// Words that are counted together.
struct WordGroup {
    name: &'static str,
    words: &'static [&'static str],
    limit: Limit,
}

/// The allowed number of words per 10,000.
#[derive(Clone, Copy)]
enum Limit {
    Below(f64),
    Above(f64),
}

const GROUPS: &[WordGroup] = &[
    WordGroup {
        name: "answer",
        words: &["answer", "answers", "answered", "answering"],
        limit: Limit::Below(3.0),
    },
    WordGroup {
        name: "nobody, whoever, somebody",
        words: &["nobody", "whoever", "somebody"],
        limit: Limit::Below(3.0),
    },
    WordGroup {
        name: "told, tells",
        words: &["told", "tells"],
        limit: Limit::Below(4.0),
    },
    WordGroup {
        name: "anew, for ever",
        words: &["anew", "for ever"],
        limit: Limit::Below(1.0),
    },
    WordGroup {
        name: "response",
        words: &["response", "responses"],
        limit: Limit::Above(40.0),
    },
];

/// The files with the most words of a group that a finding names.
const NAMED_FILES: usize = 5;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut total = 0;
    let mut counts: Vec<BTreeMap<&str, usize>> = vec![BTreeMap::new(); GROUPS.len()];
    let rust = repository.rust_files().map(|(path, text)| {
        let comments = lex(text).comments.join("\n");
        (path, words(&comments))
    });
    let markdown = repository
        .markdown_files()
        .map(|(path, text)| (path, words(text)));
    // This file names the words.
    for (path, words) in rust
        .chain(markdown)
        .filter(|(path, _)| *path != "xtask/src/tidy/prose.rs")
    {
        total += words.len();
        for (group, counts) in GROUPS.iter().zip(&mut counts) {
            let count = group.count(&words);
            if count > 0 {
                counts.insert(path, count);
            }
        }
    }
    if total == 0 {
        return Vec::new();
    }
    GROUPS
        .iter()
        .zip(counts)
        .map(|(group, counts)| group.finding(counts, total))
        .collect()
}

impl WordGroup {
    fn count(&self, words: &[String]) -> usize {
        let matches = |pattern: &&str| {
            let pattern: Vec<&str> = pattern.split(' ').collect();
            words
                .windows(pattern.len())
                .filter(|found| **found == *pattern)
                .count()
        };
        self.words.iter().map(matches).sum()
    }

    fn finding(&self, counts: BTreeMap<&str, usize>, total: usize) -> Finding {
        let rate = counts.values().sum::<usize>() as f64 * 10_000.0 / total as f64;
        let (kept, limit) = match self.limit {
            Limit::Below(limit) => (rate < limit, format!("below {limit}")),
            Limit::Above(limit) => (rate > limit, format!("above {limit}")),
        };
        let mut message = format!("`{}`: {rate:.1} per 10,000 words ({limit})", self.name);
        if kept {
            return Finding::note("workspace", message);
        }
        if let Limit::Below(_) = self.limit {
            let mut files: Vec<_> = counts.into_iter().collect();
            files.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let files: Vec<_> = files
                .into_iter()
                .take(NAMED_FILES)
                .map(|(path, count)| format!("{path} ({count})"))
                .collect();
            message.push_str(&format!("; most in {}", files.join(", ")));
        }
        Finding::error("workspace", message)
    }
}

/// Returns the words of a text in lower case, without code blocks and inline code.
fn words(text: &str) -> Vec<String> {
    let mut in_code = false;
    let mut words = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches(['/', '!', '*', ' ', '\t']);
        if line.starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code {
            continue;
        }
        // Every second part is inline code.
        for prose in line.split('`').step_by(2) {
            let parts = prose.split(|character: char| !character.is_alphabetic() && character != '\'');
            words.extend(parts.filter(|word| !word.is_empty()).map(str::to_lowercase));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::finding::Severity;

    fn errors(files: &[(&str, &str)]) -> Vec<String> {
        check(&Repository::sample(files))
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.to_string())
            .collect()
    }

    #[test]
    fn words_beyond_their_limit_are_an_error_that_names_the_files() {
        let found = errors(&[
            ("crates/a/src/lib.rs", "//! Each response is an answer.\n"),
            ("crates/a/README.md", "A response that lasts for ever.\n"),
        ]);
        assert_eq!(
            found,
            [
                "error: workspace: `answer`: 909.1 per 10,000 words (below 3); most in crates/a/src/lib.rs (1)",
                "error: workspace: `anew, for ever`: 909.1 per 10,000 words (below 1); most in crates/a/README.md (1)",
            ]
        );
    }

    #[test]
    fn code_and_strings_are_not_counted() {
        let text =
            "//! The response of `answer`.\n//! ```\n//! answer()\n//! ```\nfn f() { g(\"nobody\") }\n";
        assert!(errors(&[("crates/a/src/lib.rs", text)]).is_empty());
    }

    #[test]
    fn prose_without_responses_is_an_error() {
        assert_eq!(errors(&[("crates/a/src/lib.rs", "//! A layer.\n")]).len(), 1);
    }
}
