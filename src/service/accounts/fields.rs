//! What the fields of an account may hold: one line each, no longer than a page can show, and without the comma that separates
//! groups in a header.

use super::error::AccountError;
use crate::base::Subject;

fn one_line(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(|c| c.is_control() || c == ',')
}

/// Characters that show nothing, or turn the order of what stands around them (Unicode Bidi_Control, Default_Ignorable_Code_Point): `alice` with
/// one of them looks like `alice`.
const fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// A name that can be in a header and a log without any escaping rule to get wrong.
pub fn good_name(name: &str) -> Result<(), AccountError> {
    let good =
        one_line(name, 64) && !name.chars().any(|c| c.is_whitespace() || c == '@' || c == '"' || c == '<' || c == '>' || is_unseen(c));
    if !good {
        return Err(AccountError::BadName(name.to_owned()));
    }
    // `admin/users/new` is a form, and no honest path has dots for a segment.
    if matches!(crate::store::fold(name).as_str(), "new" | "." | "..") {
        return Err(AccountError::ReservedName(name.to_owned()));
    }
    Ok(())
}

pub fn good_email(email: &str) -> Result<(), AccountError> {
    let good = email.len() <= 254 && one_line(email, 254) && email.parse::<lettre::Address>().is_ok();
    if good { Ok(()) } else { Err(AccountError::BadEmail(email.to_owned())) }
}

pub fn good_phone(phone: &str) -> Result<String, AccountError> {
    let plain: String = phone.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/')).collect();
    let digits = plain.strip_prefix('+').unwrap_or_default();
    if (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        Ok(plain)
    } else {
        Err(AccountError::BadPhone(phone.to_owned()))
    }
}

pub fn good_groups(groups: &[String]) -> Result<(), AccountError> {
    match groups.iter().find(|group| !one_line(group, 64)) {
        Some(bad) => Err(AccountError::BadGroup(bad.clone())),
        None => Ok(()),
    }
}

/// The subject of a service account's certificate.
pub fn good_subject(text: &str) -> Result<Subject, AccountError> {
    Subject::parse(text).map_err(|bad| AccountError::BadSubject(text.to_owned(), bad.to_string()))
}

pub fn good_display_name(name: &str) -> Result<(), AccountError> {
    if one_line(name, 128) { Ok(()) } else { Err(AccountError::BadDisplayName) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_a_header_a_log_and_an_address() {
        for name in ["alice", "al.ice", "ÄÖÜ", "new1", "renew", "a-b_c"] {
            assert_eq!(good_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a,b", "a@b", "a\nb", "<a>", "new", "New", "ＮＥＷ", ".", "..", "alice\u{200b}", "a\u{202e}ecila"] {
            assert!(good_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_number_is_kept_in_one_form() {
        for typed in ["+491701234567", "+49 170 1234567", "+49 (170) 123-45.67", "+49/170/1234567"] {
            assert_eq!(good_phone(typed).as_deref(), Ok("+491701234567"), "{typed}");
        }
        for typed in ["", "+", "491701234567", "+123456", "+1234567890123456", "+49170123456a", "++491701234567"] {
            assert!(good_phone(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn an_address_a_group_and_a_display_name_are_one_line() {
        let long = "x".repeat(65);
        assert_eq!((good_email("a@internal.example"), good_display_name("Alice A.")), (Ok(()), Ok(())));
        for email in ["", "alice", "a@b\r\nBcc: c@d", "a,b@internal.example", " "] {
            assert!(good_email(email).is_err(), "{email:?}");
        }
        for group in ["", " ", "a,b", "a\nb", &long] {
            let groups = ["staff".to_owned(), group.to_owned()];
            assert_eq!(good_groups(&groups), Err(AccountError::BadGroup(group.to_owned())));
        }
        assert!(good_display_name("a\tb").is_err() && good_display_name(&"x".repeat(129)).is_err());
    }
}
