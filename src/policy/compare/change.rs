//! What a comparison says: plain data for people and programs.

use serde::Serialize;

use super::direction::Direction;
use super::view::Side;

/// What two policies come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    Same,
    Stricter,
    /// Something is laxer, or differs without being stricter.
    Laxer,
}

impl Overall {
    /// Of many changes.
    pub fn of(directions: impl IntoIterator<Item = Direction>) -> Self {
        directions.into_iter().fold(Self::Same, |so_far, direction| match (so_far, direction) {
            (Self::Same | Self::Stricter, Direction::Stricter) => Self::Stricter,
            _ => Self::Laxer,
        })
    }
}

/// One difference, for a person to read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Change {
    pub direction: Direction,
    /// The route that decides now, or decided before; `None`: neither has one.
    pub route: Option<String>,
    /// `*`: every host that no route names.
    pub hosts: Vec<String>,
    /// This path and what lies below it, as far as no other line says something else.
    pub path: String,
    /// `*`: every method; `other`: every method that no rule names.
    pub methods: Vec<String>,
    pub who: String,
    pub before: Side,
    pub after: Side,
}

/// Every difference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Comparison {
    pub verdict: Overall,
    pub changes: Vec<Change>,
    /// Whether every kind of request was looked at; patterns can make more than there is room for.
    pub complete: bool,
}
