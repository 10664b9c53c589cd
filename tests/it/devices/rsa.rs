//! Devices whose chip has RSA alone: the same protocol with RS256.

use serde_json::json;

use super::browser::refresh;
use super::*;

#[tokio::test]
async fn an_rsa_key_binds_a_session_as_well() {
    let world = world().await;
    let (mut alice, offer) = signed_in(&world, "alice").await;
    let mut device = Device::rsa();
    device.registers(&mut alice, &offer).await.is(200);
    world.advance(minutes(10));
    device.refreshes(&mut alice).await.is(200);
    world.advance(minutes(10));
    assert_eq!(gets_in(&mut alice, &world).await, EVERY_WAY);
    let mut copied = alice.clone();
    copied.jar.drop(BOUND);
    assert_eq!(gets_in(&mut copied, &world).await, [""; 0]);
    // Neither the other algorithm nor a signature that is not whole counts for the key.
    let given = device.challenge.clone();
    let jti = json!({ "jti": given });
    let right = device.proof(&given);
    let (signed, signature) = right.rsplit_once('.').unwrap();
    for wrong in [
        device.signs(&json!({ "alg": "ES256", "typ": "dbsc+jwt" }), &jti),
        device.signs(&json!({ "alg": "RS512", "typ": "dbsc+jwt" }), &jti),
        device.signs(&json!({ "alg": "RS256", "typ": "dbsc+jwt", "jwk": device.jwk() }), &jti),
        Device::new().proof(&given),
        format!("{signed}.{}", &signature[..signature.len() - 4]),
        format!("{signed}.{}", "A".repeat(signature.len())),
    ] {
        refresh(&mut alice, &device.name, Some(&wrong)).await.is(403);
    }
    refresh(&mut alice, &device.name, Some(&right)).await.is(200);
    let sessions = world.app().services.store.all_sessions().await.unwrap();
    let device = sessions[0].device.as_ref().unwrap();
    assert_eq!(device.key.algorithm(), "RS256");
}

#[tokio::test]
async fn a_key_that_is_too_short_binds_nothing_and_spoils_no_offer() {
    let world = world().await;
    let (mut alice, offer) = signed_in(&world, "alice").await;
    let (path, challenge) = offered(&offer).unwrap();
    let mut device = Device::rsa();
    for (n, e) in [("AQAB", "AQAB"), (&*"_w".repeat(64), "AQAB"), (&*"_w".repeat(1024), "AQAB"), ("", ""), (&*"_w".repeat(128), "Ag")] {
        let header = json!({ "alg": "RS256", "typ": "dbsc+jwt", "jwk": { "kty": "RSA", "n": n, "e": e } });
        let proof = device.signs(&header, &json!({ "jti": challenge }));
        let answer = asks(&mut alice, &path, &format!("Secure-Session-Response: {proof}\r\n")).await;
        assert!(matches!(answer.status, 403 | 400 | 431), "{n} {e}: {}", answer.status);
    }
    device.registers(&mut alice, &offer).await.is(200);
}
