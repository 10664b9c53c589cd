//! The overview: what happened lately, which second factors are in use, and how far each route is on its way to two factors.

use maud::{Markup, html};

use super::logs::{AuditRow, audit_table, user_link};
use super::{Place, admin, listing};
use crate::base::Time;
use crate::factor::Method;
use crate::view::parts::chart::{Bar, Pair};
use crate::view::parts::layout::Page;
use crate::view::parts::{chart, time};
use crate::view::wording::words::fill;

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

/// How many sessions are bound to a device.
#[derive(Clone, Debug)]
pub struct DevicesView {
    pub bound: u64,
    pub all: u64,
    pub routes: Vec<RouteDevicesRow>,
}

/// The same of those that may open a route.
#[derive(Clone, Debug)]
pub struct RouteDevicesRow {
    pub route: String,
    /// `observe`, `prefer` or `require`.
    pub wants: &'static str,
    pub bound: u64,
    pub all: u64,
    /// Who would be refused, the first few.
    pub refused: Vec<String>,
    pub more: usize,
}

/// How much of the past is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Span {
    /// By the hour.
    #[default]
    Day,
    Week,
    Month,
}

impl Span {
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// As the query names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// Sign-ins and failed attempts of each hour or day.
#[derive(Clone, Debug, Default)]
pub struct OverTime {
    pub span: Span,
    /// In which days begin at midnight: minutes ahead of UTC, as the browser said. `None`: it said nothing, and they are those of UTC.
    pub ahead: Option<i64>,
    /// When each began, and both numbers; the oldest first, at most 31.
    pub periods: Vec<(Time, u64, u64)>,
}

/// The overview.
#[derive(Clone, Debug, Default)]
pub struct OverviewView {
    pub active_sessions: u64,
    pub users: u64,
    /// Users with at least one second factor.
    pub enrolled: u64,
    pub locked: u64,
    pub over_time: OverTime,
    pub in_use: Vec<(Method, u64)>,
    pub routes: Vec<RouteProgress>,
    /// The most frequent of them.
    pub observed: Vec<ObservedRow>,
    /// Empty: nobody shares the store.
    pub gateways: Vec<GatewayRow>,
    /// Live ones run different configurations.
    pub gateways_differ: bool,
    /// Sessions that are bound to a device; `None`: they are bound to none.
    pub devices: Option<DevicesView>,
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
                section.whole aria-labelledby="s-time" { h2 #s-time { (words.over_time) } (over_time(page, &view.over_time)) }
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
                @if let Some(devices) = &view.devices {
                    section.whole aria-labelledby="s-devices" {
                        h2 #s-devices { (words.devices) }
                        p.lead { (fill(&words.devices_lead, &[("bound", &devices.bound.to_string()), ("all", &devices.all.to_string())])) }
                        (devices_table(page, devices))
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

/// An hour or a day of the chart; the script says hours, and days of the reader's own zone, in the reader's words.
fn period(over: &OverTime, began: Time) -> Markup {
    let Some(ahead) = over.ahead.filter(|_| over.span != Span::Day) else {
        return if over.span == Span::Day { time::hour(began) } else { time::day_of(began, 0, true) };
    };
    time::day_of(began, ahead, false)
}

fn over_time(page: &Page, over: &OverTime) -> Markup {
    let words = &page.words.admin;
    let pairs: Vec<Pair> = over.periods.iter().map(|(began, a, b)| Pair { label: period(over, *began), first: *a, second: *b }).collect();
    let sum = |of: fn(&Pair) -> u64| pairs.iter().map(of).fold(0, u64::saturating_add);
    let label = |span| match span {
        Span::Day => &words.period_day,
        Span::Week => &words.period_week,
        Span::Month => &words.period_month,
    };
    let (before, after) = words.zone.split_once("{zone}").unwrap_or((words.zone.as_str(), ""));
    html! {
        div.plot-head {
            ul.legend { li.series-a { (words.sign_ins) " " strong { (sum(|p| p.first)) } } li.series-b { (words.failures) " " strong { (sum(|p| p.second)) } } }
            nav.periods aria-label=(words.period) {
                @for span in Span::ALL {
                    a href=(page.link_with("admin", &[("period", span.name())])) data-ahead aria-current=[(span == over.span).then_some("true")] { (label(span)) }
                }
            }
        }
        (chart::columns(&words.over_time, &pairs))
        p.hint { (before) span data-zone[over.span == Span::Day] { (time::zone(over.ahead.filter(|_| over.span != Span::Day).unwrap_or(0))) } (after) }
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

fn devices_table(page: &Page, view: &DevicesView) -> Markup {
    let words = &page.words.admin;
    let share = |row: &RouteDevicesRow| fill(&words.device_share, &[("bound", &row.bound.to_string()), ("all", &row.all.to_string())]);
    let refused = |row: &RouteDevicesRow| {
        let more = if row.more > 0 { format!(" + {}", row.more) } else { String::new() };
        fill(&words.device_refused, &[("users", &format!("{}{more}", row.refused.join(", ")))])
    };
    html! {
        ul.rows { @for row in &view.routes {
            li { div {
                strong { bdi { (row.route) } } " " span.tag { (row.wants) }
                p.soft { (share(row)) ". " @if row.refused.is_empty() { (words.device_nobody) } @else { (refused(row)) } "." }
            } }
        } }
    }
}

fn observed(page: &Page, view: &OverviewView) -> Markup {
    let words = &page.words.admin;
    let rows = html! {
        @for row in &view.observed {
            tr {
                td data-label=(words.route) { bdi { (row.route) } }
                td data-label=(words.user) { @if row.user.is_empty() { span.soft { "–" } } @else { (user_link(page, &row.user)) } }
                td data-label=(words.reason) { code { (row.reason) } }
                td data-label=(words.count) { (row.count) }
            }
        }
    };
    listing(&words.observed, &[&words.route, &words.user, &words.reason, &words.count], rows)
}

fn gateways(page: &Page, view: &OverviewView) -> Markup {
    let words = &page.words.admin;
    let rows = html! {
        @for row in &view.gateways {
            tr {
                th scope="row" {
                    bdi { (row.name) }
                    @if row.own { " " span.tag { (words.this_gateway) } } @else if !row.live { " " span.tag { (words.silent) } }
                    small { bdi { (row.listeners.join(", ")) } }
                }
                td data-label=(words.version) { (row.version) }
                td data-label=(words.configuration) { code { (row.fingerprint) } }
                td data-label=(words.sessions) { (row.sessions) }
                td data-label=(words.last_heard) { (time::exact(row.heard)) }
            }
        }
    };
    listing(&words.gateways, &[&words.gateway, &words.version, &words.configuration, &words.sessions, &words.last_heard], rows)
}
