//! The overview: what happened lately, which second factors are in use, and how far each route is on its way to two factors.

use maud::{Markup, html};

use super::logs::{AuditRow, audit_table, user_link};
use super::{Place, admin};
use crate::base::Time;
use crate::factor::Method;
use crate::view::parts::chart::{Bar, Pair};
use crate::view::parts::layout::Page;
use crate::view::parts::{chart, time};

/// How many of those who may open a route could do so with two factors.
#[derive(Clone, Debug)]
pub struct RouteProgress {
    pub route: String,
    pub ready: u64,
    pub of: u64,
}

/// Requests that a route which only observes would have stopped.
#[derive(Clone, Debug)]
pub struct ObservedRow {
    pub route: String,
    /// Empty: nobody was signed in.
    pub user: String,
    pub reason: String,
    pub count: u64,
}

/// One of the gateways that share the store.
#[derive(Clone, Debug)]
pub struct GatewayRow {
    pub name: String,
    /// Where it listens.
    pub listeners: Vec<String>,
    pub version: String,
    /// Of its configuration.
    pub fingerprint: String,
    pub heard: Time,
    pub sessions: u64,
    /// Heard of lately.
    pub live: bool,
    /// The one that made this page.
    pub own: bool,
}

/// The overview.
#[derive(Clone, Debug, Default)]
pub struct OverviewView {
    pub active_sessions: u64,
    pub users: u64,
    /// Users with at least one second factor.
    pub enrolled: u64,
    pub locked: u64,
    /// Sign-ins and failed attempts of each period, the oldest first: a label ("11-22" or "14:00") and both numbers. At most 31.
    pub over_time: Vec<(String, u64, u64)>,
    pub in_use: Vec<(Method, u64)>,
    pub routes: Vec<RouteProgress>,
    /// The most frequent of them.
    pub observed: Vec<ObservedRow>,
    /// Empty: nobody shares the store.
    pub gateways: Vec<GatewayRow>,
    /// Live ones run different configurations.
    pub gateways_differ: bool,
    /// The newest few.
    pub recent: Vec<AuditRow>,
}

/// `admin`.
pub fn overview(page: &Page, view: &OverviewView) -> Markup {
    let words = &page.words.admin;
    admin(
        page,
        Place::Overview,
        &words.overview,
        html! {
            (figures(page, view))
            div.panels {
                section.whole aria-labelledby="s-time" { h2 #s-time { (words.over_time) } (over_time(page, view)) }
                section aria-labelledby="s-use" { h2 #s-use { (words.in_use) } (in_use(page, view)) }
                @if !view.routes.is_empty() {
                    section aria-labelledby="s-routes" { h2 #s-routes { (words.progress) } p.lead { (words.progress_lead) } (routes(page, view)) }
                }
                @if !view.observed.is_empty() {
                    section.whole aria-labelledby="s-observed" { h2 #s-observed { (words.observed) } p.lead { (words.observed_lead) } (observed(page, view)) }
                }
                @if !view.gateways.is_empty() {
                    section.whole aria-labelledby="s-gateways" {
                        h2 #s-gateways { (words.gateways) }
                        @if view.gateways_differ { p.lead role="status" { (words.gateways_differ) } }
                        (gateways(page, view))
                    }
                }
                @if !view.recent.is_empty() {
                    section.whole aria-labelledby="s-recent" { h2 #s-recent { (words.recent) } (audit_table(page, &view.recent)) }
                }
            }
        },
    )
}

fn figures(page: &Page, view: &OverviewView) -> Markup {
    let words = &page.words.admin;
    let figure = |label: &str, n: u64, of: Option<u64>| {
        html! { div { dt { (label) } dd { (n) @if let Some(of) = of { small { " / " (of) } } } } }
    };
    html! {
        dl.figures {
            (figure(&words.active_sessions, view.active_sessions, None))
            (figure(&words.users, view.users, None))
            (figure(&words.enrolled_users, view.enrolled, Some(view.users)))
            (figure(&words.locked_users, view.locked, None))
        }
    }
}

fn over_time(page: &Page, view: &OverviewView) -> Markup {
    let words = &page.words.admin;
    let pairs: Vec<Pair<'_>> = view.over_time.iter().map(|(label, a, b)| Pair { label, first: *a, second: *b }).collect();
    html! {
        ul.legend { li.series-a { (words.sign_ins) } li.series-b { (words.failures) } }
        div.plot tabindex="0" role="group" aria-label=(words.over_time) { (chart::columns(&words.over_time, &pairs)) }
        details.data {
            summary.act { (words.as_table) }
            table {
                thead { tr { th scope="col" { (words.period) } th scope="col" { (words.sign_ins) } th scope="col" { (words.failures) } } }
                tbody { @for pair in &pairs { tr { th scope="row" { (pair.label) } td { (pair.first) } td { (pair.second) } } } }
            }
        }
    }
}

fn in_use(page: &Page, view: &OverviewView) -> Markup {
    let bars: Vec<Bar<'_>> =
        view.in_use.iter().map(|(m, n)| Bar { label: page.words.method(*m), value: *n, of: view.users, href: None }).collect();
    chart::bars(page, &bars)
}

fn routes(page: &Page, view: &OverviewView) -> Markup {
    let missing = |r: &RouteProgress| (r.ready < r.of).then(|| page.link_with("admin/users", &[("missing", &r.route)]));
    let bars: Vec<Bar<'_>> = view.routes.iter().map(|r| Bar { label: &r.route, value: r.ready, of: r.of, href: missing(r) }).collect();
    chart::bars(page, &bars)
}

fn observed(page: &Page, view: &OverviewView) -> Markup {
    let words = &page.words.admin;
    html! {
        div.scroll tabindex="0" role="group" aria-label=(words.observed) {
            table {
                thead { tr {
                    th scope="col" { (words.route) }
                    th scope="col" { (words.user) }
                    th scope="col" { (words.reason) }
                    th scope="col" { (words.count) }
                } }
                tbody { @for row in &view.observed {
                    tr {
                        td { bdi { (row.route) } }
                        td { @if row.user.is_empty() { span.soft { "–" } } @else { (user_link(page, &row.user)) } }
                        td { code { (row.reason) } }
                        td { (row.count) }
                    }
                } }
            }
        }
    }
}

fn gateways(page: &Page, view: &OverviewView) -> Markup {
    let words = &page.words.admin;
    html! {
        div.scroll tabindex="0" role="group" aria-label=(words.gateways) {
            table {
                thead { tr {
                    th scope="col" { (words.gateway) }
                    th scope="col" { (words.version) }
                    th scope="col" { (words.configuration) }
                    th scope="col" { (words.sessions) }
                    th scope="col" { (words.last_heard) }
                } }
                tbody { @for row in &view.gateways {
                    tr {
                        th scope="row" {
                            bdi { (row.name) }
                            @if row.own { " " span.tag { (words.this_gateway) } } @else if !row.live { " " span.tag { (words.silent) } }
                            small { bdi { (row.listeners.join(", ")) } }
                        }
                        td { (row.version) }
                        td { code { (row.fingerprint) } }
                        td { (row.sessions) }
                        td { (time::exact(row.heard)) }
                    }
                } }
            }
        }
    }
}
