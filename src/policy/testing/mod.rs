//! For tests of the policy: sample routes, a slow second implementation, a count of look-ups.

#[cfg(test)]
pub(super) mod effort;
#[cfg(test)]
pub(super) mod naive;
#[cfg(test)]
mod queries;
#[cfg(test)]
pub(super) mod sample;
