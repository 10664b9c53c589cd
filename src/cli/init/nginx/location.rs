//! The locations of a server: what each matches, and what becomes of a request there. A place is closed unless everything in it and around
//! it is understood.

use super::access::{Access, Demands};
use super::away::Page;
use super::backend::{Forward, Groups, Location, Proxying};
use super::condition::{Condition, condition, is_away, is_handler};
use super::harmless::is_harmless;
use super::tree::{Directive, Tree};
use crate::cli::init::draft::BasePolicy;

/// Lines of the original that stand beside a closed place.
const QUOTED: usize = 30;

/// What holds in a block: taken from around it, and changed by it.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub access: Access,
    pub proxying: Proxying,
    /// What is not understood here, and may be a protection.
    pub obstacles: Vec<Directive>,
    /// Hosts that are sent elsewhere.
    pub gone: Vec<String>,
    pub page: Page,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl Scope {
    pub fn within(&self, block: &[Directive]) -> Self {
        let (access, proxying, page) = (self.access.within(block), self.proxying.within(block), self.page.within(block));
        let mut inner = Self { access, proxying, page, ..self.clone() };
        inner.obstacles.extend(block.iter().filter(|d| !is_harmless(d)).cloned());
        for d in block.iter().filter(|d| d.name == "if") {
            match condition(d) {
                Condition::Harmless | Condition::ToHttps => {}
                Condition::Host(name) => inner.gone.push(name),
                Condition::WhileFile(file) if !std::path::Path::new(&file).exists() => {
                    inner.notes.push(format!("nginx answered 503 while there was a file {file}; `maintenance` does that here"));
                }
                Condition::WhileFile(_) if inner.page.file().is_some() => inner.go_away(),
                Condition::Methods(methods) if inner.access.methods.is_none() => inner.access.methods = Some(methods),
                Condition::Methods(_) | Condition::WhileFile(_) | Condition::Unknown => inner.obstacles.push(d.clone()),
            }
        }
        inner
    }

    /// Everybody gets the page of 503 here.
    pub fn go_away(&mut self) {
        self.proxying.away = self.page.file();
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Matcher {
    Prefix,
    /// `^~`: no expression is asked.
    Still,
    Exact,
    Expression,
    Named,
}

/// What becomes of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Handling {
    /// `None`: closed, or nginx's own files.
    pub forward: Option<Forward>,
    /// nginx answered itself, from files.
    pub files: bool,
    pub demands: Demands,
    /// Why it is closed, and the original lines.
    pub original: Vec<String>,
}

impl Handling {
    pub fn closed(original: Vec<String>) -> Self {
        Self { forward: None, files: false, demands: Demands::CLOSED, original }
    }

    /// Everybody whom nginx let in is still stopped: deliberately closed, or not carried over.
    pub fn is_closed(&self) -> bool {
        self.demands.is_closed() || self.forward.is_none() && !self.files
    }
}

/// A location.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub matcher: Matcher,
    /// The prefix, path, name, or expression (with `(?i)` where letter case does not count).
    pub text: String,
    /// Nested in this location: expressions are asked there only.
    pub outer: Option<String>,
    pub handling: Handling,
}

/// What is the same for all locations of a server.
pub(super) struct Setting<'t> {
    pub tree: &'t Tree,
    pub groups: &'t Groups<'t>,
    pub base: BasePolicy,
    /// The block of the server, for named locations.
    pub server: &'t [Directive],
    pub scope: &'t Scope,
}

impl Setting<'_> {
    /// All locations of a block, nested ones too.
    pub fn places(&self, block: &[Directive], around: &Scope, outer: Option<&str>) -> Vec<Place> {
        let mut found = Vec::new();
        for d in block.iter().filter(|d| d.name == "location") {
            let scope = around.within(d.children());
            let (matcher, text) = matcher(d);
            let location = match matcher {
                Matcher::Prefix | Matcher::Still => Location::Prefix(&text),
                Matcher::Exact => Location::Exact(&text),
                Matcher::Expression | Matcher::Named => Location::Other,
            };
            let handling = self.handling(d, &scope, location);
            let inside = if matches!(matcher, Matcher::Prefix | Matcher::Still) { Some(text.clone()) } else { outer.map(str::to_owned) };
            found.push(Place { matcher, text, outer: outer.map(str::to_owned), handling });
            found.extend(self.places(d.children(), &scope, inside.as_deref()));
        }
        found
    }

    fn handling(&self, d: &Directive, scope: &Scope, location: Location<'_>) -> Handling {
        let away = d.children().iter().any(is_away) && scope.page.file().is_some();
        if away {
            let mut scope = scope.clone();
            scope.go_away();
            return self.handled(d, &scope, location);
        }
        self.handled(d, scope, location)
    }

    fn handled(&self, d: &Directive, scope: &Scope, location: Location<'_>) -> Handling {
        let demands = scope.access.demands(self.base);
        let mut original = self.tree.quote(d, QUOTED);
        let outside = scope.obstacles.iter().filter(|obstacle| !lies_in(obstacle, d));
        outside.for_each(|obstacle| original.extend(self.tree.quote(obstacle, QUOTED)));
        let block = d.children();
        let has = |name: &str| block.iter().any(|inner| inner.name == name);
        if !scope.obstacles.is_empty() || !scope.gone.iter().all(|host| self.scope.gone.contains(host)) {
            return Handling::closed(original);
        }
        let by_another =
            |inner: &Directive| is_handler(inner) && inner.name != "proxy_pass" && !(is_away(inner) && scope.proxying.away.is_some());
        if has("internal") || has("rewrite") || block.iter().any(by_another) {
            return Handling::closed(original);
        }
        let proxied = block.iter().find(|inner| inner.name == "proxy_pass");
        let tried = block.iter().find(|inner| inner.name == "try_files").and_then(|inner| inner.args.last());
        match (proxied, tried) {
            (_, Some(name)) if name.starts_with('@') => self.named(name, scope, original),
            (Some(pass), None) => match scope.proxying.forward(pass.arg(), location, self.groups) {
                Ok(mut forward) => {
                    forward.notes.extend(scope.notes.iter().cloned());
                    Handling { forward: Some(forward), files: false, demands, original }
                }
                Err(why) => {
                    original.insert(0, why.to_owned());
                    Handling::closed(original)
                }
            },
            (Some(_), Some(_)) => Handling::closed(original),
            (None, _) if scope.proxying.away.is_some() => Handling::closed(original),
            (None, _) => Handling { forward: None, files: true, demands, original },
        }
    }

    /// `try_files … @name`: files first, then what the named location says. Both ask who may pass.
    fn named(&self, name: &str, scope: &Scope, original: Vec<String>) -> Handling {
        let named = self.server.iter().find(|d| d.name == "location" && d.arg() == name);
        let Some(named) = named else { return Handling::closed(original) };
        let inside = self.scope.within(named.children());
        let loops = named.children().iter().any(|d| d.name == "try_files");
        if inside.access != self.scope.access && inside.access != scope.access || loops {
            return Handling::closed(original);
        }
        let handling = self.handling(named, &inside, Location::Other);
        Handling { demands: if handling.is_closed() { Demands::CLOSED } else { scope.access.demands(self.base) }, original, ..handling }
    }
}

fn lies_in(inner: &Directive, outer: &Directive) -> bool {
    inner.file == outer.file && inner.lines.0 >= outer.lines.0 && inner.lines.1 <= outer.lines.1
}

fn matcher(d: &Directive) -> (Matcher, String) {
    let second = d.args.get(1).cloned().unwrap_or_default();
    match (d.arg(), d.args.len()) {
        ("=", 2) => (Matcher::Exact, second),
        ("^~", 2) => (Matcher::Still, second),
        ("~", 2) => (Matcher::Expression, second),
        ("~*", 2) => (Matcher::Expression, format!("(?i){second}")),
        (name, _) if name.starts_with('@') => (Matcher::Named, name.to_owned()),
        // The sign may stand right before the text.
        (text, _) => match text.strip_prefix('=') {
            Some(rest) => (Matcher::Exact, rest.to_owned()),
            None => match (text.strip_prefix("^~"), text.strip_prefix("~*"), text.strip_prefix('~')) {
                (Some(rest), _, _) => (Matcher::Still, rest.to_owned()),
                (_, Some(rest), _) => (Matcher::Expression, format!("(?i){rest}")),
                (_, _, Some(rest)) => (Matcher::Expression, rest.to_owned()),
                _ => (Matcher::Prefix, text.to_owned()),
            },
        },
    }
}
