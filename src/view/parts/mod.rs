//! What pages are made of: the layout, fields, icons, times, charts, and the files that they load.

pub(super) mod assets;
pub(super) mod brand;
pub(super) mod chart;
pub(super) mod field;
pub(super) mod icon;
pub(super) mod layout;
pub(super) mod page;
pub(super) mod time;
pub(super) mod wide;
