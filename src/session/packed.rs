//! A session as the store keeps it: about 80 bytes, read in a fraction of a microsecond, because there may be a million of them at the start. Its id is
//! the key and is not repeated.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the form: 1, or 2 with a family |
//! | 1 | bit 0: a trusted browser; bit 1: IPv6; bit 2: an application's host's; bits 4 to 7: the second factor, 0 for none |
//! | 16 | in form 2: the family |
//! | 16 | the user |
//! | 4 | the account's epoch |
//! | 8, 8, 8 | created, last seen, authenticated in full |
//! | 8 | when the second factor was shown, where there is one |
//! | 4 or 16 | the address |
//! | the rest | the browser, UTF-8 |
//!
//! Integers are little-endian. What begins with `{` is JSON, the form of earlier versions, and is read as well.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Family, SessionRecord};
use crate::base::{SessionId, Time, UserId};
use crate::factor::Method;

const FORM: u8 = 1;
/// Earlier versions, which would not end it with its family, do not read it.
const WITH_FAMILY: u8 = 2;
const TRUSTED: u8 = 1;
const V6: u8 = 2;
const HOSTS: u8 = 4;

/// The bytes are no session: damaged, or written by a later version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session in the store cannot be read")]
pub struct Unreadable;

const fn code(method: Method) -> u8 {
    match method {
        Method::Totp => 1,
        Method::Webauthn => 2,
        Method::Email => 3,
        Method::Sms => 4,
        Method::Recovery => 5,
        Method::External => 6,
    }
}

const fn method(code: u8) -> Result<Option<Method>, Unreadable> {
    Ok(Some(match code {
        0 => return Ok(None),
        1 => Method::Totp,
        2 => Method::Webauthn,
        3 => Method::Email,
        4 => Method::Sms,
        5 => Method::Recovery,
        6 => Method::External,
        _ => return Err(Unreadable),
    }))
}

impl SessionRecord {
    /// Everything but the id.
    pub fn pack(&self) -> Vec<u8> {
        let second = self.second.map_or(0, |(method, _)| code(method));
        let v6 = if self.address.is_ipv6() { V6 } else { 0 };
        let (form, hosts, family) = match self.family {
            Family::First => (FORM, 0, None),
            Family::Next(family) => (WITH_FAMILY, 0, Some(family)),
            Family::Host(family) => (WITH_FAMILY, HOSTS, Some(family)),
        };
        let mut out = Vec::with_capacity(112);
        out.extend([form, u8::from(self.trusted_browser) | v6 | hosts | second << 4]);
        if let Some(family) = family {
            out.extend(family.as_bytes());
        }
        out.extend(self.user.as_bytes());
        out.extend(self.epoch.to_le_bytes());
        for time in [Some(self.created), Some(self.last_seen), Some(self.full_auth), self.second.map(|(_, at)| at)].into_iter().flatten() {
            out.extend(time.millis().to_le_bytes());
        }
        match self.address {
            IpAddr::V4(address) => out.extend(address.octets()),
            IpAddr::V6(address) => out.extend(address.octets()),
        }
        out.extend(self.browser.as_bytes());
        out
    }

    /// The session with this id that was packed so, or written as JSON.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn unpack(id: SessionId, bytes: &[u8]) -> Result<Self, Unreadable> {
        Self::unpack_named(id, bytes, &mut |name| name.into())
    }

    /// As [`SessionRecord::unpack`], for many: `names` gives the browser's name, so that those who have the same one share it from the first.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn unpack_named(id: SessionId, bytes: &[u8], names: &mut (dyn FnMut(&str) -> Arc<str> + Send)) -> Result<Self, Unreadable> {
        if bytes.first() == Some(&b'{') {
            let record = serde_json::from_slice(bytes).ok().filter(|record: &Self| record.id == id).ok_or(Unreadable)?;
            return Ok(Self { browser: names(&record.browser), ..record });
        }
        let mut rest = Rest(bytes);
        let [form, flags] = rest.take()?;
        let family = match form {
            FORM => Family::First,
            WITH_FAMILY if flags & HOSTS == 0 => Family::Next(SessionId::from_bytes(rest.take()?)),
            WITH_FAMILY => Family::Host(SessionId::from_bytes(rest.take()?)),
            _ => return Err(Unreadable),
        };
        let user = UserId::from_bytes(rest.take()?);
        let epoch = u32::from_le_bytes(rest.take()?);
        let (created, last_seen, full_auth) = (rest.time()?, rest.time()?, rest.time()?);
        let second = method(flags >> 4)?.map(|method| Ok((method, rest.time()?))).transpose()?;
        let address = if flags & V6 == 0 { IpAddr::from(rest.take::<4>()?) } else { IpAddr::from(rest.take::<16>()?) };
        let browser = names(std::str::from_utf8(rest.0).map_err(|_| Unreadable)?);
        let trusted_browser = flags & TRUSTED != 0;
        Ok(Self { id, user, epoch, created, last_seen, second, trusted_browser, full_auth, address, browser, device: None, family })
    }
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Unreadable)?;
        self.0 = rest;
        Ok(*head)
    }

    fn time(&mut self) -> Result<Time, Unreadable> {
        Ok(Time::from_millis(i64::from_le_bytes(self.take()?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_record() -> impl Strategy<Value = SessionRecord> {
        let method =
            prop::sample::select(vec![Method::Totp, Method::Webauthn, Method::Email, Method::Sms, Method::External, Method::Recovery]);
        let second = prop::option::of((method, any::<i64>().prop_map(Time::from_millis)));
        let family = prop_oneof![
            Just(Family::First),
            any::<[u8; 16]>().prop_map(|id| Family::Next(SessionId::from_bytes(id))),
            any::<[u8; 16]>().prop_map(|id| Family::Host(SessionId::from_bytes(id))),
        ];
        (any::<[[u8; 16]; 2]>(), any::<u32>(), any::<[i64; 3]>(), second, any::<bool>(), any::<IpAddr>(), "\\PC{0,40}", family).prop_map(
            |([id, user], epoch, times, second, trusted_browser, address, browser, family)| {
                let [created, last_seen, full_auth] = times.map(Time::from_millis);
                let (id, user) = (SessionId::from_bytes(id), UserId::from_bytes(user));
                let browser = browser.into();
                SessionRecord {
                    id,
                    user,
                    epoch,
                    created,
                    last_seen,
                    second,
                    trusted_browser,
                    full_auth,
                    address,
                    browser,
                    family,
                    device: None,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked_and_so_is_the_json_of_before(record in some_record()) {
            prop_assert_eq!(SessionRecord::unpack(record.id, &record.pack()).unwrap(), record.clone());
            prop_assert_eq!(SessionRecord::unpack(record.id, &serde_json::to_vec(&record).unwrap()).unwrap(), record);
        }

        #[test]
        fn no_bytes_make_it_panic_and_what_is_cut_off_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..120), record in some_record(), cut in 0usize..50) {
            let _ = SessionRecord::unpack(record.id, &bytes);
            let packed = record.pack();
            prop_assert!(packed.len() >= 50);
            prop_assert_eq!(SessionRecord::unpack(record.id, &packed[..cut]), Err(Unreadable));
        }
    }

    #[test]
    fn another_ones_json_is_not_taken() {
        let id = SessionId::from_bytes([1; 16]);
        let json = format!(r#"{{"i":"{id}","u":"{id}","e":0,"c":1,"s":1,"f":1,"a":"127.0.0.1","b":"x"}}"#);
        assert_eq!(SessionRecord::unpack(id, json.as_bytes()).map(|record| record.id), Ok(id));
        assert_eq!(SessionRecord::unpack(SessionId::from_bytes([2; 16]), json.as_bytes()), Err(Unreadable));
    }
}
