//! A library file, without its tests.

use crate::tidy::lexer::{Literal, lex};

/// A file under `crates/*/src`.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) path: &'a str,
    /// The directory of the crate under `crates/`.
    pub(crate) crate_name: &'a str,
    pub(crate) text: &'a str,
    /// The lines of code without tests, with comments and strings replaced by blanks.
    pub(crate) code: Vec<String>,
    /// The string literals outside of tests.
    pub(crate) literals: Vec<Literal>,
    modules: Vec<String>,
}

impl<'a> Source<'a> {
    /// Returns `None` for a file outside of a library.
    pub(crate) fn new(path: &'a str, text: &'a str) -> Option<Self> {
        let (crate_name, inside) = path.strip_prefix("crates/")?.split_once('/')?;
        if !inside.starts_with("src/") {
            return None;
        }
        let lexed = lex(text);
        let mut code: Vec<String> = lexed.code.lines().map(str::to_owned).collect();
        let modules = out_of_line_test_modules(&code);
        // Clippy's items_after_test_module ensures that the tests are last.
        let shipped = inline_test_module(&code).unwrap_or(code.len());
        code.truncate(shipped);
        let literals = lexed
            .literals
            .into_iter()
            .filter(|literal| literal.line <= shipped)
            .collect();
        Some(Self {
            path,
            crate_name,
            text,
            code,
            literals,
            modules,
        })
    }

    /// Returns the paths of the test modules that this file declares, without file extensions.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let stem = self.path.strip_suffix(".rs").unwrap_or(self.path);
        let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let base = if ["lib", "main", "mod"].contains(&name) {
            folder
        } else {
            stem
        };
        self.modules
            .iter()
            .map(|module| format!("{base}/{module}"))
            .collect()
    }
}

/// Returns the test modules: the index of the attribute, and the declaration.
fn test_modules(code: &[String]) -> impl Iterator<Item = (usize, &str)> {
    code.iter().enumerate().filter_map(|(index, line)| {
        if !line.starts_with("#[cfg(test)]") && !line.starts_with("#[cfg(all(test,") {
            return None;
        }
        let declaration = code[index + 1..].iter().find(|line| !line.starts_with('#'))?;
        declaration
            .trim_start_matches("pub(crate) ")
            .strip_prefix("mod ")
            .map(|module| (index, module))
    })
}

fn inline_test_module(code: &[String]) -> Option<usize> {
    test_modules(code)
        .find(|(_, module)| module.contains('{'))
        .map(|(index, _)| index)
}

fn out_of_line_test_modules(code: &[String]) -> Vec<String> {
    test_modules(code)
        .filter_map(|(_, module)| module.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_tests_are_excluded() {
        let text =
            "//! x\nconst A: &str = \"a\";\n\n#[cfg(test)]\nmod tests {\n    const B: &str = \"b\";\n}\n";
        let source = Source::new("crates/campanile-core/src/a.rs", text).unwrap();
        assert_eq!(source.code.len(), 3);
        assert_eq!(source.literals.len(), 1);
        assert_eq!(source.crate_name, "campanile-core");
    }

    #[test]
    fn code_after_a_test_item_is_included() {
        let text = "//! x\n#[cfg(test)]\nfn sample() {}\n\nfn shipped() {}\n";
        let source = Source::new("crates/campanile-core/src/a.rs", text).unwrap();
        assert_eq!(source.code.len(), 5);
    }

    #[test]
    fn only_library_files_are_sources() {
        assert!(Source::new("crates/campanile-core/tests/a.rs", "").is_none());
        assert!(Source::new("xtask/src/main.rs", "").is_none());
    }
}
