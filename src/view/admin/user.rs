//! One user: who it is, the say over the second factors, and access. Every form posts to `admin/users/NAME` with a field `action`:
//! `profile` (`email`, `phone`, `display_name`, `groups`), `policy` (`policy`), `allow` (`server=1`, or `method` once for each),
//! `enrol` (`method`: email or sms), `provision` (`uri`), `reset` (`method`, or `all`), `recovery_codes`, `setup_link`, `mail_link`, `unlock`,
//! `link` (`provider`, `subject`), `unlink` (`provider`), `disable`, `enable`, `end_sessions`, `revoke_token` (`token`), `delete` (`confirm`: the
//! name).

use maud::{Markup, html};

use super::links::{LinkedRow, links};
use super::panel::{action, panel, path};
use super::user_tokens::tokens;
use super::{Place, State, admin};
use crate::account::{MfaPolicy, UserMfaPolicy};
use crate::base::Time;
use crate::factor::{Method, MethodSet};
use crate::view::account::fact;
use crate::view::pages::tokens::TokenRow;
use crate::view::parts::field::{Field, field};
use crate::view::parts::layout::{Ask, Note, Page, ask, button_form, form, note};
use crate::view::parts::{icon, time};
use crate::view::wording::words::fill;

/// A method that the user has set up, as an administrator sees it.
#[derive(Clone, Debug)]
pub struct MethodRow {
    pub method: Method,
    /// Names of keys, masked addresses; or empty.
    pub detail: String,
    pub added: Time,
    pub last_used: Option<Time>,
}

/// The user's policy and the server's, which holds where the user's is `inherit`.
#[derive(Clone, Copy, Debug, Default)]
pub struct PolicyChoice {
    pub own: UserMfaPolicy,
    pub server: MfaPolicy,
}

/// The client certificate that stands for a service account.
#[derive(Clone, Debug, Default)]
pub struct CertificateFacts {
    pub subject: String,
    /// The last that this gateway saw: its fingerprint, until when it is valid, and when it came.
    pub seen: Option<(String, Time, Time)>,
}

/// The page of one user; also the values of a form that was refused.
#[derive(Clone, Debug, Default)]
pub struct UserView {
    pub name: String,
    pub display_name: String,
    pub email: String,
    pub phone: String,
    pub groups: Vec<String>,
    pub note: Option<Note>,
    pub state: State,
    pub created: Time,
    pub last_sign_in: Option<Time>,
    pub sessions: usize,
    pub policy: PolicyChoice,
    pub methods: Vec<MethodRow>,
    /// Unused recovery codes and all of them, where there are any.
    pub recovery: Option<(usize, usize)>,
    /// What this user may set up; `None`: all that the server allows.
    pub allowed: Option<MethodSet>,
    /// What the server allows.
    pub server_methods: MethodSet,
    /// Who the user is at providers.
    pub links: Vec<LinkedRow>,
    /// The providers that the user may still be linked to, by name and title.
    pub providers: Vec<(String, String)>,
    /// The user signs in with a password that is kept here.
    pub has_password: bool,
    /// The next sign-in leads to choosing another.
    pub must_change_password: bool,
    /// A set-up link can be mailed.
    pub can_mail: bool,
    pub tokens: Vec<TokenRow>,
    /// An account for a machine.
    pub service: bool,
    pub certificate: Option<CertificateFacts>,
    /// The directory or provider that keeps the person, and why it lets them in no more; `None`: a local account.
    pub source: Option<(String, Option<String>)>,
}

/// `admin/users/NAME`.
pub fn user(page: &Page, view: &UserView) -> Markup {
    admin(
        page,
        Place::Users,
        &view.display_name,
        html! {
            (note(view.note.as_ref()))
            div.panels {
                (summary(page, view))
                (profile(page, view))
                @if !view.service {
                    (methods(page, view))
                    (policy(page, view))
                    (allowed(page, view))
                    (provision(page, view))
                }
                @if !view.links.is_empty() || !view.providers.is_empty() { (links(page, &view.name, &view.links, &view.providers)) }
                @if !view.tokens.is_empty() { (tokens(page, &view.name, &view.tokens)) }
                (access(page, view))
            }
        },
    )
}

/// A button that posts one action.
fn act(page: &Page, view: &UserView, action: &str, class: &str, label: &str) -> Markup {
    button_form(page, &path(&view.name), &[("action", action)], class, label)
}

/// The same, which asks first.
fn asked(page: &Page, view: &UserView, action: &str, class: &str, label: &str, question: &str) -> Markup {
    ask(page, &Ask { path: &path(&view.name), fields: &[("action", action)], class, label, name: "", question })
}

fn summary(page: &Page, view: &UserView) -> Markup {
    let words = &page.words.admin;
    panel(
        "s-user",
        &words.user,
        html! {
            p { (view.state.tag(page)) @if view.must_change_password { " " span.tag { (words.must_change) } } @if let State::Locked(until) = view.state { " " (words.locked_until) " " (time::moment(until)) } }
            dl.facts {
                (fact(&page.words.account.username, &view.name))
                div { dt { (words.created) } dd { (time::day(view.created)) } }
                div { dt { (words.last_sign_in) } dd { @match view.last_sign_in { Some(at) => (time::moment(at)), None => (page.words.common.never) } } }
                (fact(&words.active_sessions, &view.sessions.to_string()))
                @if view.service { (fact(&words.kind, &words.kind_service)) }
                @if let Some(certificate) = &view.certificate { (certificate_facts(page, certificate)) }
                @if let Some((source, closed)) = &view.source {
                    (fact(&words.source, source))
                    @if let Some(why) = closed { (fact(&words.source_closed, why)) }
                }
            }
        },
    )
}

fn certificate_facts(page: &Page, CertificateFacts { subject, seen }: &CertificateFacts) -> Markup {
    let words = &page.words.admin;
    html! {
        (fact(&words.certificate, subject))
        @if let Some((fingerprint, ends, at)) = seen {
            (fact(&words.certificate_fingerprint, fingerprint))
            div { dt { (words.certificate_expires) } dd { (time::day(*ends)) } }
            div { dt { (page.words.account.last_used) } dd { (time::moment(*at)) } }
        }
    }
}

/// The fields of a person, of a new user and of one that is changed.
pub(super) fn person(page: &Page, view: &UserView) -> Markup {
    let words = &page.words.admin;
    let groups = view.groups.join(", ");
    let text = |name, label, kind, value, optional| Field { name, label, kind, value, optional, ..Field::default() };
    let account = &page.words.account;
    html! {
        (field(page, &text("display_name", &words.display_name, "text", &view.display_name, false)))
        (field(page, &text("email", &account.email, "email", &view.email, false)))
        (field(page, &text("phone", &account.phone, "tel", &view.phone, true)))
        (field(page, &Field { hint: Some(&words.groups_hint), ..text("groups", &account.groups, "text", &groups, true) }))
    }
}

/// What the source keeps is shown and not changed; the number for codes may be set here.
fn kept_elsewhere(page: &Page, view: &UserView, source: &str) -> Markup {
    let (words, account) = (&page.words.admin, &page.words.account);
    let phone = Field { name: "phone", label: &account.phone, kind: "tel", value: &view.phone, optional: true, ..Field::default() };
    let facts = html! {
        p.hint { (fill(&words.source_lead, &[("source", source)])) }
        dl.facts {
            (fact(&words.display_name, &view.display_name))
            (fact(&account.email, &view.email))
            (fact(&account.groups, &view.groups.join(", ")))
        }
        (form(page, &path(&view.name), html! { (action("profile")) (field(page, &phone)) button.second { (page.words.common.save) } }))
    };
    panel("s-profile", &account.profile, facts)
}

fn profile(page: &Page, view: &UserView) -> Markup {
    if let Some((source, _)) = &view.source {
        return kept_elsewhere(page, view, source);
    }
    panel(
        "s-profile",
        &page.words.account.profile,
        form(page, &path(&view.name), html! { (action("profile")) (person(page, view)) button.second { (page.words.common.save) } }),
    )
}

fn methods(page: &Page, view: &UserView) -> Markup {
    let (words, account) = (&page.words.admin, &page.words.account);
    panel(
        "s-methods",
        &account.methods,
        html! {
            @if view.methods.is_empty() { p.soft { "–" } }
            ul.rows { @for m in &view.methods {
                li {
                    (icon::method(m.method))
                    div.what {
                        strong { (page.words.method(m.method)) }
                        @if !m.detail.is_empty() { small dir="auto" { (m.detail) } }
                        small { (account.added) " " (time::day(m.added)) " · " (account.last_used) " "
                            @match m.last_used { Some(at) => (time::moment(at)), None => (page.words.common.never) } }
                    }
                    @let name = format!("{}: {}", words.reset_method, page.words.method(m.method));
                    div.acts { (ask(page, &Ask { path: &path(&view.name), fields: &[("action", "reset"), ("method", m.method.name())], class: "act", label: &words.reset_method, name: &name, question: &words.reset_ask })) }
                }
            } }
            @if let Some((left, total)) = view.recovery {
                p { (account.recovery) ": " (fill(&account.recovery_left, &[("left", &left.to_string()), ("total", &total.to_string())])) }
            }
            @if !view.methods.is_empty() {
                (act(page, view, "recovery_codes", "second", &words.recovery_print))
                (ask(page, &Ask { path: &path(&view.name), fields: &[("action", "reset"), ("method", "all")], class: "second danger", label: &words.reset_all, name: "", question: &words.reset_all_hint }))
            }
        },
    )
}

fn policy(page: &Page, view: &UserView) -> Markup {
    let words = &page.words.admin;
    let server = match view.policy.server {
        MfaPolicy::Off => &words.policy_short_off,
        MfaPolicy::Optional => &words.policy_short_optional,
        MfaPolicy::Required => &words.policy_short_required,
    };
    let inherit = fill(&words.policy_inherit, &[("policy", server)]);
    let choices = [
        (UserMfaPolicy::Inherit, "inherit", inherit.as_str()),
        (UserMfaPolicy::Off, "off", &words.policy_off),
        (UserMfaPolicy::Optional, "optional", &words.policy_optional),
        (UserMfaPolicy::Required, "required", &words.policy_required),
    ];
    panel(
        "s-policy",
        &words.policy,
        form(
            page,
            &path(&view.name),
            html! {
                (action("policy"))
                div role="radiogroup" aria-labelledby="s-policy" {
                    @for (value, name, label) in choices {
                        label.check { input type="radio" name="policy" value=(name) checked[value == view.policy.own]; span { (label) } }
                    }
                }
                button.second { (page.words.common.save) }
            },
        ),
    )
}

fn allowed(page: &Page, view: &UserView) -> Markup {
    let words = &page.words.admin;
    let checked = view.allowed.unwrap_or(view.server_methods);
    panel(
        "s-allowed",
        &words.allowed,
        form(
            page,
            &path(&view.name),
            html! {
                (action("allow"))
                label.check { input type="checkbox" name="server" value="1" checked[view.allowed.is_none()]; span { (words.allowed_server) } }
                div.inset role="group" aria-labelledby="s-allowed" { @for method in view.server_methods.iter().filter(|m| *m != Method::Recovery) {
                    label.check { input type="checkbox" name="method" value=(method) checked[checked.contains(method)]; span { (page.words.method(method)) } }
                } }
                button.second { (page.words.common.save) }
            },
        ),
    )
}

fn provision(page: &Page, view: &UserView) -> Markup {
    let words = &page.words.admin;
    let has = |method| view.methods.iter().any(|m| m.method == method);
    let enrol = |method: Method, label: &str| {
        button_form(page, &path(&view.name), &[("action", "enrol"), ("method", method.name())], "second", label)
    };
    let uri = Field { name: "uri", label: &words.totp_uri, placeholder: Some("otpauth://totp/…"), ..Field::default() };
    panel(
        "s-provision",
        &words.set_up_for,
        html! {
            div.adds {
                @if !has(Method::Email) { (enrol(Method::Email, &words.set_up_email)) }
                @if !has(Method::Sms) && !view.phone.is_empty() { (enrol(Method::Sms, &words.set_up_sms)) }
            }
            @if !has(Method::Totp) {
                (form(page, &path(&view.name), html! { (action("provision")) (field(page, &uri)) button.second { (words.provision) } }))
            }
        },
    )
}

fn access(page: &Page, view: &UserView) -> Markup {
    let words = &page.words.admin;
    panel(
        "s-access",
        &words.access,
        html! {
            div.adds {
                @if matches!(view.state, State::Locked(_)) { (act(page, view, "unlock", "second", &words.unlock)) }
                @if view.sessions > 0 { (asked(page, view, "end_sessions", "second", &words.end_sessions, &words.end_sessions_ask)) }
                @if view.has_password && !view.must_change_password {
                    (asked(page, view, "require_password", "second", &words.bulk_require_password, &words.bulk_require_password_lead))
                }
                @if view.source.is_none() && !view.service { (act(page, view, "setup_link", "second", &words.setup_link)) }
                @if view.can_mail && view.source.is_none() && !view.service { (act(page, view, "mail_link", "second", &words.mail_link)) }
                @if view.state == State::Disabled { (act(page, view, "enable", "second", &words.enable)) }
                @else { (asked(page, view, "disable", "second danger", &words.disable, &words.disable_ask)) }
                a.button.second.danger href=(page.action(&format!("{}/delete", path(&view.name)))) { (words.delete) }
            }
        },
    )
}
