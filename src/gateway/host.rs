//! What the gateway asks of the rest of the program: everything that a request needs to know, and nothing that waits.
//!
//! An implementation of [`GatewayHost`] answers from memory: no lock across an await, no disk. The portal is the one exception; it
//! answers from a runtime of its own, so that a password hash never stalls a shard.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tokio::sync::watch;

use crate::account::ApplicationPassword;
use crate::acme::Answer;
use crate::base::trace::Trace;
use crate::base::{BindingId, ClientAddr, Hangup, Host, SavedPostId, Subject, Time, TokenId, UserId};
use crate::config::Config;
use crate::forward_auth;
use crate::gateway::client_certificate::ClientCertificate;
use crate::gateway::request::cookies::OwnCookies;
use crate::gateway::upstream::pool::{BadUpstream, Upstreams};
use crate::identity::Names;
use crate::identity::assertion::{Claims, Signed, Unsigned};
use crate::limit::Place;
use crate::policy::{DeviceState, Identity, Policy};
use crate::service::saved_post::Form;
use crate::token::Way;

/// A live session, as far as the gateway needs it.
pub trait UserSession: Send + Sync + 'static {
    fn identity(&self) -> Identity;
    /// Whether it was revoked or has timed out, or the session that replaced it was. Asked again at each piece of news while one of its
    /// requests is under way.
    fn is_ended(&self) -> bool;
    /// It is in use: a request or a tunnel of it moved bytes.
    fn touch(&self, _now: Time) {}
    /// Whether this cookie value, which led here before, would still lead here. Then the session counts as used.
    fn accepts(&self, _token: &str, _secure: bool, _now: Time) -> bool {
        false
    }
    /// Whether this text of an API token, and no other, would lead here again in this way. Then it is in use.
    fn accepts_token(&self, _text: &str, _way: Way, _client: ClientAddr, _now: Time) -> bool {
        false
    }
    /// The API token that stands for a session here.
    fn token_id(&self) -> Option<TokenId> {
        None
    }
    /// The account behind it.
    fn user(&self) -> Option<UserId> {
        None
    }
    /// What a request shows of the device that the session is bound to, by the value of its bound cookie.
    fn device(&self, _cookie: Option<&str>, _now: Time) -> DeviceShown {
        DeviceShown::default()
    }
    /// The device that it is bound to by now. Asked again while one of its requests is under way.
    fn bound(&self) -> Option<Bound> {
        None
    }
    /// It was used without its device; `true` the first time since the device was shown.
    fn misses_device(&self) -> bool {
        false
    }
    /// What the identity assertion says of it.
    fn facts(&self) -> Option<Facts> {
        None
    }
}

/// What a request shows of the device, and the binding that its session had then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeviceShown {
    pub state: DeviceState,
    pub binding: Option<BindingId>,
}

/// A session's binding to a device, as it is at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    pub id: BindingId,
    /// When the key was last used.
    pub proved_at: Time,
    /// From when on the session opens nothing without its bound cookie.
    pub holds_from: Time,
}

/// What the identity assertion says of a session or token beyond the person.
pub struct Facts {
    /// The account's id.
    pub subject: String,
    /// The session's or the token's id.
    pub session: String,
    /// When the last factor was shown; for a token, when it was made.
    pub auth_time: Time,
    /// How (RFC 8176); a token has shown none.
    pub amr: Vec<&'static str>,
}

/// A stored password, opened.
pub enum Opened {
    /// The `Authorization` that it makes.
    Value(HeaderValue),
    /// The application refused it.
    Refused,
    /// No key that is kept opens it.
    Unreadable,
}

/// What the text of an API token turned out to be.
pub enum TokenLookup {
    Live(Arc<dyn UserSession>),
    Invalid,
    /// Invalid, and so were too many others from this address.
    Throttled(Duration),
    /// Whether it is valid cannot be known at the moment.
    Unknown,
}

/// What a session cookie's value leads to.
pub enum Lookup {
    Live(Arc<dyn UserSession>),
    /// Signed by this gateway, but the session has ended. The cookie is left alone: a newer one may just have replaced it.
    Ended,
    /// Malformed or not signed by this gateway. The cookie is expired in the answer.
    Forged,
    /// Signed by this gateway, but whether the session is live cannot be known at the moment. What needs a session is answered 503.
    Unknown,
    /// Signed by this gateway, and not in memory: [`GatewayHost::find_session`] asks the store.
    Elsewhere,
}

/// The configuration and policy of one moment, which a request keeps to its end. A copy shares everything large.
#[derive(Clone)]
pub struct Snapshot {
    pub config: Arc<Config>,
    pub policy: Arc<Policy>,
    /// Round-robin and failover state of this configuration's upstreams.
    pub upstreams: Arc<Upstreams>,
    /// The header names that no client may use.
    pub names: Arc<Names>,
    /// The headers of the answer to another proxy that may forward a request.
    pub answers: Arc<[HeaderName]>,
    pub cookies: OwnCookies,
}

impl Snapshot {
    /// # Errors
    /// If a route's certificates or sockets cannot be used.
    pub fn new(config: Arc<Config>, policy: Arc<Policy>) -> Result<Self, BadUpstream> {
        let upstreams = Arc::new(Upstreams::new(&config.routes)?);
        let cookies = OwnCookies::new(&config.session.cookie, config.session.domain.as_deref());
        let names = Arc::new(Names::new(config.routes.iter().flat_map(|route| route.application.names())));
        let answers = forward_auth::answer::names(&config.routes).iter().filter_map(|name| name.parse().ok()).collect();
        Ok(Self { config, policy, names, answers, upstreams, cookies })
    }
}

/// What the portal is told beyond the request itself.
pub struct PortalContext {
    pub snapshot: Arc<Snapshot>,
    pub host: Host,
    /// The Host in its comparable form, with the port as sent.
    pub authority: String,
    /// Whether the client speaks HTTPS, to us or to a trusted proxy.
    pub secure: bool,
    pub client: ClientAddr,
    pub now: Time,
    /// The value of the one session cookie; `None` if there is none, or more than one.
    pub token: Option<String>,
    pub request_id: String,
    pub hangup: Hangup,
}

/// One of the gateway's own error pages, to be rendered for a user.
#[derive(Debug)]
pub struct ErrorPage<'a> {
    pub status: StatusCode,
    /// A short machine-readable word: `no_route`, `forbidden`, `upstream_timeout` ...
    pub reason: &'a str,
    pub title: &'a str,
    pub detail: &'a str,
    pub request_id: &'a str,
    /// The client's `Accept-Language`, as sent.
    pub language: Option<&'a str>,
    /// Where to sign in, for a form that was not sent on because nobody was signed in.
    pub login_url: Option<&'a str>,
    /// Who asks, where that is known.
    pub user: Option<&'a str>,
    pub shape: Shape,
}

/// What is special about where a page is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Shape {
    #[default]
    Usual,
    /// On a host that no route names: the page can load nothing and carries its style with it.
    Inline,
    /// In a frame, where nobody can sign in: a page of the same host may frame it, and its link opens in the top window.
    Framed,
    /// The answer to a form that another site sent.
    FromAnotherSite,
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Forwarded,
    Tunnel,
    /// Another proxy asked, and may forward the request.
    Authorized,
    Portal,
    Challenged,
    Forbidden,
    NoRoute,
    Refused,
    Failed,
    /// The client went away, the session was revoked, or a hook panicked.
    Cut,
}

impl Outcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Tunnel => "tunnel",
            Self::Authorized => "authorized",
            Self::Portal => "portal",
            Self::Challenged => "challenged",
            Self::Forbidden => "forbidden",
            Self::NoRoute => "no_route",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cut => "cut",
        }
    }
}

/// One request, once it is over. There is exactly one record for every request whose header could be read.
#[derive(Debug)]
pub struct AccessRecord<'a> {
    pub request_id: &'a str,
    pub at: Time,
    pub client: Option<ClientAddr>,
    pub method: &'a Method,
    pub host: Option<&'a Host>,
    /// Without the query, which may hold secrets. Not UTF-8: replaced.
    pub path: &'a str,
    pub route: Option<&'a str>,
    pub user: Option<&'a str>,
    /// The API token with which it came.
    pub token: Option<TokenId>,
    /// The subject of the client's certificate, if one counts.
    pub certificate: Option<&'a str>,
    /// Why the certificate that came does not count.
    pub certificate_fault: Option<&'a str>,
    /// Zero if nothing was answered.
    pub status: u16,
    pub outcome: Outcome,
    pub reason: &'a str,
    /// For a route that only observes: what would have stopped the request.
    pub observed: Option<&'a str>,
    pub upstream: Option<&'a str>,
    pub duration: Duration,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Its place in a trace, if traces are on.
    pub trace: Option<&'a Trace>,
}

/// The portal's answer, when it is ready.
pub type PortalAnswer = Pin<Box<dyn Future<Output = http::Response<Bytes>> + Send>>;

/// The id of a form that was saved; `None` if it was not.
pub type SavingPost = Pin<Box<dyn Future<Output = Option<SavedPostId>> + Send>>;

/// A session that is looked for elsewhere.
pub type FindingSession = Pin<Box<dyn Future<Output = Lookup> + Send>>;

/// What the gateway asks of the rest of the program, for each request.
pub trait GatewayHost: Send + Sync + 'static {
    /// The policy and configuration in force now.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Whether this snapshot is still in force. Asked for each request.
    fn is_current(&self, snapshot: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(&self.snapshot(), snapshot)
    }

    fn now(&self) -> Time;

    /// The session behind a cookie's value: its MAC first, then the map in memory, then the limits on its age. `secure` is
    /// whether the cookie came over HTTPS.
    fn session(&self, token: &str, secure: bool, now: Time) -> Lookup;

    /// The session behind a cookie's value for which [`GatewayHost::session`] said [`Lookup::Elsewhere`].
    fn find_session(&self, _token: &str, _now: Time) -> FindingSession {
        Box::pin(std::future::ready(Lookup::Unknown))
    }

    /// The owner of an API token that came in this way. Wrong ones are counted.
    fn token(&self, _text: &str, _way: Way, _client: ClientAddr, _now: Time) -> TokenLookup {
        TokenLookup::Invalid
    }

    /// The service account that a client certificate with this subject stands for. From memory.
    fn certificate_holder(&self, _subject: &Subject, _certificate: Option<&ClientCertificate>) -> Lookup {
        Lookup::Ended
    }

    /// A signed statement of who asks, valid for at least half of `lifetime`.
    ///
    /// # Errors
    /// If it cannot be signed.
    fn assert(&self, _claims: &Claims<'_>, _lifetime: Duration, _now: Time) -> Result<Signed, Unsigned> {
        Err(Unsigned)
    }

    /// Opens what a person stored for an application.
    fn open_credential(&self, _user: UserId, _stored: &ApplicationPassword) -> Opened {
        Opened::Unreadable
    }

    /// An application refused it: it is not sent again, from this moment on.
    fn credential_refused(&self, _user: UserId, _route: &str, _added: Time) {}

    /// Signs the name of an upstream, for the browser that is to be led there again; `None`: nobody is.
    fn sign_upstream(&self, _name: &[u8]) -> Option<String> {
        None
    }

    /// Whether a value is a signature of this name.
    fn is_upstream(&self, _value: &str, _name: &[u8]) -> bool {
        false
    }

    /// Somebody uses a session without the device that it is bound to; said once until the device is shown.
    fn device_missing(&self, _user: &str, _from: (ClientAddr, &Host), _request_id: &str) {}

    /// Room for a large body of this client that the gateway reads itself; `None` if there are too many.
    fn large_body(&self, client: ClientAddr) -> Option<Place>;

    /// Changes whenever a session ends, and whenever a user may do less than before.
    fn revocations(&self) -> watch::Receiver<u64>;

    /// The owner of the session that a well-signed cookie's value names or, until recently, named. From memory.
    fn owner(&self, _token: &str) -> Option<UserId> {
        None
    }

    /// Saves an interrupted form for its owner. The future only waits.
    fn save_post(&self, _owner: UserId, _form: Form) -> SavingPost {
        Box::pin(async { None })
    }

    /// Answers a request below the portal's prefix. An answer to a POST that is marked [`crate::service::saved_post::Replay`] stands for a saved
    /// form that is to be sent instead. The future only waits; the work is done on another runtime.
    fn portal(&self, request: http::Request<Bytes>, context: PortalContext) -> PortalAnswer;

    /// What to answer to an authority that asks for this token on a host; `None` is not a token that anybody orders. From memory.
    fn challenge(&self, _host: &Host, _token: Option<&str>, _now: Time) -> Answer {
        Answer::NotOurs
    }

    /// The HTML of an error page.
    fn error_page(&self, page: &ErrorPage<'_>) -> String;

    /// One event for the log and the metrics.
    fn record(&self, record: &AccessRecord<'_>);

    /// A connection ended that sent something from which no request could be read: malformed, CONNECT, or cut off by a limit. There is
    /// no record of it. The address is the peer's.
    fn unread(&self, _peer: ClientAddr) {}

    /// An upstream tried to set a cookie under one of the gateway's names; it was dropped.
    fn dropped_cookie(&self, route: &str, cookie: &str) {
        tracing::warn!(route, cookie, "dropped an upstream's Set-Cookie under a name of the gateway's");
    }
}
