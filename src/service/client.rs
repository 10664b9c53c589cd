//! Who is asking: the client of a request, as the use cases see it.

use crate::base::random::{self, NoEntropy};
use crate::base::{ClientAddr, Hangup, UserId};
use crate::policy::DeviceState;

/// A browser that a user signed in with before, from its signed cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceId {
    pub user: UserId,
    pub browser: [u8; 16],
}

impl DeviceId {
    /// A new one for this user.
    pub fn random(user: UserId) -> Result<Self, NoEntropy> {
        Ok(Self { user, browser: random::bytes()? })
    }

    /// As it is signed into the cookie.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (user, browser) = bytes.split_at_mut(16);
        user.copy_from_slice(self.user.as_bytes());
        browser.copy_from_slice(&self.browser);
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (user, browser) = bytes.split_first_chunk::<16>()?;
        Some(Self { user: UserId::from_bytes(*user), browser: browser.try_into().ok()? })
    }

    /// As the account keeps it.
    pub fn name(self) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&self.browser)
    }
}

/// The client of a request.
#[derive(Clone, Debug)]
pub struct Client {
    pub address: ClientAddr,
    /// What a person would call the browser.
    pub browser: String,
    pub device: Option<DeviceId>,
    pub request_id: String,
    /// `scheme://host[:port]` of the page that the user is on, for links and WebAuthn.
    pub origin: String,
    pub host: crate::base::Host,
    /// The language of messages.
    pub language: &'static str,
    /// What the request shows of the device that its session is bound to, and whether a new session may be bound to one.
    pub binding: ClientBinding,
    /// Who hangs up leaves the queue of password hashes.
    pub hangup: Hangup,
}

impl Client {
    /// Of a request of which nothing else is known.
    pub fn of_request(address: ClientAddr, host: crate::base::Host, request_id: String) -> Self {
        Self {
            address,
            browser: "?".to_owned(),
            device: None,
            request_id,
            origin: String::new(),
            host,
            language: "en",
            binding: ClientBinding::default(),
            hangup: Hangup::never(),
        }
    }
}

/// What a client's request says of binding sessions to devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientBinding {
    /// A browser of the present, over HTTPS: it is offered to bind what it signs in to.
    pub may_bind: bool,
    /// Of the session that the request came with.
    pub state: DeviceState,
}

/// What a person would call a browser, from its `User-Agent`: "Firefox on Linux". Never more than a few known words, so that
/// nothing of a stranger's header is kept or shown.
pub fn browser_name(agent: &str) -> String {
    let pick = |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let browser = pick(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = pick(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} · {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_has_a_name_that_a_person_would_use() {
        assert_eq!(browser_name("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"), "Firefox · Linux");
        assert_eq!(
            browser_name("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"),
            "Chrome · Android"
        );
        assert_eq!(browser_name("<script>"), "?");
    }

    #[test]
    fn a_device_id_survives_its_bytes() {
        let id = DeviceId::random(UserId::random().unwrap()).unwrap();
        assert_eq!(DeviceId::from_bytes(&id.to_bytes()), Some(id));
        assert_eq!(DeviceId::from_bytes(&[0; 31]), None);
        assert_eq!(DeviceId::from_bytes(&[0; 33]), None);
    }
}
