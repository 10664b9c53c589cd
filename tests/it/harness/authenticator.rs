//! An authenticator app: RFC 6238 over RFC 4226 over RFC 2104, written from the documents, sharing nothing with the gateway's own.

use sha1::{Digest, Sha1};

fn hmac_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    assert!(key.len() <= 64);
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|b| b ^ with);
    let inner = Sha1::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha1::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// The secret in somebody's phone.
#[derive(Clone, Debug)]
pub struct Authenticator(Vec<u8>);

impl Authenticator {
    /// From the key as a page shows it, blanks and all.
    pub fn from_key(key: &str) -> Self {
        let plain: String = key.chars().filter(|c| !c.is_whitespace()).collect();
        Self(data_encoding::BASE32_NOPAD.decode(plain.as_bytes()).expect("base32"))
    }

    pub fn key(&self) -> String {
        data_encoding::BASE32_NOPAD.encode(&self.0)
    }

    /// Six digits at this moment, in seconds since the epoch.
    pub fn code_at(&self, unix: u64) -> String {
        let mac = hmac_sha1(&self.0, &(unix / 30).to_be_bytes());
        let at = usize::from(mac[19] & 15);
        let word = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", word % 1_000_000)
    }
}

#[test]
fn the_examples_of_the_documents() {
    let phone = Authenticator(b"12345678901234567890".to_vec());
    for (at, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (2_000_000_000, "279037")] {
        assert_eq!(phone.code_at(at), code, "RFC 6238 appendix B, the last six digits");
    }
}
