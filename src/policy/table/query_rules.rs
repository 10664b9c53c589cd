//! Rules with conditions on the query. They stand beside the first rule that matches without: each that may match is judged as well,
//! and the strictest is the answer, so that they can only add to a demand. What the query says is found out once for a request.

use std::cell::RefCell;

use http::Method;
use smallvec::SmallVec;

use super::prefixes::Prefixes;
use crate::base::ClientAddr;
use crate::policy::query;
use crate::policy::types::{Route, Rule};

/// The rules with conditions, by their prefixes.
pub(super) fn prefixes(rules: &[Rule], form: fn(&str) -> String) -> Prefixes<Vec<usize>> {
    let mut prefixes = Prefixes::<Vec<usize>>::default();
    for (at, rule) in rules.iter().enumerate().filter(|(_, rule)| !rule.query.is_empty()) {
        if rule.paths.is_empty() {
            prefixes.at(String::new()).push(at);
        }
        for path in &rule.paths {
            let here = prefixes.at(form(path));
            if here.last() != Some(&at) {
                here.push(at);
            }
        }
    }
    prefixes
}

/// What the rules need to know of a request.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub method: &'a Method,
    pub client: ClientAddr,
    pub query: Option<&'a [u8]>,
    pub form: bool,
}

/// What was found out for one request: by route and rule, whether its conditions may hold.
#[derive(Default)]
pub(super) struct Found(RefCell<SmallVec<[Answer; 4]>>);

/// A rule's place, by route and rule, and whether its conditions may hold.
type Answer = ((usize, usize), bool);

impl Found {
    /// Whether a rule that stands at this prefix is to be judged. `first` is the first rule that matches without a query.
    pub fn matches(&self, place: (usize, usize), route: &Route, first: Option<usize>, ask: &Asked<'_>) -> bool {
        let Some(rule) = route.rules.get(place.1) else { return false };
        if !rule.takes_method(ask.method) || !rule.takes_client(ask.client) {
            return false;
        }
        is_in_form(route, place.1, first, ask) || self.holds(place, rule, ask)
    }

    fn holds(&self, place: (usize, usize), rule: &Rule, ask: &Asked<'_>) -> bool {
        if let Some((_, holds)) = self.0.borrow().iter().find(|(known, _)| *known == place) {
            return *holds;
        }
        let holds = query::may_match(&rule.query, ask.query);
        self.0.borrow_mut().push((place, holds));
        holds
    }
}

/// The fields of a form may say the same as a query. They are not looked at, and count as if they did, unless an earlier rule that
/// names the method decides.
fn is_in_form(route: &Route, at: usize, first: Option<usize>, ask: &Asked<'_>) -> bool {
    let has_form = ask.form && matches!(*ask.method, Method::POST | Method::PUT | Method::PATCH);
    let decided = first.filter(|first| *first < at).and_then(|first| route.rules.get(first));
    has_form && decided.is_none_or(|rule| rule.methods.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::sample::{NOW, policy, route, rule, with_ask};
    use crate::policy::{Ask, Decision, Level, Policy, decide};

    fn condition() -> Vec<query::Condition> {
        vec![query::Condition::new("do", &["admin".to_owned()])]
    }

    /// A front controller: whoever asks for it may read, its administration wants two factors.
    fn wiki(before: Vec<Rule>, level: Level) -> Policy {
        let mut wiki = route("wiki", &["h"], "/", Level::Bypass);
        wiki.rules = before;
        wiki.rules.push(Rule { query: condition(), ..rule(&["/doku.php"], level) });
        policy(vec![wiki])
    }

    fn is_open(policy: &Policy, method: &str, url: &str, form: bool) -> bool {
        with_ask(method, url, "192.0.2.1", |ask| matches!(decide(policy, &Ask { form, ..*ask }, None, NOW), Decision::Allow(_)))
    }

    #[test]
    fn a_query_makes_the_demand_stricter_in_every_reading_of_path_and_query() {
        let wiki = wiki(Vec::new(), Level::TwoFactor);
        for url in ["h/doku.php", "h/doku.php?do=show", "h/other.php?do=admin", "h/doku.php?x=admin"] {
            assert!(is_open(&wiki, "GET", url, false), "{url}");
        }
        for url in ["h/doku.php?do=admin", "h/doku.php/x?id=1&DO=%61dmin", "h/DOKU.PHP?do[]=admin", "h//doku.php?do=show&do=admin"] {
            assert!(!is_open(&wiki, "GET", url, false), "{url}");
        }
    }

    #[test]
    fn a_query_never_lowers_a_demand() {
        let strict = |level| {
            let mut app = route("app", &["h"], "/", level);
            app.rules = vec![Rule { query: condition(), ..rule(&[], Level::OneFactor) }];
            policy(vec![app])
        };
        assert!(!is_open(&strict(Level::Deny), "GET", "h/?do=admin", false));
        assert!(matches!(
            with_ask("GET", "h/?do=admin", "192.0.2.1", |ask| decide(&strict(Level::Deny), ask, None, NOW)),
            Decision::Forbid { .. }
        ));
    }

    #[test]
    fn a_form_counts_as_matching_unless_an_earlier_rule_for_its_method_decides() {
        let plain = wiki(Vec::new(), Level::TwoFactor);
        assert!(!is_open(&plain, "POST", "h/doku.php", true));
        assert!(is_open(&plain, "POST", "h/doku.php", false), "no form: JSON");
        assert!(is_open(&plain, "GET", "h/doku.php", true), "a GET has no fields");
        let decided = wiki(vec![Rule { methods: vec![Method::POST], ..rule(&["/doku.php"], Level::Bypass) }], Level::TwoFactor);
        assert!(is_open(&decided, "POST", "h/doku.php", true));
        assert!(!is_open(&decided, "POST", "h/doku.php?do=admin", true), "the query itself still counts");
    }

    #[test]
    fn a_query_and_a_pattern_hold_together() {
        let mut app = route("app", &["h"], "/", Level::OneFactor);
        app.rules =
            vec![Rule { query: condition(), patterns: vec!["*.php".to_owned()], ..rule(&["/in"], Level::Deny) }, rule(&[], Level::Bypass)];
        let app = policy(vec![app]);
        for url in ["h/in/x.php", "h/in/x?do=admin", "h/out.php?do=admin", "h/x?do=admin"] {
            assert!(is_open(&app, "GET", url, false), "{url}");
        }
        for url in ["h/in/x.php?do=admin", "h/in/X.PHP?do=admin", "h//in/;a/x.php?do=admin"] {
            assert!(!is_open(&app, "GET", url, false), "{url}");
        }
    }

    #[test]
    fn a_rule_without_a_query_below_it_is_reached() {
        let mut app = route("app", &["h"], "/", Level::Bypass);
        app.rules = vec![Rule { query: condition(), ..rule(&[], Level::TwoFactor) }, rule(&["/admin"], Level::Deny)];
        let app = policy(vec![app]);
        assert!(!is_open(&app, "GET", "h/admin?do=admin", false) && !is_open(&app, "GET", "h/admin", false));
        assert!(is_open(&app, "GET", "h/", false));
    }
}
