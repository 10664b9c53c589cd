//! The closure: every text that the forms make of a target, in every order. Guarantees that no reading has a dot segment or a
//! control character, that the fold of each reading is a reading too, that there are at most [`MAX_READINGS`], and
//! that finding them costs no more than the budget in [`super::work`].

use std::borrow::Cow;

use super::folding::{fold_within, lower_within, simple_lower};
use super::forms::{FORMS, decode, must_be_encoded};
use super::marks::Marks;
use super::refusal::Refusal;
use super::work::Work;

/// How many readings a target may have. Letter case, parameters, merged slashes and one more encoding together make 16.
const MAX_READINGS: usize = 64;

/// What it costs to look a text through for its marks, and to make a form of it, for each of its bytes.
const READ: usize = 2;
const FORM: usize = 4;

/// One way to understand a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading<'a> {
    /// Always starts with `/`; has neither dot segments nor control characters.
    pub text: &'a str,
    /// Reached without folding letter case: compared with prefixes as they are written.
    pub plain: bool,
    /// Has no capitals: compared with prefixes under [`super::lower`], as applications without letter case do.
    pub lowered: bool,
    /// Has neither letter case nor accents: compared with prefixes under [`super::fold`]. One that is none of the three is only a step to others.
    pub folded: bool,
}

/// What was given up on the way to a reading. The order is that of the closure, so that a text keeps the least of its ways.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Way {
    Plain,
    Lowered,
    Folded,
}

#[derive(Clone, Debug)]
pub(super) struct Found {
    text: String,
    way: Way,
    marks: Marks,
    /// What it is in lower case, if that is another text.
    lower: Option<String>,
    /// What it folds to, if that is another text.
    fold: Option<String>,
}

impl Found {
    pub(super) fn reading(&self) -> Reading<'_> {
        let lowered = self.way <= Way::Lowered && self.lower.is_none();
        Reading { text: &self.text, plain: self.way == Way::Plain, lowered, folded: self.fold.is_none() }
    }
}

/// Every reading of a well-formed ASCII path, the one that is decoded once first.
pub(super) fn of(raw: &str, encoded_slash: bool) -> Result<Vec<Found>, Refusal> {
    closure_of(raw, encoded_slash).map(|closure| closure.all)
}

/// What the readings of a path cost, or that they would cost too much.
#[cfg(test)]
pub(super) fn work_of(raw: &str) -> Result<usize, Refusal> {
    closure_of(raw, false).map(|closure| closure.work.spent())
}

fn closure_of(raw: &str, encoded_slash: bool) -> Result<Closure, Refusal> {
    let mut all = Closure { all: Vec::with_capacity(4), work: Work::new() };
    all.work.touch(3 * raw.len())?;
    let decoded = decode(raw, |_| true)?;
    if decoded.contains('\\') {
        return Err(Refusal::Backslash);
    }
    all.add(decoded, Way::Plain)?;
    // Not decoded at all, but for what has no other spelling: `/my%20files` is how such an application writes its own name.
    all.add(decode(raw, must_be_encoded)?, Way::Plain)?;
    if encoded_slash {
        all.add(decode(raw, |byte| byte != b'/')?, Way::Plain)?;
    }
    for way in [Way::Plain, Way::Lowered, Way::Folded] {
        all.close(way)?;
    }
    Ok(all)
}

struct Closure {
    all: Vec<Found>,
    work: Work,
}

impl Closure {
    fn add(&mut self, text: Cow<'_, str>, way: Way) -> Result<(), Refusal> {
        if self.has(&text)? {
            return Ok(());
        }
        self.work.touch(READ * text.len())?;
        let marks = Marks::of(&text);
        marks.check(&text)?;
        if self.all.len() >= MAX_READINGS {
            return Err(Refusal::TooManyReadings);
        }
        let lower = changed(&text, lower_within(&text, &mut self.work)?);
        let fold = changed(&text, fold_within(&text, &mut self.work)?);
        self.all.push(Found { text: text.into_owned(), way, marks, lower, fold });
        Ok(())
    }

    /// Comparing is some eight times as fast as anything else that is done with a text.
    fn has(&mut self, text: &str) -> Result<bool, Refusal> {
        let compared = self.all.iter().filter(|found| found.text.len() == text.len()).count();
        self.work.touch(compared * text.len() / 8)?;
        Ok(self.all.iter().any(|found| found.text == text))
    }

    /// Adds what everything so far becomes on this way. Runs when the ways before are complete, so that a text that is both plain
    /// and the fold of another is kept as plain.
    fn close(&mut self, way: Way) -> Result<(), Refusal> {
        let mut at = 0;
        while let Some(found) = self.all.get(at) {
            let (text, marks, before) = (found.text.clone(), found.marks, found.way);
            if before == way {
                self.add_forms(&text, marks, way)?;
            }
            self.add_case(at, &text, way)?;
            at += 1;
        }
        Ok(())
    }

    fn add_forms(&mut self, text: &str, marks: Marks, way: Way) -> Result<(), Refusal> {
        for (_, form) in FORMS.into_iter().filter(|(of, _)| marks.any(*of)) {
            self.work.touch(FORM * text.len())?;
            // A form that changes nothing lends the text itself.
            match form(text, &mut self.work)? {
                Cow::Borrowed(same) if same.len() == text.len() => {}
                other => self.add(other, way)?,
            }
        }
        Ok(())
    }

    fn add_case(&mut self, at: usize, text: &str, way: Way) -> Result<(), Refusal> {
        let other = |found: &Found| match way {
            Way::Plain => None,
            Way::Lowered => found.lower.clone(),
            Way::Folded => found.fold.clone(),
        };
        if let Some(other) = self.all.get(at).and_then(other) {
            self.add(other.into(), way)?;
        }
        match way {
            Way::Lowered => simple_lower(text, &mut self.work)?.map_or(Ok(()), |lower| self.add(lower.into(), way)),
            Way::Plain | Way::Folded => Ok(()),
        }
    }
}

fn changed(text: &str, other: Cow<'_, str>) -> Option<String> {
    (other != text).then(|| other.into_owned())
}
