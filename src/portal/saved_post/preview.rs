//! What a kept form holds, for a person to read before it is sent again. For the eye alone: the form goes out as it came, whatever is
//! read here, and nothing in it can do more than look odd.

use crate::service::saved_post::Form;
use crate::view::message::Kept;

/// Names and values in order.
pub fn fields(form: &Form) -> Vec<(String, Kept)> {
    let (essence, parameters) = form.content_type.split_once(';').unwrap_or((&form.content_type, ""));
    match essence.trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => {
            url::form_urlencoded::parse(&form.body).map(|(name, value)| (name.into_owned(), Kept::Text(value.into_owned()))).collect()
        }
        "multipart/form-data" => boundary(parameters).map(|boundary| parts(&form.body, &boundary)).unwrap_or_default(),
        _ => lines(&form.body),
    }
}

/// `text/plain`: a line for each field (HTML, "plain text form data").
fn lines(body: &[u8]) -> Vec<(String, Kept)> {
    let text = String::from_utf8_lossy(body);
    let pair = |line: &str| line.split_once('=').map_or((line.to_owned(), String::new()), |(n, v)| (n.to_owned(), v.to_owned()));
    text.lines().filter(|line| !line.is_empty()).map(pair).map(|(name, value)| (name, Kept::Text(value))).collect()
}

fn boundary(parameters: &str) -> Option<String> {
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    });
    value.filter(|value| !value.is_empty())
}

/// `multipart/form-data` as browsers write it (RFC 7578).
fn parts(body: &[u8], boundary: &str) -> Vec<(String, Kept)> {
    let delimiter = format!("\r\n--{boundary}");
    let mut fields = Vec::new();
    let mut rest = match body.strip_prefix(delimiter.trim_start().as_bytes()) {
        Some(rest) => rest,
        None => return fields,
    };
    while let Some((part, after)) = cut(rest, delimiter.as_bytes()) {
        fields.extend(part.strip_prefix(b"\r\n").and_then(field));
        rest = after;
    }
    fields
}

fn field(part: &[u8]) -> Option<(String, Kept)> {
    let (head, value) = cut(part, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(head);
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let name = parameter(line, "name")?;
    let kept = match parameter(line, "filename") {
        Some(file) => Kept::File(file, value.len()),
        None => Kept::Text(String::from_utf8_lossy(value).into_owned()),
    };
    Some((name, kept))
}

/// A quoted parameter; `name` is not the end of `filename`.
fn parameter(line: &str, name: &str) -> Option<String> {
    let mark = format!("{name}=\"");
    let (at, _) = line.match_indices(&mark).find(|(at, _)| line.get(..*at).is_some_and(|before| before.ends_with([' ', ';'])))?;
    let value = line.get(at + mark.len()..)?.split('"').next()?;
    Some(value.replace("%22", "\"").replace("%0D%0A", " "))
}

/// What stands before and after the first `mark`.
fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((bytes.get(..at)?, bytes.get(at + mark.len()..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(content_type: &str, body: impl Into<Vec<u8>>) -> Vec<(String, Kept)> {
        let body: Vec<u8> = body.into();
        let form = Form {
            authority: "a".into(),
            secure: false,
            target: "/".into(),
            content_type: content_type.into(),
            body: body.into(),
            kept_as: None,
        };
        fields(&form)
    }

    fn text(name: &str, value: &str) -> (String, Kept) {
        (name.to_owned(), Kept::Text(value.to_owned()))
    }

    #[test]
    fn fields_are_read_from_every_kind_of_form() {
        assert_eq!(form("application/x-www-form-urlencoded", "a=1+2&b=%c3%a9"), [text("a", "1 2"), text("b", "é")]);
        assert_eq!(form("text/plain; charset=utf-8", "a=1\r\nb=x=y\r\n"), [text("a", "1"), text("b", "x=y")]);
        let body = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\ntwo\r\n--X\r\nContent-Disposition: form-data; \
                    name=\"f\"; filename=\"my %22cv%22.pdf\"\r\nContent-Type: application/pdf\r\n\r\n12345\r\n--X--\r\n";
        for kind in ["multipart/form-data; boundary=X", "Multipart/Form-Data; charset=utf-8; Boundary=\"X\""] {
            assert_eq!(form(kind, body), [text("a", "one\r\ntwo"), ("f".to_owned(), Kept::File("my \"cv\".pdf".to_owned(), 5))]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(prop_oneof![Just(b'-'), Just(b'X'), Just(b'\r'), Just(b'\n'), Just(b'"'), any::<u8>()], 0..200), name in ".{0,20}") {
            for kind in ["multipart/form-data; boundary=X", "multipart/form-data; boundary=\"", "text/plain", "application/x-www-form-urlencoded", &name] {
                let _ = form(kind, body.clone());
            }
            let _ = parameter(&String::from_utf8_lossy(&body), &name);
        }
    }
}
