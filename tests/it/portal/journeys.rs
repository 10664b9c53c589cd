//! What people do on the way: many tabs, a lost form, a first factor, a link by mail, another proxy in front, a provider.

use serde_json::json;
use vestibule::factor::Method;

use super::{PORTAL, ROUTES, WIKI, all, world, world_with};
use crate::harness::*;

#[tokio::test]
async fn ten_tabs_keep_ten_targets() {
    let world = world().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    let mut tabs = Vec::new();
    for n in 0..10 {
        let host = if n % 2 == 0 { WIKI } else { HOST };
        alice.comes_to(host, &format!("/page/{n}?n={n}%26")).await;
        alice.is_on(PORTAL, "login");
        tabs.push((host, alice.clone()));
    }
    // Signed in in the seventh, the others are told so one by one.
    let mut jar = alice.jar.clone();
    for n in [7, 0, 1, 2, 3, 4, 5, 6, 8, 9] {
        let (host, tab) = &mut tabs[n];
        tab.jar = jar.clone();
        if n == 7 {
            tab.types_password().await.is(303);
            tab.travels().await;
            tab.types_the_next_code().await.is(303);
        } else {
            // Loaded again.
            let url = tab.url.clone();
            tab.opens(&url).await.is(303);
        }
        tab.travels().await;
        tab.sees_at(host, &format!("/page/{n}?n={n}%26"));
        jar = tab.jar.clone();
    }
    assert_eq!(all(&world).len(), 3);
}

#[tokio::test]
async fn a_lost_form_survives_the_way_over_the_portal() {
    let world = world().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_from(WIKI, "/vault/form").await;
    world.advance(minutes(120));
    alice.host = WIKI.to_owned();
    let lines = "Accept: text/html\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n\
                 Origin: http://wiki.two.example\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let before = world.upstream.count();
    let answer = alice.asks("POST", "/vault/orders?id=7", lines, b"text=three+hours&n=1").await;
    answer.is(303);
    alice.page = answer;
    alice.travels().await;
    alice.is_on(PORTAL, "login");
    assert!(alice.page.text().contains("Your form is saved") || alice.page.text().contains("form"), "{}", alice.page.text());
    alice.types_password().await.is(303);
    alice.travels().await;
    alice.is_on(PORTAL, "mfa/totp");
    alice.types_the_next_code().await.is(303);
    alice.travels().await;
    alice.is_on(WIKI, "resume");
    assert_eq!(world.upstream.count(), before, "nothing was sent yet");
    let field = html::forms(&alice.page.text()).into_iter().find(|form| form.action.contains("/vault/orders")).unwrap();
    let (name, value) = field.fields.iter().find(|(name, _)| name == "vestibule-saved-post").unwrap().clone();
    let sent = alice
        .asks(
            "POST",
            "/vault/orders?id=7",
            &lines.replace("application/x-www-form-urlencoded", "text/plain"),
            format!("{name}={value}\r\n").as_bytes(),
        )
        .await;
    sent.is(200);
    let seen = world.upstream.last();
    assert_eq!((seen.target(), seen.body.as_slice()), ("/vault/orders?id=7", b"text=three+hours&n=1".as_slice()));
    // Nobody else's browser sees it, and the portal's own page knows no form.
    alice.goes_to(&format!("http://{PORTAL}{PREFIX}/resume?id={}", value.split('.').next().unwrap())).await.is(404);
}

#[tokio::test]
async fn a_first_factor_is_set_up_at_the_portal_on_the_way() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    alice.comes_to(WIKI, "/vault/a?b=c").await;
    alice.types_password().await.is(303);
    alice.travels().await;
    alice.is_on(PORTAL, "enrol");
    alice.enrols_an_app("My phone").await;
    alice.is_on(PORTAL, "login");
    alice.types_password().await.is(303);
    alice.travels().await;
    alice.types_the_next_code().await.is(303);
    alice.travels().await;
    alice.sees_at(WIKI, "/vault/a?b=c");
}

#[tokio::test]
async fn a_set_up_link_on_an_applications_host_leads_to_the_portals() {
    let world = world().await;
    let (mut newcomer, token) = world.newcomer("carla").await;
    newcomer.comes_to(WIKI, &format!("/.vestibule/setup?token={token}")).await;
    newcomer.is_on(PORTAL, "setup");
    newcomer.sends("setup", &[("password", PASSWORD)]).await.is(303);
    newcomer.travels().await;
}

#[tokio::test]
async fn a_link_by_mail_leads_to_the_portal() {
    let world = world_with("[mail]\nurl = \"smtp://127.0.0.1:25\"\nfrom = \"Door <door@post.example>\"").await;
    let mut alice = world.person("alice", &[]).await;
    alice.comes_to(WIKI, "/.vestibule/reset").await;
    alice.is_on(PORTAL, "reset");
    alice.sends("reset", &[("username", "alice")]).await.is(200);
    let text = soon(async {
        loop {
            if let Some(mail) = world.outbox.last_to("alice@post.example") {
                return mail.text;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(text.contains("http://login.one.example/.vestibule/reset?token="), "{text}");
}

#[tokio::test]
async fn the_assertion_is_the_portals_word() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_from(WIKI, "/").await;
    let seen = world.upstream.last();
    let assertion = seen.values("x-vestibule-assertion")[0].to_owned();
    let claims = assertion.split('.').nth(1).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap();
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("http://login.one.example"), &json!("wiki")));
}

#[tokio::test]
async fn another_proxys_question_leads_over_the_host_to_the_portal() {
    let world = world_with("[forward_auth]\nfrom = [\"127.0.0.1\"]").await;
    let mut alice = world.person("alice", &[]).await;
    let mut proxy = world.at_a_browser("proxy");
    proxy.host = "127.0.0.1".into();
    let question = |url: &str, cookie: &str| {
        format!("X-Original-URL: {url}\r\nX-Original-Method: GET\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n{cookie}")
    };
    let answer = proxy.asks("GET", "/.vestibule/auth/nginx", &question("http://wiki.two.example/a?b=c", ""), b"").await;
    let to = answer.is(401).location().to_owned();
    assert!(to.starts_with("http://wiki.two.example/.vestibule/login?rd="), "{to}");
    alice.goes_to(&to).await;
    alice.travels().await;
    alice.is_on(PORTAL, "login");
    alice.types_password().await.is(303);
    alice.travels().await;
    alice.sees_at(WIKI, "/a?b=c");
    let cookie = format!("Cookie: vestibule={}\r\n", alice.jar.of("vestibule", WIKI).unwrap());
    let answer = proxy.asks("GET", "/.vestibule/auth/nginx", &question("http://wiki.two.example/a?b=c", &cookie), b"").await;
    assert_eq!(answer.is(200).header("remote-user"), Some("alice"));
    // The portal itself is nothing that another proxy forwards.
    let answer = proxy.asks("GET", "/.vestibule/auth/nginx", &question("http://login.one.example/x", &cookie), b"").await;
    assert_eq!(answer.status, 403);
    let answer = proxy.asks("GET", "/.vestibule/auth/nginx", &question("http://login.one.example/", &cookie), b"").await;
    assert_eq!(answer.status, 403);
    alice.signs_out_from(WIKI, PORTAL).await;
    proxy.asks("GET", "/.vestibule/auth/nginx", &question("http://wiki.two.example/", &cookie), b"").await.is(401);
}

#[tokio::test]
async fn a_provider_comes_back_to_the_portal_and_its_logout_ends_every_host() {
    let (world, provider) = crate::providers::world_with(ROUTES).await;
    provider.says(json!({ "sid": "s1" }));
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.comes_to(WIKI, "/a?b=c").await;
    alice.is_on(PORTAL, "login");
    let away = alice.presses_the_button().await;
    let redirect = url::Url::parse(&away).unwrap().query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    assert_eq!(redirect, "http://login.one.example/.vestibule/callback/corp");
    let back = provider.lets_in(&away);
    alice.goes_to(&back).await.is(303);
    alice.travels().await;
    alice.sees_at(WIKI, "/a?b=c");
    alice.comes_to(HOST, "/").await;
    alice.sees_at(HOST, "/");
    let (mut socket, answer) = alice.opens_socket("/ws", "http://app.example").await;
    answer.is(101);
    let mut back_channel = world.at_a_browser("the provider");
    back_channel.host = PORTAL.into();
    let body = format!("logout_token={}", provider.logout_token(json!({ "sid": "s1" })));
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    back_channel.asks("POST", "/.vestibule/backchannel/corp", form, body.as_bytes()).await.is(200);
    assert_eq!(socket.hear().await, None, "the tunnel is cut");
    assert!(!alice.passes_at(WIKI).await && !alice.passes_at(HOST).await && all(&world).is_empty());
}

#[tokio::test]
async fn a_code_by_mail_works_as_ever() {
    let world = world().await;
    let mut alice = world.person_with("alice", &[Method::Email]).await;
    alice.comes_to(WIKI, "/vault/1").await;
    alice.types_password().await.is(303);
    alice.travels().await;
    let code = alice.mailed_code();
    alice.types_code(&code).await.is(303);
    alice.travels().await;
    alice.sees_at(WIKI, "/vault/1");
}

#[tokio::test]
async fn a_guest_comes_in_by_a_code_and_by_an_invitation() {
    let shop = "[[routes]]\nname = \"guests\"\nhosts = [\"guests.two.example\"]\nupstreams = [\"UPSTREAM\"]\npolicy = \"one_factor\"\n\
                guests = [\"*@partner.example\"]\n";
    let mail = "[mail]\nurl = \"smtp://127.0.0.1:25\"\nfrom = \"Door <door@post.example>\"\n";
    let world = world_with(&format!("{mail}{shop}")).await;
    let mut bob = world.at_a_browser("bob");
    bob.comes_to("guests.two.example", "/a?b=c").await;
    bob.is_on(PORTAL, "login");
    bob.sends("login", &[("username", "bob@partner.example"), ("guest", "1")]).await.is(303);
    bob.travels().await;
    bob.is_on(PORTAL, "mfa/email");
    let text = world.outbox.last_to("bob@partner.example").unwrap().text;
    let code = text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).unwrap().to_owned();
    bob.types_code(&code).await.is(303);
    bob.travels().await;
    bob.sees_at("guests.two.example", "/a?b=c");
    // A guest of one route is nobody on the others.
    bob.host = WIKI.to_owned();
    bob.comes_to(WIKI, "/").await;
    assert_eq!((bob.host.as_str(), bob.page.status), (WIKI, 403));
    let services = &world.app().services;
    let actor = vestibule::service::audit::Actor::CommandLine;
    let token = services.guests.invite("carol@partner.example", "guests", minutes(60), actor).await.unwrap();
    let mut carol = world.at_a_browser("carol");
    carol.comes_to("guests.two.example", &format!("/.vestibule/invite?token={}", token.expose())).await;
    carol.is_on(PORTAL, "invite");
    carol.sends("invite", &[]).await.is(303);
    carol.travels().await;
    carol.sees_at("guests.two.example", "/");
    // And by a link that leads to the portal at once.
    let token = services.guests.invite("dan@partner.example", "guests", minutes(60), actor).await.unwrap();
    let mut dan = world.at_a_browser("dan");
    dan.comes_to(PORTAL, &format!("/.vestibule/invite?token={}", token.expose())).await;
    dan.sends("invite", &[]).await.is(303);
    dan.travels().await;
    dan.sees_at("guests.two.example", "/");
}
