//! The overview: the house in numbers.

use axum::response::Response;

use super::gate::AdminRequest;
use super::logs::audit_row;
use crate::base::Time;
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::service::gateways::Member;
use crate::view::admin::{self, GatewayRow, ObservedRow, OverviewView, RouteProgress};

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
    let day = services.overview.last_day().await?;
    let recent = services.store.audit_before(None, RECENT).await?;
    let (observed, _) = services.observed.top(SIGHTINGS);
    let view = OverviewView {
        active_sessions: count(services.live.count()),
        users: census.users,
        enrolled: census.enrolled,
        locked: census.locked,
        over_time: day.into_iter().map(|(hour, tally)| (clock(hour), tally.sign_ins, tally.failures)).collect(),
        in_use: census.in_use,
        routes: census.routes.iter().map(|(route, ready, of)| RouteProgress { route: route.to_string(), ready: *ready, of: *of }).collect(),
        observed: observed
            .into_iter()
            .map(|(seen, count)| ObservedRow { route: seen.route, user: seen.user, reason: seen.reason, count })
            .collect(),
        gateways: services.gateways.all().unwrap_or_default().into_iter().map(gateway_row).collect(),
        gateways_differ: services.gateways.warning().is_some(),
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

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// "14:00", in UTC.
fn clock(hour: Time) -> String {
    hour.rfc3339().get(11..16).unwrap_or_default().to_owned()
}
