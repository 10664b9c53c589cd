//! Credentials for an application's own sign-in: one name and password, a bearer token, or each user's own.

use http::HeaderValue;

use crate::config::document::problem::Fault;
use crate::config::document::section::Section;
use crate::config::document::tree::Content;
use crate::config::readers::secret::{is_given, secret};
use crate::config::readers::value;
use crate::identity::authorization;
use crate::policy::UpstreamAuth;

pub(super) fn upstream_auth(route: &Section) -> Option<UpstreamAuth> {
    if !route.has("upstream_auth") {
        return None;
    }
    let s = route.section("upstream_auth");
    let (basic, bearer) = (basic(&s), bearer(&s));
    let remedy = "write basic = { user = \"svc\", password_file = \"app.secret\" }, basic = \"personal\", or bearer_file = \"app.secret\"";
    let given = usize::from(s.has("basic")) + usize::from(is_given(&s, "bearer"));
    if s.collector.outline.is_none() && given != 1 {
        let what = if given == 0 { "says nothing" } else { "says two things" };
        route.error("upstream_auth", Fault::new(what, remedy));
    }
    s.finish();
    basic.or(bearer)
}

/// `"personal"`, or a table.
fn basic(s: &Section) -> Option<UpstreamAuth> {
    let entry = s.entry("basic")?;
    let personal = value::choice(&[("personal", ())])(&entry);
    if entry.collector.outline.is_none() && !matches!(entry.structured().content, Content::Table(_)) {
        return personal.map(|()| UpstreamAuth::Personal).map_err(|fault| entry.error(fault)).ok();
    }
    let own = s.section("basic");
    let user = own.required("user", "write the name that the application knows: user = \"svc\"", value::label);
    let password = secret(&own, "password");
    if own.collector.outline.is_none() && !is_given(&own, "password") {
        own.error("password_file", Fault::new("missing", "name the file with the password: password_file = \"app.secret\""));
    }
    let value = user.zip(password).and_then(|(user, password)| {
        let value = authorization::basic(&user, &password);
        if value.is_none() {
            own.error(
                "user",
                Fault::new("the name has a colon, or the password has a control character", "choose others at the application"),
            );
        }
        value
    });
    own.finish();
    value.map(UpstreamAuth::Fixed)
}

fn bearer(s: &Section) -> Option<UpstreamAuth> {
    let token = secret(s, "bearer")?;
    let value: Option<HeaderValue> = authorization::bearer(&token);
    if value.is_none() {
        let key = if s.has("bearer_file") { "bearer_file" } else { "bearer" };
        let remedy = "a token has letters, digits and -._~+/= only, on one line; leave the word Bearer out";
        s.error(key, Fault::new("this is no bearer token", remedy));
    }
    value.map(UpstreamAuth::Fixed)
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{ROUTE, faults, read_with};
    use crate::policy::UpstreamAuth;

    fn of(value: &str) -> Result<Option<UpstreamAuth>, Vec<String>> {
        let text = format!("{ROUTE}upstream_auth = {value}\n");
        let found = faults(&text);
        if found.is_empty() {
            return Ok(read_with(&text, &[]).unwrap().config.routes[0].application.upstream_auth.clone());
        }
        assert!(found.iter().all(|fault| !fault.to_string().contains("hunter2")), "a secret is shown: {found:?}");
        Err(found.into_iter().map(|fault| fault.key).collect())
    }

    #[test]
    fn one_thing_is_said_and_no_secret_is_shown() {
        assert_eq!(of("{ basic = \"personal\" }"), Ok(Some(UpstreamAuth::Personal)));
        let fixed = |text: &'static str| Ok(Some(UpstreamAuth::Fixed(http::HeaderValue::from_static(text))));
        assert_eq!(of("{ basic = { user = \"svc\", password = \"hunter2\" } }"), fixed("Basic c3ZjOmh1bnRlcjI="));
        assert_eq!(of("{ bearer = \"hunter2\" }"), fixed("Bearer hunter2"));
        for (wrong, key) in [
            ("{ }", "upstream_auth"),
            ("{ basic = \"personal\", bearer = \"hunter2\" }", "upstream_auth"),
            ("{ basic = \"own\" }", "upstream_auth.basic"),
            ("{ basic = { user = \"svc\" } }", "upstream_auth.basic.password_file"),
            ("{ basic = { password = \"hunter2\" } }", "upstream_auth.basic.user"),
            ("{ basic = { user = \"a:b\", password = \"hunter2\" } }", "upstream_auth.basic.user"),
            ("{ bearer = \"Bearer hunter2\" }", "upstream_auth.bearer"),
            ("{ bearer_file = \"/nowhere\" }", "upstream_auth.bearer_file"),
        ] {
            assert_eq!(of(wrong), Err(vec![format!("routes[0].{key}")]), "{wrong}");
        }
    }
}
