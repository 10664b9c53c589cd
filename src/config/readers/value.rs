//! Readers of single values: what they take, and what they say where a value is not that.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::base::Host;
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::problems::nearest;
use crate::config::document::section::Entry;
use crate::config::document::tree::Content;
use crate::config::typed::Rate;

pub(in crate::config) const SECOND: Duration = Duration::from_secs(1);
pub(in crate::config) const MINUTE: Duration = Duration::from_secs(60);
pub(in crate::config) const DAY: Duration = Duration::from_secs(86_400);
/// What a user agent keeps a cookie for at most (RFC 6265bis section 5.5).
pub(in crate::config) const MAX_SPAN: Duration = Duration::from_secs(400 * 86_400);

/// A string.
pub(in crate::config) fn text(entry: &Entry) -> Result<String, Fault> {
    entry.takes(|| Shape::Text);
    match &entry.node.content {
        Content::Text(text) | Content::Raw(text, _) => Ok(text.clone()),
        Content::Whole(number) => Err(Fault::new("a string is wanted, not a number", format!("put it in quotes: \"{number}\""))),
        other => Err(Fault::new(format!("a string is wanted, not {}", other.kind()), "write text in quotes")),
    }
}

/// A string of 1 to 128 characters without control characters.
pub(in crate::config) fn label(entry: &Entry) -> Result<String, Fault> {
    let text = text(entry)?;
    if text.trim().is_empty() || text.chars().count() > 128 || text.chars().any(char::is_control) {
        return Err(Fault::new("the text is empty, longer than 128 characters, or has control characters", "give a short plain text"));
    }
    Ok(text)
}

/// A whole number in a range.
pub(in crate::config) fn whole<T: TryFrom<i64> + TryInto<i64> + Copy>(range: RangeInclusive<T>) -> impl Fn(&Entry) -> Result<T, Fault> {
    move |entry| {
        let bounds = (wide(*range.start()), wide(*range.end()));
        entry.takes(|| Shape::Whole(bounds.0, bounds.1));
        let wanted = format!("give a whole number from {} to {}", bounds.0, bounds.1);
        let number = match &entry.node.content {
            Content::Whole(number) => Some(*number),
            Content::Raw(text, _) => text.trim().parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            let kind = entry.node.content.kind();
            return Err(Fault::new(format!("a number is wanted, not {kind}"), wanted));
        };
        let fits = number >= bounds.0 && number <= bounds.1;
        T::try_from(number).ok().filter(|_| fits).ok_or_else(|| Fault::new(format!("{number} is out of range"), wanted))
    }
}

fn wide<T: TryInto<i64>>(number: T) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A fraction from 0 to 1.
pub(in crate::config) fn ratio(entry: &Entry) -> Result<f64, Fault> {
    entry.takes(|| Shape::Ratio);
    let wanted = "give a fraction from 0.0 to 1.0";
    let number = match &entry.node.content {
        Content::Fraction(number) => Some(*number),
        Content::Whole(0) => Some(0.0),
        Content::Whole(1) => Some(1.0),
        Content::Raw(text, _) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| (0.0..=1.0).contains(number)).ok_or_else(|| Fault::new("not a fraction from 0 to 1", wanted))
}

/// `true` or `false`.
pub(in crate::config) fn flag(entry: &Entry) -> Result<bool, Fault> {
    entry.takes(|| Shape::Flag);
    match &entry.node.content {
        Content::Flag(flag) => Ok(*flag),
        Content::Raw(text, _) if text == "true" => Ok(true),
        Content::Raw(text, _) if text == "false" => Ok(false),
        other => Err(Fault::new(format!("true or false is wanted, not {}", other.kind()), "write true or false, without quotes")),
    }
}

/// A duration in a range: a whole number and `ms`, `s`, `m`, `h` or `d`.
pub(in crate::config) fn span(range: RangeInclusive<Duration>) -> impl Fn(&Entry) -> Result<Duration, Fault> {
    move |entry| {
        const FORM: &str = "write a whole number and a unit: 30s, 5m, 12h, 30d";
        entry.takes(|| Shape::Span(*range.start(), *range.end()));
        if let Content::Whole(number) = &entry.node.content {
            return Err(Fault::new("a duration without a unit", format!("write a unit: \"{number}s\"")));
        }
        let text = text(entry)?;
        let duration = read_span(text.trim()).ok_or_else(|| Fault::new(format!("“{text}” is not a duration"), FORM))?;
        if !range.contains(&duration) {
            let bounds = format!("give {} to {}", written(*range.start()), written(*range.end()));
            return Err(Fault::new(format!("{text} is out of range"), bounds));
        }
        Ok(duration)
    }
}

/// A number of bytes: `64MiB`, with `B`, `KiB`, `MiB`, `GiB`.
pub(in crate::config) fn bytes(entry: &Entry) -> Result<u64, Fault> {
    entry.takes(|| Shape::Pattern("^[0-9]+ ?(B|KiB|MiB|GiB)$"));
    let text = text(entry)?;
    let read = || {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let scale = match unit.trim() {
            "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(1 << scale)
    };
    read().ok_or_else(|| Fault::new(format!("“{text}” is no size"), "write a whole number and a unit: 512KiB, 64MiB, 2GiB"))
}

/// A duration as a person writes it on the command line: `90d`, `12h`.
///
/// # Errors
/// What to write instead.
pub fn read_duration(text: &str) -> Result<Duration, &'static str> {
    read_span(text.trim()).ok_or("write a whole number and a unit: 90d, 12h, 30m")
}

fn read_span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    if unit == "ms" {
        return Some(Duration::from_millis(number));
    }
    Some(Duration::from_secs(number.checked_mul(seconds(unit)?)?))
}

const fn seconds(unit: &str) -> Option<u64> {
    match unit.as_bytes() {
        b"s" => Some(1),
        b"m" => Some(60),
        b"h" => Some(3600),
        b"d" => Some(86_400),
        _ => None,
    }
}

/// A duration as one would write it.
pub(in crate::config) fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis.is_multiple_of(size) && millis >= size {
            return format!("{}{unit}", millis / size);
        }
    }
    if millis == 0 { "0s".into() } else { format!("{millis}ms") }
}

/// A rate: `60/m`, with `s`, `m`, `h` or `d`.
pub(in crate::config) fn rate(entry: &Entry) -> Result<Rate, Fault> {
    entry.takes(|| Shape::Rate);
    let text = text(entry)?;
    let read = || {
        let (count, unit) = text.trim().split_once('/')?;
        let per = Duration::from_secs(seconds(unit)?);
        count.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
        Some(Rate { count: count.parse().ok().filter(|count| *count > 0)?, per })
    };
    read().ok_or_else(|| Fault::new(format!("“{text}” is not a rate"), "write a number above zero and a unit: 5/s, 60/m, 100/h, 1000/d"))
}

/// What people write for a policy who know another gateway's words, as far as it is one of these names.
fn meant(text: &str, names: &[&'static str]) -> Option<&'static str> {
    let bare: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let name = match bare.as_str() {
        "2fa" | "mfa" | "2factor" | "2factors" | "twofactors" | "twofactor" | "multifactor" | "totp" | "otp" => "two_factor",
        "1fa" | "1factor" | "onefactor" | "password" | "login" | "auth" | "signin" | "authenticated" => "one_factor",
        "public" | "open" | "allow" | "none" | "anonymous" | "skip" | "off" => "bypass",
        "block" | "forbid" | "forbidden" | "reject" | "closed" => "deny",
        _ => return None,
    };
    names.iter().copied().find(|known| *known == name)
}

/// One of a few names.
pub(in crate::config) fn choice<T: Copy>(names: &[(&'static str, T)]) -> impl Fn(&Entry) -> Result<T, Fault> {
    move |entry| {
        entry.takes(|| Shape::Choice(names.iter().map(|(name, _)| *name).collect()));
        let text = text(entry)?;
        names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let all: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            let near = meant(&text, &all).or_else(|| nearest(&text, all.iter().copied())).unwrap_or_default();
            Fault::new(format!("“{text}” is not known here"), format!("did you mean “{near}”? There are {}", all.join(", ")))
        })
    }
}

/// A path, relative to the configuration file.
pub(in crate::config) fn path(entry: &Entry) -> Result<PathBuf, Fault> {
    let text = text(entry)?;
    if text.is_empty() || text.contains('\0') {
        return Err(Fault::new("the path is empty or has a NUL", "name a file or folder"));
    }
    Ok(entry.collector.base().join(text))
}

/// An address to listen on; `localhost` stands for 127.0.0.1.
pub(in crate::config) fn listen(entry: &Entry) -> Result<SocketAddr, Fault> {
    let text = text(entry)?;
    let numeric = text.strip_prefix("localhost:").map_or_else(|| text.clone(), |port| format!("127.0.0.1:{port}"));
    numeric.parse().map_err(|_| {
        let remedy = "write ADDRESS:PORT with a numeric address: 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080";
        Fault::new(format!("“{text}” is no address to listen on"), remedy)
    })
}

/// A network in CIDR form, or one address.
pub(in crate::config) fn network(entry: &Entry) -> Result<IpNet, Fault> {
    let text = text(entry)?;
    let bare = || text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address.to_canonical()));
    let network = text.parse::<IpNet>().ok().or_else(bare);
    let network =
        network.ok_or_else(|| Fault::new(format!("“{text}” is no network"), "write a CIDR such as 10.0.0.0/8, or one address"))?;
    if network.trunc() != network {
        return Err(Fault::new(format!("“{text}” has host bits set"), format!("write {}", network.trunc())));
    }
    Ok(canonical(network))
}

/// An IPv4-mapped network as the IPv4 network that it is: clients' addresses are compared in that form.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    mapped.and_then(|(address, length)| IpNet::new(address.into(), length).ok()).unwrap_or(network)
}

/// A host name without port, in its comparable form; not an address.
pub(in crate::config) fn domain(entry: &Entry) -> Result<String, Fault> {
    let text = text(entry)?;
    if let Some(bare) = text.strip_prefix('.').or_else(|| text.strip_prefix("*.")) {
        return Err(Fault::new("the domain starts with a dot or star", format!("write “{bare}”: hosts below it are meant anyway")));
    }
    match Host::parse(text.as_bytes()) {
        Ok(host) if !text.contains(':') && !host.is_address() => Ok(host.as_str().to_owned()),
        Ok(_) => Err(Fault::new(format!("“{text}” is an address or has a port"), "give a domain name alone")),
        Err(_) => Err(Fault::new(format!("“{text}” is no domain name"), "give one such as internal.example (ASCII; punycode for others)")),
    }
}

/// A group name: it travels in a comma-separated header.
pub(in crate::config) fn group(entry: &Entry) -> Result<String, Fault> {
    let text = text(entry)?;
    if text.trim() != text || text.is_empty() || text.chars().any(|c| c == ',' || c.is_control()) {
        let remedy = "give a name without commas, control characters and outer spaces";
        return Err(Fault::new(format!("“{}” is no group name", text.escape_default()), remedy));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in [("0s", 0), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("12h", 43_200_000), ("30d", 2_592_000_000)] {
            assert_eq!(read_span(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(written(Duration::from_millis(millis)), text);
        }
        for text in ["", "5", "m", "-5m", "5 m", "1.5h", "5M", "5min", "99999999999999999999d", "999999999999999999d", "+5s", "٣s"] {
            assert_eq!(read_span(text), None, "{text}");
        }
    }
}
