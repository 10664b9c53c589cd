//! Patterns of whole paths, in which `*` stands for any characters, slashes too. A look costs no more than reading the path once for each
//! piece of the pattern, whatever a stranger puts into the path.

/// A compiled pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Glob {
    /// Without a star the one piece is the whole path.
    pieces: Vec<Box<str>>,
}

impl Glob {
    pub fn new(pattern: &str) -> Self {
        Self { pieces: pattern.split('*').map(Into::into).collect() }
    }

    /// Whether all of `path` is what the pattern says. The leftmost place for each piece is as good as any other.
    pub fn matches(&self, path: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces.first().is_none_or(|whole| **whole == *path);
        };
        let Some(mut rest) = path.strip_prefix(&**first) else { return false };
        for piece in middle {
            let Some(at) = rest.find(&**piece) else { return false };
            rest = rest.get(at + piece.len()..).unwrap_or_default();
        }
        rest.ends_with(&**last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn matches_as_an_expression_does(pattern in "[/*][ab*/]{0,8}", path in "/[ab/]{0,10}") {
            let expression = format!("^{}$", pattern.replace('*', ".*"));
            let expected = regex::Regex::new(&expression).unwrap().is_match(&path);
            prop_assert_eq!(Glob::new(&pattern).matches(&path), expected);
        }
    }
}
