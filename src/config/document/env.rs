//! Environment overrides: `VESTIBULE_SESSION__LIFETIME=1h` is `session.lifetime`, `VESTIBULE_ROUTES__0__POLICY` the first route's.
//!
//! Only names with the prefix and a double underscore are read, so that `VESTIBULE_CONFIG` is left alone. A name that fits no
//! key is an error, found by the same walk that finds unknown keys of the file.

use super::problem::Fault;
use super::problems::ProblemCollector;
use super::tree::{Content, Entries, Node, Origin, read_value};
use super::variable::PREFIX;

/// Puts the overrides over the file's values.
pub(in crate::config) fn overlay(root: &mut Entries, env: impl IntoIterator<Item = (String, String)>, collector: &ProblemCollector) {
    let mut variables: Vec<_> = env.into_iter().filter(|(name, _)| is_override(name)).collect();
    variables.sort();
    for (name, text) in variables {
        let path = name.strip_prefix(PREFIX).unwrap_or_default().to_ascii_lowercase();
        let steps: Vec<&str> = path.split("__").collect();
        let origin = Origin::Variable(name.clone());
        if steps.len() < 2 || steps.iter().any(|step| step.is_empty()) {
            let remedy = "sections and key are joined by two underscores: VESTIBULE_SESSION__LIFETIME";
            collector.error(&origin, "", Fault::new("the variable names no key", remedy));
        } else if put(root, &steps, raw(text, &origin)).is_none() {
            collector.unknown_variable(&name);
        }
    }
}

fn is_override(name: &str) -> bool {
    name.starts_with(PREFIX) && name.contains("__")
}

/// A list reads as TOML where it starts with a bracket, else as comma separated; a table as TOML.
fn raw(text: String, origin: &Origin) -> Node {
    let structured = match text.trim_start().chars().next() {
        Some('[' | '{') => read_value(&text, origin),
        _ => None,
    };
    let structured = structured.unwrap_or_else(|| {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let nodes = parts.map(|part| Node { content: Content::Text(part.to_owned()), origin: origin.clone() }).collect();
        Node { content: Content::List(nodes), origin: origin.clone() }
    });
    Node { content: Content::Raw(text, Box::new(structured)), origin: origin.clone() }
}

/// Walks to the place and sets it; `None` where the way leads through something that has no keys.
fn put(entries: &mut Entries, steps: &[&str], node: Node) -> Option<()> {
    let (step, rest) = steps.split_first()?;
    if rest.is_empty() {
        displace(entries, step);
        match entries.iter_mut().find(|(name, _)| name == step) {
            Some((_, place)) => *place = node,
            None => entries.push(((*step).to_owned(), node)),
        }
        return Some(());
    }
    if !entries.iter().any(|(name, _)| name == step) {
        let table = Node { content: Content::Table(Vec::new()), origin: node.origin.clone() };
        entries.push(((*step).to_owned(), table));
    }
    let (_, place) = entries.iter_mut().find(|(name, _)| name == step)?;
    match &mut place.content {
        Content::Table(inner) => put(inner, rest, node),
        Content::List(nodes) => {
            let (index, rest) = rest.split_first()?;
            let element = nodes.get_mut(index.parse::<usize>().ok()?)?;
            match &mut element.content {
                Content::Table(inner) if !rest.is_empty() => put(inner, rest, node),
                _ if rest.is_empty() => {
                    *element = node;
                    Some(())
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// An override of `x` replaces the file's `x_file`, and the other way round.
fn displace(entries: &mut Entries, step: &str) {
    let other = step.strip_suffix("_file").map_or_else(|| format!("{step}_file"), str::to_owned);
    entries.retain(|(name, node)| *name != other || matches!(node.origin, Origin::Variable(_)));
}

#[cfg(test)]
mod tests {
    use crate::config::Severity;
    use crate::config::tests::{ROUTE, read_with};

    #[test]
    fn the_environment_overrides_the_file() {
        let env = [
            ("VESTIBULE_SESSION__LIFETIME", "2h"),
            ("VESTIBULE_MFA__OTP__DIGITS", "8"),
            ("VESTIBULE_SERVER__LISTEN", "127.0.0.1:0, [::1]:0"),
            ("VESTIBULE_ADMIN__GROUPS", "[\"a b\", \"c\"]"),
            ("VESTIBULE_ROUTES__0__POLICY", "two_factor"),
            ("VESTIBULE_CONFIG", "elsewhere"),
            ("HOME", "/root"),
        ];
        let config = read_with(ROUTE, &env).unwrap().config;
        assert_eq!(config.session.lifetime.as_secs(), 7200);
        assert_eq!((config.mfa.otp.digits, config.server.listen.len()), (8, 2));
        assert_eq!(config.admin.groups, ["a b", "c"]);
        assert_eq!(config.routes[0].requirement.level, crate::policy::Level::TwoFactor);
    }

    #[test]
    fn problems_of_the_environment_name_the_variable() {
        for (name, text, said) in [
            ("VESTIBULE_SESION__LIFETIME", "1h", "did you mean VESTIBULE_SESSION__LIFETIME?"),
            ("VESTIBULE_MFA__OTP__DIGITS", "x", "mfa.otp.digits: a number is wanted"),
            ("VESTIBULE_ROUTES__7__POLICY", "deny", "did you mean VESTIBULE_ROUTES__0__POLICY?"),
            ("VESTIBULE__X", "1", "two underscores"),
            ("VESTIBULE_NO__SUCH__KEY", "1", "names no key"),
            ("VESTIBULE_ROUTES__0__PROXY", "{ hots = 'upstream' }", "routes[0].proxy.hots: unknown key; did you mean “host”?"),
        ] {
            let problems = read_with(ROUTE, &[(name, text)]).unwrap_err().0;
            let found: Vec<_> = problems.iter().filter(|p| p.severity == Severity::Error).collect();
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert_eq!((found[0].variable.as_deref(), found[0].line), (Some(name), None));
            assert!(found[0].to_string().starts_with(name) && found[0].to_string().contains(said), "{}", found[0]);
        }
    }
}
