//! `init --from-authelia`: the access control of a configuration.yml. There the first rule that matches decides, over all domains; here each
//! domain becomes a route that holds the rules which apply to it, in the same order, and Authelia's default at the end.
//!
//! A rule for some subjects only lets others go on to the next one there; here the others are refused. Nothing comes out more open.

mod users;
mod yaml;

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, Yaml, YamlData};

use users::head;
use yaml::{field, list, text, texts};

use super::draft::{Demand, Draft, RouteDraft, RuleDraft, network};
use super::pattern::{self, Patterns};
use crate::policy::Level;

/// Nothing listens there: Authelia does not know where the applications are.
const NOWHERE: &str = "http://127.0.0.1:9";

/// A rule of Authelia, in order.
struct Rule {
    domains: Vec<String>,
    /// Domains by expression: the rule may apply anywhere.
    by_expression: bool,
    level: Level,
    groups: Subjects,
    networks: Vec<String>,
    methods: Vec<String>,
    resources: Option<Patterns>,
    /// It has conditions that cannot be said here.
    conditional: bool,
    original: Vec<String>,
}

/// For whom a rule is.
#[derive(PartialEq)]
enum Subjects {
    Everybody,
    Groups(Vec<String>),
}

/// Reads a configuration.
///
/// # Errors
/// What is no YAML, or has no access control.
pub fn draft(text: &str) -> anyhow::Result<Draft> {
    let documents = Yaml::load_from_str(text).context("this is no configuration.yml of Authelia")?;
    let root = documents.first().context("the file is empty")?;
    let Some(control) = field(root, "access_control") else {
        bail!("there is no `access_control` in it; is this Authelia's configuration.yml?")
    };
    let named = named_networks(root, control);
    let default = level(field(control, "default_policy"));
    let lines = lines_of_rules(text);
    let original = |at: usize| lines.get(at).cloned().unwrap_or_default();
    let rules = list(field(control, "rules")).into_iter().enumerate();
    let rules: Vec<Rule> = rules.map(|(at, rule)| read(rule, &named, original(at))).collect();
    let domains: BTreeSet<String> = rules.iter().flat_map(|rule| rule.domains.iter().cloned()).collect();
    let mut draft = Draft { listen: vec!["127.0.0.1:8080".to_owned()], head: head(root), ..Draft::default() };
    for domain in domains {
        let host = domain.strip_prefix("*.").unwrap_or(&domain);
        if !crate::base::Host::parse(host.as_bytes()).is_ok_and(|parsed| parsed.as_str() == host) {
            draft.left_out.push(vec![format!("Left out: no host of a route can say the domain “{domain}”. It gets 404.")]);
            continue;
        }
        let route = route(&draft, &domain, &rules, default);
        draft.routes.push(route);
    }
    Ok(draft)
}

fn route(draft: &Draft, domain: &str, rules: &[Rule], default: Level) -> RouteDraft {
    let mut route = RouteDraft::new(draft.free_name(domain), vec![domain.to_owned()], "/".to_owned());
    route.upstreams = vec![NOWHERE.to_owned()];
    route.notes.push("Authelia does not know where the application is: put its address here.".to_owned());
    let applies = |rule: &&Rule| rule.by_expression || rule.domains.iter().any(|of| covers(of, domain));
    for rule in rules.iter().filter(applies) {
        let drafted = carried(rule);
        let whole = drafted.patterns.is_empty() && drafted.methods.is_empty() && drafted.networks.is_empty();
        match route.rules.last_mut().filter(|last| joins(last, &drafted)) {
            // The same demand for another group.
            Some(last) => last.demand.groups.extend(drafted.demand.groups),
            None => route.rules.push(drafted),
        }
        if whole && rule.groups == Subjects::Everybody {
            return route;
        }
    }
    if default != Level::Deny {
        route.rules.push(RuleDraft::new(demand(default, &Subjects::Everybody)));
    }
    route
}

/// The rule as far as it can be said; what cannot is closed.
fn carried(rule: &Rule) -> RuleDraft {
    let exact = rule.resources.as_ref().is_none_or(|patterns| patterns.exact);
    let denies_some = rule.level == Level::Deny && rule.groups != Subjects::Everybody;
    let sayable = exact && !rule.conditional && !rule.by_expression && !denies_some;
    let patterns = rule.resources.as_ref().map_or_else(Vec::new, |patterns| patterns.texts.clone());
    if sayable || rule.level == Level::Deny && rule.groups == Subjects::Everybody && !rule.conditional {
        let demand = demand(rule.level, &rule.groups);
        return RuleDraft { patterns, methods: rule.methods.clone(), networks: rule.networks.clone(), ..RuleDraft::new(demand) };
    }
    RuleDraft { patterns, original: rule.original.clone(), ..RuleDraft::new(Demand::DENY) }
}

fn joins(last: &RuleDraft, next: &RuleDraft) -> bool {
    let same = last.patterns == next.patterns && last.methods == next.methods && last.networks == next.networks;
    same && last.demand.level == next.demand.level && !last.demand.groups.is_empty() && !next.demand.groups.is_empty()
}

fn demand(level: Level, subjects: &Subjects) -> Demand {
    let groups = match subjects {
        Subjects::Groups(groups) if matches!(level, Level::OneFactor | Level::TwoFactor) => groups.clone(),
        _ => Vec::new(),
    };
    Demand { level, groups, enforce: true }
}

/// The lines that each rule stands on.
fn lines_of_rules(text: &str) -> Vec<Vec<String>> {
    fn marked<'n, 'y>(node: &'n MarkedYaml<'y>, key: &str) -> Option<&'n MarkedYaml<'y>> {
        let YamlData::Mapping(fields) = &node.data else { return None };
        let is_key = |name: &MarkedYaml<'_>| matches!(&name.data, YamlData::Value(Scalar::String(text)) if *text == *key);
        fields.iter().find(|(name, _)| is_key(name)).map(|(_, value)| value)
    }
    let documents = MarkedYaml::load_from_str(text).unwrap_or_default();
    let rules = documents.first().and_then(|root| marked(root, "access_control")).and_then(|control| marked(control, "rules"));
    let Some(YamlData::Sequence(rules)) = rules.map(|rules| &rules.data) else { return Vec::new() };
    let starts: Vec<usize> = rules.iter().map(|rule| rule.span.start.line()).collect();
    let ends = rules.iter().zip(starts.iter().skip(1).map(Some).chain([None]));
    let lines = ends.map(|(rule, next)| {
        let (start, end) = (rule.span.start.line(), next.copied().unwrap_or(rule.span.end.line() + 1));
        let own = text.lines().skip(start.saturating_sub(1)).take(end.saturating_sub(start).clamp(1, 30));
        own.map(str::to_owned).filter(|line| !line.trim().is_empty()).collect()
    });
    lines.collect()
}

fn read(rule: &Yaml<'_>, named: &[(String, Vec<String>)], original: Vec<String>) -> Rule {
    let texts = |key: &str| texts(field(rule, key));
    let domains: Vec<String> = texts("domain").into_iter().map(|domain| domain.to_ascii_lowercase()).collect();
    let (networks, unknown) = networks(&texts("networks"), named);
    let resources = field(rule, "resources").map(|_| resources(&texts("resources")));
    let odd_domain = domains.iter().any(|domain| domain.starts_with("{user}") || domain.starts_with("{group}"));
    Rule {
        by_expression: field(rule, "domain_regex").is_some() || odd_domain,
        level: level(field(rule, "policy")),
        groups: subjects(field(rule, "subject")),
        methods: texts("methods").into_iter().map(|method| method.to_ascii_uppercase()).collect(),
        conditional: field(rule, "query").is_some() || unknown,
        original,
        domains,
        networks,
        resources,
    }
}

/// Authelia asks the path with the query; the usual end of an expression says so, and stands for the path alone here.
fn resources(expressions: &[String]) -> Patterns {
    let mut all = Patterns { texts: Vec::new(), exact: true };
    for expression in expressions {
        let of_path = expression.replace("([/?].*)?$", "(/.*)?$");
        let found = pattern::of_expression(&of_path);
        // Any other end says that there is no query, which a pattern cannot say.
        let open_end = expression.strip_suffix("([/?].*)?$").or_else(|| expression.strip_suffix(".*$")).unwrap_or(expression);
        all.exact &= found.exact && !open_end.replace("\\$", "").contains('$');
        all.texts.extend(found.texts);
    }
    all
}

/// `group:x`, `user:x`; a list means any of them, a list in it all of its own. Who is not a group by itself gets one that is still empty.
fn subjects(node: Option<&Yaml<'_>>) -> Subjects {
    let Some(node) = node else { return Subjects::Everybody };
    let one = |text: &str| match text.split_once(':') {
        Some(("group", name)) => name.to_owned(),
        Some((kind, name)) => format!("{kind}-{name}"),
        None => text.to_owned(),
    };
    let every = |node: &Yaml<'_>| texts(Some(node)).iter().map(|text| one(text)).collect::<Vec<_>>().join("-and-");
    Subjects::Groups(match list(Some(node)).as_slice() {
        [] => vec![every(node)],
        some => some.iter().map(|inner| every(inner)).collect(),
    })
}

fn networks(given: &[String], named: &[(String, Vec<String>)]) -> (Vec<String>, bool) {
    let (mut found, mut unknown) = (Vec::new(), false);
    for text in given {
        match (network(text), named.iter().find(|(name, _)| name == text)) {
            (Some(one), _) => found.push(one),
            (None, Some((_, networks))) => found.extend(networks.iter().filter_map(|text| network(text))),
            (None, None) => unknown = true,
        }
    }
    (found, unknown)
}

fn named_networks(root: &Yaml<'_>, control: &Yaml<'_>) -> Vec<(String, Vec<String>)> {
    let old = list(field(control, "networks"));
    let old = old.into_iter().filter_map(|one| Some((text(field(one, "name")?)?, texts(field(one, "networks")))));
    let defined = field(root, "definitions").and_then(|definitions| field(definitions, "network"));
    let new = defined.and_then(Yaml::as_mapping).into_iter().flatten();
    old.chain(new.filter_map(|(name, networks)| Some((text(name)?, texts(Some(networks)))))).collect()
}

/// What is not understood is `deny`, as Authelia's own default is.
fn level(node: Option<&Yaml<'_>>) -> Level {
    match node.and_then(text).as_deref() {
        Some("bypass") => Level::Bypass,
        Some("one_factor") => Level::OneFactor,
        Some("two_factor") => Level::TwoFactor,
        _ => Level::Deny,
    }
}

fn covers(pattern: &str, domain: &str) -> bool {
    let below = pattern.strip_prefix('*').is_some_and(|end| end.len() > 1 && domain.trim_start_matches('*').ends_with(end));
    pattern == domain || below
}

#[cfg(test)]
mod tests {
    use super::super::render::render;
    use super::*;

    const CONFIG: &str = r"
definitions: { network: { office: [10.0.0.0/8, 192.168.1.7] } }
authentication_backend: { file: { path: /config/users_database.yml } }
access_control:
  default_policy: two_factor
  rules:
    - domain: public.example
      policy: bypass
    - domain: '*.example'
      networks: [office]
      methods: [GET]
      policy: one_factor
    - domain: wiki.example
      resources: ['^/api([/?].*)?$', '^/static/.*$']
      policy: bypass
    - domain: wiki.example
      resources: ['^/v[0-9]+/.*$']
      policy: bypass
    - domain: wiki.example
      subject: 'group:admins'
      policy: one_factor
    - domain: wiki.example
      subject: [['user:bob', 'group:ops'], 'group:dev']
      policy: one_factor
    - domain: '{user}.example'
      policy: bypass
";

    #[test]
    fn rules_keep_their_order_and_open_only_what_they_opened() {
        let draft = draft(CONFIG).unwrap();
        let text = render(&draft);
        assert!(crate::config::parse(&text, std::path::Path::new("x.toml"), []).is_ok(), "{text}");
        let route = |host: &str| draft.routes.iter().find(|route| route.hosts == [host]).unwrap();
        let shown = |host: &str| {
            let rule = |rule: &RuleDraft| {
                let what = [rule.patterns.join(","), rule.methods.join(","), rule.networks.join(",")].concat();
                format!("{what} {} {}", rule.demand.level.name(), rule.demand.groups.join("+")).trim().to_owned()
            };
            route(host).rules.iter().map(rule).collect::<Vec<_>>()
        };
        assert_eq!(shown("public.example"), ["bypass"]);
        let office = "GET10.0.0.0/8,192.168.1.7/32 one_factor";
        assert_eq!(
            shown("wiki.example"),
            [office, "/api,/api/*,/static/* bypass", "/v*/* deny", "one_factor admins+user-bob-and-ops+dev", "deny"]
        );
        assert_eq!(shown("*.example"), [office, "deny"], "a rule that may be for any domain");
        assert!(route("wiki.example").rules[2].original.iter().any(|line| line.contains("v[0-9]")), "{:?}", route("wiki.example").rules[2]);
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        assert!(draft("a: b").unwrap_err().to_string().contains("access_control"));
        assert!(draft("").is_err() && draft("\t:").is_err());
    }
}
