//! A client's certificate: what it says of its owner, and who vouches for it.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use x509_parser::prelude::{AttributeTypeAndValue, FromDer, RelativeDistinguishedName, X509Certificate, X509Name};

use crate::base::subject::{Rdn, Value};
use crate::base::{Host, Subject, Time};

/// What a certificate says of its owner.
#[derive(Debug)]
pub struct ClientCertificate {
    /// The whole subject; `None` if it is empty.
    pub subject: Option<Subject>,
    /// SHA-256 of the whole certificate.
    pub fingerprint: [u8; 32],
    begins: Time,
    /// From then on it is invalid.
    ends: Time,
}

impl ClientCertificate {
    /// `None` if it cannot be read.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (rest, read) = X509Certificate::from_der(der).ok()?;
        let second = |at: x509_parser::time::ASN1Time| Time::from_secs(at.timestamp());
        let validity = read.validity();
        let ends = Time::from_secs(validity.not_after.timestamp().saturating_add(1));
        rest.is_empty().then(|| Self {
            subject: subject(read.subject()),
            fingerprint: Sha256::digest(der).into(),
            begins: second(validity.not_before),
            ends,
        })
    }

    pub fn is_current(&self, now: Time) -> bool {
        self.begins <= now && now < self.ends
    }

    pub const fn ends(&self) -> Time {
        self.ends
    }
}

fn subject(name: &X509Name<'_>) -> Option<Subject> {
    let rdn = |rdn: &RelativeDistinguishedName<'_>| -> Rdn {
        let one = |part: &AttributeTypeAndValue<'_>| {
            let text = part.as_str().map(|text| Value::Text(text.to_owned()));
            (part.attr_type().to_id_string(), text.unwrap_or_else(|_| Value::Der(encoded(part))))
        };
        rdn.iter().map(one).collect()
    };
    Subject::from_rdns(name.iter_rdn().map(rdn).collect())
}

/// A value that is no plain text, as it stands in the certificate: tag, length, content.
fn encoded(part: &AttributeTypeAndValue<'_>) -> Vec<u8> {
    let (tag, content) = (part.attr_value().tag().0, part.as_slice());
    let mut der = vec![u8::try_from(tag & 0x1f).unwrap_or_default()];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => der.push(short),
        _ => {
            let length: Vec<u8> = content.len().to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            der.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
            der.extend(length);
        }
    }
    der.extend_from_slice(content);
    der
}

/// Vouches for a certificate, for as long as a request of its owner lasts.
pub trait Vouches: Send + Sync + 'static {
    /// Whether it still counts on this host.
    fn vouches(&self, host: &Host, now: Time) -> bool;
}

/// A certificate that counts for a request.
#[derive(Clone)]
pub struct Shown {
    pub certificate: Arc<ClientCertificate>,
    /// The connection that it came over; `None` if a trusted proxy has verified it.
    pub voucher: Option<Arc<dyn Vouches>>,
}

impl Shown {
    /// Whether it still counts.
    pub fn still_counts(&self, host: &Host, now: Time) -> bool {
        self.certificate.is_current(now) && self.voucher.as_ref().is_none_or(|voucher| voucher.vouches(host, now))
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.certificate.fmt(f)
    }
}
