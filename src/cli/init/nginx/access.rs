//! Who may pass in nginx, and the demands of ours that let nobody else pass: `allow` and `deny`, `auth_basic`, `auth_request`,
//! `satisfy`, `limit_except`. The first match wins there as here.

use super::tree::Directive;
use crate::cli::init::draft::{BasePolicy, Demand, network};

/// Networks that together are every address.
const EVERY: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// What nginx asks of a client in one place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Access {
    /// In order; `None` stands for `all`.
    entries: Vec<(bool, Option<String>)>,
    basic: Option<String>,
    basic_file: String,
    request: Option<String>,
    any: bool,
    /// The listener or the server lets nobody in but these.
    only: Option<Vec<String>>,
    /// `limit_except`: these methods pass as the rest of this says, all others as the inner one.
    except: Option<(Vec<String>, Box<Self>)>,
    /// `if ($request_method !~ …) { return 405; }`
    pub methods: Option<Vec<String>>,
    /// nginx took the client's address from where we do not: lists of addresses would mean somebody else.
    pub blind: bool,
}

/// Demands with exceptions, the first match wins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Demands {
    pub exceptions: Vec<Exception>,
    pub rest: Demand,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Exception {
    pub methods: Vec<String>,
    pub networks: Vec<String>,
    pub demand: Demand,
}

impl Demands {
    pub const CLOSED: Self = Self { exceptions: Vec::new(), rest: Demand::DENY };

    pub fn is_closed(&self) -> bool {
        self.rest == Demand::DENY && self.exceptions.iter().all(|exception| exception.demand == Demand::DENY)
    }
}

impl Access {
    /// What holds inside a block, given what holds around it: `allow` and `deny` of a block replace all of those around it.
    pub fn within(&self, block: &[Directive]) -> Self {
        let mut inner = self.clone();
        if block.iter().any(|d| matches!(d.name.as_str(), "allow" | "deny")) {
            inner.entries.clear();
        }
        for d in block {
            match d.name.as_str() {
                "allow" | "deny" => inner.entry(d),
                "auth_basic" => inner.basic = Some(d.arg()).filter(|realm| *realm != "off").map(str::to_owned),
                "auth_basic_user_file" => d.arg().clone_into(&mut inner.basic_file),
                "auth_request" => inner.request = Some(d.arg()).filter(|uri| *uri != "off").map(str::to_owned),
                "satisfy" => inner.any = d.arg() == "any",
                _ => {}
            }
        }
        if let Some(limit) = block.iter().find(|d| d.name == "limit_except") {
            let others = Box::new(inner.within(limit.children()));
            inner.except = Some((limit.args.iter().map(|method| method.to_ascii_uppercase()).collect(), others));
        }
        inner
    }

    /// Narrowed to clients of these networks.
    pub fn only_from(&mut self, networks: Vec<String>) {
        self.only = Some(networks);
    }

    /// What an address that is none of ours means: nobody (`allow unix:`, a name) passes by it, and nobody is spared by it.
    fn entry(&mut self, d: &Directive) {
        let allow = d.name == "allow";
        let network = match d.arg() {
            "all" => None,
            text => match network(text) {
                Some(network) => Some(network),
                None if allow => return,
                None => None,
            },
        };
        self.entries.push((allow, network));
    }

    /// The groups whose members pass instead of those who knew the password: named so that they are empty until somebody fills them.
    fn group(&self) -> Option<String> {
        let file = self.basic_file.rsplit('/').next().unwrap_or_default().trim_start_matches('.');
        let basic = self.basic.as_ref().map(|_| if file.is_empty() { "htpasswd".to_owned() } else { format!("htpasswd-{}", plain(file)) });
        let basic = basic.map(|name| name.replace("htpasswd-htpasswd", "htpasswd"));
        let request = self.request.as_ref().map(|uri| format!("auth-request-{}", plain(uri)));
        match (basic, request) {
            (Some(basic), Some(request)) => Some(format!("{basic}-and-{request}")),
            (one, other) => one.or(other),
        }
    }

    /// Every group that a demand made of this names.
    pub fn groups(&self) -> Vec<String> {
        let inner = self.except.iter().flat_map(|(_, inner)| inner.groups());
        self.group().into_iter().chain(inner).collect()
    }

    /// The demands that let in nobody whom nginx did not.
    pub fn demands(&self, base: BasePolicy) -> Demands {
        let mut demands = self.by_address(base);
        if let Some((methods, others)) = &self.except {
            let first = demands.exceptions.into_iter().chain([Exception { methods: vec![], networks: vec![], demand: demands.rest }]);
            let kept = first.map(|exception| Exception { methods: methods.clone(), ..exception }).collect::<Vec<_>>();
            let others = others.by_address(base);
            demands = Demands { exceptions: kept.into_iter().chain(others.exceptions).collect(), rest: others.rest };
        }
        if let Some(methods) = &self.methods {
            demands = demands.for_methods(methods);
        }
        match &self.only {
            Some(networks) => demands.from(networks),
            None => demands,
        }
    }

    fn by_address(&self, base: BasePolicy) -> Demands {
        if self.blind && !self.entries.is_empty() {
            return Demands::CLOSED;
        }
        let member = self.group().map(|group| base.members_of(group));
        let open = base.demand();
        let (allowed, denied, rest) = match (self.any, member) {
            (_, None) => (open.clone(), Demand::DENY, open),
            (false, Some(member)) => (member.clone(), Demand::DENY, member),
            (true, Some(member)) => (open, member.clone(), member),
        };
        let mut demands = Demands { exceptions: Vec::new(), rest };
        for (allow, network) in &self.entries {
            let demand = if *allow { &allowed } else { &denied }.clone();
            let Some(network) = network else {
                demands.rest = demand;
                break;
            };
            match demands.exceptions.last_mut() {
                Some(before) if before.demand == demand => before.networks.push(network.clone()),
                _ => demands.exceptions.push(Exception { methods: vec![], networks: vec![network.clone()], demand }),
            }
        }
        demands
    }
}

impl Demands {
    /// Nobody passes with another method.
    fn for_methods(self, methods: &[String]) -> Self {
        let rest = Exception { methods: vec![], networks: vec![], demand: self.rest };
        let narrowed = self.exceptions.into_iter().chain([rest]).filter_map(|exception| {
            let both: Vec<String> = match exception.methods.as_slice() {
                [] => methods.to_vec(),
                some => some.iter().filter(|method| methods.contains(method)).cloned().collect(),
            };
            (!both.is_empty()).then_some(Exception { methods: both, ..exception })
        });
        Self { exceptions: narrowed.collect(), rest: Demand::DENY }
    }

    /// Nobody passes from another network. Exceptions that name networks already are kept for those that lie inside these.
    fn from(self, only: &[String]) -> Self {
        let networks = |texts: &[String]| -> Vec<ipnet::IpNet> { texts.iter().filter_map(|text| text.parse().ok()).collect() };
        let (outer, every) = (networks(only), EVERY.map(str::to_owned));
        let rest = Exception { methods: vec![], networks: vec![], demand: self.rest };
        let narrowed = self.exceptions.into_iter().chain([rest]).filter_map(|exception| {
            let own = networks(if exception.networks.is_empty() { &every } else { &exception.networks });
            let both =
                own.iter().flat_map(|a| outer.iter().filter_map(move |b| narrower(*a, *b))).map(|n| n.to_string()).collect::<Vec<_>>();
            (!both.is_empty()).then_some(Exception { networks: both, ..exception })
        });
        Self { exceptions: narrowed.collect(), rest: Demand::DENY }
    }
}

fn narrower(a: ipnet::IpNet, b: ipnet::IpNet) -> Option<ipnet::IpNet> {
    if a.contains(&b) { Some(b) } else { b.contains(&a).then_some(a) }
}

fn plain(text: &str) -> String {
    let letters: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(40).collect();
    letters.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;
    use crate::policy::Level;

    /// Each demand as one word or a group, with what it is for.
    fn demands(text: &str) -> Vec<String> {
        let access = Access::default().within(&Tree::read(text).unwrap().directives);
        shown(&access.demands(BasePolicy::Observe))
    }

    fn shown(demands: &Demands) -> Vec<String> {
        let word = |demand: &Demand| match (demand.level, demand.groups.as_slice(), demand.enforce) {
            (Level::Deny, ..) => "deny".to_owned(),
            (_, [group], true) => group.clone(),
            (_, [], false) => "open".to_owned(),
            other => panic!("{other:?}"),
        };
        let parts = |e: &Exception| [e.methods.join(","), e.networks.join(","), word(&e.demand)];
        let one = |e: &Exception| parts(e).into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        demands.exceptions.iter().map(one).chain([word(&demands.rest)]).collect()
    }

    #[test]
    fn addresses_are_asked_in_order() {
        assert_eq!(demands(""), ["open"]);
        assert_eq!(demands("allow 10.0.0.0/8; deny all;"), ["10.0.0.0/8 open", "deny"]);
        assert_eq!(
            demands("deny 10.1.2.3; allow 10.0.0.0/8; allow ::1; deny all; allow all;"),
            ["10.1.2.3/32 deny", "10.0.0.0/8,::1/128 open", "deny"]
        );
        assert_eq!(demands("allow unix:; deny all;"), ["deny"]);
    }

    #[test]
    fn a_password_becomes_a_group_that_is_empty_until_somebody_fills_it() {
        assert_eq!(demands("auth_basic x; auth_basic_user_file /etc/nginx/.htpasswd;"), ["htpasswd"]);
        assert_eq!(demands("auth_basic x; auth_basic_user_file ops.pw;"), ["htpasswd-ops-pw"]);
        assert_eq!(demands("auth_basic off; auth_basic_user_file x;"), ["open"]);
        assert_eq!(demands("auth_basic x; auth_request /auth;"), ["htpasswd-and-auth-request-auth"]);
    }

    #[test]
    fn satisfy_any_spares_the_allowed_and_asks_the_others() {
        let both = "allow 10.0.0.0/8; deny all; auth_basic x;";
        assert_eq!(demands(both), ["10.0.0.0/8 htpasswd", "deny"]);
        assert_eq!(demands(&format!("satisfy any; {both}")), ["10.0.0.0/8 open", "htpasswd"]);
    }

    #[test]
    fn methods_are_kept_apart() {
        assert_eq!(demands("limit_except GET { deny all; }"), ["GET open", "deny"]);
        assert_eq!(
            demands("limit_except GET { allow 10.0.0.1; deny all; } auth_basic x;"),
            ["GET htpasswd", "10.0.0.1/32 htpasswd", "deny"]
        );
        let mut access = Access::default().within(&Tree::read("allow 10.0.0.0/8; deny all;").unwrap().directives);
        access.methods = Some(vec!["GET".to_owned()]);
        assert_eq!(shown(&access.demands(BasePolicy::Observe)), ["GET 10.0.0.0/8 open", "GET deny", "deny"]);
    }

    #[test]
    fn a_listener_of_this_machine_narrows_everything() {
        let mut access = Access::default().within(&Tree::read("deny 127.0.0.2; allow 0.0.0.0/0; auth_basic x;").unwrap().directives);
        access.only_from(vec!["127.0.0.0/8".to_owned()]);
        assert_eq!(
            shown(&access.demands(BasePolicy::Observe)),
            ["127.0.0.2/32 deny", "127.0.0.0/8 htpasswd", "127.0.0.0/8 htpasswd", "deny"]
        );
        access.blind = true;
        assert_eq!(access.demands(BasePolicy::Observe).rest, Demand::DENY);
    }
}
