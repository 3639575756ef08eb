//! Replaces the characters that would break a line.

/// Returns whether a character would break a line: part of the syntax, blank, control or not ASCII. `also` are further
/// characters that the format uses.
pub(super) fn breaks(character: char, also: &str) -> bool {
    !character.is_ascii_graphic() || matches!(character, ':' | '|' | '@' | '#') || also.contains(character)
}

/// Appends a part of a dotted name. Dots are kept, characters that would break the line become `-`, and an empty part
/// becomes `unknown`.
pub(super) fn push_part(part: &str, line: &mut String) {
    push_escaped(part, "", line);
}

/// Like [`push_part`], but the characters of `also` become `-` too.
pub(super) fn push_escaped(part: &str, also: &str, line: &mut String) {
    if part.is_empty() {
        line.push_str("unknown");
    }
    line.extend(part.chars().map(|c| if breaks(c, also) { '-' } else { c }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_clean_part() {
        for (part, expected) in [
            ("views.ok", "views.ok"),
            ("", "unknown"),
            ("a:b|c@d#e f\tg\nh\0i\u{7f}", "a-b-c-d-e-f-g-h-i-"),
            ("caf\u{e9}", "caf-"),
            ("::1", "--1"),
            ("/users/{id},x=y", "/users/{id},x=y"),
        ] {
            let mut line = String::new();
            push_part(part, &mut line);
            assert_eq!(line, expected, "{part:?}");
        }
        for character in '\0'..=char::MAX {
            let mut line = String::new();
            push_part(character.encode_utf8(&mut [0; 4]), &mut line);
            assert!(
                line.len() == 1 && line.bytes().all(|byte| byte.is_ascii_graphic()),
                "{character:?}"
            );
        }
    }
}
