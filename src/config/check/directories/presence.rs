//! Tells a configuration from the question which keys there are.

use crate::config::document::section::Section;

/// Whether there is a configuration, and not only the question which keys there are.
pub(in crate::config::check) fn is_real(s: &Section) -> bool {
    s.collector.outline.is_none()
}
