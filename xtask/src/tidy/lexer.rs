//! Separates code, comments and strings of Rust sources.

/// The parts of a file.
#[derive(Debug)]
pub(crate) struct Lexed {
    /// The text with comments and literals replaced by blanks.
    pub(crate) code: String,
    pub(crate) literals: Vec<Literal>,
    pub(crate) comments: Vec<String>,
}

/// A string literal as written, with its escapes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    /// Counted from one.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A token that is not code.
struct Token {
    end: usize,
    kind: TokenKind,
}

enum TokenKind {
    Comment,
    Char,
    /// The range of its content.
    String(usize, usize),
}

pub(crate) fn lex(text: &str) -> Lexed {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut literals = Vec::new();
    let mut comments = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < bytes.len() {
        let Some(Token { end, kind }) = token(text, at) else {
            line += usize::from(bytes[at] == b'\n');
            at += 1;
            continue;
        };
        match kind {
            TokenKind::Comment => comments.push(text[at..end].to_owned()),
            TokenKind::Char => {}
            TokenKind::String(from, to) => literals.push(Literal {
                line,
                text: text[from..to].to_owned(),
            }),
        }
        for byte in &mut code[at..end] {
            if *byte == b'\n' {
                line += 1;
            } else {
                *byte = b' ';
            }
        }
        at = end;
    }
    Lexed {
        code: String::from_utf8_lossy(&code).into_owned(),
        literals,
        comments,
    }
}

fn token(text: &str, at: usize) -> Option<Token> {
    let rest = &text.as_bytes()[at..];
    match rest {
        [b'/', b'/', ..] => Some(comment(at + until(rest, b'\n'))),
        [b'/', b'*', ..] => Some(comment(at + block_comment(rest))),
        [b'"', ..] => {
            let end = quoted(rest, b'"');
            Some(Token {
                end: at + end,
                kind: TokenKind::String(at + 1, at + end.saturating_sub(1).max(1)),
            })
        }
        [b'r', b'"' | b'#', ..] => raw_string(rest, at),
        [b'\'', b'\\', ..] => Some(character(at + quoted(rest, b'\''))),
        [b'\'', ..] => {
            // `'a'` is a character, `'a` is a lifetime.
            let length = text[at + 1..].chars().next()?.len_utf8();
            (rest.get(length + 1) == Some(&b'\'')).then(|| character(at + length + 2))
        }
        _ => None,
    }
}

fn comment(end: usize) -> Token {
    Token {
        end,
        kind: TokenKind::Comment,
    }
}

fn character(end: usize) -> Token {
    Token {
        end,
        kind: TokenKind::Char,
    }
}

fn until(bytes: &[u8], stop: u8) -> usize {
    bytes.iter().position(|byte| *byte == stop).unwrap_or(bytes.len())
}

fn block_comment(bytes: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Returns the length of a literal that begins with a quote and may contain escapes.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string(rest: &[u8], at: usize) -> Option<Token> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    let start = hashes + 2;
    if rest.get(start - 1) != Some(&b'"') {
        return None; // a raw identifier
    }
    let close: Vec<u8> = [b'"']
        .into_iter()
        .chain(std::iter::repeat_n(b'#', hashes))
        .collect();
    let length = rest[start..]
        .windows(close.len())
        .position(|window| window == close);
    let (end, content) = match length {
        Some(length) => (start + length + close.len(), start + length),
        None => (rest.len(), rest.len()),
    };
    Some(Token {
        end: at + end,
        kind: TokenKind::String(at + start, at + content),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(text: &str) -> Vec<String> {
        lex(text)
            .literals
            .into_iter()
            .map(|literal| literal.text)
            .collect()
    }

    #[test]
    fn strings_of_every_kind_are_found() {
        let text = r####"f("a\"b", r"c\", r#"d"e"#, b"f", "", 'x', '"', '\'', '\\', "g")"####;
        assert_eq!(literals(text), [r#"a\"b"#, r"c\", r#"d"e"#, "f", "", "g"]);
    }

    #[test]
    fn comments_and_lifetimes_are_not_strings() {
        let text =
            "// \"a\"\n/* /* \"b\" */ \"c\" */ fn f<'a>(x: &'a str, r#type: u8) { \"d\" }\n/// é \"e\"";
        assert_eq!(literals(text), ["d"]);
    }

    #[test]
    fn code_keeps_its_lines_without_comments_and_strings() {
        let lexed = lex("let a = \"x\ny\"; // z\nspawn();");
        assert_eq!(lexed.code, "let a =   \n  ;     \nspawn();");
    }

    #[test]
    fn comments_are_found() {
        let lexed = lex("//! a\nlet b = \"// c\"; // d\n/* e */ 'f'");
        assert_eq!(lexed.comments, ["//! a", "// d", "/* e */"]);
    }

    #[test]
    fn literals_have_line_numbers() {
        assert_eq!(
            lex("/*\n*/ \"\n\";\n\"b\"").literals[1],
            Literal {
                line: 4,
                text: "b".into()
            }
        );
    }

    #[test]
    fn incomplete_tokens_do_not_panic() {
        for text in ["\"", "'", "r#\"", "/*", "'\\", "\"\\", "r", "é'é"] {
            lex(text);
        }
    }
}
