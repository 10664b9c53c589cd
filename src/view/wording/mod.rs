//! Every word on the pages, in every language, an operator's over the built-in ones.

pub(super) mod languages;
pub(super) mod words;
pub(super) mod words_keys;
