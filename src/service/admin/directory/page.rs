//! One page of a list. A page past the end becomes the last one, and of an unsorted list no more is sorted than the page shows.

/// The page nearest to `page` that a list of so many has: from one.
pub fn page_within(page: usize, total: usize, size: usize) -> usize {
    page.clamp(1, total.div_ceil(size.max(1)).max(1))
}

/// The part of a list that is page `page` of `size` rows; the page is moved to one that exists.
pub fn page_of<T: Clone>(all: &[T], page: usize, size: usize) -> (Vec<T>, usize) {
    let page = page_within(page, all.len(), size);
    (all.iter().skip((page - 1).saturating_mul(size)).take(size).cloned().collect(), page)
}

/// The page of a list that is in no order yet: what is offered is kept only as far as that page goes, and only that is sorted.
pub struct Selection<T> {
    best: Vec<T>,
    /// How many are wanted.
    wanted: usize,
    /// Everything beyond it is not among them.
    bound: Option<T>,
}

impl<T: Ord + Copy> Selection<T> {
    /// # Arguments
    /// How far the list is shown: the last row of the page.
    pub const fn new(wanted: usize) -> Self {
        Self { best: Vec::new(), wanted, bound: None }
    }

    pub fn offer(&mut self, one: T) {
        if self.bound.is_some_and(|bound| one > bound) {
            return;
        }
        self.best.push(one);
        if self.best.len() >= self.wanted.saturating_mul(2).max(128) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.best.len() > self.wanted {
            let (_, bound, _) = self.best.select_nth_unstable(self.wanted);
            self.bound = Some(*bound);
            self.best.truncate(self.wanted);
        }
    }

    /// The first of all that were offered, in order, without those before row `from`.
    pub fn into_page(mut self, from: usize) -> Vec<T> {
        self.cut();
        self.best.sort_unstable();
        self.best.split_off(from.min(self.best.len()))
    }
}
