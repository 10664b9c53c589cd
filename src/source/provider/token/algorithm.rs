//! The signature algorithms that are believed: asymmetric ones that `ring` verifies (RFC 7518 section 3.1, RFC 8037).

/// The algorithms that are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Ps256,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "PS256" => Self::Ps256,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }
}
