//! A configured filter as the protocol's tree, with values in the places of its placeholders. A value is never read as syntax.

use ldap3_proto::proto::{LdapFilter, LdapMatchingRuleAssertion, LdapSubstringFilter};

use crate::config::directory::{Node, Piece};

/// What the placeholders stand for.
#[derive(Clone, Copy, Default)]
pub(super) struct Values<'a> {
    pub login: &'a str,
    pub dn: &'a str,
    pub name: &'a str,
}

/// The filter with these values.
pub(super) fn fill(node: &Node, values: &Values<'_>) -> LdapFilter {
    build(node, &|value| Some(text(value, values)))
}

/// The filter that everybody matches who could be found by some login: what asks for the login asks only that there be a value.
pub(super) fn for_any_login(node: &Node) -> LdapFilter {
    build(node, &|value| (!value.contains(&Piece::Login)).then(|| text(value, &Values::default())))
}

fn text(value: &[Piece], values: &Values<'_>) -> String {
    value
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Login => values.login,
            Piece::Dn => values.dn,
            Piece::Name => values.name,
        })
        .collect()
}

/// `value` says what stands for a value; `None`: any will do.
fn build(node: &Node, value: &impl Fn(&[Piece]) -> Option<String>) -> LdapFilter {
    let several = |nodes: &[Node]| nodes.iter().map(|node| build(node, value)).collect();
    let compare = |attribute: &String, pieces: &[Piece], make: fn(String, String) -> LdapFilter| match value(pieces) {
        Some(text) => make(attribute.clone(), text),
        None => LdapFilter::Present(attribute.clone()),
    };
    match node {
        Node::And(nodes) => LdapFilter::And(several(nodes)),
        Node::Or(nodes) => LdapFilter::Or(several(nodes)),
        Node::Not(node) => LdapFilter::Not(Box::new(build(node, value))),
        Node::Equal(attribute, pieces) => compare(attribute, pieces, LdapFilter::Equality),
        Node::AtLeast(attribute, pieces) => compare(attribute, pieces, LdapFilter::GreaterOrEqual),
        Node::AtMost(attribute, pieces) => compare(attribute, pieces, LdapFilter::LessOrEqual),
        Node::Approximately(attribute, pieces) => compare(attribute, pieces, LdapFilter::Approx),
        Node::Present(attribute) => LdapFilter::Present(attribute.clone()),
        Node::Substring { attribute, initial, any, last } => {
            let parts = LdapSubstringFilter { initial: initial.clone(), any: any.clone(), final_: last.clone() };
            LdapFilter::Substring(attribute.clone(), parts)
        }
        Node::Extensible { attribute, rule, dn, value: pieces } => match (value(pieces), attribute) {
            (None, Some(attribute)) => LdapFilter::Present(attribute.clone()),
            (found, _) => LdapFilter::Extensible(LdapMatchingRuleAssertion {
                matching_rule: rule.clone(),
                type_: attribute.clone(),
                match_value: found.unwrap_or_default(),
                dn_attributes: *dn,
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use ldap3_lber::Parser;
    use ldap3_lber::structure::StructureTag;
    use ldap3_proto::proto::{LdapDerefAliases, LdapMsg, LdapOp, LdapSearchRequest, LdapSearchScope};
    use proptest::prelude::*;

    use super::*;
    use crate::config::directory::FilterTemplate;

    fn equality(attribute: &str, value: &str) -> LdapFilter {
        LdapFilter::Equality(attribute.into(), value.into())
    }

    /// What the server at the other end reads.
    fn over_the_wire(filter: LdapFilter) -> LdapFilter {
        let request = LdapSearchRequest {
            base: String::new(),
            scope: LdapSearchScope::Subtree,
            aliases: LdapDerefAliases::Never,
            sizelimit: 0,
            timelimit: 0,
            typesonly: false,
            filter,
            attrs: Vec::new(),
        };
        let mut bytes = bytes::BytesMut::new();
        ldap3_lber::write::encode_into(&mut bytes, StructureTag::from(LdapMsg::new(1, LdapOp::SearchRequest(request)))).unwrap();
        let (_, tag) = Parser::default().parse(&bytes).unwrap();
        let LdapOp::SearchRequest(request) = LdapMsg::try_from(tag).unwrap().op else { panic!("no search") };
        request.filter
    }

    #[test]
    fn for_any_login_keeps_what_is_not_the_login() {
        let template = FilterTemplate::parse("(&(memberOf=cn=vpn)(|(uid={login})(mail={login}))(!(x=y)))").unwrap();
        let expected = LdapFilter::And(vec![
            equality("memberOf", "cn=vpn"),
            LdapFilter::Or(vec![LdapFilter::Present("uid".into()), LdapFilter::Present("mail".into())]),
            LdapFilter::Not(Box::new(equality("x", "y"))),
        ]);
        assert_eq!(for_any_login(&template.root), expected);
    }

    proptest! {
        #[test]
        fn what_is_typed_is_one_value_at_the_other_end(
            login in "\\PC{0,60}|[*()&|!=\\\\\\x00a-f0-9]{0,40}|\\PC{512}"
        ) {
            let template = FilterTemplate::parse("(&(objectClass=person)(|(uid={login})(mail={login})))").unwrap();
            let filter = fill(&template.root, &Values { login: &login, ..Values::default() });
            let expected = LdapFilter::And(vec![
                equality("objectClass", "person"),
                LdapFilter::Or(vec![equality("uid", &login), equality("mail", &login)]),
            ]);
            prop_assert_eq!(over_the_wire(filter), expected);
        }
    }
}
