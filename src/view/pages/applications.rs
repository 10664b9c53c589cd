//! My account: names and passwords of one's own at applications. A stored password is never shown again.

use maud::{Markup, html};

use crate::view::parts::field::{Field, field};
use crate::view::parts::layout::{Note, Page, button_form, form, note};
use crate::view::parts::wide::{AccountPages, account_tabs, wide};

/// An application that asks.
#[derive(Clone, Debug)]
pub struct ApplicationRow {
    pub route: String,
    /// The stored name, and whether the application refused it.
    pub stored: Option<(String, bool)>,
}

/// The page.
#[derive(Clone, Debug, Default)]
pub struct ApplicationsView {
    pub applications: Vec<ApplicationRow>,
    pub pages: AccountPages,
    pub note: Option<Note>,
}

/// `account/applications`: the fields `route`, `username` and `password`; `account/applications/forget` takes `route`.
pub fn applications(page: &Page, view: &ApplicationsView) -> Markup {
    let words = &page.words.applications;
    wide(
        page,
        &words.heading,
        &account_tabs(page, view.pages, "account/applications"),
        html! {
            (note(view.note.as_ref()))
            div.panels {
                section aria-labelledby="s-applications" {
                    h2 #s-applications { (words.nav) }
                    p.lead { @if view.applications.is_empty() { (words.none) } @else { (words.lead) } }
                    ul.rows { @for application in &view.applications { (row(page, application)) } }
                }
                @if !view.applications.is_empty() {
                    section aria-labelledby="s-store" {
                        h2 #s-store { (words.store) }
                        (form(page, "account/applications", fields(page, view)))
                    }
                }
            }
        },
    )
}

fn row(page: &Page, application: &ApplicationRow) -> Markup {
    let words = &page.words.applications;
    html! {
        li {
            div.what {
                strong { bdi { (application.route) } @if matches!(application.stored, Some((_, true))) { " " span.tag { (words.refused_tag) } } }
                small {
                    @match &application.stored {
                        Some((name, _)) => { (words.stored) " " bdi { (name) } }
                        None => (words.nothing),
                    }
                }
            }
            @if application.stored.is_some() {
                div.acts { (button_form(page, "account/applications/forget", &[("route", &application.route)], "act", &words.forget)) }
            }
        }
    }
}

fn fields(page: &Page, view: &ApplicationsView) -> Markup {
    let words = &page.words.applications;
    // What needs one most comes first.
    let wanted = |row: &&ApplicationRow| !matches!(row.stored, Some((_, false)));
    let first = view.applications.iter().find(wanted).or(view.applications.first()).map(|row| row.route.as_str());
    html! {
        div.field {
            label for="route" { (words.application) }
            select #route name="route" {
                @for row in &view.applications { option value=(row.route) selected[first == Some(row.route.as_str())] { (row.route) } }
            }
        }
        (field(page, &Field { name: "username", label: &words.username, ..Field::default() }))
        (field(page, &Field { name: "password", label: &words.password, kind: "password", ..Field::default() }))
        button.go { (words.store) }
    }
}
