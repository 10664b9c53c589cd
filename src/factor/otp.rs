//! Codes that the gateway sends, by e-mail or SMS (NIST SP 800-63B-4 section 3.1.3, OWASP ASVS 6.5 and 6.6).
//!
//! A code lives at most ten minutes, is right once, dies with the next one sent, and fits no other sign-in and no other method:
//! both are under its hash. The hash keeps it out of logs and snapshots; against somebody who holds the store a code of six digits
//! has nothing but its short life. The state changes in place: keep what [`SentCode::check`] and [`SentCode::resend`] leave behind
//! in the same compare-and-swap that uses their answer.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Method, code};
use crate::base::random::{self, NoEntropy};
use crate::base::{FlowId, Secret, Time, secret};
use crate::config;

/// The longest life of a code, whatever is configured (NIST SP 800-63B-4 section 3.1.3.1).
const LONGEST: Duration = Duration::from_secs(600);

/// A code on its way, as it is kept with the sign-in that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentCode {
    pub method: Method,
    salt: String,
    hash: String,
    pub sent_at: Time,
    pub expires_at: Time,
    /// Wrong guesses at this code.
    pub attempts: u32,
    /// Codes sent in this sign-in, this one included.
    pub sends: u32,
    spent: bool,
}

/// What became of a typed code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Right,
    /// `left` more guesses at this code.
    Wrong {
        left: u32,
    },
    Expired,
    /// Used, or guessed at too often: only a new code helps.
    Spent,
}

/// Why no further code goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoResend {
    #[error("wait before asking for another code")]
    Wait(Duration),
    #[error("no more codes are sent in this sign-in")]
    Exhausted,
    #[error("the operating system gave no random bytes")]
    NoEntropy,
}

impl SentCode {
    /// Makes the first code of a sign-in. The code itself is for the message only.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn issue(method: Method, flow: FlowId, rules: &config::Otp, now: Time) -> Result<(Self, Secret), NoEntropy> {
        Self::make(method, flow, rules, now, 1)
    }

    fn make(method: Method, flow: FlowId, rules: &config::Otp, now: Time, sends: u32) -> Result<(Self, Secret), NoEntropy> {
        let code = Secret::new(random::digits(rules.digits.clamp(6, 12))?);
        let salt = data_encoding::BASE64URL_NOPAD.encode(&random::bytes::<16>()?);
        let hash = digest(&salt, method, flow, code.expose());
        let expires_at = now.plus(rules.lifetime.min(LONGEST));
        Ok((Self { method, salt, hash, sent_at: now, expires_at, attempts: 0, sends, spent: false }, code))
    }

    /// Judges a typed code, once: a right one is spent, a wrong one counts.
    pub fn check(&mut self, flow: FlowId, typed: &str, rules: &config::Otp, now: Time) -> Verdict {
        if self.spent || self.attempts >= rules.max_attempts {
            return Verdict::Spent;
        }
        if now >= self.expires_at {
            return Verdict::Expired;
        }
        let typed = digest(&self.salt, self.method, flow, &code::normalise(typed));
        if secret::same(typed.as_bytes(), self.hash.as_bytes()) {
            self.spent = true;
            return Verdict::Right;
        }
        self.attempts = self.attempts.saturating_add(1);
        Verdict::Wrong { left: rules.max_attempts.saturating_sub(self.attempts) }
    }

    /// Whether another code may go out now.
    ///
    /// # Errors
    /// How long to wait, or that the sign-in's codes are used up.
    pub fn may_resend(&self, rules: &config::Otp, now: Time) -> Result<(), NoResend> {
        if self.sends >= rules.max_sends {
            return Err(NoResend::Exhausted);
        }
        let opens = self.sent_at.plus(rules.resend_after);
        if now < opens { Err(NoResend::Wait(opens.since(now))) } else { Ok(()) }
    }

    /// Puts a new code, perhaps by the other method, instead of this one, which is invalid from here on.
    ///
    /// # Errors
    /// As [`Self::may_resend`]; the old code then stays as it was.
    pub fn resend(&mut self, method: Method, flow: FlowId, rules: &config::Otp, now: Time) -> Result<Secret, NoResend> {
        self.may_resend(rules, now)?;
        let (next, code) = Self::make(method, flow, rules, now, self.sends.saturating_add(1)).map_err(|_| NoResend::NoEntropy)?;
        *self = next;
        Ok(code)
    }

    /// What is left of its life: the page's countdown. Zero once it is spent or expired.
    pub fn remaining(&self, now: Time) -> Duration {
        if self.spent { Duration::ZERO } else { self.expires_at.since(now) }
    }
}

fn digest(salt: &str, method: Method, flow: FlowId, code: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt.as_bytes()) else { return String::new() };
    mac.update(b"vestibule sent code\0");
    mac.update(method.name().as_bytes());
    mac.update(b"\0");
    mac.update(flow.as_bytes());
    mac.update(code.as_bytes());
    data_encoding::BASE64URL_NOPAD.encode(&mac.finalize().into_bytes())
}

/// An address that its owner recognises and a bystander does not: `a•••@internal.example`.
pub fn mask_email(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{}•••@{domain}", local.chars().next().map(String::from).unwrap_or_default()),
        None => "•••".to_owned(),
    }
}

/// A number by its last two digits: `••• ••67`.
pub fn mask_phone(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    let tail: String = digits.iter().skip(digits.len().saturating_sub(2).max(4)).collect();
    format!("••• ••{tail}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> config::Otp {
        config::Config::default().mfa.otp
    }

    fn start() -> (SentCode, Secret, FlowId) {
        let flow = FlowId::random().unwrap();
        let (sent, code) = SentCode::issue(Method::Email, flow, &rules(), Time::from_secs(1000)).unwrap();
        (sent, code, flow)
    }

    fn wrong(code: &Secret) -> &'static str {
        if code.expose() == "000000" { "000001" } else { "000000" }
    }

    #[test]
    fn a_code_is_right_once() {
        let (mut sent, code, flow) = start();
        let pasted = format!(" {} ", code.expose());
        assert_eq!(code.expose().len(), 6);
        assert_eq!(sent.check(flow, &pasted, &rules(), Time::from_secs(1001)), Verdict::Right);
        assert_eq!(sent.check(flow, code.expose(), &rules(), Time::from_secs(1002)), Verdict::Spent);
    }

    #[test]
    fn it_expires_to_the_second() {
        let (mut sent, code, flow) = start();
        assert_eq!(sent.remaining(Time::from_secs(1060)), Duration::from_secs(240));
        assert_eq!(sent.check(flow, code.expose(), &rules(), Time::from_secs(1300)), Verdict::Expired);
        assert_eq!(sent.check(flow, code.expose(), &rules(), Time::from_secs(1299)), Verdict::Right);
    }

    #[test]
    fn ten_minutes_is_the_longest_life_and_six_digits_the_least() {
        let long = config::Otp { lifetime: Duration::from_secs(86_400), digits: 1, ..rules() };
        let (sent, code) = SentCode::issue(Method::Sms, FlowId::random().unwrap(), &long, Time::from_secs(0)).unwrap();
        assert_eq!((sent.expires_at, code.expose().len()), (Time::from_secs(600), 6));
    }

    #[test]
    fn guesses_run_out_and_then_the_right_code_does_not_help() {
        let (mut sent, code, flow) = start();
        for left in (0..5).rev() {
            assert_eq!(sent.check(flow, wrong(&code), &rules(), Time::from_secs(1001)), Verdict::Wrong { left });
        }
        assert_eq!(sent.check(flow, code.expose(), &rules(), Time::from_secs(1001)), Verdict::Spent);
    }

    #[test]
    fn it_fits_no_other_sign_in_and_no_other_method() {
        let (mut sent, code, flow) = start();
        assert!(matches!(sent.check(FlowId::random().unwrap(), code.expose(), &rules(), Time::from_secs(1001)), Verdict::Wrong { .. }));
        let mut other = SentCode { method: Method::Sms, ..sent.clone() };
        assert!(matches!(other.check(flow, code.expose(), &rules(), Time::from_secs(1001)), Verdict::Wrong { .. }));
    }

    #[test]
    fn a_new_code_opens_after_the_wait_kills_the_old_one_and_is_limited() {
        let (mut sent, old, flow) = start();
        assert_eq!(sent.may_resend(&rules(), Time::from_secs(1010)), Err(NoResend::Wait(Duration::from_secs(20))));
        let mut now = Time::from_secs(1030);
        let new = sent.resend(Method::Email, flow, &rules(), now).unwrap();
        if old.expose() != new.expose() {
            assert!(matches!(sent.check(flow, old.expose(), &rules(), now), Verdict::Wrong { .. }));
        }
        for _ in 0..3 {
            now = now.plus(Duration::from_secs(30));
            sent.resend(Method::Email, flow, &rules(), now).unwrap();
        }
        now = now.plus(Duration::from_secs(30));
        assert_eq!(sent.resend(Method::Email, flow, &rules(), now).unwrap_err(), NoResend::Exhausted);
    }

    #[test]
    fn the_code_is_not_in_what_is_kept() {
        let (sent, code, _) = start();
        assert!(!serde_json::to_string(&sent).unwrap().contains(code.expose()));
    }

    #[test]
    fn masks_show_enough_and_no_more() {
        assert_eq!(mask_email("alice@internal.example"), "a•••@internal.example");
        assert_eq!(mask_email("nonsense"), "•••");
        assert_eq!(mask_phone("+49 170 1234567"), "••• ••67");
        assert_eq!(mask_phone("12"), "••• ••");
    }

    proptest! {
        #[test]
        fn a_code_is_never_right_twice_nor_after_its_guesses(guesses in proptest::collection::vec(any::<bool>(), 0..12), seconds in 0i64..400) {
            let (mut sent, code, flow) = start();
            let now = Time::from_secs(1000 + seconds);
            let verdicts: Vec<Verdict> = guesses.iter().map(|right| sent.check(flow, if *right { code.expose() } else { wrong(&code) }, &rules(), now)).collect();
            prop_assert!(verdicts.iter().filter(|v| **v == Verdict::Right).count() <= usize::from(seconds < 300));
            let wrong = verdicts.iter().filter(|v| matches!(v, Verdict::Wrong { .. })).count();
            prop_assert!(wrong <= 5);
        }
    }
}
