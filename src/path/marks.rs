//! What a text holds that some form may change, found in one pass, so that a form runs only on a text that it may change. Guarantees
//! that a text without a form's marks is that form's own result.

use super::refusal::Refusal;

/// A set of marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Marks(u16);

impl Marks {
    pub const PERCENT: Self = Self(1);
    pub const DOUBLE_SLASH: Self = Self(1 << 1);
    pub const BACKSLASH: Self = Self(1 << 2);
    pub const SEMICOLON: Self = Self(1 << 3);
    /// `?` or `#`.
    pub const QUERY: Self = Self(1 << 4);
    /// A dot or a space at the end of a segment.
    pub const TRAILING_DOT: Self = Self(1 << 5);
    /// `:$`.
    pub const STREAM: Self = Self(1 << 6);
    /// Anything outside ASCII.
    pub const WIDE: Self = Self(1 << 7);
    /// An ASCII capital.
    pub const CAPITAL: Self = Self(1 << 8);
    const CONTROL: Self = Self(1 << 9);

    /// Reads a text once.
    pub fn of(text: &str) -> Self {
        let (mut marks, mut before) = (0, 0);
        for &byte in text.as_bytes() {
            marks |= match byte {
                b'%' => Self::PERCENT.0,
                b'/' if before == b'/' => Self::DOUBLE_SLASH.0,
                b'/' if matches!(before, b'.' | b' ') => Self::TRAILING_DOT.0,
                b'\\' => Self::BACKSLASH.0 | if matches!(before, b'.' | b' ') { Self::TRAILING_DOT.0 } else { 0 },
                b';' => Self::SEMICOLON.0,
                b'?' | b'#' => Self::QUERY.0,
                b'$' if before == b':' => Self::STREAM.0,
                b'A'..=b'Z' => Self::CAPITAL.0,
                0..=0x1f | 0x7f => Self::CONTROL.0,
                0x80.. => Self::WIDE.0,
                _ => 0,
            };
            before = byte;
        }
        if matches!(before, b'.' | b' ') { Self(marks | Self::TRAILING_DOT.0) } else { Self(marks) }
    }

    pub const fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// Refuses a text with these marks if it has a control character or a dot segment.
    ///
    /// # Errors
    /// [`Refusal::Control`] and [`Refusal::DotSegment`].
    pub fn check(self, text: &str) -> Result<(), Refusal> {
        if self.any(Self::CONTROL) || self.any(Self::WIDE) && text.chars().any(char::is_control) {
            return Err(Refusal::Control);
        }
        // `..%20` and `...` are the parent to some Windows software, so that dots need not stand alone.
        let is_dots = |segment: &str| segment.contains('.') && segment.bytes().all(|b| b == b'.' || b == b' ');
        if self.any(Self::TRAILING_DOT) && text.split(['/', '\\']).any(is_dots) {
            return Err(Refusal::DotSegment);
        }
        Ok(())
    }
}
