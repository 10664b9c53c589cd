//! The closure: every text that the forms make of a target, in every order. Guarantees that no reading has a dot segment or a
//! control character, that the fold of each reading is a reading too, and that there are at most [`MAX_READINGS`]
//! with [`MAX_TEXT`] bytes between them.

use std::borrow::Cow;

use super::forms::{FORMS, decode, fold, lower, must_be_encoded, simple_lower};
use super::refusal::Refusal;

/// How many readings a target may have. Letter case, parameters, merged slashes and one more encoding together make 16.
const MAX_READINGS: usize = 64;

/// How long they may be together, in bytes, so that a stranger's long target costs no more than its readings are worth.
const MAX_TEXT: usize = 64 * 1024;

/// One way to understand a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading<'a> {
    /// Always starts with `/`; has neither dot segments nor control characters.
    pub text: &'a str,
    /// Reached without folding letter case: compared with prefixes as they are written.
    pub plain: bool,
    /// Has no capitals: compared with prefixes under [`lower`], as applications without letter case do.
    pub lowered: bool,
    /// Has neither letter case nor accents: compared with prefixes under [`fold`]. One that is none of the three is only a step to others.
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
    lowered: bool,
    folded: bool,
}

impl Found {
    pub(super) fn reading(&self) -> Reading<'_> {
        Reading { text: &self.text, plain: self.way == Way::Plain, lowered: self.lowered, folded: self.folded }
    }
}

/// Every reading of a well-formed ASCII path, the one that is decoded once first.
pub(super) fn of(raw: &str, encoded_slash: bool) -> Result<Vec<Found>, Refusal> {
    let mut all = Closure(Vec::with_capacity(4));
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
    Ok(all.0)
}

struct Closure(Vec<Found>);

impl Closure {
    fn add(&mut self, text: Cow<'_, str>, way: Way) -> Result<(), Refusal> {
        if self.0.iter().any(|found| found.text == *text) {
            return Ok(());
        }
        check(&text)?;
        let length: usize = self.0.iter().map(|found| found.text.len()).sum();
        if self.0.len() >= MAX_READINGS || length + text.len() > MAX_TEXT {
            return Err(Refusal::TooManyReadings);
        }
        let lowered = way <= Way::Lowered && lower(&text) == text;
        let folded = fold(&text) == text;
        self.0.push(Found { text: text.into_owned(), way, lowered, folded });
        Ok(())
    }

    /// Adds what everything so far becomes on this way. Runs when the ways before are complete, so that a text that is both plain
    /// and the fold of another is kept as plain.
    fn close(&mut self, way: Way) -> Result<(), Refusal> {
        let mut at = 0;
        while let Some(found) = self.0.get(at) {
            let (text, before) = (found.text.clone(), found.way);
            if before == way {
                FORMS.into_iter().try_for_each(|form| self.add(form(&text)?, way))?;
            }
            match way {
                Way::Plain => {}
                Way::Lowered => {
                    self.add(lower(&text), way)?;
                    simple_lower(&text).map_or(Ok(()), |lower| self.add(lower.into(), way))?;
                }
                Way::Folded => self.add(fold(&text), way)?,
            }
            at += 1;
        }
        Ok(())
    }
}

fn check(text: &str) -> Result<(), Refusal> {
    if text.chars().any(char::is_control) {
        return Err(Refusal::Control);
    }
    // `..%20` and `...` are the parent to some Windows software, so that dots need not stand alone.
    let is_dots = |segment: &str| segment.contains('.') && segment.bytes().all(|b| b == b'.' || b == b' ');
    if text.split(['/', '\\']).any(is_dots) {
        return Err(Refusal::DotSegment);
    }
    Ok(())
}
