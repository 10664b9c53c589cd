//! `[geo]`: the databases that rules by country and network operator are looked up in. They are read here, so that one that is missing
//! or broken is an error at the check and at a reload.

use std::sync::Arc;

use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::value;
use crate::geo::{Country, Geo, Whereabouts};

/// `None` if the section is left out, or wrong.
pub(in crate::config) fn geo(s: Section) -> Option<Arc<Geo>> {
    let files = s.list("databases", value::path);
    let remedy = "write databases = [\"country.mmdb\"]: files in MaxMind's format";
    if s.is_present() && files.as_ref().is_none_or(Vec::is_empty) {
        s.error("databases", Fault::new("no database", remedy));
    }
    let opened = files.filter(|files| !files.is_empty()).map(Geo::open);
    let geo = match opened {
        Some(Ok(geo)) => Some(geo),
        Some(Err(error)) => {
            s.error("databases", Fault::new(error.to_string(), remedy));
            None
        }
        None => None,
    };
    s.finish();
    geo
}

/// `countries` and `asns` of a rule.
pub(super) fn whereabouts(s: &Section, geo: Option<&Arc<Geo>>) -> Option<Whereabouts> {
    let countries = s.some("countries", country).unwrap_or_default();
    let asns = s.some("asns", asn).unwrap_or_default();
    let knows = geo.map(|geo| geo.knows()).unwrap_or_default();
    for (key, wanted, known) in [("countries", !countries.is_empty(), knows.countries), ("asns", !asns.is_empty(), knows.asns)] {
        if wanted && !known {
            let what = format!("no database of [geo] knows {}", if key == "asns" { "network operators" } else { "countries" });
            s.error(key, Fault::new(what, "add a fitting one: databases = [\"country.mmdb\", \"asn.mmdb\"]"));
        }
    }
    let geo = geo.filter(|_| !countries.is_empty() || !asns.is_empty())?;
    Some(Whereabouts { geo: Arc::clone(geo), countries, asns })
}

fn country(entry: &Entry) -> Result<Country, Fault> {
    entry.takes(|| Shape::Pattern("^[A-Z]{2}$"));
    let text = value::text(entry)?;
    let upper = text.to_ascii_uppercase();
    match Country::parse(&text) {
        Some(country) if upper == text => Ok(country),
        Some(_) => Err(Fault::new(format!("“{text}” is not in upper case"), format!("write “{upper}”"))),
        None => Err(Fault::new(format!("“{}” is no country", text.escape_default()), "write two letters of ISO 3166-1: DE")),
    }
}

/// The number of an autonomous system (RFC 6793: 32 bits).
fn asn(entry: &Entry) -> Result<u32, Fault> {
    value::whole(1..=u32::MAX)(entry)
}

#[cfg(test)]
mod tests {
    use crate::config::{Problem, Severity, parse};
    use crate::geo::tests::{countries, operators};

    const ROUTE: &str =
        "[[routes]]\nname = \"a\"\nupstreams = [\"http://h\"]\npolicy = \"deny\"\n[[routes.rules]]\npolicy = \"one_factor\"\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        countries(&folder.path().join("country.mmdb"));
        operators(&folder.path().join("asn.mmdb"));
        std::fs::write(folder.path().join("broken.mmdb"), "nothing").unwrap();
        folder
    }

    fn errors(text: &str) -> Vec<(String, String)> {
        let folder = folder();
        let found = parse(text, &folder.path().join("vestibule.toml"), []);
        let found = found.map_or_else(|problems| problems.0, |loaded| loaded.warnings);
        found.into_iter().filter(|p| p.severity == Severity::Error).map(|p: Problem| (p.key, p.what)).collect()
    }

    #[test]
    fn a_rule_wants_a_database_that_can_answer_it() {
        let both = "[geo]\ndatabases = [\"country.mmdb\", \"asn.mmdb\"]\n";
        assert_eq!(errors(&format!("{both}{ROUTE}countries = [\"DE\"]\nasns = [64500]\n")), []);
        for (geo, rule, key, said) in [
            ("", "countries = [\"DE\"]", "routes[0].rules[0].countries", "no database of [geo] knows countries"),
            (
                "[geo]\ndatabases = [\"country.mmdb\"]\n",
                "asns = [64500]",
                "routes[0].rules[0].asns",
                "no database of [geo] knows network operators",
            ),
            (both, "countries = [\"de\"]", "routes[0].rules[0].countries[0]", "not in upper case"),
            (both, "countries = [\"Germany\"]", "routes[0].rules[0].countries[0]", "is no country"),
            ("[geo]\ndatabases = [\"broken.mmdb\"]\n", "", "geo.databases", "broken.mmdb"),
            ("[geo]\ndatabases = [\"missing.mmdb\"]\n", "", "geo.databases", "missing.mmdb"),
            ("[geo]\n", "", "geo.databases", "no database"),
        ] {
            let found = errors(&format!("{geo}{ROUTE}{rule}\n"));
            assert!(found.iter().any(|(at, what)| at == key && what.contains(said)), "{geo}{rule}: {found:?}");
        }
    }
}
