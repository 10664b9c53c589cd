//! What applications are told of a person: under the names that they know, and as a statement that they can check.

use crate::harness::*;

const ROUTES: &str = r#"
[[routes]]
name = "webauth"
hosts = ["id.example"]
path = "/webauth"
upstreams = ["UPSTREAM"]
policy = "one_factor"
identity = "x_webauth"
[[routes]]
name = "own"
hosts = ["id.example"]
path = "/own"
upstreams = ["UPSTREAM"]
policy = "one_factor"
identity = { user = "X-Own-User", groups = "X-Own-Groups", separator = ";", name = "X-Own-Name", encoding = "percent" }
[[routes]]
name = "signed"
hosts = ["id.example"]
path = "/signed"
upstreams = ["UPSTREAM"]
policy = "one_factor"
identity = "none"
tokens = ["bearer"]
assertion = { audience = "wiki" }
[[routes]]
name = "open"
hosts = ["id.example"]
path = "/open"
upstreams = ["UPSTREAM"]
policy = "bypass"
"#;

async fn world() -> World {
    World::builder().mfa("first_enrolment = \"password\"").with(ROUTES).build().await
}

async fn alice(world: &World, groups: &[&str]) -> Person {
    let mut alice = world.person("alice", groups).await;
    alice.host = "id.example".into();
    alice.signs_in_at("/webauth").await;
    alice
}

#[tokio::test]
async fn each_route_tells_it_in_its_own_words() {
    let world = world().await;
    let mut alice = alice(&world, &["staff", "a b"]).await;
    alice.calls("GET", "/webauth").await.is(200);
    let seen = world.upstream.last();
    assert_eq!((seen.values("X-WEBAUTH-USER"), seen.values("X-WEBAUTH-GROUPS")), (vec!["alice"], vec!["staff,a b"]));
    assert!(seen.values("remote-user").is_empty());
    alice.calls("GET", "/own").await.is(200);
    let seen = world.upstream.last();
    assert_eq!((seen.values("X-Own-User"), seen.values("X-Own-Groups")), (vec!["alice"], vec!["staff;a%20b"]));
    assert_eq!(seen.values("X-Own-Name"), ["alice%20Example"]);
}

#[tokio::test]
async fn no_name_of_any_preset_or_table_arrives_from_a_client_on_any_route() {
    let world = world().await;
    let mut alice = alice(&world, &[]).await;
    for name in [
        "X-WEBAUTH-USER",
        "x_webauth_groups",
        "SM_USER",
        "iv-user",
        "IV_GROUPS",
        "X-Authentik-Username",
        "X-Forwarded-Email",
        "X.Own.User",
        "x-own_groups",
        "X-Vestibule-Assertion",
        "Remote-User",
    ] {
        for target in ["/webauth", "/own", "/signed", "/open"] {
            alice.asks("GET", target, &format!("{name}: mallory\r\n"), b"").await.is(200);
            let few = world.upstream.last();
            let many: String = (0..12).map(|n| format!("X-More-{n}: {n}\r\n")).collect();
            alice.asks("GET", target, &format!("{name}: mallory\r\n{many}"), b"").await.is(200);
            for seen in [few, world.upstream.last()] {
                assert!(!seen.head.contains("mallory"), "{name} at {target}: {}", seen.head);
            }
        }
    }
}

#[tokio::test]
async fn more_groups_than_an_application_takes_are_refused_with_whose_they_are() {
    let world = world().await;
    let groups: Vec<String> = (0..400).map(|n| format!("department-of-something-{n:04}")).collect();
    let mut alice = alice(&world, &groups.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let answer = alice.calls("GET", "/webauth").await;
    answer.is(431);
    assert!(answer.text().contains("alice"), "{}", answer.text());
    assert!(alice.opens("/webauth").await.is(431).text().contains("alice"));
}

/// PyJWT, which shares no code with the gateway; `scripts/test` installs it.
fn py_jwt(jwks: &str, token: &str, audience: &str) -> Option<serde_json::Value> {
    let script = r#"
import json, sys, jwt
jwks, token, audience = json.load(sys.stdin)
keys = {key["kid"]: jwt.PyJWK(key) for key in json.loads(jwks)["keys"]}
key = keys[jwt.get_unverified_header(token)["kid"]]
options = {"verify_exp": False, "verify_iat": False, "require": ["exp", "iat", "aud", "iss", "sub"]}
print(json.dumps(jwt.decode(token, key.key, algorithms=["ES256"], audience=audience, options=options)))
"#;
    use std::io::Write;
    let python = std::env::var("VESTIBULE_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".to_owned());
    let mut child = std::process::Command::new(python)
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(serde_json::json!([jwks, token, audience]).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !said.contains("ModuleNotFoundError"),
        "PyJWT is missing: run scripts/test, or apt-get install python3-jwt python3-cryptography\n{said}"
    );
    if output.status.success() { serde_json::from_slice(&output.stdout).ok() } else { None }
}

#[tokio::test]
async fn an_independent_library_believes_the_assertion_of_its_own_audience_and_across_rotations() {
    let world = world().await;
    let mut alice = alice(&world, &["staff"]).await;
    let mut fetch = world.at_a_browser("app");
    fetch.host = "id.example".into();
    alice.calls("GET", "/signed").await.is(200);
    let first = world.upstream.last().values("x-vestibule-assertion")[0].to_owned();
    alice.calls("GET", "/signed").await.is(200);
    assert_eq!(world.upstream.last().values("x-vestibule-assertion"), [first.as_str()], "kept for the session and the route");
    let jwks = fetch.calls("GET", &format!("{PREFIX}/jwks.json")).await.is(200).text();
    let claims = py_jwt(&jwks, &first, "wiki").expect("PyJWT refuses it");
    assert_eq!((&claims["iss"], &claims["preferred_username"]), (&"http://id.example".into(), &"alice".into()));
    assert_eq!((&claims["groups"], &claims["amr"]), (&serde_json::json!(["staff"]), &serde_json::json!(["pwd"])));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
    assert!(py_jwt(&jwks, &first, "payroll").is_none(), "made for another application");
    let [header, body, _] = first.split('.').collect::<Vec<_>>().try_into().unwrap();
    let unsigned = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"none"}"#);
    assert!(py_jwt(&jwks, &format!("{header}.{body}.AAAA"), "wiki").is_none());
    assert!(py_jwt(&jwks, &format!("{unsigned}.{body}."), "wiki").is_none());
    // Signed with what everybody knows: the public key as the secret of an HMAC, in each form in which a library may take it.
    let key = &serde_json::from_str::<serde_json::Value>(&jwks).unwrap()["keys"][0];
    assert_eq!((&key["alg"], &key["use"], &key["kty"]), (&"ES256".into(), &"sig".into(), &"EC".into()), "a key for nothing else");
    assert!(key.get("d").is_none(), "and no private one");
    let point = |name: &str| data_encoding::BASE64URL_NOPAD.decode(key[name].as_str().unwrap().as_bytes()).unwrap();
    for secret in [[&[4], point("x").as_slice(), &point("y")].concat(), key.to_string().into_bytes(), jwks.clone().into_bytes()] {
        let head = data_encoding::BASE64URL_NOPAD.encode(format!(r#"{{"alg":"HS256","typ":"JWT","kid":{}}}"#, key["kid"]).as_bytes());
        let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret), format!("{head}.{body}").as_bytes());
        let forged = format!("{head}.{body}.{}", data_encoding::BASE64URL_NOPAD.encode(tag.as_ref()));
        assert!(py_jwt(&jwks, &forged, "wiki").is_none());
    }
    // A key of somebody else's under our key's name.
    let pair =
        ring::signature::EcdsaKeyPair::generate_pkcs8(&ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING, &ring::rand::SystemRandom::new());
    let pair = ring::signature::EcdsaKeyPair::from_pkcs8(
        &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        pair.unwrap().as_ref(),
        &ring::rand::SystemRandom::new(),
    );
    let signature = pair.unwrap().sign(&ring::rand::SystemRandom::new(), format!("{header}.{body}").as_bytes()).unwrap();
    let forged = format!("{header}.{body}.{}", data_encoding::BASE64URL_NOPAD.encode(signature.as_ref()));
    assert!(py_jwt(&jwks, &forged, "wiki").is_none());

    world.app().services.keys.rotate(vestibule::service::audit::Actor::CommandLine).await.unwrap();
    world.advance(minutes(3));
    alice.calls("GET", "/signed").await.is(200);
    let second = world.upstream.last().values("x-vestibule-assertion")[0].to_owned();
    let later = fetch.calls("GET", &format!("{PREFIX}/jwks.json")).await.is(200).text();
    assert!(py_jwt(&jwks, &second, "wiki").is_some(), "the set from before the rotation has the key already");
    assert!(py_jwt(&later, &second, "wiki").is_some() && py_jwt(&later, &first, "wiki").is_some());
    let kid = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(kid(&first), kid(&second));
}
