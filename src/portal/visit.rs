//! One request for a page, with everything a handler needs; and the checks without which no handler runs.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::FromRequest;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;

use super::Portal;
use super::csrf::{self, CsrfId, Sender};
use super::fields::Fields;
use super::reply::{self, Reply};
use super::resume;
use crate::base::{ClientAddr, FlowId, Host, Time};
use crate::config::Config;
use crate::factor::{Method as Factor, MethodSet};
use crate::login::{Judge, ReturnTo};
use crate::path::Path;
use crate::policy::{Ask, Level, Policy, PortalMatch, Wanted};
use crate::service::saved_post::Form;
use crate::service::sessions::Found;
use crate::service::{Client, DeviceId, LiveSession, Services, browser_name};
use crate::session::{CookieKind, Cookies, KeyRing, Purpose};
use crate::view::{Page, Words};

/// What the gateway says of a request; it travels in the request's extensions.
#[derive(Clone)]
pub struct Request {
    pub config: Arc<Config>,
    pub policy: Arc<Policy>,
    pub host: Host,
    /// The Host as sent, port and all.
    pub authority: String,
    pub secure: bool,
    pub client: ClientAddr,
    pub now: Time,
    /// The one session cookie's value.
    pub token: Option<String>,
    pub request_id: String,
}

/// A checked request.
pub struct Visit {
    pub services: Arc<Services>,
    pub request: Request,
    pub cookies: Cookies,
    pub query: Fields,
    pub form: Fields,
    pub session: Option<Arc<LiveSession>>,
    pub flow: Option<FlowId>,
    pub client: Client,
    /// Path and query of this request, as sent.
    pub target: String,
    pub rd: ReturnTo,
    /// The form that is sent again in the end, where that is where the user is going.
    pub bound_for: Option<Form>,
    pub words: &'static Words,
    csrf: CsrfId,
    /// GET or HEAD, which a link from elsewhere can make a browser send: it ends nothing.
    pub(super) reads: bool,
    /// The browser has no form cookie yet.
    pub(super) new_csrf: Option<String>,
}

/// What the browser's other cookies say; one that we did not sign says nothing.
struct Brought {
    flow: Option<FlowId>,
    device: Option<DeviceId>,
    csrf: CsrfId,
    /// The form cookie to set, where there was none.
    new_csrf: Option<String>,
}

impl Brought {
    fn read(cookies: &Cookies, headers: &HeaderMap, keys: &KeyRing) -> Result<Self, Response> {
        let lines = || headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut buffer = [0; 256];
        let flow = cookies
            .read(CookieKind::Flow, lines())
            .and_then(|token| keys.verify(Purpose::Flow, token, &mut buffer)?.try_into().ok())
            .map(FlowId::from_bytes);
        let mut buffer = [0; 256];
        let device = cookies
            .read(CookieKind::Device, lines())
            .and_then(|token| DeviceId::from_bytes(keys.verify(Purpose::Device, token, &mut buffer)?));
        let known = cookies.read(CookieKind::Csrf, lines()).and_then(|cookie| CsrfId::read(cookie, keys));
        if let Some(csrf) = known {
            return Ok(Self { flow, device, csrf, new_csrf: None });
        }
        let csrf = CsrfId::random().map_err(|_| reply::plain(StatusCode::SERVICE_UNAVAILABLE))?;
        Ok(Self { flow, device, csrf, new_csrf: Some(csrf.cookie(keys)) })
    }
}

/// `scheme://authority`.
pub fn secure_url(secure: bool, authority: &str) -> String {
    format!("{}://{authority}", if secure { "https" } else { "http" })
}

impl FromRequest<Arc<Portal>> for Visit {
    type Rejection = Response;

    async fn from_request(request: axum::extract::Request, portal: &Arc<Portal>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let Some(known) = parts.extensions.get::<Request>().cloned() else { return Err(reply::plain(StatusCode::INTERNAL_SERVER_ERROR)) };
        let body = read(body).await?;
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let (session, is_unknown) = match session(&portal.services, &known).await {
            Ok(session) => (session, false),
            Err(Unknown) => (None, true),
        };
        let mut visit = Self::assemble(portal, known, session, &parts.headers, target, &body)?;
        visit.reads = matches!(parts.method, Method::GET | Method::HEAD);
        if is_unknown {
            return Err(visit.answer(Ok(Reply::problem(&visit, crate::view::message::Problem::Unavailable))));
        }
        visit.check(&parts.headers)?;
        visit.bound_for = resume::bound_for(&visit).await;
        Ok(visit)
    }
}

/// Whether there is a session cannot be known for now.
struct Unknown;

/// The session of the request's cookie. One that is not known here may just have been made at another gateway.
async fn session(services: &Services, request: &Request) -> Result<Option<Arc<LiveSession>>, Unknown> {
    let Some(token) = request.token.as_deref() else { return Ok(None) };
    match services.live.lookup(token, request.now) {
        Found::Live(session) => Ok(Some(session)),
        Found::Forged => Ok(None),
        Found::Unknown => Err(Unknown),
        Found::Ended => services.adopt(token).await.map_err(|e| {
            tracing::error!(error = %e, request = request.request_id, "the store could not be asked for a session");
            Unknown
        }),
    }
}

/// The bridge has put a cap on it already.
async fn read(body: Body) -> Result<Bytes, Response> {
    axum::body::to_bytes(body, 1024 * 1024).await.map_err(|_| reply::plain(StatusCode::PAYLOAD_TOO_LARGE))
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl Visit {
    fn assemble(
        portal: &Arc<Portal>,
        request: Request,
        session: Option<Arc<LiveSession>>,
        headers: &HeaderMap,
        target: &str,
        body: &[u8],
    ) -> Result<Self, Response> {
        let services = portal.services.clone();
        let cookies = Cookies::new(&request.config.session, request.secure);
        let Brought { flow, device, csrf, new_csrf } = Brought::read(&cookies, headers, &services.live.keys())?;
        let words = portal.languages.choose(headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()));
        let (query, form) = (Fields::parse(target.split_once('?').map_or("", |(_, query)| query).as_bytes()), Fields::parse(body));
        let client = Client {
            address: request.client,
            browser: browser_name(header_text(headers, header::USER_AGENT)),
            device,
            request_id: request.request_id.clone(),
            origin: secure_url(request.secure, &request.authority),
            host: request.host.clone(),
            language: &words.meta.lang,
        };
        // The router has taken the prefix off.
        let target = format!("{}{target}", request.config.portal.prefix);
        let mut visit = Self {
            services,
            request,
            cookies,
            query,
            form,
            session,
            flow,
            client,
            target,
            rd: ReturnTo::root(),
            bound_for: None,
            words,
            csrf,
            reads: true,
            new_csrf,
        };
        visit.rd = visit.read_rd();
        Ok(visit)
    }

    fn read_rd(&self) -> ReturnTo {
        let sent = if self.form.has("rd") { self.form.get("rd") } else { self.query.get("rd") };
        let names = |host: &Host| self.request.policy.names_host(host);
        let judge = Judge {
            authority: &self.request.authority,
            secure: self.request.secure,
            names: &names,
            domain: self.request.config.session.domain.as_deref(),
        };
        ReturnTo::read(Some(sent), &judge)
    }

    /// Pages are for people: a script of the app behind us, which shares our origin, reads none and posts to none.
    fn check(&self, headers: &HeaderMap) -> Result<(), Response> {
        if headers.get_all("sec-fetch-mode").iter().any(|mode| mode.as_bytes() != b"navigate") {
            return Err(self.answer(Ok(Reply::problem(self, crate::view::message::Problem::Csrf))));
        }
        if self.reads {
            return Ok(());
        }
        let problem = match csrf::sender(headers, &self.request.authority, self.request.secure) {
            Sender::OtherScheme => {
                tracing::warn!(client = %self.request.client, "a form came over another scheme than it was made for; is the proxy in front missing in server.trusted_proxies?");
                Some(crate::view::message::Problem::CsrfScheme)
            }
            Sender::Foreign => Some(crate::view::message::Problem::Csrf),
            Sender::Own => {
                (!self.csrf.accepts(self.form.get("csrf"), &self.services.live.keys())).then_some(crate::view::message::Problem::Csrf)
            }
        };
        match problem {
            Some(problem) => Err(self.answer(Ok(Reply::problem(self, problem)))),
            None => Ok(()),
        }
    }

    /// What every page of this visit shares.
    pub fn page(&self) -> Page {
        let rd = self.rd.as_str();
        let other = self.rd.other_host();
        Page {
            words: self.words,
            prefix: self.request.config.portal.prefix.clone(),
            title: self.request.config.portal.title.clone(),
            host: other.as_ref().unwrap_or(&self.request.host).as_str().to_owned(),
            csrf: self.csrf.token(&self.services.live.keys()),
            rd: if rd == "/" { String::new() } else { rd.to_owned() },
            help: None,
        }
    }

    /// What is answered from here on leads back to a page of ours.
    pub fn come_back_to(&mut self, path: &str) {
        self.rd = ReturnTo::own(&self.request.config.portal.prefix, path);
    }

    /// What the place that the user is going to demands.
    pub fn wanted(&self) -> Option<Wanted> {
        if let Some(form) = &self.bound_for {
            return self.wanted_by(&form.host()?, &Method::POST, &form.target);
        }
        let host = self.rd.other_host().unwrap_or_else(|| self.request.host.clone());
        self.wanted_by(&host, &Method::GET, self.rd.target())
    }

    fn wanted_by(&self, host: &Host, method: &Method, target: &str) -> Option<Wanted> {
        let path = Path::parse(target.as_bytes()).ok()?;
        if let PortalMatch::Exactly(rest) = self.request.policy.under_prefix(&path)
            && rest.strip_prefix("/admin").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            return Some(self.wanted_of_admins());
        }
        let ask = Ask { host, method, client: self.request.client, path: &path };
        self.request.policy.requirement_for(&ask)
    }

    /// What the administration demands: a second factor no older than `admin.max_age`, never a trusted browser or a recovery code.
    pub fn wanted_of_admins(&self) -> Wanted {
        let factors = Some(Factor::ENROLLABLE.into_iter().collect());
        Wanted { level: Level::TwoFactor, factors, max_age: Some(self.request.config.admin.max_age) }
    }

    /// Which second factors that place takes; `None`: all.
    pub fn wanted_factors(&self) -> Option<MethodSet> {
        self.wanted().and_then(|wanted| wanted.factors)
    }

    /// The flow cookie's value for a flow.
    pub fn flow_cookie(&self, id: FlowId) -> String {
        self.cookies.set(CookieKind::Flow, &self.services.live.keys().sign(Purpose::Flow, id.as_bytes()), None)
    }
}

#[cfg(test)]
mod tests;
