//! Health checks: requests that find out whether an upstream works, each route with its own path and interval. A check that is not
//! answered with 2xx or 3xx within the interval (five seconds at most) leaves its upstream out at once; the first good answer brings it
//! back.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::gateway::upstream::client;
use crate::gateway::upstream::connect::{Speaks, connect};
use crate::gateway::upstream::endpoint::Endpoint;
use crate::gateway::upstream::pool::{Pool, Upstreams};
use crate::policy::{HealthCheck, HostHeader};

/// A check may take no longer.
const LONGEST: Duration = Duration::from_secs(5);
/// So much of an answer is read at most, in bytes: what is longer is not waited for.
const ENOUGH: usize = 64 * 1024;

/// The checks of one configuration. They end when this is dropped.
#[derive(Debug, Default)]
pub struct HealthChecks(Vec<AbortHandle>);

impl Drop for HealthChecks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Upstreams {
    /// Checks the upstreams of every route that has a health check, on this runtime.
    #[must_use]
    pub fn watch(&self, work: &Handle) -> HealthChecks {
        let mut checks = Vec::new();
        for (route, pool) in self.pools() {
            if let Some(check) = pool.health() {
                let each = (0..pool.len()).map(|at| watch(Arc::downgrade(pool), at, Arc::clone(route), check.clone()));
                checks.extend(each.map(|watching| work.spawn(watching).abort_handle()));
            }
        }
        HealthChecks(checks)
    }
}

async fn watch(pool: Weak<Pool>, at: usize, route: Arc<str>, check: HealthCheck) {
    let mut tick = interval(check.interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(pool) = pool.upgrade() else { return };
        let Some(endpoint) = pool.get(at) else { return };
        let answer = timeout(check.interval.min(LONGEST), ask(&pool, endpoint, &check)).await;
        let why = match answer {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(_) => Some("no answer in time".to_owned()),
        };
        if endpoint.mark_healthy(why.is_none()) {
            let upstream = &endpoint.label;
            match why {
                None => tracing::info!(%route, upstream, "an upstream is healthy again"),
                Some(why) => tracing::warn!(%route, upstream, path = check.path, why, "a health check failed; the upstream is left out"),
            }
        }
    }
}

/// # Errors
/// What is wrong with the upstream.
async fn ask(pool: &Pool, endpoint: &Endpoint, check: &HealthCheck) -> Result<(), String> {
    let connected = connect(pool, endpoint, Speaks::Http2).await.map_err(|error| error.to_string())?;
    let request = request(pool, endpoint, check).ok_or("the request cannot be sent")?;
    let response = client::send(connected, request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    if !(status.is_success() || status.is_redirection()) {
        return Err(format!("it answered {status}"));
    }
    // A server whose answer is not read to its end may log an error.
    let mut body = response.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| "its answer broke off")?;
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > ENOUGH {
            break;
        }
    }
    Ok(())
}

fn request(pool: &Pool, endpoint: &Endpoint, check: &HealthCheck) -> Option<Request<Full<Bytes>>> {
    let host = match pool.host() {
        HostHeader::Name(name) => name.clone(),
        HostHeader::Preserve | HostHeader::Upstream => endpoint.upstream.authority(),
    };
    let mut request = Request::new(Full::default());
    *request.uri_mut() = check.path.parse::<Uri>().ok()?;
    request.headers_mut().insert(HOST, HeaderValue::try_from(host).ok()?);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("vestibule-health-check"));
    Some(request)
}
