//! Which headers a 200 carries. Guarantees that every header by which some application is told who asks is among them, empty if there is
//! nothing to say, so that the other proxy puts them over whatever a client sent.

use crate::identity::{Preset, TOKEN_HEADER};
use crate::policy::Route;
use crate::token::Way;

/// What a client's `Authorization` becomes if a route takes tokens in it: empty if it was a token, else as it was.
pub const AUTHORIZATION: &str = "Authorization";

/// The names, as they are written, each once: the usual ones, those of every route's table and assertion, and where tokens come.
pub fn names(routes: &[Route]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &[u8]| {
        let name = String::from_utf8_lossy(name);
        if !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            names.push(name.into_owned());
        }
    };
    Preset::Remote.table().names().for_each(&mut add);
    routes.iter().flat_map(|route| route.application.names()).for_each(&mut add);
    let takes = |way: Way| routes.iter().any(|route| route.application.tokens.takes(way));
    if takes(Way::Header) {
        add(TOKEN_HEADER.as_bytes());
    }
    if takes(Way::Bearer) || takes(Way::Basic) {
        add(AUTHORIZATION.as_bytes());
    }
    names
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn of(lines: &str) -> Vec<String> {
        let route = |name: &str, lines: &str| {
            format!("[[routes]]\nname = \"{name}\"\npath = \"/{name}/\"\nupstreams = [\"http://h\"]\npolicy = \"one_factor\"\n{lines}\n")
        };
        let text = route("a", lines) + &route("b", "");
        names(&crate::config::parse(&text, Path::new("vestibule.toml"), []).unwrap().config.routes)
    }

    #[test]
    fn every_name_that_some_application_reads_is_in_every_answer() {
        let usual = ["Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups"];
        assert_eq!(of(""), usual);
        assert_eq!(
            of("identity = \"siteminder\"\nassertion = { audience = \"a\" }"),
            [&usual[..], &["SM_USER", "X-Vestibule-Assertion"]].concat()
        );
        assert_eq!(of("tokens = [\"header\", \"basic\"]"), [&usual[..], &["x-vestibule-token", "Authorization"]].concat());
    }
}
