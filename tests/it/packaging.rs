//! What packages install is whole, and every package is of this version. That they can be installed, used and removed is tried by
//! `packaging/*/try`, which the release workflow runs.

use std::path::Path;
use std::process::Command;

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

#[test]
fn what_packages_install_is_there_and_fits_together() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let program = env!("CARGO_BIN_EXE_vestibule");
    let staged = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/stage")).arg(program).arg(root).output().unwrap();
    assert!(staged.status.success(), "{}", String::from_utf8_lossy(&staged.stderr));
    let text = |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));

    // The unit starts what is installed, with the configuration that is installed.
    let unit = text("usr/lib/systemd/system/vestibule.service");
    let started = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/")).unwrap().split(' ').next().unwrap();
    assert!(root.join(started).is_file(), "{started}");
    let config = unit.lines().find_map(|line| line.strip_prefix("Environment=VESTIBULE_CONFIG=/")).unwrap();
    let checked = Command::new(program).arg("--config").arg(root.join(config)).arg("check").output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let user = unit.lines().find_map(|line| line.strip_prefix("User=")).unwrap();
    assert!(text("usr/lib/sysusers.d/vestibule.conf").contains(&format!("\nu {user} ")) && read("packaging/deb/postinst").contains(user));

    for page in ["vestibule", "vestibule-serve", "vestibule-user-add"] {
        assert!(root.join(format!("usr/share/man/man1/{page}.1.gz")).is_file(), "{page}");
    }
    let completions =
        ["bash-completion/completions/vestibule", "zsh/vendor-completions/_vestibule", "fish/vendor_completions.d/vestibule.fish"];
    for file in completions {
        assert!(text(&format!("usr/share/{file}")).contains("serve"), "{file}");
    }
    assert!(root.join("usr/share/doc/vestibule/docs/guides/install.md").is_file());
}

#[test]
fn every_package_is_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    let printed = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/version")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&printed.stdout).trim(), version);
    let wanted = [
        ("packaging/helm/vestibule/Chart.yaml", format!("\nversion: {version}\n")),
        ("packaging/helm/vestibule/Chart.yaml", format!("\nappVersion: \"{version}\"\n")),
        ("packaging/rpm/vestibule.spec", format!("vestibule_version {version}}}")),
        ("Dockerfile", format!("\nARG VERSION={version}\n")),
        ("packaging/oci/Dockerfile", format!("\nARG VERSION={version}\n")),
        ("packaging/ansible/playbook.yml", format!("vestibule_{version}_amd64.deb")),
        ("docs/guides/install.md", format!("vestibule_{version}_amd64.deb")),
    ];
    for (file, text) in wanted {
        assert!(read(file).contains(&text), "{file} does not have {text}");
    }
}

#[test]
fn both_images_are_one() {
    let (built, given) = (read("Dockerfile"), read("packaging/oci/Dockerfile"));
    let end = |text: &str| text.split_once("\nARG VERSION=").map(|(_, end)| end.to_owned()).unwrap();
    assert_eq!(end(&built), end(&given), "Dockerfile and packaging/oci/Dockerfile end alike");
    assert!(
        built.contains("\nFROM scratch\n")
            && built.contains("\nUSER 65532:65532\n")
            && built.contains(r#"CMD ["/usr/bin/vestibule", "health"]"#)
    );
}
