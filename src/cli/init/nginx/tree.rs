//! The directives of a whole nginx configuration as `nginx -T` prints it: one tree, every `include` resolved. What is not in the dump
//! is an error: a file that is missing could hold a protection.

mod glob;

use std::collections::HashMap;

use glob::glob;

use super::lexer::{Kind, Malformed, Token, tokens};

/// Blocks within blocks; nginx's own go four deep.
const MAX_DEPTH: usize = 32;
/// Directives once every `include` is resolved.
const MAX_DIRECTIVES: usize = 200_000;

/// One directive: `name args… ;` or `name args… { block }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Directive {
    pub name: String,
    pub args: Vec<String>,
    pub block: Option<Vec<Self>>,
    /// Which file of the dump, and its first and last line there.
    pub file: usize,
    pub lines: (usize, usize),
}

impl Directive {
    /// The first argument, or an empty text.
    pub fn arg(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }

    pub fn children(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// Why a dump cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("{file}, {fault}")]
    Malformed { file: String, fault: Malformed },
    #[error("{0} is included, but is not in what was given; give all of what `nginx -T` prints")]
    Missing(String),
    #[error("the configuration is too large, or its blocks or includes are nested too deeply")]
    TooLarge,
}

/// A configuration, and the text it came from.
#[derive(Debug)]
pub(super) struct Tree {
    pub directives: Vec<Directive>,
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    name: String,
    text: String,
}

impl Tree {
    /// Reads what `nginx -T` prints, or a single file without includes.
    ///
    /// # Errors
    /// What nginx would not read, an `include` that is not there, more than there is room for.
    pub fn read(dump: &str) -> Result<Self, Unreadable> {
        let files = split(dump);
        let mut parsed = Vec::with_capacity(files.len());
        for (at, file) in files.iter().enumerate() {
            let malformed = |fault| Unreadable::Malformed { file: file.name.clone(), fault };
            parsed.push(parse(&tokens(&file.text).map_err(malformed)?, at).map_err(malformed)?);
        }
        let names = files.iter().enumerate().map(|(at, file)| (file.name.as_str(), at)).collect();
        let mut left = MAX_DIRECTIVES;
        let mut resolver = Resolver { parsed: &parsed, names, root: folder(files.first()), left: &mut left };
        let directives = resolver.resolve(parsed.first().map_or(&[], Vec::as_slice), 0)?;
        Ok(Self { directives, files })
    }

    /// The lines of a directive as they stand in its file, at most `most` of them, and where they stand.
    pub fn quote(&self, directive: &Directive, most: usize) -> Vec<String> {
        let Some(file) = self.files.get(directive.file) else { return Vec::new() };
        let (from, to) = directive.lines;
        let mut lines = vec![format!("{}:{from}", file.name)];
        lines.extend(file.text.lines().skip(from.saturating_sub(1)).take((to + 1).saturating_sub(from).min(most)).map(str::to_owned));
        if to + 1 - from.min(to) > most {
            lines.push(format!("… {} more lines", to + 1 - from - most));
        }
        lines
    }
}

/// What a file is called that did not come from `nginx -T`.
const UNNAMED: &str = "nginx.conf";

/// `nginx -T` begins each file with `# configuration file NAME:`.
fn split(dump: &str) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    for line in dump.lines() {
        if let Some(name) = line.strip_prefix("# configuration file ").and_then(|rest| rest.strip_suffix(':')) {
            // Blank lines before the first file are none.
            files.retain(|file| file.name != UNNAMED || !file.text.trim().is_empty());
            files.push(File { name: name.to_owned(), text: String::new() });
            continue;
        }
        // What nginx says of the syntax, when both its outputs went to one file.
        if files.is_empty() && line.starts_with("nginx: ") {
            continue;
        }
        if files.is_empty() {
            files.push(File { name: UNNAMED.to_owned(), text: String::new() });
        }
        if let Some(file) = files.last_mut() {
            file.text.push_str(line);
            file.text.push('\n');
        }
    }
    files
}

fn folder(file: Option<&File>) -> &str {
    file.and_then(|file| file.name.rsplit_once('/')).map_or("", |(folder, _)| folder)
}

/// One file's directives, `include` unresolved.
fn parse(tokens: &[Token], file: usize) -> Result<Vec<Directive>, Malformed> {
    let mut open: Vec<(Vec<Directive>, Directive)> = Vec::new();
    let (mut here, mut words, mut begins): (Vec<Directive>, Vec<String>, usize) = (Vec::new(), Vec::new(), 0);
    for token in tokens {
        let fault = |what| Malformed { line: token.line, what };
        match &token.kind {
            Kind::Word(word) => {
                if words.is_empty() {
                    begins = token.line;
                }
                words.push(word.clone());
            }
            Kind::End => here.push(directive(&mut words, file, (begins, token.line)).ok_or_else(|| fault("a “;” without a directive"))?),
            Kind::Open if words.first().is_some_and(|name| name.ends_with("_by_lua_block")) => return Err(fault("Lua cannot be read")),
            Kind::Open => {
                let opened = directive(&mut words, file, (begins, token.line)).ok_or_else(|| fault("a “{” without a directive"))?;
                open.push((std::mem::take(&mut here), opened));
                if open.len() > MAX_DEPTH {
                    return Err(fault("blocks are nested too deeply"));
                }
            }
            Kind::Close if !words.is_empty() => return Err(fault("a “;” is missing before “}”")),
            Kind::Close => {
                let (before, mut closed) = open.pop().ok_or_else(|| fault("a “}” too many"))?;
                closed.block = Some(std::mem::replace(&mut here, before));
                closed.lines.1 = token.line;
                here.push(closed);
            }
        }
    }
    match (open.last(), words.is_empty()) {
        (None, true) => Ok(here),
        (Some((_, opened)), _) => Err(Malformed { line: opened.lines.0, what: "a block is not closed" }),
        (None, false) => Err(Malformed { line: begins, what: "the last directive has no “;”" }),
    }
}

fn directive(words: &mut Vec<String>, file: usize, lines: (usize, usize)) -> Option<Directive> {
    let mut words = std::mem::take(words).into_iter();
    Some(Directive { name: words.next()?, args: words.collect(), block: None, file, lines })
}

struct Resolver<'t> {
    parsed: &'t [Vec<Directive>],
    names: HashMap<&'t str, usize>,
    root: &'t str,
    left: &'t mut usize,
}

impl Resolver<'_> {
    fn resolve(&mut self, directives: &[Directive], depth: usize) -> Result<Vec<Directive>, Unreadable> {
        if depth > MAX_DEPTH {
            return Err(Unreadable::TooLarge);
        }
        let mut out = Vec::with_capacity(directives.len());
        for directive in directives {
            *self.left = self.left.checked_sub(1).ok_or(Unreadable::TooLarge)?;
            if directive.name == "include" {
                for file in self.files(directive.arg())? {
                    let included = self.parsed.get(file).map_or(&[][..], Vec::as_slice);
                    out.extend(self.resolve(included, depth + 1)?);
                }
                continue;
            }
            let block = directive.block.as_deref().map(|block| self.resolve(block, depth + 1)).transpose()?;
            out.push(Directive { block, ..directive.clone() });
        }
        Ok(out)
    }

    /// The files that an `include` names, in the order of their names, as glob(3) gives them. Files that hold only types and parameters may
    /// be missing, and a pattern may match nothing.
    fn files(&self, pattern: &str) -> Result<Vec<usize>, Unreadable> {
        let absolute =
            if pattern.starts_with('/') || self.root.is_empty() { pattern.to_owned() } else { format!("{}/{pattern}", self.root) };
        if let Some(file) = self.names.get(absolute.as_str()) {
            return Ok(vec![*file]);
        }
        let whole_dump = self.names.keys().any(|name| name.contains('/'));
        if absolute.contains(['*', '?', '[']) && whole_dump {
            let mut found: Vec<_> = self.names.iter().filter(|(name, _)| glob(absolute.as_bytes(), name.as_bytes())).collect();
            found.sort_unstable();
            return Ok(found.into_iter().map(|(_, file)| *file).collect());
        }
        let name = absolute.rsplit('/').next().unwrap_or_default();
        let harmless = matches!(name, "mime.types" | "proxy_params" | "koi-utf" | "koi-win" | "win-utf") || name.ends_with("cgi_params");
        if harmless { Ok(Vec::new()) } else { Err(Unreadable::Missing(pattern.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Tree {
        Tree::read(text).unwrap()
    }

    #[test]
    fn includes_are_resolved_from_the_dump() {
        let dump = "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n# configuration file /etc/nginx/nginx.conf:\n\
            http {\n include mime.types;\n include conf.d/*.conf;\n include /etc/nginx/none/*;\n}\n\
            # configuration file /etc/nginx/conf.d/b.conf:\nserver { listen 81; }\n# configuration file /etc/nginx/conf.d/a.conf:\nserver { listen 80; }\n\
            # configuration file /etc/nginx/conf.d/sub/c.conf:\nserver { listen 82; }\n";
        let tree = read(dump);
        let ports: Vec<&str> = tree.directives[0].children().iter().map(|server| server.children()[0].arg()).collect();
        assert_eq!(ports, ["80", "81"], "in the order of names, and a star stays in its folder");
        assert_eq!(tree.quote(&tree.directives[0].children()[0], 5), ["/etc/nginx/conf.d/a.conf:1", "server { listen 80; }"]);
    }

    #[test]
    fn a_file_that_is_missing_is_an_error() {
        assert!(Tree::read("server { include snippets/auth.conf; }").unwrap_err().to_string().contains("snippets/auth.conf"));
        assert!(Tree::read("server { include snippets/*; }").is_err(), "without a dump nobody knows what a pattern matches");
        assert!(Tree::read("server { include proxy_params; }").is_ok());
    }

    #[test]
    fn what_nginx_refuses_is_refused_with_its_line() {
        for (text, line) in
            [("a;\nb {", 2), ("a;\n}", 2), ("a;\nb", 2), (";", 1), ("{ }", 1), ("a { b }", 1), ("\naccess_by_lua_block { }", 2)]
        {
            let Err(Unreadable::Malformed { fault, .. }) = Tree::read(text) else { panic!("{text}") };
            assert_eq!(fault.line, line, "{text}");
        }
        let circle = "# configuration file /a:\ninclude /b;\n# configuration file /b:\ninclude /a;\n";
        assert!(matches!(Tree::read(circle), Err(Unreadable::TooLarge)));
        assert!(Tree::read(&"a{".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([a-z{};\\n# '\"$\\\\]|include |# configuration file /a:\\n){0,80}") {
            if let Ok(tree) = Tree::read(&text) {
                for directive in &tree.directives {
                    tree.quote(directive, 2);
                }
            }
        }
    }
}
