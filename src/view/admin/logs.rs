//! Who is signed in, and what happened.

use maud::{Markup, html};

use super::{Paging, Place, admin, listing, none_found, pager, search};
use crate::base::Time;
use crate::factor::Method;
use crate::view::parts::layout::{Note, Page, named_button, note, segment};
use crate::view::parts::{icon, time};
use crate::view::wording::words::fill;

/// A session of anybody's.
#[derive(Clone, Debug)]
pub struct SessionRow {
    pub id: String,
    pub user: String,
    pub browser: String,
    pub address: String,
    pub started: Time,
    pub last_seen: Time,
    /// `None`: the password alone.
    pub method: Option<Method>,
    pub current: bool,
}

/// The list of sessions.
#[derive(Clone, Debug, Default)]
pub struct SessionsView {
    /// A user's name, or empty.
    pub query: String,
    pub note: Option<Note>,
    /// At most [`super::PAGE_ROWS`].
    pub rows: Vec<SessionRow>,
    pub paging: Paging,
}

/// `admin/sessions?q=…&page=…`; posts `id` to it.
pub fn sessions(page: &Page, view: &SessionsView) -> Markup {
    let words = &page.words.admin;
    admin(
        page,
        Place::Sessions,
        &words.sessions,
        html! {
            (note(view.note.as_ref()))
            div.toolbar { (search(page, "admin/sessions", &words.find_user, &view.query)) }
            @if view.rows.is_empty() { (none_found(page)) } @else {
                div.scroll.cards tabindex="0" role="region" aria-label=(words.sessions) {
                    table {
                        thead { tr {
                            th scope="col" { (words.user) }
                            th scope="col" { (words.browser) }
                            th scope="col" { (words.method) }
                            th scope="col" { (words.last_seen) }
                            th scope="col" { span.sr { (page.words.account.end) } }
                        } }
                        tbody { @for row in &view.rows { (session_row(page, row)) } }
                    }
                }
            }
            (pager(page, "admin/sessions", &[("q", &view.query)], view.paging))
        },
    )
}

pub(super) fn user_link(page: &Page, user: &str) -> Markup {
    html! { a href=(page.action(&format!("admin/users/{}", segment(user)))) { bdi { (user) } } }
}

fn session_row(page: &Page, row: &SessionRow) -> Markup {
    let words = &page.words.admin;
    html! {
        tr {
            th scope="row" { (user_link(page, &row.user)) @if row.current { " " span.tag { (page.words.account.session_this) } } }
            td data-label=(words.browser) { bdi { (row.browser) } small { bdi { (row.address) } } }
            td data-label=(words.method) { @match row.method { Some(method) => (page.words.method(method)), None => { span.soft { (words.password_only) } } } }
            td data-label=(words.last_seen) { (time::moment(row.last_seen)) small { (words.started) " " (time::moment(row.started)) } }
            td { @if !row.current {
                @let name = format!("{}, {}", fill(&page.words.account.end_of, &[("browser", &row.browser)]), row.user);
                (named_button(page, "admin/sessions", &[("id", &row.id)], "act", &page.words.account.end, &name))
            } }
        }
    }
}

/// A record of the audit log.
#[derive(Clone, Debug)]
pub struct AuditRow {
    pub at: Time,
    /// The event's name in the log, the same in every language: `sign_in`, `totp_wrong` …
    pub event: String,
    pub user: String,
    /// Who did it, where that is somebody else; else empty.
    pub by: String,
    pub address: String,
    pub ok: bool,
    pub detail: String,
}

/// What the list is narrowed to; all as typed.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub user: String,
    pub event: String,
    /// `YYYY-MM-DD`.
    pub since: String,
    pub until: String,
}

/// If one is in the log, by record numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trail {
    /// `?after=`: where the next newer page starts.
    pub newer: Option<u64>,
    /// `?before=`: where the next older page starts.
    pub older: Option<u64>,
    /// So many records were looked through without filling the page.
    pub bounded: Option<usize>,
}

/// The audit log.
#[derive(Clone, Debug, Default)]
pub struct AuditView {
    pub filter: AuditFilter,
    /// Every event's name, for the choice.
    pub events: Vec<String>,
    /// At most [`super::PAGE_ROWS`], the newest first.
    pub rows: Vec<AuditRow>,
    pub trail: Trail,
    /// `None`: not verified now. `Some(Err(where))`: it was tampered with.
    pub chain: Option<Result<(), String>>,
}

/// `admin/audit?user=…&event=…&since=…&until=…&before=…` or `&after=…`; `?verify=1` proves the log whole.
pub fn audit(page: &Page, view: &AuditView) -> Markup {
    let words = &page.words.admin;
    admin(
        page,
        Place::Audit,
        &words.audit,
        html! {
            @match &view.chain {
                Some(Ok(())) => { p.note.good role="status" { (icon::check()) span { (words.chain_whole) } } }
                Some(Err(at)) => { p.note.bad role="alert" { (icon::warning()) span { (fill(&words.chain_broken, &[("detail", at)])) } } }
                None => {}
            }
            (filters(page, view))
            @if view.rows.is_empty() { (none_found(page)) } @else { (audit_table(page, &view.rows)) }
            (trail_pager(page, view))
            p { a href={ (page.action("admin/audit")) "?verify=1" } { (words.verify) } }
        },
    )
}

fn trail_pager(page: &Page, view: &AuditView) -> Markup {
    let words = &page.words.admin;
    let f = &view.filter;
    let to = |name: &str, seq: u64| {
        let seq = seq.to_string();
        let query = [("user", f.user.as_str()), ("event", &f.event), ("since", &f.since), ("until", &f.until), (name, &seq)];
        page.link_with("admin/audit", &query)
    };
    html! {
        nav.pager aria-label=(words.audit) {
            @if let Some(n) = view.trail.bounded { span { (fill(&words.bounded, &[("n", &n.to_string())])) } }
            @if let Some(seq) = view.trail.newer { a.act rel="prev" href=(to("after", seq)) { (words.newer) } }
            @if let Some(seq) = view.trail.older { a.act rel="next" href=(to("before", seq)) { (words.older) } }
        }
    }
}

fn filters(page: &Page, view: &AuditView) -> Markup {
    let words = &page.words.admin;
    let f = &view.filter;
    html! {
        form.search.filters role="search" action=(page.action("admin/audit")) {
            div { label for="user" { (words.user) } input #user name="user" value=(f.user) autocomplete="off" spellcheck="false" maxlength="256"; }
            div {
                label for="event" { (words.event) }
                select #event name="event" {
                    option value="" { (words.any) }
                    @for event in &view.events { option value=(event) selected[*event == f.event] { (page.words.event(event)) } }
                }
            }
            div { label for="since" { (words.since) } input #since type="date" name="since" value=(f.since); }
            div { label for="until" { (words.until) } input #until type="date" name="until" value=(f.until); }
            button.second { (words.find) }
        }
    }
}

pub(super) fn audit_table(page: &Page, rows: &[AuditRow]) -> Markup {
    let words = &page.words.admin;
    let cells = html! {
        @for row in rows {
            tr {
                td data-label=(words.time) { (time::exact(row.at)) }
                td data-label=(words.event) { span title=(row.event) { (page.words.event(&row.event)) } " " @if row.ok { span.tag.good { (words.ok) } } @else { span.tag.bad { (words.failed) } } }
                td data-label=(words.user) {
                    @if !row.user.is_empty() { (user_link(page, &row.user)) }
                    @if !row.by.is_empty() { small { "← " bdi { (row.by) } } }
                }
                td data-label=(words.address) { @if !row.address.is_empty() { bdi { (row.address) } } }
                td.detail data-label=(words.detail) dir="auto" { (row.detail) }
            }
        }
    };
    listing(&words.audit, &[&words.time, &words.event, &words.user, &words.address, &words.detail], cells)
}
