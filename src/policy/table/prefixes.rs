//! A map from path prefixes, on segment boundaries, to what stands there.
//!
//! A look-up tries the boundaries of the path that is asked for, longest first, and only those at which some prefix ends: what it costs depends on
//! that path, not on how many prefixes there are.

use std::collections::HashMap;

// The keys are the configuration's: nobody can make them collide by what they ask for.
use foldhash::fast::FixedState;

/// Prefixes without trailing slash; the root is the empty one.
#[derive(Debug)]
pub(in crate::policy) struct Prefixes<T> {
    entries: HashMap<Box<str>, T, FixedState>,
    /// One bit for each length that a prefix has.
    lengths: Vec<u64>,
    longest: usize,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self { entries: HashMap::default(), lengths: Vec::new(), longest: 0 }
    }
}

impl<T> Prefixes<T> {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What stands at this prefix, to be changed.
    pub fn at(&mut self, prefix: String) -> &mut T
    where
        T: Default,
    {
        let (word, bit) = place(prefix.len());
        if self.lengths.len() <= word {
            self.lengths.resize(word + 1, 0);
        }
        if let Some(lengths) = self.lengths.get_mut(word) {
            *lengths |= bit;
        }
        self.longest = self.longest.max(prefix.len());
        self.entries.entry(prefix.into()).or_default()
    }

    /// What stands at the prefixes of a path, the longest first.
    pub fn above<'t, 'h>(&'t self, path: &'h str) -> impl Iterator<Item = &'t T> + use<'t, 'h, T> {
        let mut left = match self.entries.is_empty() {
            true => None,
            false => last_boundary(path, self.longest),
        };
        std::iter::from_fn(move || {
            while let Some(end) = left {
                left = end.checked_sub(1).and_then(|before| last_boundary(path, before));
                if self.has(end)
                    && let Some(found) = path.get(..end).and_then(|prefix| self.probe(prefix))
                {
                    return Some(found);
                }
            }
            None
        })
    }

    fn has(&self, length: usize) -> bool {
        let (word, bit) = place(length);
        self.lengths.get(word).is_some_and(|lengths| lengths & bit != 0)
    }

    fn probe(&self, prefix: &str) -> Option<&T> {
        #[cfg(test)]
        crate::policy::testing::effort::count();
        self.entries.get(prefix)
    }
}

/// The last end of a segment that is no further than `most`.
fn last_boundary(path: &str, most: usize) -> Option<usize> {
    if path.len() <= most {
        return Some(path.len());
    }
    path.as_bytes().get(..=most)?.iter().rposition(|byte| *byte == b'/')
}

/// What follows `prefix`, where `path` lies under it on a segment boundary.
pub(in crate::policy) fn below<'t>(path: &'t str, prefix: &str) -> Option<&'t str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

const fn place(length: usize) -> (usize, u64) {
    (length / 64, 1 << (length % 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_look_at_every_prefix_finds(
            prefixes in prop::collection::hash_set("(/[aé]{0,2}){0,4}|(/a{30,80}){1,3}", 0..12),
            path in "(/[aé]{0,2}){1,5}|(/a{30,80}){1,3}/?",
        ) {
            let mut map = Prefixes::default();
            for prefix in &prefixes {
                *map.at(prefix.clone()) = prefix.clone();
            }
            let mut naive: Vec<String> = prefixes.into_iter().filter(|p| path == *p || path.starts_with(&format!("{p}/"))).collect();
            naive.sort_by_key(|p| std::cmp::Reverse(p.len()));
            prop_assert_eq!(map.above(&path).cloned().collect::<Vec<_>>(), naive);
        }
    }
}
