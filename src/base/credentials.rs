//! Files with secrets: who may be able to read them, and the folder that the service manager puts them into.

use std::path::{Path, PathBuf};

/// The folder of credentials: systemd's (systemd.exec(5), `LoadCredential=`), or where a container finds its mounted secrets.
pub fn credentials_directory() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// Whether nobody but its owner may read a file. Below the folder of credentials its group may read too: systemd's group bits are the mask of an
/// access list that names the service alone, and Kubernetes gives a mounted secret to root and to the group of the pod.
pub fn is_private(path: &Path, mode: u32, credentials: Option<&Path>) -> bool {
    let is_credential = || {
        let real = |path: &Path| path.canonicalize().ok();
        credentials.and_then(real).zip(real(path)).is_some_and(|(folder, file)| file.starts_with(folder))
    };
    mode & 0o077 == 0 || (mode & 0o037 == 0 && is_credential())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_of_the_service_manager_may_look_readable_to_a_group() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (inside, outside) = (folder.path().join("mail.url"), other.path().join("mail.url"));
        let link = folder.path().join("link");
        std::fs::write(&inside, "x").unwrap();
        std::fs::write(&outside, "x").unwrap();
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        let given = Some(folder.path());
        assert!(is_private(&inside, 0o100_440, given) && is_private(&inside, 0o100_400, None));
        for (path, mode, given) in
            [(&inside, 0o440, None), (&inside, 0o444, given), (&inside, 0o460, given), (&outside, 0o440, given), (&link, 0o440, given)]
        {
            assert!(!is_private(path, mode, given), "{path:?} {mode:o}");
        }
    }
}
