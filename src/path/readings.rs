//! The closure: every text that the forms make of a target, in every order. Guarantees that no reading has a dot segment or a
//! control character, that the fold of each reading is a reading too, and that there are at most [`MAX_READINGS`]
//! with [`MAX_TEXT`] bytes between them.

use std::borrow::Cow;

use super::forms::{FORMS, decode, fold, lower, must_be_encoded};
use super::{Reading, Refusal};

/// How many readings a target may have. Letter case, parameters, merged slashes and one more encoding together make 16.
const MAX_READINGS: usize = 64;

/// How long they may be together, in bytes, so that a stranger's long target costs no more than its readings are worth.
const MAX_TEXT: usize = 64 * 1024;

#[derive(Clone, Debug)]
pub(super) struct Found {
    text: String,
    plain: bool,
    folded: bool,
}

impl Found {
    pub(super) fn reading(&self) -> Reading<'_> {
        Reading { text: &self.text, plain: self.plain, folded: self.folded }
    }
}

/// Every reading of a well-formed ASCII path, the one that is decoded once first.
pub(super) fn of(raw: &str, encoded_slash: bool) -> Result<Vec<Found>, Refusal> {
    let mut all = Closure(Vec::with_capacity(4));
    let decoded = decode(raw, |_| true)?;
    if decoded.contains('\\') {
        return Err(Refusal::Backslash);
    }
    all.add(decoded, true)?;
    // Not decoded at all, but for what has no other spelling: `/my%20files` is how such an application writes its own name.
    all.add(decode(raw, must_be_encoded)?, true)?;
    if encoded_slash {
        all.add(decode(raw, |byte| byte != b'/')?, true)?;
    }
    all.close_plain()?;
    all.close_folded()?;
    Ok(all.0)
}

struct Closure(Vec<Found>);

impl Closure {
    fn text(&self, at: usize) -> Option<String> {
        self.0.get(at).map(|found| found.text.clone())
    }

    fn add(&mut self, text: Cow<'_, str>, plain: bool) -> Result<(), Refusal> {
        if self.0.iter().any(|found| found.text == *text) {
            return Ok(());
        }
        check(&text)?;
        let length: usize = self.0.iter().map(|found| found.text.len()).sum();
        if self.0.len() >= MAX_READINGS || length + text.len() > MAX_TEXT {
            return Err(Refusal::TooManyReadings);
        }
        self.0.push(Found { text: text.into_owned(), plain, folded: false });
        Ok(())
    }

    fn add_forms(&mut self, text: &str, plain: bool) -> Result<(), Refusal> {
        FORMS.into_iter().try_for_each(|form| match form(text)? {
            same if same == text => Ok(()),
            other => self.add(other, plain),
        })
    }

    fn close_plain(&mut self) -> Result<(), Refusal> {
        let mut at = 0;
        while let Some(text) = self.text(at) {
            self.add_forms(&text, true)?;
            at += 1;
        }
        Ok(())
    }

    /// Runs when the plain readings are complete, so that a text that is both plain and the fold of another is kept as plain.
    fn close_folded(&mut self) -> Result<(), Refusal> {
        let plain = self.0.len();
        let mut at = 0;
        while let Some(text) = self.text(at) {
            if at >= plain {
                self.add_forms(&text, false)?;
            }
            self.add(fold(&text), false)?;
            let lower = lower(&text);
            if lower == text {
                self.0.iter_mut().skip(at).take(1).for_each(|found| found.folded = true);
            } else {
                self.add(lower, false)?;
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
