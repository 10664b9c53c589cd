//! Samba as the domain controller of `corp.example`. Every test that needs a person makes one of its own.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::{authority, own_address, run, tied, wait_for};

const ADMIN_PASSWORD: &str = "Admin-Passw0rd-4711";

/// Everybody's password in the domain.
pub const PASSWORD: &str = "Violet-Harbour-41";

pub const BASE: &str = "DC=corp,DC=example";
pub const SERVICE_DN: &str = "CN=vestibule,OU=Services,DC=corp,DC=example";
pub const SERVICE_PASSWORD: &str = "Service-Secret-4711";

/// The domain.
pub struct Samba {
    folder: tempfile::TempDir,
    pub address: String,
    pub ca: PathBuf,
    _server: std::process::Child,
}

impl Samba {
    /// The one domain of this run.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Samba> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = own_address(54);
        let root = folder.path().display().to_string();
        let provision = format!(
            "samba-tool domain provision --server-role=dc --use-rfc2307 --dns-backend=NONE --realm=CORP.EXAMPLE --domain=CORP \
             --adminpass={ADMIN_PASSWORD} --targetdir={root}/dc --host-name=dc1 --host-ip={address} \
             --option='interfaces={address}/8' --option='bind interfaces only=yes'"
        );
        run("sh", &["-c", &provision], "").unwrap_or_else(|e| panic!("{e}"));
        let certificates = authority::issue(folder.path(), &address, true);
        let log = folder.path().join("samba.log");
        let options = [
            format!("interfaces={address}/8"),
            "bind interfaces only=yes".into(),
            "server services=ldap, cldap, kdc, rpc, drepl, kcc".into(),
            "tls enabled=yes".into(),
            format!("tls certfile={}", certificates.cert.display()),
            format!("tls keyfile={}", certificates.key.display()),
            format!("tls cafile={}", certificates.ca.display()),
            format!("log file={root}/log.%m"),
            format!("pid directory={root}"),
            format!("ncalrpc dir={root}/ncalrpc"),
        ];
        let options: Vec<String> = options.iter().map(|option| format!("--option='{option}'")).collect();
        let command = format!("exec samba -F --no-process-group -M single -s {root}/dc/etc/smb.conf {}", options.join(" "));
        let server = tied(&command, &log);
        wait_for(&address, 636, &log);
        let samba = Self { ca: certificates.ca, folder, address, _server: server };
        samba.furnish();
        samba
    }

    pub fn url(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    /// A file with the service account's password.
    pub fn secret_file(&self) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let file = self.folder.path().join("corp.secret");
        if !file.exists() {
            std::fs::write(&file, SERVICE_PASSWORD).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        file
    }

    /// As the administrator.
    pub fn modify(&self, ldif: &str) {
        let administrator = "CN=Administrator,CN=Users,DC=corp,DC=example";
        let url = self.url();
        let said = run("ldapmodify", &["-x", "-H", &url, "-D", administrator, "-w", ADMIN_PASSWORD], ldif);
        said.unwrap_or_else(|e| panic!("{e}\n{ldif}"));
    }

    fn furnish(&self) {
        self.modify(&format!(
            "dn: OU=Services,{BASE}\nchangetype: add\nobjectClass: organizationalUnit\n\n\
             dn: OU=People,{BASE}\nchangetype: add\nobjectClass: organizationalUnit\n\n\
             dn: OU=Groups,{BASE}\nchangetype: add\nobjectClass: organizationalUnit\n"
        ));
        self.add_user(SERVICE_DN, "vestibule", SERVICE_PASSWORD, "");
        for group in ["Payroll", "Staff", "Inner", "Outer"] {
            self.modify(&format!("dn: CN={group},OU=Groups,{BASE}\nchangetype: add\nobjectClass: group\nsAMAccountName: {group}\n"));
        }
        self.join("Outer", &format!("CN=Inner,OU=Groups,{BASE}"));
    }

    fn add_user(&self, dn: &str, name: &str, password: &str, more: &str) {
        self.modify(&format!(
            "dn: {dn}\nchangetype: add\nobjectClass: user\nsAMAccountName: {name}\nuserPrincipalName: {name}@corp.example\n\
             userAccountControl: 512\nunicodePwd:: {}\n{more}",
            quoted(password)
        ));
    }

    /// Somebody new; their DN.
    pub fn person(&self, name: &str) -> String {
        let dn = format!("CN={name},OU=People,{BASE}");
        self.add_user(&dn, name, PASSWORD, &format!("mail: {name}@corp.example\ndisplayName: {name} Example\n"));
        dn
    }

    /// Puts one value in the place of an attribute's.
    pub fn set(&self, dn: &str, attribute: &str, value: &str) {
        self.modify(&format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n"));
    }

    pub fn join(&self, group: &str, member: &str) {
        self.modify(&format!("dn: CN={group},OU=Groups,{BASE}\nchangetype: modify\nadd: member\nmember: {member}\n"));
    }

    pub fn leave(&self, group: &str, member: &str) {
        self.modify(&format!("dn: CN={group},OU=Groups,{BASE}\nchangetype: modify\ndelete: member\nmember: {member}\n"));
    }

    pub fn delete(&self, dn: &str) {
        self.modify(&format!("dn: {dn}\nchangetype: delete\n"));
    }

    pub fn rename(&self, dn: &str, name: &str) {
        self.modify(&format!("dn: {dn}\nchangetype: modrdn\nnewrdn: CN={name}\ndeleteoldrdn: 1\n"));
        let dn = format!("CN={name},OU=People,{BASE}");
        self.set(&dn, "sAMAccountName", name);
        self.set(&dn, "userPrincipalName", &format!("{name}@corp.example"));
    }
}

/// A password as `unicodePwd` takes it, in base64.
fn quoted(password: &str) -> String {
    let bytes: Vec<u8> = format!("\"{password}\"").encode_utf16().flat_map(u16::to_le_bytes).collect();
    data_encoding::BASE64.encode(&bytes)
}
