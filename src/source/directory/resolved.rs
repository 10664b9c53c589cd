//! The security identifiers of the mapped groups, as they were found last.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// The security identifiers of the groups in `group_map`, by the name that they have here.
pub(super) type Identifiers = Arc<HashMap<String, Vec<String>>>;

/// What was found last, and when.
#[derive(Default)]
pub(super) struct Resolved(pub(super) Mutex<Option<(Instant, Identifiers)>>);
