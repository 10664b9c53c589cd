//! The figures of the overview: the second factors in use, how many users of each route are ready for two factors, and whom the routes that
//! only observe would have stopped. Only so many observations are kept.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::activity::{Activity, Period, Tally};
use super::users::UserList;
use crate::base::Time;
use crate::config;
use crate::factor::{Method, MethodSet};
use crate::policy::{Demand, Level, Requirement, Route};
use crate::service::admin::directory::{Groups, Kind, Row};
use crate::service::context::Context;
use crate::service::refused::Refused;
use crate::store::{Store, StoreError};

/// What stopped, or would have stopped, somebody, and how often.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Sighting {
    pub route: String,
    /// Empty: nobody was signed in.
    pub user: String,
    pub reason: String,
}

/// Whom routes with `enforce = false` would have stopped, since the start.
#[derive(Default)]
pub struct Observed(Mutex<HashMap<Sighting, u64>>);

/// How many different sightings are counted.
const MOST_SIGHTINGS: usize = 1000;

impl Observed {
    fn locked(&self) -> MutexGuard<'_, HashMap<Sighting, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request that would have been stopped. Once there are 1000 different ones, only those go on counting.
    pub fn note(&self, route: &str, user: Option<&str>, reason: &str) {
        let key = Sighting { route: route.to_owned(), user: user.unwrap_or_default().to_owned(), reason: reason.to_owned() };
        let mut seen = self.locked();
        if let Some(count) = seen.get_mut(&key) {
            *count = count.saturating_add(1);
        } else if seen.len() < MOST_SIGHTINGS {
            seen.insert(key, 1);
        }
    }

    /// The most frequent first, at most `most`; and how many different ones there are.
    pub fn top(&self, most: usize) -> (Vec<(Sighting, u64)>, usize) {
        let mut all: Vec<(Sighting, u64)> = self.locked().iter().map(|(key, count)| (key.clone(), *count)).collect();
        all.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        let of = all.len();
        all.truncate(most);
        (all, of)
    }
}

/// Users in numbers; disabled ones count as users only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub users: u64,
    pub enrolled: u64,
    pub locked: u64,
    pub in_use: Vec<(Method, u64)>,
    /// For each route that wants two factors somewhere: its name, who has what it wants, and whom its groups admit.
    pub routes: Vec<(Arc<str>, u64, u64)>,
}

/// What routes and their exceptions demand two factors with.
fn two_factor(route: &Route) -> Vec<&Requirement> {
    let all = std::iter::once(&route.requirement).chain(route.rules.iter().map(|rule| &rule.requirement));
    all.filter(|requirement| requirement.level == Level::TwoFactor).collect()
}

fn admits(requirement: &Requirement, groups: &Groups) -> bool {
    requirement.groups.as_ref().is_none_or(|any| any.iter().any(|one| groups.iter().any(|group| **group == **one)))
}

/// `None`: the route's two-factor parts are not for these groups. Else whether these methods are accepted in all that are.
fn is_ready(demands: &[&Requirement], groups: &Groups, methods: MethodSet) -> Option<bool> {
    let mut own = demands.iter().filter(|demand| admits(demand, groups)).peekable();
    own.peek()?;
    Some(own.all(|demand| methods.iter().any(|method| method != Method::Recovery && Demand::from(*demand).accepts(method))))
}

/// Whether a user may open a route that wants two factors and has none that it accepts. Asked once for each kind of user.
pub fn missing_from<'a>(route: &'a Route, mfa: &'a config::Mfa) -> impl Fn(&Row) -> bool + 'a {
    let (demands, known) = (two_factor(route), RefCell::<HashMap<Kind, bool>>::default());
    move |row| {
        let kind = row.kind();
        if let Some(missing) = known.borrow().get(&kind) {
            return *missing;
        }
        let missing = !kind.disabled && is_ready(&demands, &kind.groups, kind.usable(mfa)) == Some(false);
        known.borrow_mut().insert(kind, missing);
        missing
    }
}

/// The figures of the overview.
pub struct Overview {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) users: Arc<UserList>,
    pub(in crate::service) activity: Activity,
}

impl Overview {
    /// Counts the users, and who of them is ready for which route.
    ///
    /// # Errors
    /// The store's, if the directory has still to be read.
    pub async fn census(&self, routes: &[Arc<Route>]) -> Result<Census, Refused> {
        let (directory, mfa, now) = (self.users.directory().await?, self.context.config().mfa.clone(), self.context.now());
        let mut census = Census::default();
        let mut methods: BTreeMap<Method, u64> = BTreeMap::new();
        // Users fall into few kinds; the routes are asked once for each.
        let mut able: HashMap<(Groups, MethodSet), u64> = HashMap::new();
        let (kinds, locked) = directory.kinds(now);
        census.locked = u64::try_from(locked).unwrap_or(u64::MAX);
        for (kind, count) in kinds {
            census.users += count;
            census.enrolled += if kind.enrolled.is_empty() { 0 } else { count };
            kind.enrolled.iter().for_each(|method| *methods.entry(method).or_default() += count);
            if !kind.disabled {
                let usable = kind.usable(&mfa);
                *able.entry((kind.groups, usable)).or_default() += count;
            }
        }
        census.in_use = Method::ENROLLABLE.into_iter().map(|method| (method, methods.get(&method).copied().unwrap_or_default())).collect();
        for route in routes {
            let demands = two_factor(route);
            let (mut ready, mut of) = (0, 0);
            for ((groups, methods), count) in &able {
                if let Some(is) = is_ready(&demands, groups, *methods) {
                    of += count;
                    ready += if is { *count } else { 0 };
                }
            }
            if !demands.is_empty() {
                census.routes.push((route.name.clone(), ready, of));
            }
        }
        Ok(census)
    }

    /// Sign-ins and failures of a period; see [`Activity::over`].
    ///
    /// # Errors
    /// The store's.
    pub async fn over_time(&self, period: Period, ahead: i64) -> Result<Vec<(Time, Tally)>, StoreError> {
        self.activity.over(&self.store, self.context.now(), period, ahead).await
    }
}
