//! The access log's lines, in the forms of the rest of the log: text, or JSON. Guarantees that a line is one line, whatever a client sent: what
//! comes from outside is quoted and escaped.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::Write;
use std::sync::{Arc, OnceLock};

use super::log_writer::LogWriter;
use crate::base::Time;
use crate::gateway::AccessRecord;

/// How a line is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Text,
    Json,
}

static LOG: OnceLock<(Form, Arc<LogWriter>)> = OnceLock::new();

/// From here on lines go to standard error. The first caller's form counts.
///
/// # Errors
/// Where no thread can be had.
pub fn start(form: Form) -> std::io::Result<()> {
    let lanes = LogWriter::to(Box::new(std::io::stderr()))?;
    let _ = LOG.set((form, lanes));
    Ok(())
}

/// Writes what has not been written yet.
pub fn flush() {
    if let Some((_, lanes)) = LOG.get() {
        lanes.flush();
    }
}

/// One line for one request, where the log was started.
pub fn tell(record: &AccessRecord<'_>) {
    if let Some((form, lanes)) = LOG.get() {
        lanes.put(|out| write(*form, record, out));
    }
}

fn write(form: Form, record: &AccessRecord<'_>, out: &mut Vec<u8>) {
    let mut line = Line { form, out };
    line.begin(record.at.plus(record.duration));
    line.word("request", record.request_id);
    line.maybe("client", record.client);
    line.bare("method", record.method);
    line.maybe("host", record.host);
    line.word("path", record.path);
    line.maybe_word("route", record.route);
    line.maybe_word("user", record.user);
    let token = record.token.map(|id| id.to_string());
    line.maybe_word("token", token.as_deref());
    line.maybe_word("certificate", record.certificate);
    line.maybe_word("certificate_fault", record.certificate_fault);
    line.number("status", record.status.into());
    line.word("outcome", record.outcome.name());
    line.word("reason", record.reason);
    line.maybe_word("observed", record.observed);
    line.maybe_word("upstream", record.upstream);
    line.number("micros", u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX));
    line.number("bytes_in", record.bytes_in);
    line.number("bytes_out", record.bytes_out);
    line.end();
}

struct Line<'o> {
    form: Form,
    out: &'o mut Vec<u8>,
}

impl Line<'_> {
    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn begin(&mut self, at: Time) {
        self.put(if self.form == Form::Json { "{\"timestamp\":\"" } else { "" });
        self.stamp(at);
        self.put(if self.form == Form::Json { "\",\"level\":\"INFO\"" } else { "  INFO access:" });
    }

    fn end(&mut self) {
        self.put(if self.form == Form::Json { ",\"target\":\"access\"}\n" } else { "\n" });
    }

    /// RFC 3339 to the millisecond; the second is worked out once.
    fn stamp(&mut self, at: Time) {
        thread_local! {
            static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
        }
        let (second, millis) = (at.millis().div_euclid(1000), at.millis().rem_euclid(1000));
        SECOND.with_borrow_mut(|known| {
            if known.0 != second {
                *known = (second, at.to_string());
            }
            self.put(known.1.trim_end_matches('Z'));
        });
        let _ = write!(self.out, ".{millis:03}Z");
    }

    fn name(&mut self, name: &str) {
        if self.form == Form::Json {
            self.put(",\"");
            self.put(name);
            self.put("\":");
        } else {
            self.put(" ");
            self.put(name);
            self.put("=");
        }
    }

    /// In quotes, with what could end them or the line escaped.
    fn word(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    fn quoted(&mut self, value: &str) {
        if value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\') {
            self.put("\"");
            self.put(value);
            self.put("\"");
        } else if self.form == Form::Json {
            let _ = serde_json::to_writer(&mut *self.out, value);
        } else {
            let _ = write!(self.out, "{value:?}");
        }
    }

    fn maybe_word(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.word(name, value);
        }
    }

    /// What can hold neither a quote nor the end of a line: an address, a host, a method (RFC 9110 section 5.6.2).
    fn bare(&mut self, name: &str, value: impl Display) {
        self.name(name);
        let quote = if self.form == Form::Json { "\"" } else { "" };
        let _ = write!(self.out, "{quote}{value}{quote}");
    }

    fn maybe(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.bare(name, value);
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        let _ = write!(self.out, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;

    use super::*;
    use crate::base::{ClientAddr, Host};
    use crate::gateway::Outcome;

    fn line(form: Form, path: &str, user: Option<&str>) -> String {
        let host = Host::parse(b"wiki.example").unwrap();
        let record = AccessRecord {
            request_id: "abc-0-1f",
            at: Time::from_millis(1_763_812_800_007),
            client: Some(ClientAddr::new([192, 0, 2, 1].into())),
            method: &Method::GET,
            host: Some(&host),
            path,
            route: Some("wiki"),
            user,
            certificate: None,
            certificate_fault: None,
            token: None,
            status: 200,
            outcome: Outcome::Forwarded,
            reason: "",
            observed: None,
            upstream: Some("127.0.0.1:3000"),
            duration: Duration::from_micros(1234),
            bytes_in: 0,
            bytes_out: 1024,
            trace: None,
        };
        let mut out = Vec::new();
        write(form, &record, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_of_text_is_as_the_rest_of_the_log() {
        assert_eq!(
            line(Form::Text, "/a b", Some("alice")),
            "2025-11-22T12:00:00.008Z  INFO access: request=\"abc-0-1f\" client=192.0.2.1 method=GET host=wiki.example path=\"/a b\" \
             route=\"wiki\" user=\"alice\" status=200 outcome=\"forwarded\" reason=\"\" upstream=\"127.0.0.1:3000\" micros=1234 bytes_in=0 bytes_out=1024\n"
        );
    }

    #[test]
    fn a_line_of_json_is_an_object() {
        let read: serde_json::Value = serde_json::from_str(&line(Form::Json, "/\"\\\u{7f}\n\u{2028}ü", None)).unwrap();
        assert_eq!(
            (&read["timestamp"], &read["level"], &read["target"]),
            (&"2025-11-22T12:00:00.008Z".into(), &"INFO".into(), &"access".into())
        );
        assert_eq!((&read["path"], &read["status"], &read["micros"]), (&"/\"\\\u{7f}\n\u{2028}ü".into(), &200.into(), &1234.into()));
        assert_eq!((&read["client"], &read["method"], &read["host"]), (&"192.0.2.1".into(), &"GET".into(), &"wiki.example".into()));
        assert!(read.get("user").is_none() && read.get("observed").is_none());
    }

    #[test]
    fn what_a_client_sends_stays_in_its_quotes_and_on_its_line() {
        for attack in ["/\" user=\"root\"", "/\n2025-11-22T12:00:00Z  INFO access: x", "/\r\u{1b}[31m\u{85}\u{2028}", "/\\"] {
            let text = line(Form::Text, attack, Some(attack));
            let inner = text.trim_end_matches('\n');
            assert!(!inner.chars().any(|c| c.is_control() || c == '\u{2028}'), "{text}");
            assert!(inner.contains(&format!(" path={attack:?} ")), "{text}");
            assert_eq!(line(Form::Json, attack, None).trim_end_matches('\n').lines().count(), 1);
        }
    }
}
