//! Whether a request may confirm a saved form, told by its header alone.

use http::{HeaderMap, Method, header};
use pingora::http::RequestHeader;

use crate::service::saved_post::Confirmation;

/// Whether a request may be a confirmation. Told by its header alone, and cheaply: every request is asked.
pub fn may_be(header: &RequestHeader, prefix: &str) -> bool {
    header.method == Method::POST && has_its_form(&header.headers, prefix)
}

/// Our page sends `text/plain`. What fills the form in without a browser may send it like most forms, and is known by where it comes from.
fn has_its_form(headers: &HeaderMap, prefix: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let length = text(header::CONTENT_LENGTH).parse().unwrap_or(0);
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "text/plain" => length == Confirmation::LENGTH + 2,
        "application/x-www-form-urlencoded" => {
            length == Confirmation::LENGTH && text(header::REFERER).contains(&format!("{prefix}/resume?"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, lines: &[(&str, &str)]) -> bool {
        let mut header = RequestHeader::build(method, b"/notes", None).unwrap();
        for (name, value) in lines {
            header.append_header((*name).to_owned(), *value).unwrap();
        }
        may_be(&header, "/.vestibule")
    }

    #[test]
    fn only_a_post_of_the_one_length_is_read() {
        let (plain, form) = ((Confirmation::LENGTH + 2).to_string(), Confirmation::LENGTH.to_string());
        assert!(asked("POST", &[("Content-Type", "text/plain"), ("Content-Length", &plain)]));
        assert!(!asked("GET", &[("Content-Type", "text/plain"), ("Content-Length", &plain)]));
        assert!(!asked("POST", &[("Content-Type", "text/plain"), ("Content-Length", &form)]));
        assert!(!asked("POST", &[("Content-Type", "text/plain")]));
        let encoded = [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", form.as_str())];
        assert!(!asked("POST", &encoded), "an application's form of that length goes its usual way");
        assert!(asked("POST", &[&encoded[..], &[("Referer", "http://a.example/.vestibule/resume?id=x")]].concat()));
    }
}
