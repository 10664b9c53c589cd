//! What an administrator does with users: each action, what the log says of it, and what nobody may do to themselves.

use std::time::Duration;

use super::house::{House, NOW};
use crate::account::UserMfaPolicy;
use crate::factor::{Method, MethodSet};
use crate::policy::Proof;

const URI: &str = "otpauth://totp/Vestibule:bob?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Vestibule";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_comes_with_a_link_that_works_once_and_no_password() {
    let house = House::new().await;
    let root = house.root().await;
    assert!(root.get("admin/users/new").await.has("name=\"mail\" value=\"1\""));
    let fields = [("username", "eve"), ("email", "eve@internal.example"), ("groups", "staff, payroll"), ("password", "chosen by root")];
    let made = root.post("admin/users", &fields).await;
    let url = made.between("<code id=\"setup-link\">", "<");
    assert!(url.starts_with("http://wiki.internal.example/.vestibule/setup?token="), "{url}");
    let eve = house.account("eve").await;
    assert!(eve.password.is_none() && eve.groups == ["staff", "payroll"]);
    assert_eq!(house.log(2).await, ["link.made eve root", "account.added eve root"]);
    let link = url.strip_prefix("http://wiki.internal.example/.vestibule/").unwrap();
    assert_eq!(house.stranger().await.get(link).await.status, 200);
    let again = root.post("admin/users", &fields).await;
    assert!(again.status == 422 && again.has("role=\"alert\"") && again.has("value=\"eve@internal.example\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_users_link_goes_by_mail_where_that_is_wanted() {
    let house = House::new().await;
    let fields = [("username", "eve"), ("email", "eve@internal.example"), ("mail", "1")];
    let made = house.root().await.post("admin/users", &fields).await;
    assert!(made.status == 200 && !made.has("setup?token=") && made.has("eve@internal.example"));
    let mail = house.outbox.last_to("eve@internal.example").unwrap();
    assert!(mail.text.contains("http://wiki.internal.example/.vestibule/setup?token="), "{}", mail.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_addresses_here_are_refused() {
    let house = House::new().await;
    let root = house.root().await;
    for name in ["new", "NEW", ".", "..", "a/b", "a\\b", "", "a b"] {
        let made = root.post("admin/users", &[("username", name), ("email", "eve@internal.example")]).await;
        assert_eq!(made.status, 422, "{name}");
    }
    assert_eq!(house.app.services.users.directory().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_form_is_said_in_the_administrators_language() {
    let house = House::new().await;
    house.add("bob", &["staff"]).await;
    let mut root = house.root().await;
    for (language, email, methods) in [
        ("en", "“nobody” is not an e-mail address.", "Recovery codes come with the first method."),
        ("de", "„nobody“ ist keine E-Mail-Adresse.", "Wiederherstellungscodes kommen mit der ersten Methode."),
        ("zh-Hans", "“nobody”不是电子邮件地址。", "恢复码随第一种方式一起提供。"),
    ] {
        root.language = language;
        let made = root.post("admin/users", &[("username", "eve"), ("email", "nobody")]).await;
        assert!(made.status == 422 && made.has(email), "{language}: {}", made.html);
        let codes = root.post("admin/users/bob", &[("action", "recovery_codes")]).await;
        assert!(codes.status == 422 && codes.has(methods), "{language}: {}", codes.html);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_changed_and_what_the_form_leaves_out_stays() {
    let house = House::new().await;
    house.add("bob", &["staff"]).await;
    let root = house.root().await;
    let bob = root.post("admin/users/bob", &[("action", "profile"), ("display_name", "Bob B."), ("phone", "+49 170 1234567")]).await;
    assert!(bob.status == 200 && bob.has("role=\"status\""));
    let account = house.account("bob").await;
    assert_eq!((account.display_name.as_str(), account.phone.as_deref()), ("Bob B.", Some("+491701234567")));
    assert_eq!((account.email.as_str(), account.groups.as_slice()), ("bob@internal.example", &["staff".to_owned()][..]));
    let wrong = root.post("admin/users/bob", &[("action", "profile"), ("email", "nobody")]).await;
    assert!(wrong.status == 422 && wrong.has("role=\"alert\""));
    root.post("admin/users/bob", &[("action", "profile"), ("groups", "")]).await;
    assert!(house.account("bob").await.groups.is_empty());
    assert_eq!(house.log(2).await, ["account.changed bob root", "account.changed bob root"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_and_methods_are_set() {
    let house = House::new().await;
    house.add("bob", &["staff"]).await;
    let root = house.root().await;
    root.post("admin/users/bob", &[("action", "policy"), ("policy", "required")]).await;
    root.post("admin/users/bob", &[("action", "allow"), ("method", "totp"), ("method", "webauthn")]).await;
    let bob = house.account("bob").await;
    assert_eq!((bob.mfa_policy, bob.allowed), (UserMfaPolicy::Required, Some(vec![Method::Totp, Method::Webauthn])));
    for senseless in [("action", "allow"), ("action", "policy"), ("action", "explode"), ("x", "y")] {
        assert_eq!(root.post("admin/users/bob", &[senseless]).await.status, 422, "{senseless:?}");
    }
    root.post("admin/users/bob", &[("action", "allow"), ("server", "1"), ("method", "totp")]).await;
    assert_eq!(house.account("bob").await.allowed, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn factors_are_set_up_for_users_and_removed() {
    let house = House::new().await;
    house.add("bob", &["staff"]).await;
    let root = house.root().await;
    assert_eq!(root.post("admin/users/bob", &[("action", "recovery_codes")]).await.status, 422, "no method yet");
    root.post("admin/users/bob", &[("action", "enrol"), ("method", "email")]).await;
    assert_eq!(root.post("admin/users/bob", &[("action", "enrol"), ("method", "sms")]).await.status, 422, "no phone");
    assert_eq!(root.post("admin/users/bob", &[("action", "provision"), ("uri", "otpauth://x")]).await.status, 422);
    assert_eq!(root.post("admin/users/bob", &[("action", "provision"), ("uri", URI)]).await.status, 200);
    let both: MethodSet = [Method::Totp, Method::Email].into_iter().collect();
    assert_eq!(house.account("bob").await.enrolled(), both);
    let codes = root.post("admin/users/bob", &[("action", "recovery_codes")]).await;
    assert!(codes.has("id=\"recovery-codes\"") && codes.html.matches("<code>").count() == 10);
    assert!(!root.get("admin/users/bob").await.has("id=\"recovery-codes\""), "shown once");
    root.post("admin/users/bob", &[("action", "reset"), ("method", "totp")]).await;
    assert_eq!(house.account("bob").await.enrolled(), MethodSet::EMPTY.with(Method::Email));
    root.post("admin/users/bob", &[("action", "reset"), ("method", "all")]).await;
    let bob = house.account("bob").await;
    assert!(bob.enrolled().is_empty() && bob.recovery.is_empty());
    assert_eq!(house.log(2).await, ["factor.removed bob root", "factor.removed bob root"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_taken_and_given_back() {
    let house = House::new().await;
    house.add("bob", &["staff"]).await;
    let bob = house.signed_in("bob", Proof::Password).await;
    let root = house.root().await;
    assert_eq!(bob.get("account").await.status, 200);
    root.post("admin/users/bob", &[("action", "end_sessions")]).await;
    assert_eq!(bob.get("account").await.status, 303);
    let bob = house.signed_in("bob", Proof::Password).await;
    root.post("admin/users/bob", &[("action", "disable")]).await;
    assert!(house.account("bob").await.disabled && bob.get("account").await.status == 303);
    root.post("admin/users/bob", &[("action", "enable")]).await;
    house.edit("bob", |bob| bob.failures.locked_until = Some(NOW.plus(Duration::from_secs(60)))).await;
    assert!(root.get("admin/users/bob").await.has("value=\"unlock\""));
    root.post("admin/users/bob", &[("action", "unlock")]).await;
    let account = house.account("bob").await;
    assert!(!account.disabled && account.failures.locked_until.is_none());
    let link = root.post("admin/users/bob", &[("action", "setup_link")]).await;
    assert!(link.between("<code id=\"setup-link\">", "<").contains("/setup?token="));
    assert!(!root.post("admin/users/bob", &[("action", "mail_link")]).await.has("setup?token="));
    assert!(house.outbox.last_to("bob@internal.example").unwrap().text.contains("/setup?token="));
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_wants_the_name_typed() {
    let house = House::new().await;
    house.add("bob", &["staff"]).await;
    let root = house.root().await;
    assert!(root.get("admin/users/bob/delete").await.has("name=\"confirm\""));
    for typed in ["", "Bob", "root", "bob@internal.example"] {
        assert_eq!(root.post("admin/users/bob", &[("action", "delete"), ("confirm", typed)]).await.status, 422, "{typed}");
    }
    let gone = root.post("admin/users/bob", &[("action", "delete"), ("confirm", "bob")]).await;
    assert_eq!((gone.status.as_u16(), gone.location.as_str()), (303, "/.vestibule/admin/users"));
    assert_eq!(root.get("admin/users/bob").await.status, 404);
    assert!(!root.get("admin/users").await.has("bob@internal.example"));
    assert_eq!(house.log(1).await, ["account.deleted bob root"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_closes_the_administration_to_themselves() {
    let house = House::new().await;
    let root = house.root().await;
    let before = house.log(50).await.len();
    for order in [
        &[("action", "disable")][..],
        &[("action", "delete"), ("confirm", "root")],
        &[("action", "profile"), ("groups", "staff")],
        &[("action", "profile"), ("groups", "")],
        &[("action", "policy"), ("policy", "off")],
        &[("action", "allow"), ("method", "totp")],
        &[("action", "reset"), ("method", "email")],
        &[("action", "reset"), ("method", "all")],
    ] {
        for address in ["admin/users/root", "admin/users/ROOT", "admin/users/root%40internal.example"] {
            let answer = root.post(address, order).await;
            assert!(answer.status == 422 && answer.has("Ask another administrator"), "{order:?} at {address}");
        }
    }
    assert_eq!(root.get("admin/users/root/delete").await.status, 422);
    assert_eq!(house.log(50).await.len(), before);
    let kept = root.post("admin/users/root", &[("action", "profile"), ("groups", "admins, staff"), ("display_name", "Root")]).await;
    assert_eq!(kept.status, 200);
    house.add("other", &["admins"]).await;
    assert_eq!(root.post("admin/users/other", &[("action", "disable")]).await.status, 200, "another administrator may be");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_nobody_knows_is_not_found() {
    let house = House::new().await;
    let root = house.root().await;
    for page in ["admin/users/nobody", "admin/users/nobody/delete", "admin/nothing"] {
        assert_eq!(root.get(page).await.status, 404, "{page}");
    }
    assert_eq!(root.post("admin/users/nobody", &[("action", "delete"), ("confirm", "nobody")]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_page_says_which_gateways_there_are_and_which_know_of_a_revocation() {
    let database = crate::store::postgres::server::database().await;
    let url = crate::store::postgres::server::url(&database);
    let house = House::with(|config| config.store = crate::config::StoreUrl::Postgres(url)).await;
    house.app.join_gateways().await;
    let silent = crate::store::Gateway {
        name: "<web2>".into(),
        heard: NOW,
        fingerprint: "other".into(),
        max_stale: Duration::from_secs(300),
        ..Default::default()
    };
    house.app.services.store.put_gateway("ffff", &silent).await.unwrap();
    house.app.services.gateways.beat().await.unwrap();
    house.add("alice", &[]).await;
    let root = house.root().await;
    let page = root.get("admin").await;
    assert!(page.has("&lt;web2&gt;") && page.has("different configurations") && page.has("this one"), "{}", page.html);
    let page = root.post("admin/users/alice", &[("action", "disable")]).await;
    assert!(page.has("Reached 1 of 2 gateways.") && page.has("up to 5m"), "{}", page.html);
}
