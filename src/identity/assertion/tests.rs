//! The statement as an independent reader sees it: one written for this test on the `p256` crate, which checks what RFC 7515 and
//! RFC 7519 demand and shares no code with the signer. The integration tests ask PyJWT as well.

use std::time::Duration;

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use zeroize::Zeroizing;

use super::*;

const LIFETIME: Duration = Duration::from_secs(300);
const NOW: Time = Time::from_secs(1_000_000);

fn seed(byte: u8) -> Zeroizing<[u8; SEED]> {
    Zeroizing::new([byte; SEED])
}

fn keys(signs: u8, others: &[u8]) -> Keys {
    let others: Vec<_> = others.iter().map(|byte| seed(*byte)).collect();
    Keys::new(&seed(signs), &others).unwrap()
}

fn claims<'a>(aud: &'a str, groups: &'a [String]) -> Claims<'a> {
    Claims {
        iss: "https://wiki.example",
        aud,
        sub: "abc",
        preferred_username: "alice",
        name: "Alice \"A\" Ä",
        email: "",
        groups,
        auth_time: 999_000,
        amr: &["pwd", "otp", "mfa"],
        sid: "s1",
    }
}

/// Verifies as an application does; the claims, if the statement is good under a key of the set.
fn verify(token: &str, jwks: &str, aud: &str, now: u64) -> Option<serde_json::Value> {
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    let [header, body, signature] = token.split('.').collect::<Vec<_>>().try_into().ok()?;
    let head: serde_json::Value = serde_json::from_slice(&decode(header)?).ok()?;
    let set: serde_json::Value = serde_json::from_str(jwks).ok()?;
    let key = set["keys"].as_array()?.iter().find(|key| key["kid"] == head["kid"])?;
    if head["alg"] != "ES256" || key["kty"] != "EC" || key["crv"] != "P-256" {
        return None;
    }
    let point = [&[4][..], &decode(key["x"].as_str()?)?, &decode(key["y"].as_str()?)?].concat();
    let signature = Signature::from_slice(&decode(signature)?).ok()?;
    VerifyingKey::from_sec1_bytes(&point).ok()?.verify(format!("{header}.{body}").as_bytes(), &signature).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&decode(body)?).ok()?;
    (claims["aud"] == aud && now < claims["exp"].as_u64()?).then_some(claims)
}

fn text(signed: &cache::Signed) -> String {
    signed.value.to_str().unwrap().to_owned()
}

#[test]
fn an_application_reads_what_was_said_and_another_does_not() {
    let assertions = Assertions::new(keys(1, &[2]));
    let groups = ["staff".to_owned(), "a,b".to_owned()];
    let token = text(&assertions.assert(&claims("wiki", &groups), LIFETIME, NOW).unwrap());
    let jwks = assertions.keys().jwks();
    let read = verify(&token, jwks, "wiki", NOW.unix()).unwrap();
    assert_eq!(read["name"], "Alice \"A\" Ä");
    assert_eq!(read["groups"], serde_json::json!(["staff", "a,b"]));
    assert_eq!((read["iat"].as_u64(), read["exp"].as_u64()), (Some(1_000_000), Some(1_000_300)));
    assert!(read.get("email").is_none());
    assert!(verify(&token, jwks, "payroll", NOW.unix()).is_none(), "another audience");
    assert!(verify(&token, jwks, "wiki", NOW.unix() + 300).is_none(), "its time is over");
}

#[test]
fn the_next_key_is_published_before_it_signs_and_the_last_one_after() {
    let before = Assertions::new(keys(1, &[2]));
    let after = Assertions::new(keys(2, &[3, 1]));
    let old = text(&before.assert(&claims("wiki", &[]), LIFETIME, NOW).unwrap());
    let new = text(&after.assert(&claims("wiki", &[]), LIFETIME, NOW).unwrap());
    for (token, set) in [(&old, &after), (&new, &before), (&new, &after)] {
        assert!(verify(token, set.keys().jwks(), "wiki", NOW.unix()).is_some());
    }
    let later = Assertions::new(keys(3, &[4]));
    assert!(verify(&old, later.keys().jwks(), "wiki", NOW.unix()).is_none());
}

#[test]
fn a_changed_statement_is_refused() {
    let assertions = Assertions::new(keys(1, &[]));
    let token = text(&assertions.assert(&claims("wiki", &[]), LIFETIME, NOW).unwrap());
    let [header, body, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let decoded = String::from_utf8(BASE64URL_NOPAD.decode(body.as_bytes()).unwrap()).unwrap();
    let forged = BASE64URL_NOPAD.encode(decoded.replace("alice", "admin").as_bytes());
    let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
    let jwks = assertions.keys().jwks();
    for bad in [format!("{header}.{forged}.{signature}"), format!("{none}.{body}."), format!("{none}.{body}.{signature}")] {
        assert!(verify(&bad, jwks, "wiki", NOW.unix()).is_none(), "{bad}");
    }
}

#[test]
fn one_is_signed_for_many_requests_and_another_as_soon_as_anything_changed() {
    let assertions = Assertions::new(keys(1, &[]));
    let at = |claims: &Claims<'_>, secs: u64| text(&assertions.assert(claims, LIFETIME, NOW.plus(Duration::from_secs(secs))).unwrap());
    let first = at(&claims("wiki", &[]), 0);
    assert_eq!(at(&claims("wiki", &[]), 149), first);
    assert_ne!(at(&claims("wiki", &[]), 150), first, "an application always gets half of its lifetime");
    for other in [claims("payroll", &[]), claims("wiki", &["admins".to_owned()]), Claims { sid: "s2", ..claims("wiki", &[]) }] {
        assert_ne!(at(&other, 0), first);
    }
}

#[test]
fn gateways_with_the_same_seed_have_the_same_key() {
    assert_eq!(keys(7, &[8]).jwks(), keys(7, &[8]).jwks());
    assert_ne!(keys(7, &[]).jwks(), keys(8, &[]).jwks());
    assert!(!keys(7, &[]).jwks().contains("\"d\""), "nothing secret is published");
}
