//! What claims make of a person, and which of them are refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::{ClaimNames, Create, Uses};

const ISSUER: &str = "https://login.example/11112222-0000/v2.0";

fn config() -> Provider {
    Provider {
        name: "corp".into(),
        title: "Corp".into(),
        issuer: ISSUER.into(),
        client_id: "gate".into(),
        client_secret: None,
        ca: None,
        scopes: vec!["openid".into()],
        uses: Uses { sign_in: true, second_factor: true },
        claims: ClaimNames::default(),
        create: Create::Never,
        link_by_email: false,
        email_domains: Vec::new(),
        counts: Counts { amr: vec!["mfa".into()], acr: vec!["gold".into()], acrs: vec!["c1".into()] },
        refresh: Duration::from_secs(300),
        max_stale: Duration::from_secs(3600),
        group_map: [("payroll-users".to_owned(), "payroll".to_owned())].into(),
    }
}

fn read(token: Value, userinfo: Value) -> Result<Person, TokenFault> {
    read_as(token, userinfo, &config())
}

fn read_as(mut token: Value, userinfo: Value, config: &Provider) -> Result<Person, TokenFault> {
    token.as_object_mut().unwrap().entry("sub").or_insert("ada".into());
    let claims = |value: Value| Claims::read(value.to_string().as_bytes()).unwrap();
    let claims_of_token = claims(token);
    let auth_time = claims_of_token.time("auth_time")?;
    let token = IdToken { subject: "ada".into(), session: None, auth_time, claims: claims_of_token };
    person(&token, &claims(userinfo), config)
}

#[test]
fn entra_is_known_by_tenant_and_object_and_by_its_own_tenant_only() {
    let subject = |token: Value| read(token, json!({})).map(|person| person.subject);
    assert_eq!(subject(json!({ "tid": "11112222-0000", "oid": "obj" })).unwrap(), "11112222-0000/obj");
    assert_eq!(subject(json!({ "tid": "11112222-0000" })), Err(TokenFault::Claim("oid")), "the scope profile is missing");
    assert_eq!(subject(json!({ "tid": "another", "oid": "obj" })).unwrap(), "ada");
    assert_eq!(subject(json!({ "oid": "obj" })).unwrap(), "ada");
    assert_eq!(read(json!({}), json!({ "tid": "11112222-0000", "oid": "obj" })).unwrap().subject, "ada", "userinfo is not signed");
}

#[test]
fn groups_are_a_list_or_a_text_and_only_mapped_ones_exist() {
    let groups = |token: Value| read(token, json!({})).map(|person| person.groups);
    let payroll = Groups::Mapped(vec!["payroll".into()]);
    assert_eq!(groups(json!({ "groups": ["payroll-users", "admins", "payroll"] })), Ok(payroll.clone()));
    assert_eq!(groups(json!({ "groups": "payroll-users" })), Ok(payroll.clone()));
    assert_eq!(read(json!({}), json!({ "sub": "ada", "groups": ["payroll-users"] })).unwrap().groups, payroll);
    for none in [json!({}), json!({ "groups": [] }), json!({ "groups": null }), json!({ "groups": ["PAYROLL-USERS"] })] {
        assert_eq!(groups(none.clone()), Ok(Groups::Mapped(Vec::new())), "{none}");
    }
    for odd in [
        json!({ "groups": 7 }),
        json!({ "groups": [7] }),
        json!({ "groups": { "payroll-users": true } }),
        json!({ "groups": [["payroll-users"]] }),
    ] {
        assert_eq!(groups(odd.clone()), Err(TokenFault::Claim("groups")), "{odd}");
    }
}

#[test]
fn groups_inside_an_object_are_found_by_their_path() {
    let mut config = config();
    config.claims.groups = "realm_access.roles".into();
    let token = json!({ "realm_access": { "roles": ["payroll-users"] } });
    assert_eq!(read_as(token, json!({}), &config).unwrap().groups, Groups::Mapped(vec!["payroll".into()]));
}

#[test]
fn too_many_groups_are_never_no_groups() {
    let distributed =
        json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": { "src1": { "endpoint": "https://graph.example" } } });
    for (token, userinfo) in [
        (distributed.clone(), json!({})),
        (json!({}), distributed.clone()),
        (json!({ "hasgroups": true }), json!({})),
        (distributed, json!({ "groups": ["payroll-users"] })),
    ] {
        assert_eq!(read(token, userinfo).unwrap().groups, Groups::Overage);
    }
}

#[test]
fn an_address_is_verified_by_the_document_that_names_it() {
    let email = |token: Value, userinfo: Value| read(token, userinfo).unwrap().email;
    let is = |verified| Some(Email { address: "a@b.example".into(), verified });
    assert_eq!(email(json!({ "email": "a@b.example", "email_verified": true }), json!({})), is(Some(true)));
    assert_eq!(email(json!({ "email": "a@b.example" }), json!({ "email_verified": true })), is(None));
    assert_eq!(email(json!({ "email": "a@b.example", "email_verified": "true" }), json!({})), is(Some(true)));
    assert_eq!(email(json!({ "email": "a@b.example", "xms_edov": true }), json!({})), is(Some(true)));
    assert_eq!(email(json!({ "email": "a@b.example", "email_verified": false, "xms_edov": true }), json!({})), is(Some(false)));
    for unsure in [json!(false), json!("yes"), json!(1), json!(["true"])] {
        assert_eq!(email(json!({ "email": "a@b.example", "email_verified": unsure }), json!({})), is(Some(false)));
    }
    for none in ["a@b@corp.example", "corp.example", "a@b.example,c@d.example", "a\u{0}@b.example", "ä@b.example", "<a@b.example>"] {
        assert_eq!(email(json!({ "email": none, "email_verified": true }), json!({})), None, "{none}");
    }
}

#[test]
fn a_second_factor_is_what_the_configuration_names_and_nothing_else() {
    let counts = |token: Value, config: &Provider| {
        read_as(token, json!({ "sub": "ada", "amr": ["mfa"], "acr": "gold" }), config).map(|person| person.evidence.second_factor)
    };
    let (config, nothing) = (config(), Provider { counts: Counts::default(), ..config() });
    for token in [json!({ "amr": ["pwd", "mfa"] }), json!({ "acr": "gold" }), json!({ "acrs": ["c1", "c2"] }), json!({ "amr": "mfa" })] {
        assert_eq!(counts(token.clone(), &config), Ok(true), "{token}");
        assert_eq!(counts(token.clone(), &nothing), Ok(false), "{token}");
    }
    for token in [
        json!({}),
        json!({ "amr": ["pwd"] }),
        json!({ "acr": "mfa" }),
        json!({ "acrs": ["c2"] }),
        json!({ "amr": ["gold", "MFA", "mfa2"] }),
    ] {
        assert_eq!(counts(token.clone(), &config), Ok(false), "{token}");
    }
    assert_eq!(counts(json!({ "amr": { "mfa": 1 } }), &config), Err(TokenFault::Claim("amr")));
}

#[test]
fn what_has_no_time_is_not_fresh() {
    let began = Time::from_secs(1000);
    let evidence = |second_factor, auth_time: Option<i64>| Evidence { second_factor, auth_time: auth_time.map(Time::from_secs) };
    let minute = Duration::from_secs(60);
    assert!(evidence(true, Some(1001)).is_since(began, minute) && evidence(true, Some(940)).is_since(began, minute));
    assert!(!evidence(true, Some(939)).is_since(began, minute));
    assert!(!evidence(true, None).is_since(began, minute) && !evidence(false, Some(1001)).is_since(began, minute));
    assert_eq!(evidence(true, Some(2000)).second_factor_at(began), Some(began), "a clock that is ahead makes nothing fresher");
    assert_eq!(evidence(true, None).second_factor_at(began), Some(Time::default()), "it counts, and is as old as can be");
    assert_eq!(evidence(false, Some(900)).second_factor_at(began), None);
}

proptest! {
    #[test]
    fn no_claims_make_it_panic_or_invent_a_group(groups in prop::collection::vec("\\PC{0,20}", 0..6), name in "\\PC{0,300}", email in "\\PC{0,40}") {
        let token = json!({ "groups": groups, "preferred_username": name, "email": email, "email_verified": true });
        let person = read(token, json!({})).unwrap();
        let expected = groups.iter().any(|group| group == "payroll-users");
        prop_assert_eq!(person.groups, Groups::Mapped(if expected { vec!["payroll".into()] } else { Vec::new() }));
        prop_assert!(person.email.is_none_or(|email| email.address.matches('@').count() == 1));
    }
}
