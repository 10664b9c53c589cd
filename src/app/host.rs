//! What the gateway asks of the program, request by request: who somebody is, the gateway's own pages, the page of an error, where a
//! record goes. What dies here is answered by a refusal.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use tokio::sync::watch;
use tower::ServiceExt;

use super::pages::mount;
use super::program::App;
use crate::account::ApplicationPassword;
use crate::acme::Answer;
use crate::base::{ClientAddr, Host, Subject, Time, TokenId, UserId};
use crate::factor::Method;
use crate::gateway::{
    AccessRecord, Bound, ClientCertificate, DeviceShown, ErrorPage, Facts, FindingSession, GatewayHost, Lookup, Opened, PortalAnswer,
    PortalContext, SavingPost, Shape, Snapshot, TokenLookup, UserSession,
};
use crate::identity::assertion::{Claims, Signed, Unsigned};
use crate::limit::{Place, Throttled};
use crate::policy::{Identity, Proof};
use crate::portal;
use crate::service::audit::{Actor, Event};
use crate::service::saved_post::Form;
use crate::service::sessions::{CachedSession, Found, MachineVisitor, SeenCertificate, TokenVisitor};
use crate::service::{Client, Services};
use crate::session::Purpose;
use crate::token::{Way, digest};
use crate::view::Page;
use crate::view::message::{self, Problem};

impl UserSession for CachedSession {
    fn identity(&self) -> Identity {
        Self::identity(self)
    }

    fn is_ended(&self) -> bool {
        self.session().is_ended()
    }

    fn touch(&self, now: Time) {
        self.session().touch(now);
    }

    fn accepts(&self, token: &str, _secure: bool, now: Time) -> bool {
        Self::returns(self, token, now)
    }

    fn device(&self, cookie: Option<&str>, now: Time) -> DeviceShown {
        let (state, binding) = Self::device(self, cookie, now);
        DeviceShown { state, binding }
    }

    fn bound(&self) -> Option<Bound> {
        let session = self.session();
        let device = session.device()?;
        Some(Bound { id: device.id, proved_at: device.proved_at, holds_from: device.holds_from(session.authenticated()) })
    }

    fn misses_device(&self) -> bool {
        self.session().misses_device()
    }

    fn user(&self) -> Option<UserId> {
        Some(self.session().user())
    }

    fn facts(&self) -> Option<Facts> {
        let (record, proof) = (self.session().record(), self.session().proof());
        let auth_time = match proof {
            Proof::Second { at, .. } => at,
            Proof::Password | Proof::TrustedBrowser => record.full_auth,
        };
        // A code sent to an address, or a link handed over.
        let is_guest = self.session().identity().person.guest.is_some();
        let amr = if is_guest { vec!["otp"] } else { amr(proof) };
        Some(Facts { subject: record.user.to_string(), session: record.id.to_string(), auth_time, amr })
    }
}

/// How somebody has shown who they are (RFC 8176 section 2). A code, sent or computed, is `otp`.
fn amr(proof: Proof) -> Vec<&'static str> {
    match proof {
        Proof::Password | Proof::TrustedBrowser => vec!["pwd"],
        Proof::Second { method: Method::Webauthn, .. } => vec!["pwd", "hwk", "mfa"],
        // What the provider asked for it does not say in these words.
        Proof::Second { method: Method::External, .. } => vec!["mfa"],
        Proof::Second { method: Method::Totp | Method::Email | Method::Sms | Method::Recovery, .. } => vec!["pwd", "otp", "mfa"],
    }
}

impl UserSession for TokenVisitor {
    fn identity(&self) -> Identity {
        Self::identity(self)
    }

    fn is_ended(&self) -> bool {
        Self::is_ended(self)
    }

    fn accepts_token(&self, text: &str, way: Way, client: ClientAddr, now: Time) -> bool {
        Self::returns(self, text, way, client, now)
    }

    fn token_id(&self) -> Option<TokenId> {
        Some(self.token().id())
    }

    fn user(&self) -> Option<UserId> {
        Some(self.token().record.user)
    }

    fn facts(&self) -> Option<Facts> {
        let record = &self.token().record;
        Some(Facts { subject: record.user.to_string(), session: record.id.to_string(), auth_time: record.created, amr: Vec::new() })
    }
}

impl UserSession for MachineVisitor {
    fn identity(&self) -> Identity {
        Self::identity(self)
    }

    fn is_ended(&self) -> bool {
        Self::is_ended(self)
    }

    fn user(&self) -> Option<UserId> {
        Some(self.holder().user)
    }

    fn facts(&self) -> Option<Facts> {
        let holder = self.holder();
        // The account is what there is of a session: its certificate may be renewed at any time.
        Some(Facts { subject: holder.user.to_string(), session: holder.user.to_string(), auth_time: holder.since, amr: Vec::new() })
    }
}

impl GatewayHost for App {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    fn is_current(&self, snapshot: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(&self.snapshot.load(), snapshot)
    }

    fn now(&self) -> Time {
        self.services.now()
    }

    fn session(&self, token: &str, _secure: bool, now: Time) -> Lookup {
        let live = &self.services.live;
        let keys = live.keys();
        match live.lookup_under(&keys, token, now) {
            Found::Live(session) => Lookup::Live(Arc::new(CachedSession::new(Arc::clone(live), session, token, keys))),
            Found::Ended => Lookup::Ended,
            Found::Forged => Lookup::Forged,
            Found::Unknown => Lookup::Unknown,
            Found::Elsewhere => Lookup::Elsewhere,
        }
    }

    fn find_session(&self, token: &str, now: Time) -> FindingSession {
        let (services, token) = (Arc::clone(&self.services), token.to_owned());
        let found = self.work.spawn(async move { find_session(&services, &token, now).await });
        Box::pin(async move { found.await.unwrap_or(Lookup::Unknown) })
    }

    fn challenge(&self, host: &Host, token: Option<&str>, now: Time) -> Answer {
        self.acme.in_force().answer(host, token, now)
    }

    fn device_missing(&self, user: &str, (client, host): (ClientAddr, &Host), request_id: &str) {
        let host = host.clone();
        let (services, user, request_id) = (Arc::clone(&self.services), user.to_owned(), request_id.to_owned());
        self.work.spawn(async move {
            let client = Client::of_request(client, host, request_id);
            if let Err(error) = services.audit.record(Event::DeviceMissing, Some(&user), Actor::User(&client), "").await {
                tracing::error!(%error, "that a session is used without its device could not be written down");
            }
        });
    }

    fn large_body(&self, client: ClientAddr) -> Option<Place> {
        self.large_bodies.take(client.group())
    }

    fn revocations(&self) -> watch::Receiver<u64> {
        self.services.live.revocations()
    }

    fn owner(&self, token: &str) -> Option<UserId> {
        self.services.live.owner(token)
    }

    fn token(&self, text: &str, way: Way, client: ClientAddr, now: Time) -> TokenLookup {
        if self.services.live.is_stale() {
            return TokenLookup::Unknown;
        }
        let found = digest(text).and_then(|digest| self.services.tokens.table().find(&digest, now));
        if let Some(token) = found {
            if !token.owner.is_relied_on(now) {
                return TokenLookup::Unknown;
            }
            token.touch(client.ip(), now);
            return TokenLookup::Live(Arc::new(TokenVisitor::new(token, text, way, Arc::clone(&self.services.live))));
        }
        match self.services.token_failures.count(client) {
            // Another gateway may have made it.
            _ if self.services.live.is_behind() => TokenLookup::Unknown,
            Err(Throttled(wait)) => TokenLookup::Throttled(wait),
            Ok(()) => {
                let services = Arc::clone(&self.services);
                self.work.spawn(async move { services.token_failures.note(client).await });
                TokenLookup::Invalid
            }
        }
    }

    fn certificate_holder(&self, subject: &Subject, certificate: Option<&ClientCertificate>) -> Lookup {
        let live = &self.services.live;
        match self.services.tokens.holders().find(subject) {
            _ if live.is_stale() => Lookup::Unknown,
            Some(holder) => {
                if let Some(shown) = certificate {
                    holder.came_with(SeenCertificate { fingerprint: shown.fingerprint, ends: shown.ends(), at: self.services.now() });
                }
                Lookup::Live(Arc::new(MachineVisitor::new(holder, Arc::clone(live))))
            }
            // Another gateway may have made it.
            None if live.is_behind() => Lookup::Unknown,
            None => Lookup::Ended,
        }
    }

    fn assert(&self, claims: &Claims<'_>, lifetime: Duration, now: Time) -> Result<Signed, Unsigned> {
        self.services.live.keys().assertions()?.assert(claims, lifetime, now)
    }

    fn open_credential(&self, user: UserId, stored: &ApplicationPassword) -> Opened {
        let applications = &self.services.applications;
        if applications.is_refused(user, stored) {
            return Opened::Refused;
        }
        applications.open(user, stored).map_or(Opened::Unreadable, Opened::Value)
    }

    fn credential_refused(&self, user: UserId, route: &str, added: Time) {
        if self.services.applications.hold(user, route, added) {
            let (services, route) = (Arc::clone(&self.services), route.to_owned());
            self.work.spawn(async move {
                if let Err(error) = services.applications.write_down(user, &route, added).await {
                    tracing::error!(%error, route, "that an application refused a stored password could not be written down");
                }
            });
        }
    }

    fn sign_upstream(&self, name: &[u8]) -> Option<String> {
        Some(self.services.live.keys().sign(Purpose::Upstream, name))
    }

    fn is_upstream(&self, value: &str, name: &[u8]) -> bool {
        self.services.live.keys().verify(Purpose::Upstream, value, &mut [0; 256]).is_some_and(|signed| signed == name)
    }

    fn save_post(&self, owner: UserId, form: Form) -> SavingPost {
        let services = self.services.clone();
        let kept = self.work.spawn(async move {
            services.saved_posts.save(owner, &form).await.unwrap_or_else(|e| {
                tracing::error!(error = %e, "an interrupted form could not be kept");
                None
            })
        });
        Box::pin(async move { kept.await.unwrap_or(None) })
    }

    fn portal(&self, request: http::Request<Bytes>, context: PortalContext) -> PortalAnswer {
        // A request keeps the configuration that it came under: after a reload it may be another than the router's.
        let current = self.router.load();
        let router = match &**current {
            (prefix, portal) if *prefix == context.snapshot.config.portal.prefix => portal.clone(),
            _ => mount(&self.services, &self.languages.load_full(), &context.snapshot.config).1,
        };
        let answer = self.work.spawn(answer(router, request, context));
        Box::pin(async move { answer.await.unwrap_or_else(|_| unavailable()) })
    }

    fn error_page(&self, page: &ErrorPage<'_>) -> String {
        let languages = self.languages.load();
        let words = page.language.map_or_else(|| languages.english(), |header| languages.choose(Some(header)));
        let config = self.config();
        // A host that no route names is told nothing of whose this is.
        let inline = page.shape == Shape::Inline;
        let base = Page {
            words,
            prefix: config.portal.prefix.clone(),
            title: config.portal.title.clone(),
            host: String::new(),
            csrf: String::new(),
            rd: String::new(),
            place: None,
            languages: self.languages.load_full(),
            brand: if inline { Arc::default() } else { config.portal.brand.clone() },
            inline,
        };
        match page.login_url {
            None if page.reason == "identity_too_large" => message::many_groups(&base, page.user.unwrap_or_default(), page.request_id),
            None if page.reason == "application_password_missing" => message::application_password(&base, false, page.request_id),
            None if page.reason == "application_password_refused" => message::application_password(&base, true, page.request_id),
            Some(url) if page.reason == "device_check" => message::moment(&base, false, url),
            Some(url) if page.reason == "device_wait" => message::moment(&base, true, url),
            Some(url) if page.shape == Shape::Framed => message::framed(&base, url),
            Some(url) => message::not_sent(&base, url, page.shape == Shape::FromAnotherSite, page.request_id),
            None => message::problem(&base, problem(page.status.as_u16(), page.reason), Some(page.request_id)),
        }
        .into_string()
    }

    fn unread(&self, peer: ClientAddr) {
        self.telemetry.unread(peer);
    }

    fn record(&self, record: &AccessRecord<'_>) {
        self.telemetry.record(record);
        if let Some(reason) = record.observed {
            self.services.observed.note(record.route.unwrap_or_default(), record.user, reason);
        }
    }
}

/// The session of a cookie that is not in memory. The signature comes first: nobody else's numbers reach the store.
async fn find_session(services: &Services, token: &str, now: Time) -> Lookup {
    let keys = services.live.keys();
    let Some(id) = services.live.signed(token) else { return Lookup::Forged };
    let session = match services.sessions.find(id).await {
        Ok(Some(session)) => session,
        Ok(None) => return Lookup::Ended,
        Err(error) => {
            tracing::error!(%error, "a session could not be read from the store");
            return Lookup::Unknown;
        }
    };
    // Somebody of a directory who was not here is asked about first.
    services.source_refresh.look_first(session.user()).await;
    match services.live.lookup_under(&keys, token, now) {
        Found::Live(session) => Lookup::Live(Arc::new(CachedSession::new(Arc::clone(&services.live), session, token, keys))),
        Found::Ended => Lookup::Ended,
        Found::Forged => Lookup::Forged,
        Found::Unknown | Found::Elsewhere => Lookup::Unknown,
    }
}

async fn answer(router: Router, request: http::Request<Bytes>, context: PortalContext) -> http::Response<Bytes> {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(portal::RequestContext {
        config: context.snapshot.config.clone(),
        policy: context.snapshot.policy.clone(),
        host: context.host,
        authority: context.authority,
        secure: context.secure,
        client: context.client,
        now: context.now,
        token: context.token,
        request_id: context.request_id,
        hangup: context.hangup,
    });
    let Ok(response) = router.oneshot(http::Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = response.into_parts();
    match axum::body::to_bytes(body, 16 * 1024 * 1024).await {
        Ok(body) => http::Response::from_parts(parts, body),
        Err(_) => unavailable(),
    }
}

/// A page that died is a refusal.
fn unavailable() -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::new());
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response
}

fn problem(status: u16, reason: &str) -> Problem {
    match (status, reason) {
        (403, "group" | "guest") => Problem::WrongGroup,
        (403, "mfa_off") => Problem::MfaOff,
        (403, "device") => Problem::DeviceRequired,
        (403, "client_certificate") => Problem::CertificateMissing,
        (403, "client_certificate_expired") => Problem::CertificateExpired,
        (403, "client_certificate_revoked") => Problem::CertificateRevoked,
        (403, "client_certificate_unknown") => Problem::CertificateUnknown,
        (403, "client_certificate_unchecked") => Problem::CertificateUnchecked,
        (503, "device") => Problem::DeviceBusy,
        (503, "too_many_bodies") => Problem::Busy,
        (403, _) => Problem::Denied,
        (404, _) => Problem::NotFound,
        (413, _) => Problem::TooLarge,
        (421, _) => Problem::Misdirected,
        (502, "upstream_credentials") => Problem::UpstreamCredentials,
        (502, _) => Problem::BadGateway,
        (503, _) => Problem::Unavailable,
        (504, _) => Problem::Timeout,
        (400..=499, _) => Problem::Malformed,
        _ => Problem::Internal,
    }
}
