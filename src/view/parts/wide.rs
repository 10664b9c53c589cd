//! The wide pages, account and administration: a bar with the places one can go, and the content below it.

use maud::{Markup, html};

use super::brand;
use super::layout::{Page, document, hidden, languages};

/// A place in the bar.
pub(in crate::view) struct Tab<'a> {
    pub(in crate::view) path: &'a str,
    pub(in crate::view) label: &'a str,
    pub(in crate::view) current: bool,
}

/// What of an account has pages of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccountPages {
    /// An application takes API tokens.
    pub tokens: bool,
    /// An application asks for a password of the user's own.
    pub applications: bool,
    pub admin: bool,
}

/// The places of an account.
pub(in crate::view) fn account_tabs<'a>(page: &'a Page, pages: AccountPages, current: &str) -> Vec<Tab<'a>> {
    let words = page.words;
    [
        ("account", &words.account.nav, true),
        ("account/tokens", &words.tokens.heading, pages.tokens),
        ("account/applications", &words.applications.nav, pages.applications),
        ("admin", &words.account.to_admin, pages.admin),
    ]
    .into_iter()
    .filter(|(path, _, there)| *there || *path == current)
    .map(|(path, label, _)| Tab { path, label, current: path == current })
    .collect()
}

/// A page under the bar; signing out is always at its end.
pub(in crate::view) fn wide(page: &Page, heading: &str, tabs: &[Tab<'_>], body: Markup) -> Markup {
    let words = page.words;
    let shown = html! {
        a.skip href="#content" { (words.common.skip) }
        header.bar {
            div {
                (brand::mark(page))
                strong.host dir="auto" { @if let Some(company) = brand::company(page) { (company) } @else { (page.host) } }
                nav aria-label=(words.account.heading) {
                    @for tab in tabs { a href=(page.action(tab.path)) aria-current=[tab.current.then_some("page")] { (tab.label) } }
                }
                form method="post" action=(page.action("logout")) { (hidden(page)) button.act { (words.account.sign_out) } }
            }
        }
        main #content { h1 { (heading) } (body) (languages(page)) }
    };
    document(page, heading, "wide", None, shown)
}
