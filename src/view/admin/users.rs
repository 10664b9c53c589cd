//! The list of users.

use maud::{Markup, html};

use super::bulk::{chooser, pick};
use super::{Paging, Place, admin, none_found, pager};
use crate::account::UserMfaPolicy;
use crate::base::Time;
use crate::factor::MethodSet;
use crate::view::parts::layout::{Note, Page, form, note, segment};
use crate::view::parts::time;
use crate::view::wording::words::fill;

/// Whether an account can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    #[default]
    Active,
    Disabled,
    /// Until then.
    Locked(Time),
}

impl State {
    pub(super) fn tag(self, page: &Page) -> Markup {
        let words = &page.words.admin;
        html! {
            @match self {
                Self::Active => { span.tag.good { (words.active) } }
                Self::Disabled => { span.tag.off { (words.disabled) } }
                Self::Locked(_) => { span.tag.bad { (words.locked) } }
            }
        }
    }
}

/// A user in the list.
#[derive(Clone, Debug)]
pub struct UserRow {
    pub id: String,
    pub name: String,
    pub display_name: String,
    pub email: String,
    pub state: State,
    pub policy: UserMfaPolicy,
    pub methods: MethodSet,
    pub last_sign_in: Option<Time>,
}

/// What the list is narrowed to beside a search; an empty field narrows nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserFilter {
    /// `active`, `locked` or `disabled`.
    pub state: String,
    /// `with` or `without` a second factor.
    pub factor: String,
    pub group: String,
}

impl UserFilter {
    pub const fn is_empty(&self) -> bool {
        self.state.is_empty() && self.factor.is_empty() && self.group.is_empty()
    }
}

/// The list, or what a search found.
#[derive(Clone, Debug, Default)]
pub struct UsersView {
    pub query: String,
    pub note: Option<Note>,
    /// Only who may open this route and is not ready for it.
    pub missing: Option<String>,
    pub filter: UserFilter,
    /// At most [`super::PAGE_ROWS`].
    pub rows: Vec<UserRow>,
    pub paging: Paging,
}

/// `admin/users?q=…&state=…&factor=…&group=…&missing=…&page=…`; `admin/users/export?format=csv` or `json` with the same.
pub fn users(page: &Page, view: &UsersView) -> Markup {
    let words = &page.words.admin;
    admin(
        page,
        Place::Users,
        &words.users,
        html! {
            (note(view.note.as_ref()))
            @if let Some(route) = &view.missing {
                p.lead { (fill(&words.missing, &[("route", route)])) " " a href=(page.action("admin/users")) { (words.clear) } }
            }
            (filters(page, view))
            @if view.rows.is_empty() { (none_found(page)) } @else { (listed(page, view)) }
            (pager(page, "admin/users", &query(view), view.paging))
            p.row.exports {
                @for (format, label) in [("csv", &words.export_csv), ("json", &words.export_json)] {
                    a href=(page.link_with("admin/users/export", &[&query(view)[..], &[("format", format)]].concat())) download { (label) }
                }
            }
        },
    )
}

/// What the list's own addresses carry.
fn query(view: &UsersView) -> Vec<(&str, &str)> {
    let f = &view.filter;
    let missing = view.missing.as_deref().unwrap_or_default();
    vec![
        ("q", view.query.as_str()),
        ("state", f.state.as_str()),
        ("factor", f.factor.as_str()),
        ("group", f.group.as_str()),
        ("missing", missing),
    ]
}

fn choice(name: &str, label: &str, any: &str, choices: &[(&str, &String)], chosen: &str) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                option value="" { (any) }
                @for (value, text) in choices { option value=(value) selected[*value == chosen] { (text) } }
            }
        }
    }
}

fn filters(page: &Page, view: &UsersView) -> Markup {
    let (words, f) = (&page.words.admin, &view.filter);
    let states = [("active", &words.active), ("locked", &words.locked), ("disabled", &words.disabled)];
    let factors = [("with", &words.with_factor), ("without", &words.without_factor)];
    html! {
        form.search.filters role="search" action=(page.action("admin/users")) {
            div {
                label for="q" { (words.search) }
                input #q type="search" name="q" value=(view.query) placeholder=(words.find_user) autocomplete="off" spellcheck="false" maxlength="256";
            }
            (choice("state", &words.status, &words.any, &states, &f.state))
            (choice("factor", &words.method, &words.any, &factors, &f.factor))
            div { label for="group" { (words.group) } input #group name="group" value=(f.group) autocomplete="off" spellcheck="false" maxlength="64"; }
            button.second { (words.find) }
            @if !f.is_empty() || !view.query.is_empty() { a.act href=(page.action("admin/users")) { (words.clear) } }
        }
        div.toolbar { a.button.second href=(page.action("admin/users/new")) { (words.new_user) } }
    }
}

/// The table with a box for each row, and what can be done to all that are chosen.
fn listed(page: &Page, view: &UsersView) -> Markup {
    let body = html! {
        @for (name, value) in query(view).iter().filter(|(_, value)| !value.is_empty()) { input type="hidden" name=(name) value=(value); }
        (table(page, &view.rows))
        (chooser(page, view.paging.total))
    };
    form(page, "admin/bulk", body)
}

fn table(page: &Page, rows: &[UserRow]) -> Markup {
    let words = &page.words.admin;
    html! {
        div.scroll.cards tabindex="0" role="region" aria-label=(words.users) {
            table {
                thead { tr {
                    td.pick { input type="checkbox" hidden data-all="pick" aria-label=(words.bulk_pick_page); }
                    th scope="col" { (words.user) }
                    th scope="col" { (words.status) }
                    th scope="col" { (words.method) }
                    th scope="col" { (words.policy) }
                    th scope="col" { (words.last_sign_in) }
                } }
                tbody { @for row in rows { (user_row(page, row)) } }
            }
        }
    }
}

fn user_row(page: &Page, row: &UserRow) -> Markup {
    let words = &page.words.admin;
    html! {
        tr {
            td.pick { (pick(page, &row.id, &row.display_name)) }
            th scope="row" {
                a href=(page.action(&format!("admin/users/{}", segment(&row.name)))) { bdi { (row.display_name) } }
                small { bdi { (row.name) } " · " bdi { (row.email) } }
            }
            td data-label=(words.status) { (row.state.tag(page)) }
            td data-label=(words.method) { @if row.methods.is_empty() { span.soft { "–" } } @for method in row.methods.iter() { span.tag { (page.words.method(method)) } " " } }
            td data-label=(words.policy) { (match row.policy {
                UserMfaPolicy::Inherit => &words.policy_short_inherit,
                UserMfaPolicy::Off => &words.policy_short_off,
                UserMfaPolicy::Optional => &words.policy_short_optional,
                UserMfaPolicy::Required => &words.policy_short_required,
            }) }
            td data-label=(words.last_sign_in) { @match row.last_sign_in { Some(at) => (time::moment(at)), None => { span.soft { (page.words.common.never) } } } }
        }
    }
}
