//! A client's certificate as a proxy in front passes it on (RFC 9440). Whoever calls this knows that the proxy is trusted, and that it
//! takes its clients' own headers of that name away. Guarantees that one well-formed header is read, or none.

use http::HeaderMap;

use super::certificate::ClientCertificate;

/// The header's name.
pub const CLIENT_CERT: &str = "client-cert";
/// What stands beside it.
pub const CLIENT_CERT_CHAIN: &str = "client-cert-chain";

/// The longest certificate that is read, in bytes of the header.
const MOST: usize = 16 * 1024;

/// The header is doubled or malformed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// The value of the one header.
///
/// # Errors
/// If there are several: which of them the proxy has verified is not known.
pub fn value(headers: &HeaderMap) -> Result<Option<&[u8]>, Malformed> {
    let mut lines = headers.get_all(CLIENT_CERT).iter();
    match (lines.next(), lines.next()) {
        (only, None) => Ok(only.map(|value| value.as_bytes().trim_ascii())),
        (_, Some(_)) => Err(Malformed),
    }
}

/// The certificate in a value: a byte sequence of RFC 8941 section 3.3.5 with the DER in it.
///
/// # Errors
/// If it is anything else.
pub fn read(value: &[u8]) -> Result<ClientCertificate, Malformed> {
    let text = value.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b":")).filter(|text| text.len() <= MOST);
    let der = text.and_then(|text| data_encoding::BASE64.decode(text).ok()).ok_or(Malformed)?;
    ClientCertificate::read(&der).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Ex, ample");
        params.distinguished_name.push(rcgen::DnType::CommonName, "backup");
        data_encoding::BASE64.encode(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn one_byte_sequence_with_a_certificate_is_read_and_nothing_else() {
        let good = encoded();
        let read_as = |text: &str| read(text.as_bytes()).map(|read| read.subject.unwrap().to_string());
        assert_eq!(read_as(&format!(":{good}:")), Ok("CN=backup,O=Ex\\, ample".to_owned()));
        for bad in [
            "",
            ":",
            "::",
            &good,
            &format!(":{good}"),
            &format!(":{good}:;a=1"),
            &format!(":{good}:, :{good}:"),
            ":AAAA:",
            &format!(":{}:", &good[4..]),
        ] {
            assert_eq!(read_as(bad), Err(Malformed), "{bad}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(value(&headers), Ok(None));
        headers.append(CLIENT_CERT, format!(":{good}:").parse().unwrap());
        assert!(matches!(value(&headers), Ok(Some(_))));
        headers.append(CLIENT_CERT, format!(":{good}:").parse().unwrap());
        assert_eq!(value(&headers), Err(Malformed));
    }
}
