//! OpenLDAP's server with the overlays for password policies and `memberOf`. It calls a bind with an empty password a success, as it may.

use std::path::PathBuf;
use std::process::Child;
use std::sync::OnceLock;

use super::{authority, own_address, run, tied, wait_for};

pub const PASSWORD: &str = "violet-harbour-41";
pub const BASE: &str = "dc=corp,dc=example";
pub const SERVICE_DN: &str = "cn=vestibule,dc=corp,dc=example";
pub const SERVICE_PASSWORD: &str = "service-secret";
const ROOT: &str = "cn=admin,dc=corp,dc=example";

/// A server, and what it has.
pub struct Slapd {
    folder: tempfile::TempDir,
    address: String,
    port: u16,
    pub ca: PathBuf,
    server: Option<Child>,
}

impl Slapd {
    /// The one that most tests share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Slapd> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(true))
    }

    /// One of a test's own. `with_name`: whether its certificate has the host's name where it must stand.
    pub fn start(with_name: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = own_address(55);
        let listener = std::net::TcpListener::bind((address.as_str(), 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let certificates = authority::issue(folder.path(), &address, with_name);
        let mut slapd = Self { ca: certificates.ca, folder, address, port, server: None };
        slapd.configure();
        slapd.begin();
        slapd
    }

    fn configure(&self) {
        let root = self.folder.path().display();
        std::fs::create_dir(self.folder.path().join("db")).unwrap();
        let config = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/inetorgperson.schema\n\
             modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload ppolicy\nmoduleload memberof\npidfile {root}/pid\n\
             TLSCACertificateFile {root}/ca.pem\nTLSCertificateFile {root}/cert.pem\nTLSCertificateKeyFile {root}/key.pem\n\
             allow bind_anon_dn\nsizelimit unlimited\n\
             database mdb\nsuffix {BASE}\nrootdn {ROOT}\nrootpw secret\ndirectory {root}/db\nmaxsize 1073741824\n\
             index objectClass,uid,mail,entryUUID,member eq\noverlay ppolicy\nppolicy_default cn=default,{BASE}\noverlay memberof\n\
             access to attrs=userPassword by self write by anonymous auth by * none\naccess to * by * read\n"
        );
        std::fs::write(self.folder.path().join("slapd.conf"), config).unwrap();
        let people = format!(
            "dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: corp\ndc: corp\n\n\
             dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n\
             dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n\n\
             dn: cn=default,{BASE}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: default\npwdAttribute: userPassword\n\
             pwdMustChange: TRUE\npwdMinLength: 8\npwdCheckQuality: 1\npwdLockout: TRUE\npwdMaxFailure: 50\npwdAllowUserChange: TRUE\n\n\
             dn: {SERVICE_DN}\nobjectClass: device\nobjectClass: simpleSecurityObject\ncn: vestibule\nuserPassword: {SERVICE_PASSWORD}\n"
        );
        self.load(&people);
    }

    /// Puts entries in before the server runs.
    fn load(&self, ldif: &str) {
        let config = self.folder.path().join("slapd.conf");
        run("slapadd", &["-q", "-f", config.to_str().unwrap()], ldif).unwrap_or_else(|e| panic!("{e}"));
    }

    fn begin(&mut self) {
        let (config, log) = (self.folder.path().join("slapd.conf"), self.folder.path().join("log"));
        let command = format!("exec slapd -d 0 -f {} -h ldap://{}:{}", config.display(), self.address, self.port);
        self.server = Some(tied(&command, &log));
        wait_for(&self.address, self.port, &log);
    }

    /// Without TLS: StartTLS makes it safe.
    pub fn url(&self) -> String {
        format!("ldap://{}:{}", self.address, self.port)
    }

    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.stdin.take());
            server.wait().unwrap();
        }
    }

    pub fn go_on(&mut self) {
        self.begin();
    }

    /// Many people at once; the server is away meanwhile.
    pub fn fill(&mut self, count: usize) {
        self.stop();
        let person = |n| format!("{}\n", entry(&format!("many{n}"), ""));
        self.load(&(0..count).map(person).collect::<String>());
        self.go_on();
    }

    pub fn modify(&self, ldif: &str) {
        let url = self.url();
        run("ldapmodify", &["-x", "-H", &url, "-D", ROOT, "-w", "secret"], ldif).unwrap_or_else(|e| panic!("{e}\n{ldif}"));
    }

    /// Somebody new; their DN.
    pub fn person(&self, name: &str) -> String {
        let ldif = entry(name, "");
        self.modify(&ldif.replacen('\n', "\nchangetype: add\n", 1));
        dn(name)
    }

    pub fn group(&self, name: &str, member: &str) {
        self.modify(&format!("dn: cn={name},ou=groups,{BASE}\nchangetype: add\nobjectClass: groupOfNames\ncn: {name}\nmember: {member}\n"));
    }

    pub fn set(&self, dn: &str, attribute: &str, value: &str) {
        self.modify(&format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n"));
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn dn(name: &str) -> String {
    format!("uid={name},ou=people,{BASE}")
}

fn entry(name: &str, more: &str) -> String {
    format!(
        "dn: {}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\ndisplayName: {name} Example\nmail: {name}@corp.example\n\
         userPassword: {PASSWORD}\n{more}",
        dn(name)
    )
}
