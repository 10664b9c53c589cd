//! Random numbers that are the same every time (splitmix64).

/// Random numbers, and a mark for each request that is made of them.
pub struct Dice {
    state: u64,
    made: usize,
    name: u64,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, made: 0, name: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    pub fn mark(&mut self) -> String {
        self.made += 1;
        format!("{}-{}", self.name, self.made)
    }
}
