//! What a line may be made of.

/// Tells whether a character would break a line: by the protocol, by blanks and controls, or by not being ASCII. `also`
/// are those that the form needs for itself.
pub(crate) fn breaks(character: char, also: &str) -> bool {
    !character.is_ascii_graphic() || matches!(character, ':' | '|' | '@' | '#') || also.contains(character)
}

/// Appends a part of a dotted name: dots stay, what would break the line becomes `-`, nothing becomes `unknown`.
///
/// Whatever `part` is, what is appended is at least one byte of visible ASCII without `:`, `|`, `@` and `#`, and no
/// longer than `part` if that is not empty. It never panics.
pub(crate) fn push_part(part: &str, line: &mut String) {
    push_escaped(part, "", line);
}

/// As [`push_part`], where the characters of `also` become `-` too.
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
    fn whatever_goes_in_one_clean_part_comes_out() {
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
