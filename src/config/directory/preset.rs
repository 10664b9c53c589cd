//! What is filled in for a kind of directory; every key can be given otherwise.

/// Which kind of directory it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    ActiveDirectory,
    OpenLdap,
    Custom,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::ActiveDirectory, Self::OpenLdap, Self::Custom];

    pub const fn name(self) -> &'static str {
        match self {
            Self::ActiveDirectory => "active_directory",
            Self::OpenLdap => "openldap",
            Self::Custom => "custom",
        }
    }

    /// What stands in for keys that are left out; nothing for a custom directory.
    pub const fn preset(self) -> Option<Preset> {
        match self {
            Self::ActiveDirectory => Some(Preset {
                user_filter: "(|(sAMAccountName={login})(userPrincipalName={login})(mail={login}))",
                id: "objectGUID",
                name: "sAMAccountName",
                display_name: "displayName",
                email: "mail",
                phone: "mobile",
                nested: true,
            }),
            Self::OpenLdap => Some(Preset {
                user_filter: "(&(objectClass=inetOrgPerson)(|(uid={login})(mail={login})))",
                id: "entryUUID",
                name: "uid",
                display_name: "displayName",
                email: "mail",
                phone: "mobile",
                nested: false,
            }),
            Self::Custom => None,
        }
    }
}

/// The keys of a preset.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub user_filter: &'static str,
    pub id: &'static str,
    pub name: &'static str,
    pub display_name: &'static str,
    pub email: &'static str,
    pub phone: &'static str,
    /// Whether groups are `nested`, else `direct`.
    pub nested: bool,
}
