//! What another policy would have changed for the requests of a log. Memory grows with the policies and the people, not with the log.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::log::{self, Line};
use crate::base::{ClientAddr, Host};
use crate::config::Config;
use crate::factor::{Method, MethodSet};
use crate::path::Path;
use crate::policy::{Ask, Asked, Certificate, Direction, Policy, Requests, Side};

/// People who are named in a row, at most.
const MOST_PEOPLE: usize = 100_000;

/// Requests that a change meets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Row {
    pub direction: Direction,
    pub route: Option<String>,
    pub path: String,
    pub before: Side,
    pub after: Side,
    pub requests: u64,
    pub users: BTreeSet<String>,
    /// Those who have no second factor that counts there.
    pub not_ready: BTreeSet<String>,
    /// Those who are service accounts, and can have none.
    pub service_accounts: BTreeSet<String>,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub requests: u64,
    pub unread: u64,
    pub accounts: bool,
    pub first: Option<String>,
    pub last: Option<String>,
}

pub struct Seen {
    pub rows: Vec<Row>,
    pub about: About,
}

/// Somebody as the store knows them.
struct Known {
    groups: Vec<String>,
    methods: MethodSet,
    service: bool,
}

/// Asks both policies for every request of the logs. `accounts` is what `user list` says.
///
/// # Errors
/// A log that cannot be read.
pub fn read((old, new): &(Policy, Policy), logs: &[PathBuf], accounts: Option<&Value>, config: &Config) -> anyhow::Result<Seen> {
    let known = accounts.map(known);
    let mut reader = Reader {
        requests: Requests::new(old, new),
        known: known.as_ref(),
        rows: BTreeMap::new(),
        about: About { accounts: accounts.is_some(), ..About::default() },
        hosts: HashMap::new(),
    };
    for file in logs {
        log::each(file, |line| reader.see(line))?;
    }
    let Reader { rows, about, .. } = reader;
    let rows = rows.into_iter().map(|(asked, met)| row(asked, met, known.as_ref(), config)).collect();
    Ok(Seen { rows, about })
}

fn known(accounts: &Value) -> HashMap<String, Known> {
    let texts = |value: Option<&Value>| -> Vec<String> {
        value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let one = |account: &Value| {
        let methods = texts(account.get("methods")).iter().filter_map(|name| name.parse::<Method>().ok()).collect();
        let name = account.get("name")?.as_str()?.to_owned();
        let service = account.get("service").and_then(Value::as_bool).unwrap_or_default();
        Some((name, Known { groups: texts(account.get("groups")), methods, service }))
    };
    accounts.as_array().into_iter().flatten().filter_map(one).collect()
}

#[derive(Default)]
struct Met {
    requests: u64,
    users: BTreeSet<String>,
}

struct Reader<'p> {
    requests: Requests<'p>,
    known: Option<&'p HashMap<String, Known>>,
    rows: BTreeMap<Asked, Met>,
    about: About,
    hosts: HashMap<String, Host>,
}

impl Reader<'_> {
    fn see(&mut self, line: Option<&Line<'_>>) {
        match line.and_then(|line| self.request(line)) {
            Some(()) => self.about.requests += 1,
            None => self.about.unread += 1,
        }
    }

    /// `None`: what was asked cannot be asked again.
    fn request(&mut self, line: &Line<'_>) -> Option<()> {
        let host = self.host(line.host.as_deref()?)?;
        let path = Path::parse(line.path.as_bytes()).ok()?;
        let method = line.method.parse().ok()?;
        let client = ClientAddr::new(line.client.as_deref()?.parse().ok()?);
        self.date(line.timestamp.as_deref());
        let certificate = if line.certificate.is_some() { Certificate::Valid(None) } else { Certificate::Absent };
        let ask = Ask { host: &host, method: &method, client, path: &path, form: false, certificate };
        let user = line.user.as_deref();
        let guessed = match (user, self.known.and_then(|known| known.get(user?))) {
            (Some(_), None) => Some(self.requests.groups_before(&ask)),
            _ => None,
        };
        let looked_up = user.and_then(|user| self.known?.get(user)).map(|known| known.groups.as_slice());
        if let Some(asked) = self.requests.asked(&ask, looked_up.or(guessed.as_deref())) {
            if !self.rows.contains_key(asked) {
                self.rows.insert(asked.clone(), Met::default());
            }
            if let Some(met) = self.rows.get_mut(asked) {
                met.requests += 1;
                if let Some(user) = user.filter(|user| met.users.len() < MOST_PEOPLE && !met.users.contains(*user)) {
                    met.users.insert(user.to_owned());
                }
            }
        }
        Some(())
    }

    fn host(&mut self, text: &str) -> Option<Host> {
        if let Some(host) = self.hosts.get(text) {
            return Some(host.clone());
        }
        let host = Host::parse(text.as_bytes()).ok()?;
        // A stranger can ask for any number of hosts.
        if self.hosts.len() < 10_000 {
            self.hosts.insert(text.to_owned(), host.clone());
        }
        Some(host)
    }

    /// RFC 3339 in UTC: the order of the texts is that of the times.
    fn date(&mut self, stamp: Option<&str>) {
        let Some(stamp) = stamp else { return };
        if self.about.first.as_deref().is_none_or(|first| stamp < first) {
            self.about.first = Some(stamp.to_owned());
        }
        if self.about.last.as_deref().is_none_or(|last| stamp > last) {
            self.about.last = Some(stamp.to_owned());
        }
    }
}

fn row(asked: Asked, met: Met, known: Option<&HashMap<String, Known>>, config: &Config) -> Row {
    let Asked { direction, route, path, before, after } = asked;
    let accepted = |methods: MethodSet| {
        let counts = |method: Method| after.factors.as_ref().is_none_or(|factors| factors.contains(&method));
        methods.iter().any(|method| method != Method::Recovery && config.mfa.methods.contains(method) && counts(method))
    };
    let unready = |user: &&String| known.is_some_and(|known| known.get(*user).is_none_or(|account| !accepted(account.methods)));
    let not_ready = if after.outcome == "two_factor" { met.users.iter().filter(unready).cloned().collect() } else { BTreeSet::new() };
    let service = |user: &&String| known.and_then(|known| known.get(*user)).is_some_and(|account| account.service);
    let service_accounts = met.users.iter().filter(service).cloned().collect();
    Row { direction, route, path, before, after, requests: met.requests, users: met.users, not_ready, service_accounts }
}
