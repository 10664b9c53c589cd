//! A configuration on its way: what the importers find out, before it is written down. Closed unless somebody opens it: a demand begins
//! as `deny`.

use crate::policy::Level;

/// What `--policy` gives every place that was open before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum BasePolicy {
    /// Forward everything, and record who would have been asked to sign in
    #[default]
    Observe,
    OneFactor,
    TwoFactor,
}

impl BasePolicy {
    pub fn demand(self) -> Demand {
        let level = if self == Self::TwoFactor { Level::TwoFactor } else { Level::OneFactor };
        Demand { level, groups: Vec::new(), enforce: self != Self::Observe }
    }

    /// For what asked for a password before: a sign-in is demanded now, whatever is only observed elsewhere.
    pub fn members_of(self, group: String) -> Demand {
        Demand { groups: vec![group], enforce: true, ..self.demand() }
    }
}

/// What must hold for a request to go out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Demand {
    pub level: Level,
    /// Any of them; empty: every signed-in user.
    pub groups: Vec<String>,
    pub enforce: bool,
}

impl Demand {
    pub const DENY: Self = Self { level: Level::Deny, groups: Vec::new(), enforce: true };
    pub const BYPASS: Self = Self { level: Level::Bypass, groups: Vec::new(), enforce: true };
}

/// A whole configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Draft {
    /// Lines for the top of the file.
    pub head: Vec<String>,
    pub listen: Vec<String>,
    pub tls: Vec<TlsDraft>,
    pub trusted_proxies: Vec<String>,
    /// Further sections, each with the lines below it: TOML.
    pub sections: Vec<(String, Vec<String>)>,
    pub routes: Vec<RouteDraft>,
    /// What was left out altogether: a comment block each.
    pub left_out: Vec<Vec<String>>,
}

/// A TLS listener. One whose files are not here is written as a comment: the gateway would not start without them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsDraft {
    pub listen: String,
    pub certificates: Vec<(String, String)>,
    pub present: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteDraft {
    pub name: String,
    /// Empty: every host.
    pub hosts: Vec<String>,
    pub path: String,
    pub upstreams: Vec<String>,
    pub demand: Demand,
    pub rules: Vec<RuleDraft>,
    /// Keys of `proxy` that say which application is asked, and for what; the values written as TOML.
    pub proxy: Vec<(String, String)>,
    /// Further keys, the values written as TOML.
    pub keys: Vec<(String, String)>,
    pub travel: Travel,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// The original lines, if the route is closed because they could not be carried over.
    pub original: Vec<String>,
}

/// How requests travel, where that makes no difference to who may pass.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Travel {
    /// Seconds.
    pub connect_timeout: Option<u64>,
    /// Seconds.
    pub read_timeout: Option<u64>,
    /// Bytes; `None`: any length.
    pub max_body: Option<u64>,
    /// An empty value removes.
    pub response_headers: Vec<(String, String)>,
}

impl Travel {
    /// Takes in a place that has no route of its own; what differed there is told.
    pub fn widen(&mut self, other: &Self) -> Vec<String> {
        let mut notes = Vec::new();
        self.connect_timeout = self.connect_timeout.max(other.connect_timeout);
        self.read_timeout = self.read_timeout.max(other.read_timeout);
        if self.max_body != other.max_body {
            notes.push("nginx took bodies of different lengths in parts of this; max_body is the longest".to_owned());
            self.max_body = self.max_body.zip(other.max_body).map(|(own, theirs)| own.max(theirs));
        }
        if self.response_headers != other.response_headers {
            notes.push("nginx answered with other headers in parts of this".to_owned());
        }
        notes
    }
}

/// A rule says all that it demands: what it leaves out it would take from its route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleDraft {
    pub paths: Vec<String>,
    pub patterns: Vec<String>,
    pub methods: Vec<String>,
    pub networks: Vec<String>,
    pub demand: Demand,
    pub notes: Vec<String>,
    pub original: Vec<String>,
}

impl RuleDraft {
    pub fn new(demand: Demand) -> Self {
        Self {
            paths: Vec::new(),
            patterns: Vec::new(),
            methods: Vec::new(),
            networks: Vec::new(),
            demand,
            notes: Vec::new(),
            original: Vec::new(),
        }
    }
}

impl RouteDraft {
    pub fn new(name: String, hosts: Vec<String>, path: String) -> Self {
        Self {
            name,
            hosts,
            path,
            upstreams: Vec::new(),
            demand: Demand::DENY,
            rules: Vec::new(),
            proxy: Vec::new(),
            keys: Vec::new(),
            travel: Travel::default(),
            notes: Vec::new(),
            original: Vec::new(),
        }
    }

    /// Closed because it could not be carried over, or held no request that could be.
    pub fn is_closed(&self) -> bool {
        self.demand.level == Level::Deny && self.rules.iter().all(|rule| rule.demand.level == Level::Deny)
    }
}

impl Draft {
    /// A name for a route that no other has: letters, digits and `-_.` of the text, cut to what a name may hold.
    pub fn free_name(&self, wanted: &str) -> String {
        let letters = wanted.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' });
        let base: String = letters.take(56).collect::<String>().trim_matches('-').to_owned();
        let base = if base.is_empty() { "route".to_owned() } else { base };
        let taken = |name: &str| self.routes.iter().any(|route| route.name == name);
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        std::iter::once(base.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(base)
    }
}

/// A network as a rule can hold it, from an address or a CIDR.
pub fn network(text: &str) -> Option<String> {
    let network = text.parse::<ipnet::IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from)).ok()?;
    Some(network.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_free_and_valid() {
        let mut draft = Draft::default();
        assert_eq!(draft.free_name("*.a.example/x"), ".a.example-x");
        draft.routes.push(RouteDraft::new("a".into(), vec![], "/".into()));
        assert_eq!(draft.free_name("a"), "a-2");
        assert_eq!(draft.free_name("///"), "route");
        assert!(draft.free_name(&"x".repeat(100)).len() <= 64);
    }
}
