//! The browsers in which a user finished a sign-in before. Each has its own failure budget, so a stranger's failures cannot lock the owner
//! out of it. Only so many are kept.

use crate::account::{Account, Failures, KnownBrowser};
use crate::base::Time;
use crate::service::client::{Client, DeviceId};

/// How many browsers of a user are kept; the one that was not used for longest goes.
const BROWSERS_KEPT: usize = 20;

/// Whether this browser finished a sign-in of this user before.
pub(in crate::service) fn knows(account: &Account, device: DeviceId) -> bool {
    device.user == account.id && {
        let name = device.name();
        account.browsers.iter().any(|browser| browser.id == name)
    }
}

/// The failures that count for this browser: its own budget if it is known, the account's otherwise.
pub(in crate::service) fn budget(account: &mut Account, device: Option<DeviceId>) -> &mut Failures {
    let known = device.filter(|device| device.user == account.id).map(DeviceId::name);
    match account.browsers.iter().position(|browser| Some(&browser.id) == known.as_ref()) {
        Some(at) => match account.browsers.get_mut(at) {
            Some(browser) => &mut browser.failures,
            None => &mut account.failures,
        },
        None => &mut account.failures,
    }
}

/// This browser is known from now on, and trusted if that was asked for.
pub(in crate::service) fn remember(account: &mut Account, device: DeviceId, client: &Client, trusted_until: Option<Time>, now: Time) {
    let id = device.name();
    match account.browsers.iter_mut().find(|browser| browser.id == id) {
        Some(browser) => {
            browser.last_seen = now;
            browser.name.clone_from(&client.browser);
            client.language.clone_into(&mut browser.language);
            browser.trusted_until = trusted_until.or(browser.trusted_until);
        }
        None => account.browsers.push(KnownBrowser {
            id,
            name: client.browser.clone(),
            first_seen: now,
            last_seen: now,
            trusted_until,
            failures: Failures::default(),
            language: client.language.to_owned(),
        }),
    }
    account.browsers.sort_by_key(|browser| std::cmp::Reverse(browser.last_seen));
    account.browsers.truncate(BROWSERS_KEPT);
}
