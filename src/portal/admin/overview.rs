//! The overview: the house in numbers.

use axum::response::Response;

use super::gate::AdminRequest;
use super::logs::audit_row;
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::service::admin::Period;
use crate::service::device::{DeviceCensus, RouteDevices};
use crate::service::gateways::Member;
use crate::view::admin::{self, DevicesView, GatewayRow, ObservedRow, OverTime, OverviewView, RouteDevicesRow, RouteProgress, Span};

/// How many of the newest records are shown.
const RECENT: usize = 8;
/// How many sightings are shown.
const SIGHTINGS: usize = 20;

pub async fn show(admin: AdminRequest) -> Response {
    let reply = overview(&admin).await;
    admin.req.answer(reply)
}

async fn overview(admin: &AdminRequest) -> Result<Reply, Refused> {
    let (req, services) = (&admin.req, &admin.req.services);
    let census = services.overview.census(req.context.policy.routes()).await?;
    let over_time = over_time(admin).await?;
    let recent = services.store.audit_before(None, RECENT).await?;
    let (observed, _) = services.observed.top(SIGHTINGS);
    let view = OverviewView {
        active_sessions: count(services.live.count()),
        users: census.users,
        enrolled: census.enrolled,
        locked: census.locked,
        over_time,
        in_use: census.in_use,
        routes: census.routes.iter().map(|(route, ready, of)| RouteProgress { route: route.to_string(), ready: *ready, of: *of }).collect(),
        observed: observed
            .into_iter()
            .map(|(seen, count)| ObservedRow { route: seen.route, user: seen.user, reason: seen.reason, count })
            .collect(),
        gateways: services.gateways.all().unwrap_or_default().into_iter().map(gateway_row).collect(),
        gateways_differ: services.gateways.warning().is_some(),
        devices: services.devices.census(req.context.policy.routes()).map(devices),
        recent: recent.into_iter().map(audit_row).collect(),
    };
    Ok(Reply::ok(admin::overview(&req.page(), &view)))
}

fn gateway_row(member: Member) -> GatewayRow {
    GatewayRow {
        name: member.name,
        listeners: member.listeners,
        version: member.version,
        fingerprint: member.fingerprint,
        heard: member.record.heard,
        sessions: member.sessions,
        live: member.live,
        own: member.own,
    }
}

fn devices(census: DeviceCensus) -> DevicesView {
    let row = |of: RouteDevices| RouteDevicesRow {
        route: of.route,
        wants: of.wants.name(),
        bound: of.bound,
        all: of.all,
        refused: of.refused,
        more: of.more,
    };
    DevicesView { bound: census.bound, all: census.all, routes: census.routes.into_iter().map(row).collect() }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The furthest zones are 12 hours behind UTC and 14 ahead of it.
const ZONES: std::ops::RangeInclusive<i64> = -12 * 60..=14 * 60;

/// `period` and `ahead` of the query; what makes no sense is the day, and UTC.
async fn over_time(admin: &AdminRequest) -> Result<OverTime, Refused> {
    let query = &admin.req.query;
    let span = Span::ALL.into_iter().find(|span| span.name() == query.get("period")).unwrap_or_default();
    let ahead = query.get("ahead").parse().ok().filter(|minutes| ZONES.contains(minutes));
    let period = match span {
        Span::Day => Period::Day,
        Span::Week => Period::Week,
        Span::Month => Period::Month,
    };
    let tallies = admin.req.services.overview.over_time(period, ahead.unwrap_or(0)).await?;
    let periods = tallies.into_iter().map(|(began, tally)| (began, tally.sign_ins, tally.failures)).collect();
    Ok(OverTime { span, ahead, periods })
}
