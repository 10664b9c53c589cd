//! What an operator sees: every fault with its place and a remedy, all at once, and no panic whatever the file holds.

use proptest::prelude::*;

use super::*;

const SAMPLE: &str = include_str!("../../config/vestibule.toml");
const REFERENCE: &str = include_str!("../../docs/reference.md");
/// A route that is whole, for tests about something else.
pub(super) const ROUTE: &str = "[[routes]]\nname = \"a\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n";

fn read(text: &str) -> Result<Loaded, Problems> {
    parse(text, Path::new("vestibule.toml"), [])
}

pub(super) fn read_with(text: &str, env: &[(&str, &str)]) -> Result<Loaded, Problems> {
    parse(text, Path::new("vestibule.toml"), env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

pub(super) fn faults(text: &str) -> Vec<Problem> {
    let problems = match read(text) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems.0,
    };
    problems.into_iter().filter(|p| p.severity == Severity::Error).collect()
}

fn warnings(text: &str) -> Vec<String> {
    read(text).unwrap().warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn the_sample_is_right_and_as_the_defaults() {
    let loaded = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/vestibule.toml"), []).unwrap();
    assert_eq!(loaded.warnings, []);
    let config = read(SAMPLE).unwrap().config;
    let default = Config::default();
    for (written, default) in [
        (format!("{:?}", config.session), format!("{:?}", default.session)),
        (format!("{:?}", config.password), format!("{:?}", default.password)),
        (format!("{:?}", config.mfa), format!("{:?}", default.mfa)),
        (format!("{:?}", config.limits), format!("{:?}", default.limits)),
        (format!("{:?}", config.store), format!("{:?}", default.store)),
        (format!("{:?}", config.admin), format!("{:?}", default.admin)),
        (format!("{:?}", config.portal), format!("{:?}", default.portal)),
    ] {
        assert_eq!(written, default);
    }
    let wiki = &config.routes[0];
    assert_eq!((wiki.path.as_str(), wiki.rules[0].paths[0].as_str()), ("", "/admin"));
    let line = SAMPLE.lines().position(|line| line.starts_with("[[expect]]")).unwrap() + 1;
    assert_eq!(config.expect[0].at, format!("vestibule.toml:{line}"));
}

#[test]
fn an_empty_file_is_the_default_with_one_listener_and_a_warning() {
    let loaded = read("").unwrap();
    let mut default = Config::default();
    default.server.listen = vec!["127.0.0.1:8080".parse().unwrap()];
    assert_eq!(format!("{:?}", loaded.config), format!("{default:?}"));
    assert!(loaded.warnings.iter().any(|w| w.key == "routes" && w.line.is_none()));
}

#[test]
fn every_key_stands_in_the_sample_and_in_the_reference() {
    let text = format!("[[server.tls]]\n[sms]\n{ROUTE}[[routes.rules]]\n[[expect]]\n");
    let collector = ProblemCollector::new(Path::new("x"));
    build(&collector, &document::tree::read(&text).unwrap());
    let keys = collector.known();
    assert!(keys.len() > 70, "{}", keys.len());
    for key in keys {
        let name = key.rsplit('.').next().unwrap();
        assert!(name.ends_with(']') || SAMPLE.contains(name), "{key} is not in the sample");
        assert!(name.ends_with(']') || REFERENCE.contains(&format!("`{name}`")), "{key} is not in the reference");
    }
}

/// Each line put into its section gives one fault: at that key and line, with those words.
#[test]
fn each_fault_has_its_key_its_line_and_a_remedy() {
    for (section, line, key, said) in [
        ("server", "listen = \"127.0.0.1:80\"", "listen", "put it in brackets: [\"127.0.0.1:80\"]"),
        ("server", "listen = [\":8080\"]", "listen[0]", "127.0.0.1:8080"),
        ("server", "listen = [\"[::1]:80\", \"[::1]:80\"]", "listen[1]", "listened on already"),
        ("server", "lisen = []", "lisen", "did you mean “listen”?"),
        ("server", "trusted_proxies = [\"10.0.0.1/8\"]", "trusted_proxies[0]", "write 10.0.0.0/8"),
        ("server", "threads = 0", "threads", "from 1 to 1024"),
        ("server", "tls = [{ listen = \"127.0.0.1:1\" }]", "tls[0].certificates", "needs a certificate"),
        ("portal", "prefix = \"login\"", "prefix", "start it with a slash"),
        ("portal", "prefix = \"/\"", "prefix", "/.vestibule"),
        ("portal", "prefix = \"/Gate\"", "prefix", "write /gate"),
        ("portal", "prefix = \"/a//b\"", "prefix", "write “/a/b”"),
        ("session", "cookie = \"__Host-x\"", "cookie", "leave __Host-"),
        ("session", "cookie = \"a b\"", "cookie", "is no cookie name"),
        ("session", "domain = \".example.org\"", "domain", "write “example.org”"),
        ("session", "domain = \"10.0.0.1\"", "domain", "domain name alone"),
        ("session", "lifetime = 3600", "lifetime", "\"3600s\""),
        ("session", "lifetime = \"1 hour\"", "lifetime", "30s, 5m, 12h, 30d"),
        ("session", "idle_timeout = \"13h\"", "idle_timeout", "at most 12h"),
        ("password", "parallelism = 64\nmemory_kib = 256", "memory_kib", "RFC 9106"),
        ("password", "min_length = 7", "min_length", "from 8 to 64"),
        ("password", "iterations = 2.5", "iterations", "not a fraction"),
        ("mfa", "policy = \"requird\"", "policy", "did you mean “required”?"),
        ("mfa", "methods = [\"recovery\"]", "methods[0]", "totp, webauthn, email, sms"),
        ("mfa.otp", "digits = 5", "digits", "from 6 to 10"),
        ("mfa.otp", "lifetime = \"11m\"", "lifetime", "to 10m"),
        ("mfa.totp", "period = \"10s\"", "period", "15s to 2m"),
        ("mfa.totp", "skew = 3", "skew", "from 0 to 2"),
        ("limits", "login_per_ip = \"60\"", "login_per_ip", "60/m"),
        ("limits", "login_per_account = \"0/m\"", "login_per_account", "above zero"),
        ("limits", "lockout_after = 0", "lockout_after", "from 1 to 1000000"),
        ("store", "url = \"sled:../x\"", "url", "below data_dir"),
        ("store", "url = \"postgres://h/db\"", "url", "no user"),
        ("store", "url = \"postgres://u@h\"", "url", "no database"),
        ("store", "url = \"postgres://u@h/db?sslmode=prefer\"", "url", "verify-full or disable"),
        ("store", "url = \"postgresql://u@h/db?sslmod=require\"", "url", "not known"),
        ("mail", "url = \"http://h\"\nfrom = \"a@b.example\"", "url", "smtps"),
        ("mail", "from = \"nobody\"\nurl = \"smtp://h:25\"", "from", "not a mail address"),
        ("sms", "url = \"ftp://h\"\nbody = '{{phone}}{{text}}'", "url", "not an http or https URL"),
        ("sms", "body = '{{ phone | raw }}'\nurl = \"http://h\"", "body", "“raw” is no filter"),
        ("sms", "body = '{{ code }}'\nurl = \"http://h\"", "body", "“code” is no value"),
        ("admin", "groups = [\"a,b\"]", "groups[0]", "without commas"),
    ] {
        let text = format!("{ROUTE}[{section}]\n{line}\n");
        let found = faults(&text);
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        let place = 6 + line.lines().position(|l| l.starts_with(key.split(['[', '.']).next().unwrap())).unwrap();
        assert_eq!((found[0].line, found[0].key.as_str()), (Some(place), format!("{section}.{key}").as_str()), "{line}");
        assert!(found[0].to_string().contains(said), "{line}: {}", found[0]);
    }
}

#[test]
fn a_database_over_a_network_without_tls_is_warned_of() {
    let said = |url: &str| warnings(&format!("{ROUTE}[store]\nurl = \"{url}\"\n")).concat();
    assert!(said("postgres://u:hunter2@h/db?sslmode=disable").contains("in the clear"));
    for url in ["postgres://u:p@h:5432/db", "postgres://u@127.0.0.1/db?sslmode=disable", "postgres://u@%2Frun%2Fpg/db?sslmode=disable"] {
        assert!(!said(url).contains("in the clear"), "{url}");
    }
}

/// Each line is added to a route that is right but for it.
#[test]
fn faults_of_routes_are_found_one_by_one() {
    for (line, key, said) in [
        ("hosts = [\"a.*.b\"]", "hosts[0]", "only be the first label"),
        ("hosts = [\"a:80\"]", "hosts[0]", "has a port"),
        ("hosts = []", "hosts", "leave the key out"),
        ("path = \"/a%2fb\"", "path", "has the character “%”"),
        ("path = \"/a;b\"", "path", "has the character “;”"),
        ("path = \"/a/../b\"", "path", "dot segment"),
        ("path = \"/.vestibule/x\"", "path", "portal.prefix"),
        ("groups = []", "groups", "leave the key out"),
        ("factors = [\"totp\"]", "factors", "no meaning with policy one_factor"),
        ("max_age = \"5m\"", "max_age", "no meaning with policy one_factor"),
        ("polcy = \"deny\"", "polcy", "did you mean “policy”?"),
        ("proxy = { host = \"a b\" }", "proxy.host", "preserve, upstream"),
        ("proxy = { ca = \"nowhere.pem\" }", "proxy.ca", "cannot be read"),
        ("rules = [{ paths = [\"x\"] }]", "rules[0].paths[0]", "start it with a slash"),
        ("rules = [{ paths = [] }]", "rules[0].paths", "leave the key out"),
        ("rules = [{ methods = [\"post\"] }]", "rules[0].methods[0]", "write “POST”"),
        ("rules = [{ networks = [\"x\"] }]", "rules[0].networks[0]", "10.0.0.0/8"),
        ("rules = [{ policy = \"bypass\", groups = [\"a\"] }]", "rules[0].groups", "nobody is asked to sign in"),
    ] {
        let found = faults(&format!("{ROUTE}{line}\n"));
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert_eq!((found[0].line, found[0].key.as_str()), (Some(5), format!("routes[0].{key}").as_str()), "{line}");
        assert!(found[0].to_string().contains(said), "{line}: {}", found[0]);
    }
    for upstream in
        ["127.0.0.1:1", "ftp://h", "http://h/x", "http://u@h", "http://h:0", "http://h\\x", "http:h", "http://h?q", "http://a\tb"]
    {
        let found = faults(&ROUTE.replace("\"http://127.0.0.1:1\"", &format!("'{upstream}'")));
        assert_eq!((found.len(), found[0].key.as_str()), (1, "routes[0].upstreams[0]"), "{upstream}");
    }
}

#[test]
fn two_routes_for_the_same_place_name_both_lines() {
    let second = ROUTE.replace("\"a\"", "\"b\"") + "path = \"/\"\n";
    let found = faults(&format!("{ROUTE}{second}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].line, Some(9));
    assert!(found[0].what.contains("vestibule.toml:1"), "{}", found[0]);
    let found = faults(&format!("{ROUTE}{}", ROUTE.to_owned() + "path = \"/x\"\n"));
    assert!(found[0].to_string().contains("another route is called “a” (vestibule.toml:2)"), "{}", found[0]);
}

#[test]
fn ten_faults_are_ten_problems() {
    let text = "[server]\nthreads = -1\nlisten = [\"x\"]\n[session]\nlifetime = \"x\"\ncookie = 5\n[mfa]\npolicy = \"x\"\n[mfa.otp]\ndigits = 1\n\
                [limits]\nlockout = \"0s\"\nlogin_per_ip = \"x\"\n[nonsense]\n[[routes]]\nname = \"a\"\npolicy = \"one_factor\"\n";
    let found = faults(text);
    assert_eq!(found.len(), 10, "{}", Problems(found));
    let lines: Vec<_> = found.iter().filter_map(|p| p.line).collect();
    assert!(lines.is_sorted() && lines.len() == 10);
}

#[test]
fn a_rule_takes_from_its_route_what_it_leaves_out() {
    let text = ROUTE.replace("one_factor", "two_factor")
        + "groups = [\"staff\"]\nfactors = [\"webauthn\"]\nmax_age = \"5m\"\nenforce = false\n\
           [[routes.rules]]\npaths = [\"/a/\"]\n[[routes.rules]]\npolicy = \"bypass\"\npaths = [\"/b\"]\nenforce = true\n";
    let routes = read(&text).unwrap().config.routes;
    let [same, open] = [&routes[0].rules[0].requirement, &routes[0].rules[1].requirement];
    assert_eq!(format!("{same:?}"), format!("{:?}", routes[0].requirement));
    assert_eq!((open.level, open.groups.clone(), open.factors, open.enforce), (crate::policy::Level::Bypass, None, None, true));
}

#[test]
fn what_is_legal_but_unwise_is_a_warning() {
    let bypass = ROUTE.replace("one_factor", "bypass");
    let two = ROUTE.replace("one_factor", "two_factor");
    for (text, said) in [
        (format!("{ROUTE}[server]\nlisten = [\"0.0.0.0:8080\"]\n"), "plain HTTP"),
        (format!("{ROUTE}[server]\ntrusted_proxies = [\"::/0\"]\n"), "everybody is believed"),
        (format!("{ROUTE}[session]\ndomain = \"co.uk\"\n"), "not one organisation's"),
        (format!("{ROUTE}[session]\ndomain = \"localhost\"\n"), "not one organisation's"),
        (format!("{ROUTE}[password]\nmemory_kib = 1024\n"), "OWASP"),
        (format!("{ROUTE}[mfa]\nfirst_enrolment = \"password\"\n"), "thief"),
        (format!("{two}[mfa]\npolicy = \"off\"\n"), "closes to everybody"),
        (format!("{two}factors = [\"sms\"]\n"), "restricted authenticator"),
        (format!("{two}[mail]\nurl = \"smtp://127.0.0.1:25\"\nfrom = \"a@b.example\"\n"), "open the two-factor routes"),
        (bypass, "open to everybody"),
        (ROUTE.to_owned(), "without [mail]"),
        (format!("{ROUTE}hosts = [\"evilx.example\"]\n[session]\ndomain = \"x.example\"\n"), "nobody can stay signed in"),
        (format!("{ROUTE}hosts = [\"b.example\"]\n[mfa.webauthn]\nrp_id = \"x.example\"\n"), "no key works there"),
        (format!("{ROUTE}[limits]\nlockout_after = 101\n"), "NIST"),
        (format!("{ROUTE}[sms]\nurl = \"http://h\"\nbody = '{{{{ text }}}}'\n"), "never uses “phone”"),
        (format!("{ROUTE}[[routes.rules]]\npaths = [\"/a\"]\n[[routes.rules]]\npaths = [\"/a/b\"]\n"), "rule 1 of the route covers it"),
        (format!("{ROUTE}[mail]\nurl = \"smtp://u:p@mail.example:25\"\nfrom = \"a@b.example\"\n"), "in the clear"),
    ] {
        let found = warnings(&text);
        assert!(found.iter().any(|w| w.contains(said)), "{said}: {found:?}");
    }
}

#[test]
fn broken_syntax_is_named_with_its_line() {
    for text in ["[server]\nlisten = [\n", "[server]\nthreads = 1\nthreads = 2\n", "[server]\nx = 1x\n"] {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}");
        assert!(found[0].line.is_some_and(|line| line > 1) && found[0].what.contains("TOML"), "{}", found[0]);
    }
    let missing = load(Path::new("/nowhere/vestibule.toml"), []).unwrap_err();
    assert!(missing.to_string().contains("--config FILE"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_text_panics(text in "(?s).{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn no_mutation_of_the_sample_panics(at in 0..SAMPLE.len(), cut in 0usize..40, put in "[\\[\\]{}\"'=.a-z0-9/*:é\n]{0,6}") {
        let head = SAMPLE.floor_char_boundary(at);
        let tail: String = SAMPLE[head..].chars().skip(cut).collect();
        let _ = read(&format!("{}{put}{tail}", &SAMPLE[..head]));
    }

    #[test]
    fn no_value_panics_anywhere(value in "(?s).{0,24}", key in 0usize..200) {
        let collector = ProblemCollector::new(Path::new("x"));
        build(&collector, &document::tree::read(&format!("[[server.tls]]\n[sms]\n{ROUTE}[[routes.rules]]\n[[expect]]\n")).unwrap());
        let keys = collector.known();
        let name = document::variable::variable_for(&keys[key % keys.len()]);
        let _ = read_with(SAMPLE, &[(&name, &value)]);
    }
}

#[test]
fn a_mapped_network_is_the_ipv4_network() {
    let text = format!("[server]\ntrusted_proxies = [\"::ffff:10.0.0.0/104\", \"::ffff:192.0.2.1\", \"2001:db8::/32\"]\n{ROUTE}");
    let networks: Vec<String> = read(&text).unwrap().config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]);
}
