//! How much work the readings of one path may cost. Guarantees that no target costs more than [`BUDGET`], however it multiplies:
//! whatever goes over a text says first how many bytes it touches, and nothing goes on once the budget is spent.

use super::refusal::Refusal;

/// For one path, in bytes touched. Sixteen readings of a path of 2 KiB cost a fifth of it; all of it is some 0.5 ms.
pub(super) const BUDGET: usize = 320 * 1024;

/// What a character outside ASCII costs in a step that looks it up in Unicode's tables: as much as this many bytes read once.
pub(super) const LOOKED_UP: usize = 48;

/// What is left of a path's budget.
#[derive(Debug)]
pub(super) struct Work {
    left: usize,
}

impl Work {
    pub(super) const fn new() -> Self {
        Self { left: BUDGET }
    }

    /// Pays for so many bytes.
    ///
    /// # Errors
    /// [`Refusal::TooMuchWork`] once the budget is spent.
    pub(super) fn touch(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.left = self.left.checked_sub(bytes).ok_or(Refusal::TooMuchWork)?;
        Ok(())
    }

    #[cfg(test)]
    pub(super) const fn spent(&self) -> usize {
        BUDGET - self.left
    }
}

/// What a character costs where tables are asked.
pub(super) const fn price(letter: char) -> usize {
    if letter.is_ascii() { 6 } else { LOOKED_UP }
}
