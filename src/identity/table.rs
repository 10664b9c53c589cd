//! Under which names an application is told who asks. The presets are the names that applications already read from other gateways;
//! a table of one's own says the rest.
//!
//! To add a preset: a variant here, its name, its columns, and a line in `docs/reference.md`. Its names are stripped from then on.

use bytes::Bytes;

use super::Encoding;

/// The header that carries group names, and how they are in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Groups {
    pub header: Bytes,
    pub separator: char,
    /// Each name is in double quotes.
    pub quoted: bool,
}

/// The headers of one route. What has no header is not told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Table {
    pub user: Option<Bytes>,
    pub name: Option<Bytes>,
    pub email: Option<Bytes>,
    pub groups: Option<Groups>,
    pub encoding: Encoding,
}

/// Tables that need not be written out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Preset {
    #[default]
    Remote,
    XForwarded,
    XWebauth,
    Authentik,
    Siteminder,
    Webseal,
    /// Nothing is told.
    None,
}

impl Preset {
    pub const ALL: [Self; 7] =
        [Self::Remote, Self::XForwarded, Self::XWebauth, Self::Authentik, Self::Siteminder, Self::Webseal, Self::None];

    /// As it is written in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::XForwarded => "x_forwarded",
            Self::XWebauth => "x_webauth",
            Self::Authentik => "authentik",
            Self::Siteminder => "siteminder",
            Self::Webseal => "webseal",
            Self::None => "none",
        }
    }

    /// User, name, e-mail and groups, with what separates groups.
    const fn columns(self) -> ([Option<&'static str>; 4], char) {
        match self {
            Self::Remote => ([Some("Remote-User"), Some("Remote-Name"), Some("Remote-Email"), Some("Remote-Groups")], ','),
            Self::XForwarded => (
                [Some("X-Forwarded-User"), Some("X-Forwarded-Preferred-Username"), Some("X-Forwarded-Email"), Some("X-Forwarded-Groups")],
                ',',
            ),
            Self::XWebauth => ([Some("X-WEBAUTH-USER"), Some("X-WEBAUTH-NAME"), Some("X-WEBAUTH-EMAIL"), Some("X-WEBAUTH-GROUPS")], ','),
            Self::Authentik => {
                ([Some("X-authentik-username"), Some("X-authentik-name"), Some("X-authentik-email"), Some("X-authentik-groups")], '|')
            }
            Self::Siteminder => ([Some("SM_USER"), None, None, None], ','),
            Self::Webseal => ([Some("iv-user"), None, None, Some("iv-groups")], ','),
            Self::None => ([None; 4], ','),
        }
    }

    /// The headers of this preset.
    pub fn table(self) -> Table {
        let ([user, name, email, groups], separator) = self.columns();
        let header = |name: &'static str| Bytes::from_static(name.as_bytes());
        let quoted = self == Self::Webseal;
        Table {
            user: user.map(header),
            name: name.map(header),
            email: email.map(header),
            groups: groups.map(|name| Groups { header: header(name), separator, quoted }),
            encoding: Encoding::Utf8,
        }
    }
}

impl Table {
    /// Every header's name.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        let groups = self.groups.as_ref().map(|groups| &groups.header);
        [self.user.as_ref(), self.name.as_ref(), self.email.as_ref(), groups].into_iter().flatten().map(|name| &name[..])
    }
}
