//! The list of users.

use maud::{Markup, html};

use super::{Paging, Place, admin, none_found, pager, search};
use crate::account::UserMfaPolicy;
use crate::base::Time;
use crate::factor::MethodSet;
use crate::view::parts::layout::{Page, segment};
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
    pub name: String,
    pub display_name: String,
    pub email: String,
    pub state: State,
    pub policy: UserMfaPolicy,
    pub methods: MethodSet,
    pub last_sign_in: Option<Time>,
}

/// The list, or what a search found.
#[derive(Clone, Debug, Default)]
pub struct UsersView {
    pub query: String,
    /// Only who may open this route and is not ready for it.
    pub missing: Option<String>,
    /// At most [`super::PAGE_ROWS`].
    pub rows: Vec<UserRow>,
    pub paging: Paging,
}

/// `admin/users?q=…&missing=…&page=…`.
pub fn users(page: &Page, view: &UsersView) -> Markup {
    let words = &page.words.admin;
    admin(
        page,
        Place::Users,
        &words.users,
        html! {
            @if let Some(route) = &view.missing {
                p.lead { (fill(&words.missing, &[("route", route)])) " " a href=(page.action("admin/users")) { (words.clear) } }
            }
            div.toolbar {
                (search(page, "admin/users", &words.find_user, &view.query))
                a.button.second href=(page.action("admin/users/new")) { (words.new_user) }
            }
            @if view.rows.is_empty() { (none_found(page)) } @else { (table(page, &view.rows)) }
            (pager(page, "admin/users", &[("q", &view.query), ("missing", view.missing.as_deref().unwrap_or_default())], view.paging))
        },
    )
}

fn table(page: &Page, rows: &[UserRow]) -> Markup {
    let words = &page.words.admin;
    html! {
        div.scroll tabindex="0" role="region" aria-label=(words.users) {
            table {
                thead { tr {
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
            th scope="row" {
                a href=(page.action(&format!("admin/users/{}", segment(&row.name)))) { bdi { (row.display_name) } }
                small { bdi { (row.name) } " · " bdi { (row.email) } }
            }
            td { (row.state.tag(page)) }
            td { @if row.methods.is_empty() { span.soft { "–" } } @for method in row.methods.iter() { span.tag { (page.words.method(method)) } " " } }
            td { (match row.policy {
                UserMfaPolicy::Inherit => &words.policy_short_inherit,
                UserMfaPolicy::Off => &words.policy_short_off,
                UserMfaPolicy::Optional => &words.policy_short_optional,
                UserMfaPolicy::Required => &words.policy_short_required,
            }) }
            td { @match row.last_sign_in { Some(at) => (time::moment(at)), None => { span.soft { (page.words.common.never) } } } }
        }
    }
}
