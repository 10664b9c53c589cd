//! Search filters (RFC 4515) with `{login}`, `{dn}` and `{name}` in them: parsed once into a tree. What a placeholder stands for is put into the
//! tree as a value, so no text that a user types can change the filter.

/// A piece of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    Text(String),
    Login,
    Dn,
    Name,
}

/// A filter. Values of substrings are plain text: a placeholder between asterisks would match more than one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Equal(String, Vec<Piece>),
    AtLeast(String, Vec<Piece>),
    AtMost(String, Vec<Piece>),
    Approximately(String, Vec<Piece>),
    Present(String),
    Substring { attribute: String, initial: Option<String>, any: Vec<String>, last: Option<String> },
    Extensible { attribute: Option<String>, rule: Option<String>, dn: bool, value: Vec<Piece> },
}

/// A filter that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterTemplate {
    pub root: Node,
    text: String,
}

/// Why a text is no filter.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FilterError {
    #[error("“{0}” is wanted at “{1}”")]
    Wanted(char, String),
    #[error("there is more after the filter’s end: “{0}”")]
    Trailing(String),
    #[error("“{0}” is no attribute")]
    Attribute(String),
    #[error("“{0}” has no operator: write (attribute=value)")]
    Operator(String),
    #[error("a backslash is followed by two hexadecimal digits")]
    Escape,
    #[error("a value is not UTF-8")]
    NotUtf8,
    #[error("{0} is no placeholder here: there are {{login}}, {{dn}} and {{name}}; write \\7b for a brace")]
    Placeholder(String),
    #[error("a placeholder cannot stand between asterisks: it would match more than one name")]
    Wildcard,
    #[error("{{login}} cannot stand in a negation: everybody else would match")]
    Negated,
    #[error("the filter is nested more than 16 deep or longer than 4096 bytes")]
    TooBig,
}

const MAX_BYTES: usize = 4096;
const MAX_DEPTH: usize = 16;

impl FilterTemplate {
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_BYTES {
            return Err(FilterError::TooBig);
        }
        let mut reader = Reader { rest: text.trim() };
        let root = reader.filter(MAX_DEPTH)?;
        if !reader.rest.is_empty() {
            return Err(FilterError::Trailing(reader.rest.to_owned()));
        }
        if root.negates_login(false) {
            return Err(FilterError::Negated);
        }
        Ok(Self { root, text: text.trim().to_owned() })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a placeholder is in it.
    pub fn uses(&self, piece: &Piece) -> bool {
        self.root.uses(piece)
    }
}

impl Node {
    fn below(&self) -> &[Self] {
        match self {
            Self::And(nodes) | Self::Or(nodes) => nodes,
            Self::Not(node) => std::slice::from_ref(node),
            _ => &[],
        }
    }

    fn value(&self) -> &[Piece] {
        match self {
            Self::Equal(_, value) | Self::AtLeast(_, value) | Self::AtMost(_, value) | Self::Approximately(_, value) => value,
            Self::Extensible { value, .. } => value,
            Self::And(_) | Self::Or(_) | Self::Not(_) | Self::Present(_) | Self::Substring { .. } => &[],
        }
    }

    /// Whether a placeholder is in it.
    pub fn uses(&self, piece: &Piece) -> bool {
        self.value().contains(piece) || self.below().iter().any(|node| node.uses(piece))
    }

    fn negates_login(&self, negated: bool) -> bool {
        let negated = negated || matches!(self, Self::Not(_));
        negated && self.value().contains(&Piece::Login) || self.below().iter().any(|node| node.negates_login(negated))
    }
}

struct Reader<'a> {
    rest: &'a str,
}

/// Makes a node of an attribute and a value.
type Comparison = fn(String, Vec<Piece>) -> Node;

impl<'a> Reader<'a> {
    fn expect(&mut self, wanted: char) -> Result<(), FilterError> {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(wanted).ok_or_else(|| FilterError::Wanted(wanted, self.rest.chars().take(20).collect()))?;
        self.rest = rest;
        Ok(())
    }

    fn filter(&mut self, depth: usize) -> Result<Node, FilterError> {
        let depth = depth.checked_sub(1).ok_or(FilterError::TooBig)?;
        self.expect('(')?;
        self.rest = self.rest.trim_start();
        let node = match self.rest.chars().next() {
            Some('&') => Node::And(self.several(depth)?),
            Some('|') => Node::Or(self.several(depth)?),
            Some('!') => {
                self.expect('!')?;
                Node::Not(Box::new(self.filter(depth)?))
            }
            _ => self.item()?,
        };
        self.expect(')')?;
        self.rest = self.rest.trim_start();
        Ok(node)
    }

    /// What follows `&` or `|`; at least one.
    fn several(&mut self, depth: usize) -> Result<Vec<Node>, FilterError> {
        self.rest = self.rest.get(1..).unwrap_or_default();
        let mut nodes = vec![self.filter(depth)?];
        while self.rest.trim_start().starts_with('(') {
            nodes.push(self.filter(depth)?);
        }
        Ok(nodes)
    }

    /// `attribute=value` and the like, up to the closing bracket.
    fn item(&mut self) -> Result<Node, FilterError> {
        let end = self.rest.find([')', '(']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        let (left, value) = text.split_once('=').ok_or_else(|| FilterError::Operator(text.to_owned()))?;
        if let Some(left) = left.strip_suffix(':') {
            return extensible(left, value);
        }
        let kinds: [(char, Comparison); 3] = [('>', Node::AtLeast), ('<', Node::AtMost), ('~', Node::Approximately)];
        for (sign, make) in kinds {
            if let Some(left) = left.strip_suffix(sign) {
                return Ok(make(attribute(left)?, pieces(value)?));
            }
        }
        let attribute = attribute(left)?;
        match value {
            "*" => Ok(Node::Present(attribute)),
            _ if value.contains('*') => substring(attribute, value),
            _ => Ok(Node::Equal(attribute, pieces(value)?)),
        }
    }
}

/// A name or an OID, with options (RFC 4512 section 2.5).
fn attribute(text: &str) -> Result<String, FilterError> {
    let text = text.trim();
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-.;".contains(&b);
    if text.is_empty() || text.len() > 128 || !text.bytes().all(fits) {
        return Err(FilterError::Attribute(text.to_owned()));
    }
    Ok(text.to_owned())
}

/// `attribute:dn:rule:=value`, every part but the value optional.
fn extensible(left: &str, value: &str) -> Result<Node, FilterError> {
    let mut parts = left.split(':');
    let first = parts.next().unwrap_or_default();
    let named = if first.is_empty() { None } else { Some(attribute(first)?) };
    let (mut dn, mut rule) = (false, None);
    for part in parts {
        if part.eq_ignore_ascii_case("dn") && rule.is_none() && !dn {
            dn = true;
        } else if rule.is_none() {
            rule = Some(attribute(part)?);
        } else {
            return Err(FilterError::Attribute(left.to_owned()));
        }
    }
    if named.is_none() && rule.is_none() {
        return Err(FilterError::Attribute(left.to_owned()));
    }
    Ok(Node::Extensible { attribute: named, rule, dn, value: pieces(value)? })
}

fn substring(attribute: String, value: &str) -> Result<Node, FilterError> {
    let parts = value.split('*').map(plain).collect::<Result<Vec<_>, _>>()?;
    let given = |part: Option<&String>| part.filter(|part| !part.is_empty()).cloned();
    let any = parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default();
    let any = any.iter().filter(|part| !part.is_empty()).cloned().collect();
    Ok(Node::Substring { attribute, initial: given(parts.first()), any, last: given(parts.last()) })
}

fn plain(text: &str) -> Result<String, FilterError> {
    match pieces(text)?.as_slice() {
        [] => Ok(String::new()),
        [Piece::Text(text)] => Ok(text.clone()),
        _ => Err(FilterError::Wildcard),
    }
}

/// A value with its escapes read and its placeholders found. An escaped brace is a brace.
fn pieces(text: &str) -> Result<Vec<Piece>, FilterError> {
    let (mut found, mut bytes, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some(c) = rest.chars().next() {
        match c {
            '\\' => {
                let pair = rest.get(1..3).filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit())).ok_or(FilterError::Escape)?;
                bytes.push(u8::from_str_radix(pair, 16).map_err(|_| FilterError::Escape)?);
                rest = rest.get(3..).unwrap_or_default();
            }
            '{' => {
                let name = rest.split_inclusive('}').next().unwrap_or(rest);
                flush(&mut bytes, &mut found)?;
                found.push(placeholder(name)?);
                rest = rest.get(name.len()..).unwrap_or_default();
            }
            _ => {
                let (head, tail) = rest.split_at(c.len_utf8());
                bytes.extend_from_slice(head.as_bytes());
                rest = tail;
            }
        }
    }
    flush(&mut bytes, &mut found)?;
    Ok(found)
}

fn placeholder(name: &str) -> Result<Piece, FilterError> {
    match name {
        "{login}" => Ok(Piece::Login),
        "{dn}" => Ok(Piece::Dn),
        "{name}" => Ok(Piece::Name),
        other => Err(FilterError::Placeholder(other.to_owned())),
    }
}

fn flush(bytes: &mut Vec<u8>, found: &mut Vec<Piece>) -> Result<(), FilterError> {
    if !bytes.is_empty() {
        found.push(Piece::Text(String::from_utf8(std::mem::take(bytes)).map_err(|_| FilterError::NotUtf8)?));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
