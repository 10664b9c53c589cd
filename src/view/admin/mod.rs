//! Administration: overview, users, sessions and the audit log. Lists come in pages of [`PAGE_ROWS`], so that no page grows past 50 KB.

mod bulk;
mod links;
mod logs;
mod overview;
mod panel;
mod steps;
mod user;
mod user_tokens;
mod users;

use maud::{Markup, html};

pub use bulk::{BulkDone, BulkPreview, BulkSkipped, bulk_done, bulk_preview};
pub use links::LinkedRow;
pub use logs::{AuditFilter, AuditRow, AuditView, SessionRow, SessionsView, Trail, audit, sessions};
pub use overview::{DevicesView, GatewayRow, ObservedRow, OverTime, OverviewView, RouteDevicesRow, RouteProgress, Span, overview};
pub use steps::{confirm_delete, new_user, recovery_codes, setup_link};
pub use user::{CertificateFacts, MethodRow, PolicyChoice, UserView, user};
pub use users::{State, UserFilter, UserRow, UsersView, users};

use super::parts::layout::Page;
use super::parts::wide::{Tab, wide};
use super::wording::words::fill;

/// How many rows a list shows at once.
pub const PAGE_ROWS: usize = 40;

/// Where one is in a long list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paging {
    /// From one.
    pub page: usize,
    /// All rows, on every page.
    pub total: usize,
}

impl Paging {
    fn pages(self) -> usize {
        self.total.div_ceil(PAGE_ROWS).max(1)
    }
}

/// The places of the administration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Overview,
    Users,
    Sessions,
    Audit,
}

/// A page of the administration.
fn admin(page: &Page, place: Place, heading: &str, body: Markup) -> Markup {
    let words = &page.words.admin;
    let tab = |path, label, at| Tab { path, label, current: place == at };
    let tabs = [
        tab("admin", words.overview.as_str(), Place::Overview),
        tab("admin/users", &words.users, Place::Users),
        tab("admin/sessions", &words.sessions, Place::Sessions),
        tab("admin/audit", &words.audit, Place::Audit),
        Tab { path: "account", label: &words.to_account, current: false },
    ];
    wide(page, heading, &tabs, body)
}

/// "Page 2 of 7", with the ways to its neighbours; `query` is the list's own filter.
fn pager(page: &Page, path: &str, query: &[(&str, &str)], at: Paging) -> Markup {
    let words = &page.words.admin;
    let (now, of) = (at.page.max(1), at.pages());
    let to = |n: usize| {
        let n = n.to_string();
        let all: Vec<(&str, &str)> = query.iter().copied().chain([("page", n.as_str())]).collect();
        page.link_with(path, &all)
    };
    let text = fill(&words.page, &[("now", &now.to_string()), ("of", &of.to_string())]);
    html! {
        nav.pager aria-label=(text) {
            span { (fill(&words.total, &[("n", &at.total.to_string())])) }
            @if of > 1 {
                @if now > 1 { a.act rel="prev" href=(to(now - 1)) { (words.previous) } }
                span { (text) }
                @if now < of { a.act rel="next" href=(to(now + 1)) { (words.next) } }
            }
        }
    }
}

/// A search form by GET: it changes nothing, so it carries no token.
fn search(page: &Page, path: &str, label: &str, value: &str) -> Markup {
    let words = &page.words.admin;
    html! {
        form.search role="search" action=(page.action(path)) {
            label.sr for="q" { (label) }
            input #q type="search" name="q" value=(value) placeholder=(label) autocomplete="off" spellcheck="false" maxlength="256";
            button.second { (words.find) }
            @if !value.is_empty() { a.act href=(page.action(path)) { (words.clear) } }
        }
    }
}

/// A table that becomes cards on a phone; each cell says its column in `data-label`.
fn listing(label: &str, columns: &[&str], rows: Markup) -> Markup {
    html! {
        div.scroll.cards tabindex="0" role="group" aria-label=(label) {
            table {
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody { (rows) }
            }
        }
    }
}

fn none_found(page: &Page) -> Markup {
    html! { p.empty { (page.words.admin.none_found) } }
}
