//! `[session]`, `[password]`, `[mfa]`, `[limits]` and `[admin]`: bounds from NIST SP 800-63B-4, RFC 4226, RFC 6238, RFC 6265bis
//! and RFC 9106.

use std::path::PathBuf;
use std::time::Duration;

use crate::account::MfaPolicy;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::pem;
use crate::config::readers::value;
use crate::config::readers::value::{DAY, MAX_SPAN, MINUTE, SECOND};
use crate::config::typed::{Admin, Breached, DeviceBound, FirstEnrolment, Limits, Mfa, Otp, Password, Session, Totp};
use crate::factor::{Method, MethodSet};

pub(in crate::config) fn session(s: Section, default: Session) -> Session {
    let session = Session {
        cookie: s.or("cookie", default.cookie, cookie_name),
        domain: s.maybe("domain", value::domain),
        lifetime: s.or("lifetime", default.lifetime, value::span(SECOND..=MAX_SPAN)),
        idle_timeout: s.or("idle_timeout", default.idle_timeout, value::span(SECOND..=MAX_SPAN)),
        device_bound: device_bound(s.section("device_bound")),
        guest_lifetime: s.or("guest_lifetime", default.guest_lifetime, value::span(SECOND..=MAX_SPAN)),
    };
    if session.idle_timeout > session.lifetime {
        let (idle, life) = (value::written(session.idle_timeout), value::written(session.lifetime));
        let what = format!("the idle timeout ({idle}) is longer than the lifetime ({life})");
        let key = if s.has("idle_timeout") { "idle_timeout" } else { "lifetime" };
        s.error(key, Fault::new(what, format!("set idle_timeout to at most {life}")));
    }
    s.finish();
    session
}

/// On if the section is there. Browsers sign six times in nine minutes for a domain: a shorter lifetime than five minutes uses that up.
fn device_bound(s: Section) -> Option<DeviceBound> {
    let lifetime = s.or("lifetime", MINUTE * 10, value::span(MINUTE * 5..=MINUTE * 60));
    let is_on = s.is_present();
    s.finish();
    is_on.then_some(DeviceBound { lifetime })
}

/// An RFC 6265 token; the prefix is put before it where the connection is HTTPS.
fn cookie_name(entry: &Entry) -> Result<String, Fault> {
    let text = value::text(entry)?;
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("__host-") || lower.starts_with("__secure-") {
        return Err(Fault::new("the prefix is put before the name over HTTPS", "leave __Host- or __Secure- out"));
    }
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_token) {
        return Err(Fault::new(format!("“{}” is no cookie name", text.escape_default()), "use 1 to 64 letters, digits, “-” and “_”"));
    }
    Ok(text)
}

pub(in crate::config) fn password(s: Section, default: Password) -> (Password, Breached) {
    let password = Password {
        memory_kib: s.or("memory_kib", default.memory_kib, value::whole(8..=4_194_304)),
        iterations: s.or("iterations", default.iterations, value::whole(1..=1000)),
        parallelism: s.or("parallelism", default.parallelism, value::whole(1..=64)),
        min_length: s.or("min_length", default.min_length, value::whole(8..=64)),
    };
    let least = password.parallelism.saturating_mul(8);
    if password.memory_kib < least {
        let what = format!("Argon2 wants 8 KiB for each lane (RFC 9106 section 3.1): {least} for parallelism {}", password.parallelism);
        s.error("memory_kib", Fault::new(what, "set memory_kib = 19456"));
    }
    let breached = Breached {
        file: s.maybe("breached_file", breached_file),
        url: s.maybe("breached_url", breached_url),
        ca: s.maybe("breached_ca", pem::authorities),
    };
    s.finish();
    (password, breached)
}

/// A file that is there: one that is missing would leave every password unchecked.
fn breached_file(entry: &Entry) -> Result<PathBuf, Fault> {
    let file = value::path(entry)?;
    match std::fs::File::open(&file) {
        Ok(_) => Ok(file),
        Err(error) => Err(Fault::new(
            format!("{} cannot be read: {error}", file.display()),
            "name a file of SHA-1 digests in upper case, sorted, one a line, or leave the key out",
        )),
    }
}

/// Five characters of a digest travel: encrypted, or not beyond this machine.
fn breached_url(entry: &Entry) -> Result<String, Fault> {
    let text = value::text(entry)?;
    let remedy = "write https://HOST/range/: five characters are put behind it";
    let url = url::Url::parse(&text).map_err(|e| Fault::new(format!("not a URL: {e}"), remedy))?;
    let host = url.host_str().unwrap_or_default();
    let is_near = host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if host.is_empty() || url.scheme() != "https" && !(url.scheme() == "http" && is_near) {
        return Err(Fault::new("not an https URL, or http to this machine", remedy));
    }
    Ok(text)
}

pub(in crate::config) fn mfa(s: Section, default: Mfa) -> Mfa {
    const POLICIES: [(&str, MfaPolicy); 3] =
        [("off", MfaPolicy::Off), ("optional", MfaPolicy::Optional), ("required", MfaPolicy::Required)];
    const FIRST: [(&str, FirstEnrolment); 2] = [("verified", FirstEnrolment::Verified), ("password", FirstEnrolment::Password)];
    let webauthn = s.section("webauthn");
    let rp_id = webauthn.maybe("rp_id", value::domain);
    webauthn.finish();
    let mfa = Mfa {
        policy: s.or("policy", default.policy, value::choice(&POLICIES)),
        methods: methods(&s, "methods").unwrap_or(default.methods),
        first_enrolment: s.or("first_enrolment", default.first_enrolment, value::choice(&FIRST)),
        trusted_device: s.or("trusted_device", default.trusted_device, value::span(Duration::ZERO..=MAX_SPAN)),
        grace: s.maybe("grace", value::span(Duration::ZERO..=MAX_SPAN)),
        otp: otp(s.section("otp"), default.otp),
        totp: totp(s.section("totp"), default.totp),
        rp_id,
        vouching: default.vouching,
    };
    s.finish();
    mfa
}

/// A set of second factors that users enrol; recovery codes are none of them.
pub(in crate::config) fn methods(s: &Section, key: &str) -> Option<MethodSet> {
    let names = Method::ENROLLABLE.map(|method| (method.name(), method));
    s.some(key, value::choice(&names)).map(|methods| methods.into_iter().collect())
}

/// At most ten minutes, six digits or more (NIST SP 800-63B-4 section 3.1.3.2).
fn otp(s: Section, default: Otp) -> Otp {
    let otp = Otp {
        digits: s.or("digits", default.digits, value::whole(6..=10)),
        lifetime: s.or("lifetime", default.lifetime, value::span(SECOND..=10 * MINUTE)),
        resend_after: s.or("resend_after", default.resend_after, value::span(Duration::ZERO..=10 * MINUTE)),
        max_attempts: s.or("max_attempts", default.max_attempts, value::whole(1..=100)),
        max_sends: s.or("max_sends", default.max_sends, value::whole(1..=1000)),
    };
    s.finish();
    otp
}

/// RFC 4226 section 5.3 (six digits or more), RFC 6238 section 5.2 (the step; one step either way advised).
fn totp(s: Section, default: Totp) -> Totp {
    let totp = Totp {
        issuer: s.or("issuer", default.issuer, issuer),
        digits: s.or("digits", default.digits, value::whole(6..=8)),
        period: s.or("period", default.period, period),
        skew: s.or("skew", default.skew, value::whole(0..=2)),
    };
    s.finish();
    totp
}

fn issuer(entry: &Entry) -> Result<String, Fault> {
    let issuer = value::label(entry)?;
    if issuer.contains(':') {
        return Err(Fault::new("an issuer has no colon: it separates issuer and account in otpauth:// links", "leave the colon out"));
    }
    Ok(issuer)
}

fn period(entry: &Entry) -> Result<Duration, Fault> {
    let period = value::span(Duration::from_secs(15)..=Duration::from_secs(120))(entry)?;
    if period.subsec_nanos() != 0 {
        return Err(Fault::new("the period is not in whole seconds", "give 30s, as authenticator apps expect"));
    }
    Ok(period)
}

pub(in crate::config) fn limits(s: Section, default: Limits) -> Limits {
    let limits = Limits {
        login_per_ip: s.or("login_per_ip", default.login_per_ip, value::rate),
        login_per_account: s.or("login_per_account", default.login_per_account, value::rate),
        lockout_after: s.or("lockout_after", default.lockout_after, value::whole(1..=1_000_000)),
        lockout: s.or("lockout", default.lockout, value::span(SECOND..=MAX_SPAN)),
        max_hashes: s.or("max_hashes", default.max_hashes, value::whole(1..=1024)),
        header_timeout: s.or("header_timeout", default.header_timeout, value::span(Duration::from_millis(100)..=60 * MINUTE)),
        write_timeout: s.or("write_timeout", default.write_timeout, value::span(Duration::from_millis(100)..=60 * MINUTE)),
        idle_timeout: s.or("idle_timeout", default.idle_timeout, value::span(SECOND..=60 * MINUTE)),
        connections: s.or("connections", default.connections, value::whole(1..=10_000_000)),
        connections_per_ip: s.or("connections_per_ip", default.connections_per_ip, value::whole(1..=10_000_000)),
    };
    s.finish();
    limits
}

pub(in crate::config) fn admin(s: Section, default: Admin) -> Admin {
    let admin = Admin {
        groups: s.list("groups", value::group).unwrap_or(default.groups),
        max_age: s.or("max_age", default.max_age, value::span(SECOND..=30 * DAY)),
    };
    s.finish();
    admin
}
