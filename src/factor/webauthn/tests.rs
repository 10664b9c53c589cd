//! The ceremonies against a software authenticator, honest and dishonest.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;

const ORIGIN: &str = "https://wiki.internal.example";
const RP_ID: &str = "internal.example";
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const WITH_KEY: u8 = 0x40;

/// What a browser with a key in it answers.
struct SoftToken {
    key: SigningKey,
    id: Vec<u8>,
    counter: u32,
    flags: u8,
    origin: String,
    rp_id: String,
    user_handle: Option<Vec<u8>>,
}

impl SoftToken {
    fn new(seed: u8, flags: u8) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32].into()).unwrap();
        Self { key, id: vec![seed; 20], counter: 0, flags, origin: ORIGIN.into(), rp_id: RP_ID.into(), user_handle: None }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = &options["publicKey"]["challenge"];
        json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false }).to_string().into_bytes()
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(self.rp_id.as_bytes()).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn create(&mut self, options: &Value) -> String {
        self.counter += 1;
        let point = self.key.verifying_key().to_sec1_point(false);
        let mut data = self.authenticator_data(self.flags | WITH_KEY);
        data.extend([0u8; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(point.x().unwrap());
        data.extend([0x22, 0x58, 0x20]);
        data.extend(point.y().unwrap());
        let mut attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        attestation.push(u8::try_from(data.len()).unwrap());
        attestation.extend(&data);
        json!({
            "id": encode(&self.id), "rawId": encode(&self.id), "type": "public-key", "clientExtensionResults": {},
            "response": { "attestationObject": encode(&attestation), "clientDataJSON": encode(&self.client_data("webauthn.create", options)) },
        })
        .to_string()
    }

    fn get(&mut self, options: &Value) -> String {
        self.counter += 1;
        let data = self.authenticator_data(self.flags);
        let client = self.client_data("webauthn.get", options);
        let signature: Signature = self.key.sign(&[data.as_slice(), &Sha256::digest(&client)].concat());
        json!({
            "id": encode(&self.id), "rawId": encode(&self.id), "type": "public-key", "clientExtensionResults": {},
            "response": {
                "authenticatorData": encode(&data), "clientDataJSON": encode(&client),
                "signature": encode(signature.to_der().as_bytes()), "userHandle": self.user_handle.as_deref().map(encode),
            },
        })
        .to_string()
    }
}

fn gateway() -> RelyingParty {
    RelyingParty::new("Sign in", RP_ID, ORIGIN).unwrap()
}

fn alice() -> UserId {
    UserId::from_bytes([7; 16])
}

fn enrol(token: &mut SoftToken, existing: &[WebauthnEnrolment]) -> Result<WebauthnEnrolment, Error> {
    let (options, state) = gateway().start_registration(alice(), "alice", "Alice", existing)?;
    let registered = gateway().finish_registration(state, &token.create(&options), existing)?;
    Ok(WebauthnEnrolment { id: registered.id, name: "Key".into(), passkey: registered.passkey, added: Time::from_secs(1), last_used: None })
}

fn sign_in(token: &mut SoftToken, enrolments: &mut [WebauthnEnrolment]) -> Result<Used, Error> {
    let (options, state) = gateway().start_second_factor(alice(), enrolments)?;
    gateway().finish_second_factor(state, &token.get(&options), enrolments, Time::from_secs(2))
}

fn passwordless(token: &mut SoftToken, enrolments: &mut [WebauthnEnrolment]) -> Result<Used, Error> {
    let (options, state) = gateway().start_passwordless()?;
    let answer = token.get(&options);
    let (user, id) = identify(&answer)?;
    assert_eq!((user, id), (alice(), encode(&token.id)));
    gateway().finish_passwordless(state, &answer, user, enrolments, Time::from_secs(2))
}

#[test]
fn a_key_without_a_pin_and_a_passkey_are_both_second_factors() {
    let (mut key, mut passkey) = (SoftToken::new(1, PRESENT), SoftToken::new(2, PRESENT | VERIFIED));
    let first = enrol(&mut key, &[]).unwrap();
    let second = enrol(&mut passkey, std::slice::from_ref(&first)).unwrap();
    let mut keys = [first, second];
    assert!(!sign_in(&mut key, &mut keys).unwrap().user_verified);
    assert!(sign_in(&mut passkey, &mut keys).unwrap().user_verified);
    passkey.flags = PRESENT;
    assert_eq!(sign_in(&mut passkey, &mut keys).unwrap(), Used { id: encode(&passkey.id), user_verified: false });
    assert_eq!(keys[1].last_used, Some(Time::from_secs(2)));
}

#[test]
fn passwordless_needs_a_verified_user() {
    let mut passkey = SoftToken::new(2, PRESENT | VERIFIED);
    passkey.user_handle = Some(alice().as_bytes().to_vec());
    let mut keys = [enrol(&mut passkey, &[]).unwrap()];
    assert!(passwordless(&mut passkey, &mut keys).unwrap().user_verified);
    passkey.flags = PRESENT;
    assert_eq!(passwordless(&mut passkey, &mut keys), Err(Error::NotVerified));
}

#[test]
fn passwordless_needs_the_users_own_handle() {
    let mut passkey = SoftToken::new(2, PRESENT | VERIFIED);
    let mut keys = [enrol(&mut passkey, &[]).unwrap()];
    let (options, state) = gateway().start_passwordless().unwrap();
    let answer = passkey.get(&options);
    assert_eq!(identify(&answer), Err(Error::Unknown));
    assert_eq!(gateway().finish_passwordless(state.clone(), &answer, alice(), &mut keys, Time::from_secs(2)), Err(Error::Unknown));
    passkey.user_handle = Some(vec![9; 16]);
    let answer = passkey.get(&options);
    assert_eq!(gateway().finish_passwordless(state, &answer, alice(), &mut keys, Time::from_secs(2)), Err(Error::Unknown));
}

#[test]
fn options_ask_for_what_each_ceremony_needs() {
    let (create, _) = gateway().start_registration(alice(), "alice", "", &[]).unwrap();
    let selection = &create["publicKey"]["authenticatorSelection"];
    assert_eq!((&selection["residentKey"], &selection["userVerification"]), (&json!("preferred"), &json!("preferred")));
    assert_eq!(create["publicKey"]["rp"]["id"], RP_ID);
    let key = enrol(&mut SoftToken::new(1, PRESENT), &[]).unwrap();
    let (get, _) = gateway().start_second_factor(alice(), std::slice::from_ref(&key)).unwrap();
    assert_eq!(get["publicKey"]["userVerification"], "discouraged");
    assert_eq!(get["publicKey"]["allowCredentials"][0]["id"], json!(key.id));
    let (get, _) = gateway().start_passwordless().unwrap();
    assert_eq!(get["publicKey"]["userVerification"], "required");
}

#[test]
fn another_origin_port_or_rp_id_is_refused() {
    let mut token = SoftToken::new(1, PRESENT);
    let mut keys = [enrol(&mut token, &[]).unwrap()];
    for origin in
        ["https://evil.example", "http://wiki.internal.example", "https://wiki.internal.example:8443", "https://a.wiki.internal.example"]
    {
        token.origin = origin.into();
        assert!(matches!(sign_in(&mut token, &mut keys), Err(Error::Refused(_))), "{origin}");
        assert!(matches!(enrol(&mut token, &[]), Err(Error::Refused(_))), "{origin}");
    }
    token.origin = ORIGIN.into();
    token.rp_id = "example".into();
    assert!(matches!(sign_in(&mut token, &mut keys), Err(Error::Refused(_))));
}

#[test]
fn an_answer_to_another_challenge_is_refused() {
    let mut token = SoftToken::new(1, PRESENT);
    let mut keys = [enrol(&mut token, &[]).unwrap()];
    let (_, state) = gateway().start_second_factor(alice(), &keys).unwrap();
    let (other, _) = gateway().start_second_factor(alice(), &keys).unwrap();
    let answer = token.get(&other);
    assert!(matches!(gateway().finish_second_factor(state, &answer, &mut keys, Time::from_secs(2)), Err(Error::Refused(_))));
    let (_, state) = gateway().start_registration(alice(), "alice", "Alice", &[]).unwrap();
    assert!(matches!(gateway().finish_registration(state, &token.create(&other), &[]), Err(Error::Refused(_))));
}

#[test]
fn a_counter_that_does_not_grow_is_refused_and_not_recorded() {
    let mut token = SoftToken::new(1, PRESENT);
    let mut keys = [enrol(&mut token, &[]).unwrap()];
    sign_in(&mut token, &mut keys).unwrap();
    let before = keys[0].passkey.clone();
    token.counter -= 1;
    assert_eq!(sign_in(&mut token, &mut keys), Err(Error::Cloned));
    assert_eq!(keys[0].passkey, before);
    sign_in(&mut token, &mut keys).unwrap();
}

#[test]
fn presence_signature_and_ownership_are_checked() {
    let mut token = SoftToken::new(1, PRESENT);
    let mut keys = [enrol(&mut token, &[]).unwrap()];
    token.flags = 0;
    assert!(matches!(sign_in(&mut token, &mut keys), Err(Error::Refused(_))), "nobody there");
    token.flags = PRESENT;
    let mut forger = SoftToken::new(3, PRESENT);
    forger.id = token.id.clone();
    forger.counter = 50;
    assert!(sign_in(&mut forger, &mut keys).is_err(), "another key under this id");
    forger.id = vec![9; 20];
    assert_eq!(sign_in(&mut forger, &mut keys), Err(Error::Unknown));
    token.user_handle = Some(vec![9; 16]);
    assert_eq!(sign_in(&mut token, &mut keys), Err(Error::Unknown), "somebody else's handle");
}

#[test]
fn a_key_removed_meanwhile_does_not_help() {
    let mut token = SoftToken::new(1, PRESENT);
    let keys = [enrol(&mut token, &[]).unwrap()];
    let (options, state) = gateway().start_second_factor(alice(), &keys).unwrap();
    assert_eq!(gateway().finish_second_factor(state, &token.get(&options), &mut [], Time::from_secs(2)), Err(Error::Unknown));
}

#[test]
fn a_key_is_set_up_once() {
    let mut token = SoftToken::new(1, PRESENT);
    let key = enrol(&mut token, &[]).unwrap();
    assert!(enrol(&mut token, std::slice::from_ref(&key)).is_err());
    let (options, state) = gateway().start_registration(alice(), "alice", "Alice", &[]).unwrap();
    assert_eq!(gateway().finish_registration(state, &token.create(&options), &[key]).unwrap_err(), Error::AlreadyRegistered);
}

#[test]
fn no_ceremonys_state_is_read_as_anothers() {
    let key = enrol(&mut SoftToken::new(1, PRESENT), &[]).unwrap();
    let registration = serde_json::to_value(gateway().start_registration(alice(), "alice", "Alice", &[]).unwrap().1).unwrap();
    let second = serde_json::to_value(gateway().start_second_factor(alice(), &[key]).unwrap().1).unwrap();
    let passwordless = serde_json::to_value(gateway().start_passwordless().unwrap().1).unwrap();
    assert!(SecondFactor::deserialize(&second).is_ok() && Passwordless::deserialize(&passwordless).is_ok());
    assert!(Registration::deserialize(&registration).is_ok());
    assert!(Passwordless::deserialize(&second).is_err() && Passwordless::deserialize(&registration).is_err());
    assert!(SecondFactor::deserialize(&passwordless).is_err() && SecondFactor::deserialize(&registration).is_err());
    assert!(Registration::deserialize(&second).is_err() && Registration::deserialize(&passwordless).is_err());
}

#[test]
fn the_rp_id_covers_the_host_and_is_no_address() {
    let host = |name: &str| Host::parse(name.as_bytes()).unwrap();
    assert_eq!(rp_id(None, None, &host("wiki.internal.example")).as_deref(), Ok("wiki.internal.example"));
    assert_eq!(rp_id(None, Some("internal.example"), &host("wiki.internal.example")).as_deref(), Ok("internal.example"));
    assert_eq!(rp_id(Some("other.example"), None, &host("wiki.internal.example")), Err(Error::NotCovered("other.example".into())));
    assert_eq!(rp_id(None, None, &host("localhost")).as_deref(), Ok("localhost"));
    for address in ["127.0.0.1", "[::1]"] {
        assert_eq!(rp_id(None, None, &host(address)), Err(Error::Address));
    }
    assert!(RelyingParty::new("x", "internal.example", "https://notinternal.example").is_err());
    assert_eq!(RelyingParty::new("x", "127.0.0.1", "http://127.0.0.1:8080").unwrap_err(), Error::Address);
    assert!(RelyingParty::new("x", "localhost", "http://localhost:8080").is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_damaged_answer_signs_in_or_panics(at in 0usize..200, byte in any::<u8>(), which in 0usize..3) {
        let mut token = SoftToken::new(1, PRESENT);
        let mut keys = [enrol(&mut token, &[]).unwrap()];
        let (options, state) = gateway().start_second_factor(alice(), &keys).unwrap();
        let mut answer: Value = serde_json::from_str(&token.get(&options)).unwrap();
        let field = ["authenticatorData", "clientDataJSON", "signature"][which];
        let mut bytes = decode(answer["response"][field].as_str().unwrap()).unwrap();
        let length = bytes.len();
        let place = at % length;
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        answer["response"][field] = json!(encode(&bytes));
        prop_assert!(gateway().finish_second_factor(state, &answer.to_string(), &mut keys, Time::from_secs(2)).is_err());
    }

    #[test]
    fn no_damaged_registration_panics(at in 0usize..300, byte in any::<u8>(), cut in 0usize..300) {
        let (options, state) = gateway().start_registration(alice(), "alice", "Alice", &[]).unwrap();
        let mut answer: Value = serde_json::from_str(&SoftToken::new(1, PRESENT).create(&options)).unwrap();
        let mut bytes = decode(answer["response"]["attestationObject"].as_str().unwrap()).unwrap();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length.saturating_sub(cut % 40));
        answer["response"]["attestationObject"] = json!(encode(&bytes));
        let _ = gateway().finish_registration(state, &answer.to_string(), &[]);
    }
}
