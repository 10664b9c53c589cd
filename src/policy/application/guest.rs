//! Guests: who has no account here and may sign in by a code sent to their address (`guests = ["*@partner.example"]`). Guarantees that an
//! address has one spelling, that no mail server reads another mailbox into it, and that a pattern never reaches beyond its domain.

/// The longest address (RFC 5321 section 4.5.3.1.3, without the angle brackets).
const LONGEST: usize = 254;

/// An address of a guest, in lower case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct GuestAddress(String);

impl GuestAddress {
    /// Reads an address as it was typed. Only plain ones are taken (RFC 5321's dot-string without its odd characters): `%` and `!` are
    /// routes to some mail servers, and quotes or comments would be read in more than one way.
    pub fn parse(typed: &str) -> Option<Self> {
        let text = typed.trim().to_ascii_lowercase();
        let (local, domain) = text.split_once('@')?;
        let is_local = |b: u8| b.is_ascii_alphanumeric() || b"._+-='".contains(&b);
        let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
        let good = text.len() <= LONGEST && (1..=64).contains(&local.len()) && local.bytes().all(is_local) && !dots && is_domain(domain);
        good.then_some(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for GuestAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Two or more labels.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.contains('.') && domain.split('.').all(is_label)
}

/// Which addresses a route admits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GuestPattern {
    /// One address.
    One(GuestAddress),
    /// `*@partner.example`: every address at exactly this domain.
    At(String),
}

impl GuestPattern {
    /// `None`: neither an address nor `*@` and a domain.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("*@") {
            Some(domain) => Some(domain.to_ascii_lowercase()).filter(|domain| is_domain(domain)).map(Self::At),
            None => GuestAddress::parse(text).map(Self::One),
        }
    }

    /// Whether it is this address, or one at this domain.
    pub fn admits(&self, address: &GuestAddress) -> bool {
        match self {
            Self::One(own) => own == address,
            Self::At(domain) => address.0.split_once('@').is_some_and(|(_, at)| at == domain),
        }
    }
}

impl std::fmt::Display for GuestPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(address) => address.fmt(f),
            Self::At(domain) => write!(f, "*@{domain}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_an_address_or_exactly_a_domain() {
        let admits =
            |pattern: &str, address: &str| GuestPattern::parse(pattern).unwrap().admits(&GuestAddress::parse(address).expect(address));
        assert!(admits("*@partner.example", "Bob.B+x@Partner.Example"));
        assert!(admits("bob@partner.example", " BOB@partner.example "));
        for address in ["bob@sub.partner.example", "bob@xpartner.example", "bob@partner.example.org"] {
            assert!(!admits("*@partner.example", address), "{address}");
        }
        assert!(!admits("bob@partner.example", "alice@partner.example"));
        for pattern in
            ["*", "*@", "*@localhost", "@partner.example", "*@*.example", "b*@partner.example", "partner.example", "*@a b.example"]
        {
            assert_eq!(GuestPattern::parse(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn an_address_that_could_mean_another_mailbox_is_none() {
        for typed in [
            "",
            "bob",
            "@partner.example",
            "bob@",
            "bob@localhost",
            "bob@evil.example@partner.example",
            "bob%evil.example@partner.example",
            "evil.example!bob@partner.example",
            "\"bob@evil.example\"@partner.example",
            "<bob@partner.example>",
            "bob(x)@partner.example",
            "bob@partner.example,eve@evil.example",
            "bob@partner.example\r\nBcc: eve@evil.example",
            "bob@partner.example;eve",
            "bob @partner.example",
            ".bob@partner.example",
            "b..b@partner.example",
            "bob@partner..example",
            "bob@-partner.example",
            "bob@[192.0.2.1]",
            "böb@partner.example",
            "bob@pärtner.example",
            "bob@partner.example.",
        ] {
            assert_eq!(GuestAddress::parse(typed), None, "{typed:?}");
        }
        assert_eq!(GuestAddress::parse(&format!("{}@partner.example", "a".repeat(65))), None);
    }
}
