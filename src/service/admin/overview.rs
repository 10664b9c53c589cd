//! The figures of the overview: sign-ins and failures of the last day, the second factors in use, how many users of each route are
//! ready for two factors, and whom the routes that only observe would have stopped.
//!
//! The work is bounded: the audit log is read back at most once a minute and only so far, and only so many observations are kept.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::users::UserList;
use crate::base::Time;
use crate::config;
use crate::factor::{Method, MethodSet};
use crate::policy::{Demand, Level, Requirement, Route};
use crate::service::admin::directory::{Groups, Kind, Row};
use crate::service::audit::Event;
use crate::service::context::Context;
use crate::service::refused::Refused;
use crate::store::{AuditRecord, Store, StoreError};

const HOUR: i64 = 3_600_000;
/// How many hours are counted, the current one included.
const HOURS: i64 = 24;
/// How many records one look at the log reads.
const LOOKED_THROUGH: usize = 20_000;
/// How long a look holds.
const HOLDS: Duration = Duration::from_secs(60);

/// Sign-ins and failures of one hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    pub sign_ins: u64,
    pub failures: u64,
}

#[derive(Default)]
struct Seen {
    at: Option<Time>,
    /// The newest record that is counted.
    last: u64,
    /// By the hour since the epoch.
    hours: BTreeMap<i64, Tally>,
    /// The first hour that is counted in full.
    from: i64,
}

/// What the log says of the last day, kept between looks.
#[derive(Default)]
pub struct Activity(tokio::sync::Mutex<Seen>);

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

    /// Sign-ins and failures of each of the last 24 hours, the oldest first, by when the hour began. Hours that the bound kept out of
    /// sight are left out.
    ///
    /// # Errors
    /// The store's.
    pub async fn last_day(&self) -> Result<Vec<(Time, Tally)>, StoreError> {
        let (now, mut seen) = (self.context.now(), self.activity.0.lock().await);
        if seen.at.is_none_or(|at| now.since(at) >= HOLDS || now < at) {
            self.look(&mut seen, now).await?;
        }
        let this = now.millis().div_euclid(HOUR);
        let first = seen.from.clamp(this - HOURS + 1, this);
        let tally = |hour: i64| seen.hours.get(&hour).copied().unwrap_or_default();
        Ok((first..=this).map(|hour| (Time::from_millis(hour * HOUR), tally(hour))).collect())
    }

    /// Reads back to what was counted before, to the day's beginning, or to the bound.
    async fn look(&self, seen: &mut Seen, now: Time) -> Result<(), StoreError> {
        let first = now.millis().div_euclid(HOUR) - HOURS + 1;
        let mut fresh: BTreeMap<i64, Tally> = BTreeMap::new();
        // Whether the whole day was read, or as far back as an earlier look had counted.
        let (mut whole, mut joined) = (false, false);
        let (mut before, mut newest, mut looked) = (None, seen.last, 0);
        'log: while looked < LOOKED_THROUGH {
            let batch = self.store.audit_before(before, 1000).await?;
            whole = batch.is_empty();
            for record in &batch {
                (joined, whole) = (record.seq <= seen.last, record.at.millis().div_euclid(HOUR) < first);
                if joined || whole {
                    break 'log;
                }
                newest = newest.max(record.seq);
                count(&mut fresh, record);
                before = Some(record.seq);
            }
            looked += batch.len();
            if whole {
                break;
            }
        }
        if joined || whole {
            for (hour, tally) in fresh {
                let old = seen.hours.entry(hour).or_default();
                old.sign_ins += tally.sign_ins;
                old.failures += tally.failures;
            }
            if whole {
                seen.from = first;
            }
        } else {
            // The hour in which the bound was met is counted in part only.
            seen.from = fresh.pop_first().map_or(first, |(hour, _)| hour + 1);
            seen.hours = fresh;
        }
        seen.hours = seen.hours.split_off(&first);
        (seen.last, seen.at) = (newest, Some(now));
        Ok(())
    }
}

fn count(hours: &mut BTreeMap<i64, Tally>, record: &AuditRecord) {
    let tally = hours.entry(record.at.millis().div_euclid(HOUR)).or_default();
    if record.event == Event::SignedIn.name() {
        tally.sign_ins += 1;
    } else if record.event == Event::PasswordWrong.name() || record.event == Event::SecondWrong.name() {
        tally.failures += 1;
    }
}
