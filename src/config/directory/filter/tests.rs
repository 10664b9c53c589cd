//! Filters as operators write them, and as nobody should.

use proptest::prelude::*;

use super::*;

fn root(text: &str) -> Node {
    FilterTemplate::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).root
}

fn equal(attribute: &str, value: &str) -> Node {
    Node::Equal(attribute.into(), vec![Piece::Text(value.into())])
}

#[test]
fn the_presets_are_read() {
    let login = |attribute: &str| Node::Equal(attribute.into(), vec![Piece::Login]);
    assert_eq!(
        root("(&(objectClass=inetOrgPerson)(|(uid={login})(mail={login})))"),
        Node::And(vec![equal("objectClass", "inetOrgPerson"), Node::Or(vec![login("uid"), login("mail")])])
    );
    for kind in crate::config::directory::Kind::ALL {
        if let Some(preset) = kind.preset() {
            assert!(FilterTemplate::parse(preset.user_filter).unwrap().uses(&Piece::Login));
        }
    }
}

#[test]
fn every_form_of_rfc_4515_is_read() {
    assert_eq!(root("(cn=*)"), Node::Present("cn".into()));
    assert_eq!(root("(!(cn=a))"), Node::Not(Box::new(equal("cn", "a"))));
    assert_eq!(
        root("(o=Parens R Us \\28for all your parenthetical needs\\29)"),
        equal("o", "Parens R Us (for all your parenthetical needs)")
    );
    assert_eq!(root("(cn=*\\2A*)"), Node::Substring { attribute: "cn".into(), initial: None, any: vec!["*".into()], last: None });
    assert_eq!(
        root("(cn=a*b*c)"),
        Node::Substring { attribute: "cn".into(), initial: Some("a".into()), any: vec!["b".into()], last: Some("c".into()) }
    );
    assert_eq!(root("(sn=Lu\\c4\\8di\\c4\\87)"), equal("sn", "Lučić"));
    assert_eq!(root("(a>=1)"), Node::AtLeast("a".into(), vec![Piece::Text("1".into())]));
    assert_eq!(
        root("(member:1.2.840.113556.1.4.1941:={dn})"),
        Node::Extensible {
            attribute: Some("member".into()),
            rule: Some("1.2.840.113556.1.4.1941".into()),
            dn: false,
            value: vec![Piece::Dn]
        }
    );
    assert_eq!(root(" ( & (a=b) \n (c=d) ) "), Node::And(vec![equal("a", "b"), equal("c", "d")]));
    assert_eq!(root("(cn=\\7blogin\\7d)"), equal("cn", "{login}"));
    assert_eq!(root("(p=x{login}@y)"), Node::Equal("p".into(), vec![Piece::Text("x".into()), Piece::Login, Piece::Text("@y".into())]));
}

#[test]
fn what_is_no_filter_is_refused_in_words() {
    let deep = format!("{}(a=b){}", "(!".repeat(20), ")".repeat(20));
    for wrong in [
        "",
        "uid={login}",
        "(uid={login}",
        "(uid={login}))",
        "(&)",
        "(=x)",
        "(u id=x)",
        "(uid)",
        "(uid={user})",
        "(uid={login)",
        "(a=\\zz)",
        "(a=\\f)",
        "(a=\\ff)",
        "(uid={login}*)",
        "(uid=*{login})",
        "(!(uid={login}))",
        "(:=x)",
        "(&(a=b)",
        "(a=b)(c=d)",
        &deep,
    ] {
        assert!(FilterTemplate::parse(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}|[()&|!=*\\\\{}a-f:~<>]{0,40}") {
        let _ = FilterTemplate::parse(&text);
    }
}
