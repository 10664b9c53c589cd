//! What every page works with.

use std::sync::Arc;

use crate::service::Services;
use crate::view::Languages;

/// What the pages work with.
pub struct Portal {
    pub services: Arc<Services>,
    pub languages: Arc<Languages>,
}
