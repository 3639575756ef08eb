//! House rules that a program can hold, each a small function over the [`Repository`](repository::Repository).
//!
//! | rule | file |
//! |---|---|
//! | crates depend on each other only along the arrows of the table | `arrows` |
//! | every source file says first what it is for | `module_docs` |
//! | library files stay small | `file_size` |
//! | the changelog has a line for what is not released yet | `changelog` |
//! | a metric name stands in one file of its crate | `metric_names` |
//! | libraries do not spawn, set variables, or leave a TODO without a number | `banned_words` |
//! | versions are sorted and without default features | `workspace_dependencies` |
//! | crates take the workspace's lints, explain features, describe themselves | `manifests` |
//! | `unsafe` is forbidden outside the fence | `unsafe_fence` |
//! | the README names the two commands that others rely on | `readme` |
//!
//! A rule has a unit test that shows it going red. It does not parse Rust: what the compiler or clippy can
//! hold is left to them.

mod arrows;
mod banned_words;
mod changelog;
mod file_size;
mod finding;
mod lexer;
mod manifests;
mod metric_names;
mod module_docs;
mod readme;
mod repository;
mod run;
mod source;
mod unsafe_fence;
mod workspace_dependencies;

pub(crate) use self::run::run;
