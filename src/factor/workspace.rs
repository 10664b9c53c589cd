//! The memory that Argon2id works in: lent to one hash at a time, wiped afterwards, and kept for the next, so that a thread that hashes
//! holds one block of it and no more, however many passwords pass.

use std::fmt;

use argon2::Block;
use zeroize::Zeroize;

/// Memory for one hash at a time.
#[derive(Default)]
pub struct Workspace(Vec<Block>);

impl Workspace {
    /// Lends `count` blocks of 1 KiB, to be given back by dropping them. Then they are wiped, and what is held is kept where it is at most
    /// `keep` blocks. `None` where the system has no memory.
    pub fn lend(&mut self, count: usize, keep: usize) -> Option<Lent<'_>> {
        if self.0.len() < count {
            // Given back before more is taken: never both at once.
            self.0 = Vec::new();
            self.0.try_reserve_exact(count).ok()?;
            self.0.resize(count, Block::default());
        }
        Some(Lent { from: self, count, keep })
    }

    /// How many blocks are held.
    pub fn kept(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workspace({} blocks)", self.0.len())
    }
}

/// Blocks in use by one hash.
pub struct Lent<'w> {
    from: &'w mut Workspace,
    count: usize,
    keep: usize,
}

impl AsMut<[Block]> for Lent<'_> {
    fn as_mut(&mut self) -> &mut [Block] {
        self.from.0.get_mut(..self.count).unwrap_or_default()
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.as_mut().iter_mut().for_each(Zeroize::zeroize);
        if self.from.0.len() > self.keep {
            self.from.0 = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_clean(memory: &Workspace) -> bool {
        memory.0.iter().flat_map(AsRef::as_ref).all(|word| *word == 0)
    }

    fn scribbles(lent: &mut Lent<'_>) {
        lent.as_mut().iter_mut().for_each(|block| block.as_mut().fill(7));
    }

    #[test]
    fn it_is_wiped_and_kept_up_to_a_bound() {
        let mut memory = Workspace::default();
        for (count, keep, kept) in [(8, 8, 8), (4, 8, 8), (16, 8, 0), (8, 8, 8), (2, 4, 0)] {
            let mut lent = memory.lend(count, keep).unwrap();
            assert_eq!(lent.as_mut().len(), count);
            assert!(lent.as_mut().iter().flat_map(AsRef::as_ref).all(|word| *word == 0));
            scribbles(&mut lent);
            drop(lent);
            assert!(is_clean(&memory));
            assert_eq!(memory.kept(), kept, "{count} of at most {keep}");
        }
        assert!(memory.lend(usize::MAX, 1).is_none());
    }

    #[test]
    fn it_is_wiped_where_the_hash_ends_in_a_panic() {
        let mut memory = Workspace::default();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut lent = memory.lend(8, 8).unwrap();
            scribbles(&mut lent);
            panic!("as a hash might");
        }));
        assert!(ended.is_err() && memory.kept() == 8 && is_clean(&memory));
    }
}
