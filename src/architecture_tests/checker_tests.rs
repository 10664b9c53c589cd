//! The checker itself, on small trees that break a rule: it is shown to fail.

use super::imports::Imports;
use super::rooms::{crowded, upward};

fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    Imports::read(files.iter().copied()).circles()
}

#[test]
fn two_files_that_use_each_other_are_a_circle() {
    let files = [
        ("lib.rs", ""),
        ("a/mod.rs", "mod b;\nmod c;"),
        ("a/b.rs", "use super::c::C;\npub struct B;"),
        ("a/c.rs", "pub struct C(crate::a::b::B);"),
    ];
    assert_eq!(circles(&files), [["a/b.rs", "a/c.rs", "a/b.rs"]]);
}

#[test]
fn a_name_that_is_handed_on_hides_no_circle() {
    let files = [
        ("a/mod.rs", "mod b;\nmod c;\npub use self::b::{B, Other as Called};\npub use c::*;"),
        ("a/b.rs", "use crate::a::C;\npub struct B;\npub struct Other;"),
        ("a/c.rs", "use super::{Called,};\npub struct C;"),
    ];
    assert_eq!(circles(&files).len(), 1, "by a name and by a star");
    let through_a_child = [("a.rs", "mod b;\npub struct A;\nfn f() { b::g() }"), ("a/b.rs", "pub fn g(_: super::A) {}")];
    assert_eq!(circles(&through_a_child).len(), 1, "a parent and its child");
}

#[test]
fn a_long_circle_and_nested_names_are_found() {
    let files = [
        ("a.rs", "use crate::{b::{self, deep::{D}}, x};\nfn f() { b::g() }"),
        ("b/mod.rs", "pub mod deep;\npub fn g() {}"),
        ("b/deep.rs", "pub struct D;\nfn f() { super::super::c::h(); }"),
        ("c.rs", "pub fn h() { let a: crate::a::A; }"),
    ];
    assert_eq!(circles(&files), [["a.rs", "b/deep.rs", "c.rs", "a.rs"]]);
}

#[test]
fn what_is_no_import_makes_no_circle() {
    let files = [
        ("a.rs", "use crate::b::B;\npub struct A;"),
        (
            "b.rs",
            "// crate::a::A\n/// [`crate::a::A`]\nconst T: &str = \"crate::a::A \\\" crate::a::A\"; const Q: char = '\"'; const R: &str = r#\"crate::a::A\"#;\npub struct B;\n#[cfg(test)]\nmod tests {\n use crate::a::A;\n}",
        ),
        ("c/mod.rs", "mod d;\npub use d::D;\nuse std::collections::HashMap;"),
        ("c/d.rs", "use super::super::a::A;\npub struct D(other::c::D);"),
    ];
    assert_eq!(circles(&files), Vec::<Vec<String>>::new());
}

#[test]
fn a_sub_room_that_uses_one_above_it_is_found() {
    let order: [(&str, &[&str]); 1] = [("a", &["high", "low"])];
    let files = [
        ("a/high/x.rs", "use crate::a::low::y::Y;\npub struct X;"),
        ("a/low/y.rs", "pub struct Y;"),
        ("a/low/z.rs", "use crate::a::high::x::X;"),
    ];
    let tree = Imports::read(files);
    assert_eq!(upward(&tree, &order), ["a/low/z.rs uses a/high/x.rs"]);
    assert_eq!(upward(&tree, &[("a", &["high"])]).len(), 2, "a sub-room without a place is an error at each arrow");
}

#[test]
fn a_room_with_more_than_a_dozen_files_is_crowded() {
    let names: Vec<String> = (0..13).map(|n| format!("a/f{n}.rs")).chain(["a/b/x.rs".to_owned()]).collect();
    assert_eq!(crowded(names.iter().map(String::as_str)), ["src/a has 13 files"]);
    assert!(crowded(names.iter().skip(1).map(String::as_str)).is_empty());
}
