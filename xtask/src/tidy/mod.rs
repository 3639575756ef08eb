//! House rules, each a function of the [`Repository`](repository::Repository).
//!
//! | rule | file |
//! |---|---|
//! | crates depend on each other only along the arrows of the table | `arrows` |
//! | every source file begins with its documentation | `module_docs` |
//! | library files of more than 400 lines are noted | `file_size` |
//! | the changelog lists unreleased changes by crate | `changelog` |
//! | a metric name is written in one file of its crate | `metric_names` |
//! | docs and comments use the words of the field | `prose` |
//! | a TODO names its issue | `todos` |
//! | versions are sorted and without default features | `workspace_dependencies` |
//! | crates use the lints of the workspace, explain their features, and have a description | `manifests` |
//! | `unsafe` is forbidden outside the fence | `unsafe_fence` |
//! | the README contains two commands on which other programs rely | `readme` |
//!
//! Each rule has a unit test in which it fails. Rules do not parse Rust; the compiler, clippy and cargo-deny check what
//! they can, for example that libraries do not spawn (`disallowed-methods` in clippy.toml). The arrows between crates are
//! checked here and not by the `wrappers` of cargo-deny: those would list every example and test program for every
//! library, cannot allow only dev-dependencies, and ignore a crate without an entry.

mod arrows;
mod changelog;
mod file_size;
mod finding;
mod lexer;
mod manifests;
mod metric_names;
mod module_docs;
mod prose;
mod readme;
mod repository;
mod run;
mod source;
mod todos;
mod unsafe_fence;
mod workspace_dependencies;

pub(crate) use self::run::run;
