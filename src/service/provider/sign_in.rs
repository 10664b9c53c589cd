//! What the use cases of providers work with, and nothing else.

use std::sync::Arc;

use super::registry::Providers;
use crate::service::audit::AuditLog;
use crate::service::context::Context;
use crate::service::enrolment::Enrolment;
use crate::service::links::Links;
use crate::service::notices::Notices;
use crate::service::sessions::Sessions;
use crate::service::sign_in::failures::FailureLimits;
use crate::service::sign_in::finish::Finish;
use crate::service::sign_in::one_time_code::OneTimeCodes;
use crate::service::sign_in::password::PasswordSignIn;
use crate::service::sign_in::second_factor::SecondFactor;
use crate::service::sources::SourceRefresh;
use crate::store::Store;

/// Signing in with a provider, and its second factor.
pub struct ProviderSignIn {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) providers: Arc<Providers>,
    pub(in crate::service) sessions: Arc<Sessions>,
    pub(in crate::service) failures: Arc<FailureLimits>,
    pub(in crate::service) one_time_codes: Arc<OneTimeCodes>,
    pub(in crate::service) password: Arc<PasswordSignIn>,
    pub(in crate::service) second_factor: Arc<SecondFactor>,
    pub(in crate::service) enrolment: Arc<Enrolment>,
    pub(in crate::service) finish: Arc<Finish>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) notices: Arc<Notices>,
    pub(in crate::service) links: Arc<Links>,
    pub(in crate::service) source_refresh: Arc<SourceRefresh>,
}
