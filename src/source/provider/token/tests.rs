//! What a token must be to be believed, and that nothing else is.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::test_keys::{Signer, encode, token};
use super::*;
use crate::base::{Secret, Time};

const ISSUER: &str = "https://idp.example/tenant";
const CLIENT: &str = "gate";
const NOW: i64 = 1_800_000_000;
const ALGORITHMS: [&str; 6] = ["RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA"];

static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::new("ES256"));
static NONCE: LazyLock<Secret> = LazyLock::new(|| Secret::new("a nonce"));

fn keys(jwks: &[Value]) -> KeySet {
    KeySet::read(json!({ "keys": jwks }).to_string().as_bytes()).unwrap()
}

fn expected() -> Expected<'static> {
    Expected { issuer: ISSUER, client_id: CLIENT, now: Time::from_secs(NOW) }
}

fn for_code() -> Issued<'static> {
    Issued::ForCode { nonce: &NONCE, access_token: None }
}

fn honest() -> Value {
    json!({ "iss": ISSUER, "aud": CLIENT, "sub": "ada", "exp": NOW + 300, "iat": NOW, "nonce": "a nonce", "auth_time": NOW - 5, "sid": "s1" })
}

/// The verdict on an ID token with these claims put over an honest one's; `null` takes one away.
fn verdict(over: Value) -> Result<IdToken, TokenFault> {
    let signed = token(&json!({ "alg": "ES256", "kid": "k" }), &patched(honest(), over), &SIGNER);
    verify_id_token(&signed, &keys(&[SIGNER.jwk("k")]), expected(), for_code())
}

fn patched(mut claims: Value, over: Value) -> Value {
    for (name, value) in over.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

#[test]
fn each_allowed_algorithm_is_verified_with_a_key_that_names_none() {
    for algorithm in ALGORITHMS {
        let signer = Signer::new(algorithm);
        let signed = token(&json!({ "alg": algorithm, "kid": "k", "typ": "JWT" }), &honest(), &signer);
        let right = verify_id_token(&signed, &keys(&[signer.jwk("k")]), expected(), for_code()).unwrap();
        assert_eq!((right.subject.as_str(), right.session.as_deref()), ("ada", Some("s1")), "{algorithm}");
        assert_eq!(right.auth_time, Some(Time::from_secs(NOW - 5)));
        let without_id = token(&json!({ "alg": algorithm }), &honest(), &signer);
        assert!(verify_id_token(&without_id, &keys(&[Signer::new("ES256").jwk("other"), signer.jwk("k")]), expected(), for_code()).is_ok());
    }
}

#[test]
fn no_key_verifies_an_algorithm_that_is_not_its_own() {
    for own in ALGORITHMS {
        let signer = Signer::new(own);
        let mut jwk = signer.jwk("k");
        jwk["alg"] = own.into();
        for claimed in ALGORITHMS.into_iter().filter(|claimed| *claimed != own) {
            let signed = token(&json!({ "alg": claimed, "kid": "k" }), &honest(), &signer);
            assert_eq!(verify(&signed, &keys(&[jwk.clone()])).unwrap_err(), TokenFault::UnknownKey, "{own} as {claimed}");
        }
    }
}

#[test]
fn a_token_without_a_signature_or_with_a_public_key_as_secret_is_nothing() {
    let keys = keys(&[SIGNER.jwk("k")]);
    for algorithm in ["none", "None", "HS256", "HS512", "", "es256", "RS1"] {
        let header = json!({ "alg": algorithm, "kid": "k" });
        let body = format!("{}.{}", encode(header.to_string()), encode(honest().to_string()));
        for signature in ["", "AA", &encode(SIGNER.sign(body.as_bytes()))] {
            let refused = verify(&format!("{body}.{signature}"), &keys).unwrap_err();
            assert!(matches!(refused, TokenFault::Algorithm | TokenFault::Malformed), "{algorithm} {signature}: {refused:?}");
        }
    }
}

#[test]
fn a_key_in_the_token_itself_is_never_used() {
    let evil = Signer::new("ES256");
    let header =
        json!({ "alg": "ES256", "kid": "k", "jwk": evil.jwk("k"), "jku": "https://evil.example/jwks", "x5u": "https://evil.example" });
    assert_eq!(verify(&token(&header, &honest(), &evil), &keys(&[SIGNER.jwk("k")])).unwrap_err(), TokenFault::Signature);
}

#[test]
fn an_extension_that_must_be_understood_is_refused() {
    let header = json!({ "alg": "ES256", "kid": "k", "crit": ["exp"], "exp": NOW });
    assert_eq!(verify(&token(&header, &honest(), &SIGNER), &keys(&[SIGNER.jwk("k")])).unwrap_err(), TokenFault::Malformed);
}

#[test]
fn keys_for_other_ends_are_left_out() {
    let mut encryption = SIGNER.jwk("a");
    encryption["use"] = "enc".into();
    let mut signing_only = SIGNER.jwk("b");
    signing_only["key_ops"] = json!(["sign"]);
    let symmetric = json!({ "kty": "oct", "kid": "c", "k": "AAAA" });
    let odd = json!({ "kty": "EC", "kid": "d", "crv": "P-521", "x": "AA", "y": "AA" });
    let broken = json!({ "kty": "EC", "kid": "e", "crv": "P-256", "x": 1 });
    assert!(keys(&[encryption, signing_only, symmetric, odd, broken, json!(7)]).is_empty());
    for none in ["", "[]", "{}", "{\"keys\":1}", "<html>"] {
        assert!(KeySet::read(none.as_bytes()).is_none(), "{none}");
    }
}

#[test]
fn an_unknown_key_is_told_from_a_wrong_signature() {
    let signed = token(&json!({ "alg": "ES256", "kid": "new" }), &honest(), &SIGNER);
    assert_eq!(verify(&signed, &keys(&[SIGNER.jwk("old")])).unwrap_err(), TokenFault::UnknownKey);
    assert_eq!(verify(&signed, &keys(&[Signer::new("ES256").jwk("new")])).unwrap_err(), TokenFault::Signature);
}

#[test]
fn an_id_token_is_from_this_issuer_for_this_client_in_answer_to_this_request() {
    assert!(verdict(json!({})).is_ok());
    for (over, fault) in [
        (json!({ "iss": "https://idp.example/tenant/" }), TokenFault::Issuer),
        (json!({ "iss": "https://evil.example" }), TokenFault::Issuer),
        (json!({ "iss": null }), TokenFault::Claim("iss")),
        (json!({ "aud": "other" }), TokenFault::Audience),
        (json!({ "aud": ["other"] }), TokenFault::Audience),
        (json!({ "aud": [] }), TokenFault::Audience),
        (json!({ "aud": [CLIENT, "other"] }), TokenFault::Audience),
        (json!({ "aud": [CLIENT, "other"], "azp": "other" }), TokenFault::Audience),
        (json!({ "azp": "other" }), TokenFault::Audience),
        (json!({ "aud": { "a": CLIENT } }), TokenFault::Claim("aud")),
        (json!({ "nonce": "another" }), TokenFault::Nonce),
        (json!({ "nonce": null }), TokenFault::Nonce),
        (json!({ "nonce": "" }), TokenFault::Claim("nonce")),
        (json!({ "sub": null }), TokenFault::Claim("sub")),
        (json!({ "sub": "" }), TokenFault::Claim("sub")),
        (json!({ "sub": "a\nb" }), TokenFault::Claim("sub")),
        (json!({ "sub": 7 }), TokenFault::Claim("sub")),
        (json!({ "sub": "x".repeat(256) }), TokenFault::Claim("sub")),
        (json!({ "events": {} }), TokenFault::Type),
        (json!({ "auth_time": "yesterday" }), TokenFault::Claim("auth_time")),
    ] {
        assert_eq!(verdict(over.clone()).unwrap_err(), fault, "{over}");
    }
    assert!(verdict(json!({ "aud": [CLIENT, "other"], "azp": CLIENT })).is_ok());
}

#[test]
fn an_id_token_is_of_now_give_or_take_a_minute() {
    for (over, fault) in [
        (json!({ "exp": NOW - 60 }), TokenFault::Expired),
        (json!({ "exp": null }), TokenFault::Claim("exp")),
        (json!({ "iat": null }), TokenFault::Claim("iat")),
        (json!({ "iat": NOW + 61 }), TokenFault::Future),
        (json!({ "nbf": NOW + 61 }), TokenFault::Future),
        (json!({ "iat": NOW - 601 }), TokenFault::Old),
        (json!({ "exp": -1 }), TokenFault::Claim("exp")),
        (json!({ "exp": 1e300 }), TokenFault::Claim("exp")),
        (json!({ "exp": "1900000000" }), TokenFault::Claim("exp")),
    ] {
        let found = verdict(over.clone()).unwrap_err();
        assert_eq!(found, fault, "{over}");
        assert_eq!(found.is_about_time(), !matches!(fault, TokenFault::Claim(_)));
    }
    for over in [json!({ "exp": NOW - 59 }), json!({ "iat": NOW + 60 }), json!({ "exp": NOW as f64 + 0.5 })] {
        assert!(verdict(over.clone()).is_ok(), "{over}");
    }
}

#[test]
fn an_access_token_that_was_swapped_is_seen() {
    let access = Secret::new("an access token");
    let digest = ring::digest::digest(&ring::digest::SHA256, b"an access token");
    let keys = keys(&[SIGNER.jwk("k")]);
    let issued = Issued::ForCode { nonce: &NONCE, access_token: Some(&access) };
    for (hash, right) in [(encode(&digest.as_ref()[..16]), true), (encode(&digest.as_ref()[16..]), false)] {
        let claims = patched(honest(), json!({ "at_hash": hash }));
        let verdict = verify_id_token(&token(&json!({ "alg": "ES256", "kid": "k" }), &claims, &SIGNER), &keys, expected(), issued);
        assert_eq!(verdict.err(), (!right).then_some(TokenFault::AccessToken));
    }
}

#[test]
fn a_refreshed_token_is_about_the_same_person() {
    let signed = token(&json!({ "alg": "ES256", "kid": "k" }), &patched(honest(), json!({ "nonce": null })), &SIGNER);
    let verdict = |subject| verify_id_token(&signed, &keys(&[SIGNER.jwk("k")]), expected(), Issued::ForRefresh { subject });
    assert!(verdict("ada").is_ok());
    assert_eq!(verdict("bob").unwrap_err(), TokenFault::Claim("sub"));
}

fn logout(over: Value) -> Result<LogoutToken, TokenFault> {
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let claims =
        json!({ "iss": ISSUER, "aud": CLIENT, "sub": "ada", "sid": "s1", "iat": NOW, "exp": NOW + 120, "jti": "j", "events": event });
    let signed = token(&json!({ "alg": "ES256", "kid": "k", "typ": "logout+jwt" }), &patched(claims, over), &SIGNER);
    verify_logout_token(&signed, &keys(&[SIGNER.jwk("k")]), expected())
}

#[test]
fn a_logout_token_names_somebody_and_an_event_and_is_no_id_token() {
    let right = logout(json!({})).unwrap();
    assert_eq!((right.id.as_str(), right.subject.as_deref(), right.session.as_deref()), ("j", Some("ada"), Some("s1")));
    for over in [json!({ "sub": null }), json!({ "sid": null }), json!({ "exp": null })] {
        assert!(logout(over.clone()).is_ok(), "{over}");
    }
    for (over, fault) in [
        (json!({ "nonce": "n" }), TokenFault::Nonce),
        (json!({ "events": null }), TokenFault::Claim("events")),
        (json!({ "events": { "other": {} } }), TokenFault::Claim("events")),
        (json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": 1 } }), TokenFault::Claim("events")),
        (json!({ "jti": null }), TokenFault::Claim("jti")),
        (json!({ "sub": null, "sid": null }), TokenFault::Claim("sub")),
        (json!({ "iss": "https://evil.example" }), TokenFault::Issuer),
        (json!({ "aud": "other" }), TokenFault::Audience),
        (json!({ "iat": NOW - 361 }), TokenFault::Old),
        (json!({ "iat": NOW + 61 }), TokenFault::Future),
        (json!({ "exp": NOW - 60 }), TokenFault::Expired),
    ] {
        assert_eq!(logout(over.clone()).unwrap_err(), fault, "{over}");
    }
    assert!(right.forget_after > Time::from_secs(NOW + 300), "it is remembered for as long as it is believed");
}

proptest! {
    #[test]
    fn no_bytes_make_a_token_and_none_make_it_panic(text in "[A-Za-z0-9_.=-]{0,200}", raw in "\\PC{0,80}") {
        let keys = keys(&[SIGNER.jwk("k")]);
        prop_assert!(verify(&text, &keys).is_err());
        prop_assert!(verify(&raw, &keys).is_err());
        let _ = KeySet::read(raw.as_bytes());
        let _ = Claims::read(raw.as_bytes());
    }

    #[test]
    fn a_token_with_one_byte_changed_is_not_believed(at in any::<prop::sample::Index>(), byte in prop::sample::select(b"AQgwxyz019-_.".to_vec())) {
        let signed = token(&json!({ "alg": "ES256", "kid": "k" }), &honest(), &SIGNER);
        let mut changed = signed.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assume!(changed != signed);
        prop_assert!(verify(&changed, &keys(&[SIGNER.jwk("k")])).is_err());
    }

    #[test]
    fn whatever_else_a_token_says_another_audience_is_refused(other in "[a-z]{1,8}", extra in "[a-z]{1,8}") {
        prop_assume!(other != CLIENT);
        let over = json!({ "aud": [other, extra], "azp": CLIENT });
        prop_assert!(extra == CLIENT || verdict(over).is_err());
    }
}

#[test]
fn a_token_that_is_too_long_is_not_even_decoded() {
    let long = format!("{}.{}.{}", "A".repeat(LONGEST), "AAAA", "AAAA");
    assert_eq!(verify(&long, &KeySet::default()).unwrap_err(), TokenFault::Malformed);
}
