//! What becomes of single directives, and that whatever is read comes out as a configuration. The same requests to nginx and to the result:
//! `tests/it/nginx.rs`.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::base::{ClientAddr, Host};
use crate::cli::init::render::render;
use crate::policy::{Ask, Certificate, Decision, ForbidReason, Policy, decide};

fn made(text: &str) -> Policy {
    let text = render(&draft(text, BasePolicy::Observe).unwrap());
    let loaded = crate::config::parse(&text, Path::new("x.toml"), []).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    Policy::new(loaded.config.routes, "/.vestibule")
}

/// What a stranger gets from 192.0.2.1 at `host/path`: the upstream's port, or a word.
fn asked(policy: &Policy, method: &str, url: &str, from: &str) -> String {
    let (host, target) = url.split_at(url.find('/').unwrap());
    let (host, path) = (Host::parse(host.as_bytes()).unwrap(), crate::path::Path::parse(target.as_bytes()).unwrap());
    let method = method.parse().unwrap();
    let ask = Ask {
        host: &host,
        method: &method,
        client: ClientAddr::new(from.parse().unwrap()),
        path: &path,
        form: false,
        certificate: Certificate::Absent,
    };
    match decide(policy, &ask, None, crate::base::Time::from_secs(0)) {
        Decision::Allow(admission) => policy.admitted(&admission).unwrap().1.upstreams[0].port.to_string(),
        Decision::Challenge { .. } => "sign in".to_owned(),
        Decision::Forbid { reason: ForbidReason::Deny, .. } => "deny".to_owned(),
        other => format!("{other:?}"),
    }
}

fn gets(policy: &Policy, url: &str) -> String {
    asked(policy, "GET", url, "192.0.2.1")
}

fn server(block: &str) -> Policy {
    made(&format!("server {{ listen 80; server_name a.example; {block} }}"))
}

#[test]
fn locations_become_routes_and_what_lies_between_becomes_patterns() {
    let policy = server(
        "location / { proxy_pass http://x:1; } location /b/ { proxy_pass http://x:2; } location /c { proxy_pass http://x:3; } location = /d { proxy_pass http://x:4; }",
    );
    for (path, wanted) in
        [("/", "1"), ("/b/x", "2"), ("/bx", "1"), ("/c", "3"), ("/c/x", "3"), ("/cx", "deny"), ("/d", "4"), ("/d/x", "deny")]
    {
        assert_eq!(gets(&policy, &format!("a.example{path}")), wanted, "{path}");
    }
    assert_eq!(gets(&policy, "b.example/"), "NoRoute");
}

#[test]
fn expressions_close_what_they_match_and_a_little_more() {
    let policy = server(
        "location / { proxy_pass http://x:1; } location ~ /\\.(?!well-known) { deny all; } location ~* \\.bak$ { return 404; } location ^~ /plain/ { proxy_pass http://x:1; }",
    );
    for (path, wanted) in [
        ("/x", "1"),
        ("/.git", "deny"),
        ("/a/.git/x", "deny"),
        ("/x.BAK", "deny"),
        ("/x.bakery", "1"),
        ("/plain/.git", "1"),
        ("/.well-known/x", "deny"),
    ] {
        assert_eq!(gets(&policy, &format!("a.example{path}")), wanted, "{path}");
    }
}

#[test]
fn an_expression_opens_only_what_it_matches_exactly() {
    let inside = |expression: &str| {
        server(&format!(
            "auth_basic x; auth_basic_user_file p; location / {{ proxy_pass http://x:1; }} location ~ {expression} {{ auth_basic off; proxy_pass http://x:1; }}"
        ))
    };
    let exact = inside("^/api/");
    assert_eq!((gets(&exact, "a.example/api/x"), gets(&exact, "a.example/x")), ("1".into(), "sign in".into()));
    let wider = inside("^/v[0-9]/");
    assert_eq!(gets(&wider, "a.example/v1/x"), "sign in");
}

#[test]
fn what_is_not_understood_is_closed_where_it_stands() {
    for block in [
        "access_by_lua_file x; location / { proxy_pass http://x:1; }",
        "location / { auth_jwt x; proxy_pass http://x:1; }",
        "if ($http_x = 1) { return 403; } location / { proxy_pass http://x:1; }",
        "ssl_verify_client on; location / { proxy_pass http://x:1; }",
        "location / { proxy_pass http://$x; }",
        "location / { proxy_pass http://x:1/y/; }",
        "location / { rewrite ^ /y break; proxy_pass http://x:1; }",
        "location / { fastcgi_pass x:1; }",
        "location / { internal; proxy_pass http://x:1; }",
        "location / { root /srv; }",
        "return 403; location / { proxy_pass http://x:1; }",
    ] {
        assert_eq!(gets(&server(block), "a.example/"), "deny", "{block}");
    }
    let policy = server("rewrite ^/old/ /new last; location / { proxy_pass http://x:1; }");
    assert_eq!((gets(&policy, "a.example/old/x"), gets(&policy, "a.example/x")), ("deny".into(), "1".into()));
}

#[test]
fn addresses_count_only_if_they_are_the_same_here() {
    let lists = "location / { allow 10.0.0.0/8; deny all; proxy_pass http://x:1; }";
    let from_inside = |policy: &Policy| asked(policy, "GET", "a.example/", "10.1.1.1");
    assert_eq!(from_inside(&server(lists)), "1");
    assert_eq!(gets(&server(lists), "a.example/"), "deny");
    assert_eq!(from_inside(&server(&format!("set_real_ip_from 10.0.0.5; real_ip_header CF-Connecting-IP; {lists}"))), "deny");
    let draft = draft(
        &format!("set_real_ip_from 10.0.0.5; real_ip_header X-Forwarded-For; server {{ server_name a; {lists} }}"),
        BasePolicy::Observe,
    )
    .unwrap();
    assert_eq!(draft.trusted_proxies, ["10.0.0.5/32"]);
}

#[test]
fn servers_that_share_a_name_are_told_apart() {
    let policy = made(
        "server { listen 80; server_name a.example; return 301 https://$host$request_uri; }\n\
         server { listen 443 ssl; server_name a.example; location / { proxy_pass http://x:1; } }\n\
         server { listen 80 default_server; location / { proxy_pass http://x:2; } }\n\
         server { server_name gone.example; return 301 https://a.example; }\n\
         server { server_name ~^x\\d+\\.b\\.example$; return 403; }\n\
         server { listen 127.0.0.1:81; server_name inside.example; location / { proxy_pass http://x:3; } }\n",
    );
    for (url, wanted) in
        [("a.example/", "1"), ("other/", "2"), ("gone.example/", "deny"), ("x1.b.example/", "deny"), ("inside.example/", "deny")]
    {
        assert_eq!(gets(&policy, url), wanted, "{url}");
    }
    assert_eq!(asked(&policy, "GET", "inside.example/", "127.0.0.1"), "3");
}

#[test]
fn a_name_that_is_only_sent_elsewhere_does_not_fall_to_the_catch_all() {
    let policy = made(
        "server { listen 80 default_server; location / { proxy_pass http://x:2; } }\n\
         server { server_name a.example www.a.example; if ($host = www.a.example) { return 301 http://a.example; } location / { proxy_pass http://x:1; } }",
    );
    assert_eq!(
        (gets(&policy, "www.a.example/"), gets(&policy, "a.example/"), gets(&policy, "b.example/")),
        ("deny".into(), "1".into(), "2".into())
    );
}

#[test]
fn an_expression_for_names_that_ends_in_no_domain_closes_what_would_answer_instead() {
    let policy =
        made("server { listen 80 default_server; location / { proxy_pass http://x:2; } } server { server_name ~^secret; return 403; }");
    assert_eq!(gets(&policy, "secret.example/"), "deny");
}

fn word() -> impl Strategy<Value = String> {
    let some = vec![
        "location",
        "server_name a.example",
        "server_name *.b.example",
        "listen 81",
        "proxy_pass http://x:1",
        "proxy_pass http://y",
        "deny all",
        "allow 10.0.0.0/8",
        "auth_basic x",
        "auth_basic off",
        "auth_request /x",
        "satisfy any",
        "return 301 https://x",
        "return 403",
        "rewrite ^/a /b last",
        "internal",
        "proxy_set_header Host \"a\\\"b\"",
        "unknown \u{e9} # x",
        "client_max_body_size 1m",
        "limit_except GET { deny all; }",
        "if ($x) { return 403; }",
        "try_files $uri @x",
        "upstream y { server z:1; }",
    ];
    prop::sample::select(some).prop_map(str::to_owned)
}

fn block() -> impl Strategy<Value = String> {
    let line = word().prop_map(|word| if word.ends_with('}') { word } else { format!("{word};") });
    let lines = prop::collection::vec(line, 0..6).prop_map(|lines| lines.join(" ")).boxed();
    let matchers = prop::sample::select(vec![
        "/",
        "/a",
        "/a/",
        "= /a",
        "^~ /a/b",
        "~ \\.x$",
        "~* ^/a/(b|c)",
        "~ [^x]",
        "@x",
        "/a%20b",
        "\"/a b\"",
        "/a/../b",
        "a",
    ]);
    (lines.clone(), prop::collection::vec((matchers, lines), 0..5)).prop_map(|(around, locations)| {
        let locations = locations.into_iter().map(|(matcher, inside)| format!("location {matcher} {{ {inside} }}"));
        format!("server {{ {around} {} }}\n", locations.collect::<Vec<_>>().join(" "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_is_read_comes_out_as_a_configuration(blocks in prop::collection::vec(block(), 1..4)) {
        let Ok(draft) = draft(&blocks.concat(), BasePolicy::Observe) else { return Ok(()) };
        let text = render(&draft);
        let loaded = crate::config::parse(&text, Path::new("x.toml"), []);
        prop_assert!(loaded.is_ok(), "{:?}\n{}\n{}", loaded.err(), blocks.concat(), text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "([a-z{};\\n# '\"$\\\\]|server \\{|location |proxy_pass ){0,80}") {
        let _ = draft(&text, BasePolicy::TwoFactor);
    }
}
