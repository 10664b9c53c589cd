//! The gateway's own pages, mounted below the prefix of one configuration.

use std::sync::Arc;

use axum::Router;

use crate::config::Config;
use crate::portal::{self, Portal};
use crate::service::Services;
use crate::view::Languages;

/// The portal, and the prefix that it is made for.
pub(super) type Mounted = (String, Router);

/// The portal below a configuration's prefix.
pub(super) fn mount(services: &Arc<Services>, languages: &Arc<Languages>, config: &Config) -> Mounted {
    let prefix = config.portal.prefix.clone();
    let router = portal::router(Arc::new(Portal { services: services.clone(), languages: languages.clone() }), &prefix);
    (prefix, router)
}
