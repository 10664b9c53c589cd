//! What holds for every page in every language: no inline style or script, 50 KB at most, tokens in every form, escaped text; and the
//! names that the contract gives.

use super::parts::assets;
use super::{Words, gallery};

fn each(check: impl Fn(&str, &str)) {
    for words in Words::all() {
        for (name, markup) in gallery::pages(words) {
            check(&format!("{name} ({})", words.meta.lang), &markup.into_string());
        }
    }
}

fn page(name: &str) -> String {
    let found = gallery::pages(Words::english()).into_iter().find(|(n, _)| *n == name);
    found.unwrap_or_else(|| panic!("no page {name}")).1.into_string()
}

#[test]
fn no_page_is_over_50_kb() {
    each(|name, html| assert!(html.len() < 50_000, "{name}: {} bytes", html.len()));
}

#[test]
fn a_strict_csp_holds() {
    let script = format!("<script type=\"module\" src=\"/.vestibule/assets/{}\"></script>", assets::script());
    each(|name, html| {
        let rest = html.replacen(&script, "", 1);
        for inline in ["<script", "<style", " style=", "javascript:", " onclick", " onload", " onsubmit"] {
            assert!(!rest.contains(inline), "{name}: {inline}");
        }
    });
}

#[test]
fn every_form_that_posts_stays_here_and_carries_the_token_and_the_way_back() {
    each(|name, html| {
        for form in html.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap();
            // A saved form is confirmed at its own URL, by a token that is good once.
            if form.contains("name=\"vestibule-saved-post\"") {
                assert!(name.starts_with("resume") && form.contains("method=\"post\""), "{name}: {form}");
                continue;
            }
            assert!(form.contains("action=\"/.vestibule/"), "{name}: {form}");
            let get = form.starts_with(" class=\"search");
            assert_eq!(form.contains("method=\"post\""), !get, "{name}: {form}");
            for field in ["name=\"csrf\" value=\"c5r7-sample\"", "name=\"rd\" value=\"/runs/2026?month=11&amp;view=all\""] {
                assert_eq!(form.contains(field), !get, "{name}: {field}");
            }
        }
    });
}

#[test]
fn the_way_back_is_in_the_links_of_the_sign_in_pages() {
    for name in ["login", "mfa", "mfa-totp", "mfa-email", "mfa-recovery", "mfa-webauthn", "reset", "signed-out"] {
        for href in page(name).split("href=\"/.vestibule/").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()) {
            let asset = href.starts_with("assets/");
            assert!(asset || href.contains("rd=%2Fruns%2F2026%3Fmonth%3D11%26view%3Dall"), "{name}: {href}");
        }
    }
}

#[test]
fn what_people_call_themselves_is_text() {
    assert!(page("account").contains("Alice &lt;script&gt;alert(1)&lt;/script&gt; &quot;&amp;"));
    each(|name, html| assert!(!html.contains("alert(1)</"), "{name}"));
}

#[test]
fn ids_are_unique_and_what_points_to_one_finds_it() {
    each(|name, html| {
        let values = |attribute: &str| -> Vec<String> {
            html.split(&format!(" {attribute}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
        };
        let ids = values("id");
        for (n, id) in ids.iter().enumerate() {
            assert!(!ids.iter().skip(n + 1).any(|other| other == id), "{name}: {id} twice");
        }
        for attribute in ["for", "aria-describedby", "aria-labelledby", "data-reveal", "data-codes"] {
            for id in values(attribute).iter().flat_map(|v| v.split(' ')) {
                assert!(ids.iter().any(|i| i == id), "{name}: {attribute} {id}");
            }
        }
        assert!(html.matches(" autofocus").count() <= 1, "{name}: more than one autofocus");
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
    });
}

#[test]
fn the_names_of_the_contract_are_there() {
    for (name, wanted) in [
        (
            "login",
            &[
                "name=\"username\"",
                "name=\"password\"",
                "id=\"passkey\"",
                "action=\"/.vestibule/login/passkey\"",
                "autocomplete=\"username webauthn\"",
                "autocomplete=\"current-password\"",
            ][..],
        ),
        ("login-wrong", &["role=\"alert\"", "value=\"alice\"", "aria-invalid=\"true\""]),
        (
            "mfa",
            &[
                "name=\"method\" value=\"totp\"",
                "name=\"method\" value=\"webauthn\"",
                "name=\"method\" value=\"email\"",
                "name=\"method\" value=\"sms\"",
                "/.vestibule/mfa/recovery?",
            ],
        ),
        ("mfa-totp", &["name=\"code\"", "autocomplete=\"one-time-code\"", "inputmode=\"numeric\"", "name=\"trust_device\""]),
        (
            "mfa-email",
            &[
                "id=\"countdown\" data-seconds=\"272\"",
                "id=\"resend\"",
                "action=\"/.vestibule/mfa/email/resend\"",
                " disabled",
                "http-equiv=\"refresh\"",
                "role=\"alert\"",
            ],
        ),
        ("mfa-recovery", &["name=\"code\"", "action=\"/.vestibule/mfa/recovery\""]),
        ("mfa-webauthn", &["name=\"credential\"", "data-options=\"{&quot;publicKey&quot;"]),
        ("enrol", &["name=\"method\" value=\"sms\"", "action=\"/.vestibule/enrol\""]),
        ("enrol-verify", &["action=\"/.vestibule/enrol/verify/send\""]),
        ("enrol-verify-sent", &["action=\"/.vestibule/enrol/verify\"", "name=\"code\""]),
        ("enrol-totp", &["id=\"totp-secret\"", "JBSW Y3DP", "href=\"otpauth://", "<svg", "name=\"code\"", "name=\"name\""]),
        ("enrol-webauthn", &["name=\"credential\"", "name=\"name\""]),
        ("enrol-recovery", &["id=\"recovery-codes\"", "name=\"saved\" value=\"1\""]),
        ("setup", &["name=\"token\"", "name=\"password\"", "autocomplete=\"new-password\""]),
        ("reset", &["name=\"username\""]),
        (
            "problem-429",
            &[
                "role=\"alert\"",
                "14 minutes",
                "id=\"countdown\" data-seconds=\"840\"",
                "http-equiv=\"refresh\"",
                "href=\"/.vestibule/login?rd=",
            ],
        ),
        ("logout", &["action=\"/.vestibule/logout\""]),
    ] {
        let html = page(name);
        for text in wanted {
            assert!(html.contains(text), "{name}: {text}");
        }
    }
    assert_eq!(page("enrol-recovery").matches("<code>").count(), 10);
}

#[test]
fn the_authenticator_page_neither_counts_down_nor_resends() {
    let html = page("mfa-totp");
    assert!(!html.contains("countdown") && !html.contains("resend"));
}

#[test]
fn the_button_to_resend_is_open_when_the_wait_is_over() {
    let html = page("mfa-sms");
    assert!(!html.contains(" disabled") && !html.contains("http-equiv=\"refresh\""));
}

#[test]
fn what_a_kept_form_holds_of_passwords_is_not_shown() {
    assert!(!page("resume").contains("hunter2"));
}

fn branded() -> Vec<(&'static str, String)> {
    let config = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/branded.toml");
    let brand = crate::config::load(&config, []).map_err(|p| p.to_string()).unwrap().config.portal.brand;
    let page = gallery::branded(Words::english(), brand);
    gallery::branded_pages(&page).into_iter().map(|(name, markup)| (name, markup.into_string())).collect()
}

#[test]
fn a_house_with_a_face_of_its_own_shows_it_on_every_page() {
    for (name, html) in branded() {
        for wanted in [
            "alt=\"Example Works\"",
            "<source srcset=\"/.vestibule/assets/logo-dark.",
            "/assets/house.",
            "/assets/favicon.",
            "Example Works</title>",
        ] {
            assert!(html.contains(wanted), "{name}: {wanted}");
        }
        assert!(!html.contains("<script>") && !html.contains(" style="), "{name}");
        // The stylesheet that goes over another comes after it.
        assert!(html.find("/assets/style.") < html.find("/assets/house."), "{name}");
        assert_eq!(html.contains("class=\"notice\""), name == "login", "{name}");
        assert_eq!(html.contains("href=\"mailto:help@internal.example\""), name != "account", "{name}");
    }
    let login = branded().remove(0).1;
    assert!(login.contains("<strong dir=\"auto\">Payroll</strong>") && login.contains("payroll.internal.example"), "title and host");
}
