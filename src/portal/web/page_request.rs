//! One request for a page, with everything a handler needs. Whoever holds one has passed the checks in `extract`.

use std::sync::Arc;

use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;

use super::binding::binding as device_binding;
use super::csrf::CsrfId;
use super::fields::Fields;
use super::headers::plain;
use super::state::Portal;
use crate::base::{ClientAddr, FlowId, Hangup, Host, Time};
use crate::config::Config;
use crate::factor::{Method as Factor, MethodSet};
use crate::login::{Binding, Judge, ReturnTo};
use crate::path::Path;
use crate::policy::{Ask, Certificate, Demand, DeviceRule, DeviceState, Level, Policy, PortalMatch};
use crate::service::client::ClientBinding;
use crate::service::saved_post::Form;
use crate::service::{Client, DeviceId, LiveSession, Services, browser_name};
use crate::session::{CookieKind, Cookies, KeyRing, Purpose};
use crate::view::{Languages, Page, Words};

/// What the gateway says of a request; it travels in the request's extensions.
#[derive(Clone)]
pub struct RequestContext {
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
    pub hangup: Hangup,
}

/// A checked request.
pub struct PageRequest {
    pub services: Arc<Services>,
    pub context: RequestContext,
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
    pub languages: Arc<Languages>,
    /// The page of ours that this request was made on: path and query, from `Referer`.
    pub came_from: Option<String>,
    pub(super) csrf: CsrfId,
    /// What ties a hand-over to this browser, if the host has set it.
    pub(in crate::portal) binding: Option<Binding>,
    /// GET or HEAD, which a link from elsewhere can make a browser send: it ends nothing.
    pub(in crate::portal) reads: bool,
    /// The browser has no form cookie yet.
    pub(in crate::portal) new_csrf: Option<String>,
}

/// What the browser's other cookies say; one that we did not sign says nothing.
struct Brought {
    flow: Option<FlowId>,
    device: Option<DeviceId>,
    binding: Option<Binding>,
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
        let binding = cookies.read(CookieKind::Enter, lines()).and_then(Binding::of_cookie);
        let known = cookies.read(CookieKind::Csrf, lines()).and_then(|cookie| CsrfId::read(cookie, keys));
        if let Some(csrf) = known {
            return Ok(Self { flow, device, binding, csrf, new_csrf: None });
        }
        let csrf = CsrfId::random().map_err(|_| plain(StatusCode::SERVICE_UNAVAILABLE))?;
        Ok(Self { flow, device, binding, csrf, new_csrf: Some(csrf.cookie(keys)) })
    }
}

/// `scheme://authority`.
pub fn secure_url(secure: bool, authority: &str) -> String {
    format!("{}://{authority}", if secure { "https" } else { "http" })
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A page below our prefix on this very origin.
fn came_from(origin: &str, prefix: &str, referer: &str) -> Option<String> {
    let path = referer.strip_prefix(origin)?;
    let plain = path.len() <= 2048 && path.bytes().all(|b| b.is_ascii_graphic());
    (plain && path.strip_prefix(prefix)?.starts_with('/')).then(|| path.to_owned())
}

impl PageRequest {
    pub(super) fn assemble(
        portal: &Arc<Portal>,
        context: RequestContext,
        session: Option<Arc<LiveSession>>,
        headers: &HeaderMap,
        target: &str,
        body: &[u8],
    ) -> Result<Self, Response> {
        let services = portal.services.clone();
        let cookies = Cookies::new(&context.config.session, context.secure);
        let Brought { flow, device, binding, csrf, new_csrf } = Brought::read(&cookies, headers, &services.live.keys())?;
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let chosen = cookies.read(CookieKind::Language, lines).and_then(|tag| portal.languages.named(tag));
        let words = chosen.unwrap_or_else(|| portal.languages.choose(Some(header_text(headers, header::ACCEPT_LANGUAGE))));
        let (query, form) = (Fields::parse(target.split_once('?').map_or("", |(_, query)| query).as_bytes()), Fields::parse(body));
        let device_bound = match context.config.session.device_bound {
            Some(_) => device_binding(&cookies, headers, session.as_deref(), &services.live.keys(), (context.secure, context.now)),
            None => ClientBinding::default(),
        };
        let client = Client {
            address: context.client,
            browser: browser_name(header_text(headers, header::USER_AGENT)),
            device,
            request_id: context.request_id.clone(),
            binding: device_bound,
            origin: secure_url(context.secure, &context.authority),
            host: context.host.clone(),
            language: &words.meta.lang,
            hangup: context.hangup.clone(),
        };
        // The router has taken the prefix off.
        let target = format!("{}{target}", context.config.portal.prefix);
        let came_from = came_from(&client.origin, &context.config.portal.prefix, header_text(headers, header::REFERER));
        let mut req = Self {
            languages: portal.languages.clone(),
            came_from,
            services,
            context,
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
            binding,
            reads: true,
            new_csrf,
        };
        req.rd = req.read_rd();
        Ok(req)
    }

    fn read_rd(&self) -> ReturnTo {
        let sent = if self.form.has("rd") { self.form.get("rd") } else { self.query.get("rd") };
        self.judged(sent)
    }

    fn judged(&self, sent: &str) -> ReturnTo {
        let names = |host: &Host| self.context.policy.names_host(host);
        let handover = self.is_portal().then(|| self.handover_path());
        let judge = Judge {
            authority: &self.context.authority,
            secure: self.context.secure,
            names: &names,
            domain: self.context.config.session.domain.as_deref(),
            handover: handover.as_deref(),
        };
        ReturnTo::read(Some(sent), &judge)
    }

    /// Whether this is the one host where people sign in (`portal.url`).
    pub fn is_portal(&self) -> bool {
        self.context.config.is_portal(&self.context.host)
    }

    /// Where the portal's page for hand-overs is.
    pub(in crate::portal) fn handover_path(&self) -> String {
        format!("{}/handover", self.context.config.portal.prefix)
    }

    /// Where somebody was going who comes back from elsewhere; judged like any other.
    pub fn goes_on_to(&mut self, rd: &str) {
        self.rd = self.judged(rd);
    }

    /// Whether the session is bound to a device and the request shows nothing of it: it opens none of our pages but those where one authenticates.
    pub fn misses_device(&self) -> bool {
        self.client.binding.state == DeviceState::Missing
    }

    /// What every page of this request shares.
    pub fn page(&self) -> Page {
        let rd = self.rd.as_str();
        let other = self.rd.other_host();
        Page {
            words: self.words,
            prefix: self.context.config.portal.prefix.clone(),
            title: self.context.config.portal.title.clone(),
            host: other.as_ref().unwrap_or(&self.context.host).as_str().to_owned(),
            csrf: self.csrf.token(&self.services.live.keys()),
            rd: if rd == "/" { String::new() } else { rd.to_owned() },
            place: self.place(),
            brand: self.context.config.portal.brand.clone(),
            languages: self.languages.clone(),
            inline: false,
        }
    }

    /// What is answered from here on leads back to a page of ours.
    pub fn come_back_to(&mut self, path: &str) {
        self.rd = ReturnTo::own(&self.context.config.portal.prefix, path);
    }

    /// What is answered from here on leads to a place on this host.
    pub fn go_to(&mut self, path: &str) {
        let names = |_: &Host| false;
        let judge = Judge { authority: &self.context.authority, secure: self.context.secure, names: &names, domain: None, handover: None };
        self.rd = ReturnTo::read(Some(path), &judge);
    }

    /// What the place that the user is going to demands.
    pub fn wanted(&self) -> Option<Demand> {
        if let Some(form) = &self.bound_for {
            return self.wanted_by(&form.host()?, &Method::POST, &form.target);
        }
        let host = self.rd.other_host().unwrap_or_else(|| self.context.host.clone());
        self.wanted_by(&host, &Method::GET, self.rd.target())
    }

    /// What the place that the user is going to wants of sessions that are bound to a device.
    pub fn wanted_of_device(&self) -> Option<DeviceRule> {
        let host = self.rd.other_host().unwrap_or_else(|| self.context.host.clone());
        let path = Path::parse(self.rd.target().as_bytes()).ok()?;
        let ask = Ask {
            host: &host,
            method: &Method::GET,
            client: self.context.client,
            path: &path,
            form: false,
            certificate: Certificate::Absent,
        };
        self.context.policy.device_for(&ask)
    }

    /// What people call the place that the user is going to.
    fn place(&self) -> Option<Arc<str>> {
        let (host, method, target) = match &self.bound_for {
            Some(form) => (form.host()?, Method::POST, form.target.as_str()),
            None => (self.rd.other_host().unwrap_or_else(|| self.context.host.clone()), Method::GET, self.rd.target()),
        };
        let path = Path::parse(target.as_bytes()).ok()?;
        let own = !matches!(self.context.policy.under_prefix(&path), PortalMatch::No);
        let ask =
            Ask { host: &host, method: &method, client: self.context.client, path: &path, form: false, certificate: Certificate::Absent };
        if own { None } else { self.context.policy.title_for(&ask) }
    }

    /// The same in words, the administration too.
    pub fn place_called(&self) -> String {
        let admin = format!("{}/admin", self.context.config.portal.prefix);
        let to_admin = self.rd.other_host().is_none() && self.rd.target().starts_with(&admin);
        if to_admin { self.words.account.to_admin.clone() } else { self.page().place().to_owned() }
    }

    fn wanted_by(&self, host: &Host, method: &Method, target: &str) -> Option<Demand> {
        let path = Path::parse(target.as_bytes()).ok()?;
        if let PortalMatch::Exactly(rest) = self.context.policy.under_prefix(&path)
            && rest.strip_prefix("/admin").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            return Some(self.wanted_of_admins());
        }
        let ask = Ask { host, method, client: self.context.client, path: &path, form: false, certificate: Certificate::Absent };
        self.context.policy.demand_for(&ask)
    }

    /// Whether guests are let in where the user is going, and a code can be sent to them.
    pub fn welcomes_guests(&self) -> bool {
        let host = self.rd.other_host().unwrap_or_else(|| self.context.host.clone());
        let Ok(path) = Path::parse(self.rd.target().as_bytes()) else { return false };
        let ask = Ask {
            host: &host,
            method: &Method::GET,
            client: self.context.client,
            path: &path,
            form: false,
            certificate: Certificate::Absent,
        };
        self.services.notices.can_send(Factor::Email) && self.context.policy.welcomes_guests(&ask)
    }

    /// What the administration demands: a second factor no older than `admin.max_age`, never a trusted browser or a recovery code.
    pub fn wanted_of_admins(&self) -> Demand {
        let factors = Some(Factor::ENROLLABLE.into_iter().collect());
        Demand { level: Level::TwoFactor, factors, max_age: Some(self.context.config.admin.max_age) }
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
