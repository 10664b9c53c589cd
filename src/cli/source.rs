//! Where the configuration comes from: a file, the environment, and `--data-dir` over both. `serve` reads it again at every reload.

use std::path::{Path, PathBuf};

use crate::config::{self, Config, Loaded, Problems};

/// The variable that `--data-dir` stands for.
const DATA_DIR: &str = "VESTIBULE_SERVER__DATA_DIR";

/// Where a configuration is looked for first if none is named.
pub const FIRST_PLACE: &str = "vestibule.toml";
/// And where after that.
const PLACES: [&str; 3] = [FIRST_PLACE, "config/vestibule.toml", "/etc/vestibule/vestibule.toml"];

/// The first configuration that there is; the first place if there is none.
///
/// # Errors
/// If it lies in the working folder and somebody else could have written it: a stranger's folder must not decide what root does there
/// (as Git's `safe.directory`). A file that is named is taken as it is.
pub fn found() -> anyhow::Result<PathBuf> {
    let place = Path::new(PLACES.into_iter().find(|place| Path::new(place).exists()).unwrap_or(FIRST_PLACE));
    if place.is_relative() && place.exists() {
        let shown = place.display();
        trust(place).map_err(|why| {
            anyhow::anyhow!(
                "{shown} in this folder is not taken by itself: {why}, so somebody else could decide what this command does. \
                 If you mean this file, name it (--config {shown}); if not, change to another folder"
            )
        })?;
    }
    Ok(place.to_owned())
}

/// Who runs this.
#[derive(Clone, Copy)]
struct Caller {
    user: u32,
    group: u32,
}

/// Whether nobody but root and the caller could have written the file: itself, what it is a link to, and the folder it lies in.
fn trust(file: &Path) -> Result<(), String> {
    let caller = Caller { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let facts = |what: &'static str, read: std::io::Result<std::fs::Metadata>| {
        read.map_err(|e| format!("{what} cannot be looked at ({e})")).and_then(|facts| written_by(what, &facts, caller))
    };
    facts("the file", std::fs::symlink_metadata(file))?;
    facts("the file that it links to", std::fs::metadata(file))?;
    facts("its folder", std::fs::metadata(folder))?;
    facts("the working folder", std::fs::metadata("."))
}

fn written_by(what: &str, facts: &std::fs::Metadata, caller: Caller) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    writers(what, (facts.uid(), facts.gid(), facts.mode()), facts.is_symlink(), caller)
}

fn writers(what: &str, (user, group, mode): (u32, u32, u32), is_link: bool, caller: Caller) -> Result<(), String> {
    const ROOT: u32 = 0;
    const STICKY: u32 = 0o1000;
    if user != ROOT && user != caller.user {
        return Err(format!("{what} belongs to another user (uid {user}; you are uid {})", caller.user));
    }
    // Of a link the mode means nothing. In a folder like /tmp everybody removes and renames only what is their own.
    if is_link || mode & STICKY != 0 {
        return Ok(());
    }
    if mode & 0o002 != 0 {
        return Err(format!("everybody may write to {what}"));
    }
    if mode & 0o020 != 0 && group != ROOT && group != caller.group {
        return Err(format!("another group (gid {group}) may write to {what}"));
    }
    Ok(())
}

/// A configuration that can be read as often as needed.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    pub file: PathBuf,
    /// Absolute.
    pub data_dir: Option<PathBuf>,
}

impl ConfigSource {
    /// `data_dir` is made absolute against the working folder of now.
    ///
    /// # Errors
    /// Where there is no working folder, or the folder's name is not UTF-8.
    pub fn new(file: PathBuf, data_dir: Option<PathBuf>) -> anyhow::Result<Self> {
        let data_dir = data_dir.map(std::path::absolute).transpose()?;
        if data_dir.as_deref().is_some_and(|folder| folder.to_str().is_none()) {
            anyhow::bail!("the name of the data folder is not UTF-8; use another");
        }
        Ok(Self { file, data_dir })
    }

    /// Reads it.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(&self) -> Result<Loaded, Problems> {
        config::load(&self.file, self.environment())
    }

    fn environment(&self) -> Vec<(String, String)> {
        let env = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let given = self.data_dir.as_deref().and_then(Path::to_str).map(|folder| (DATA_DIR.to_owned(), folder.to_owned()));
        env.filter(|(name, _)| given.is_none() || name != DATA_DIR).chain(given.clone()).collect()
    }

    /// The data folder of a configuration that does not load: a running gateway can be reached all the same, to revoke a session while
    /// somebody is in the middle of an edit.
    pub fn data_dir_of_a_broken_file(&self) -> Option<PathBuf> {
        let named = |text: String| self.file.parent().unwrap_or(Path::new("")).join(text);
        let from_environment = || self.environment().into_iter().find(|(name, _)| name == DATA_DIR).map(|(_, value)| named(value));
        let from_file = || {
            let text = std::fs::read_to_string(&self.file).ok()?;
            let mut lines =
                text.lines().map(str::trim).skip_while(|line| *line != "[server]").skip(1).take_while(|line| !line.starts_with('['));
            let value = lines.find_map(|line| line.strip_prefix("data_dir")?.trim_start().strip_prefix('='))?;
            Some(named(toml::from_str::<toml::Table>(&format!("x = {value}")).ok()?.get("x")?.as_str()?.to_owned()))
        };
        // Only where it is nowhere spoken of is it the default.
        let silent = || std::fs::read_to_string(&self.file).is_ok_and(|text| !text.contains("data_dir"));
        let default = || silent().then(|| self.file.parent().unwrap_or(Path::new("")).join(Config::default().server.data_dir));
        self.data_dir.clone().or_else(from_environment).or_else(from_file).or_else(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_and_the_caller_alone_can_write_is_trusted() {
        const ALICE: Caller = Caller { user: 1000, group: 1000 };
        const ADMIN: Caller = Caller { user: 0, group: 0 };
        for (facts, caller, trusted) in [
            ((1000, 1000, 0o100_644), ALICE, true),
            ((1000, 1000, 0o100_664), ALICE, true),
            ((0, 0, 0o100_644), ALICE, true),
            ((0, 1000, 0o100_664), ALICE, true),
            ((1001, 1001, 0o100_600), ALICE, false),
            ((1000, 50, 0o100_664), ALICE, false),
            ((1000, 1000, 0o100_666), ALICE, false),
            ((1000, 1000, 0o100_644), ADMIN, false),
            ((0, 1000, 0o100_664), ADMIN, false),
            ((0, 0, 0o041_777), ALICE, true),
            ((1001, 0, 0o041_777), ALICE, false),
            ((0, 0, 0o040_777), ADMIN, false),
        ] {
            assert_eq!(writers("the file", facts, false, caller).is_ok(), trusted, "{facts:?}");
        }
        assert!(
            writers("the file", (1000, 1000, 0o120_777), true, ALICE).is_ok()
                && writers("the file", (7, 7, 0o120_777), true, ALICE).is_err()
        );
    }

    #[test]
    fn the_file_and_its_folder_are_looked_at() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vestibule.toml");
        std::fs::write(&file, "").unwrap();
        let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(&file, 0o644);
        assert_eq!(trust(&file), Ok(()));
        mode(&file, 0o666);
        assert_eq!(trust(&file), Err("everybody may write to the file".into()));
        mode(&file, 0o644);
        mode(folder.path(), 0o777);
        assert_eq!(trust(&file), Err("everybody may write to its folder".into()));
        mode(folder.path(), 0o755);
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        mode(&file, 0o602);
        assert_eq!(trust(&link), Err("everybody may write to the file that it links to".into()));
    }

    #[test]
    fn the_data_folder_given_goes_over_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("v.toml");
        std::fs::write(&file, "[server]\ndata_dir = \"there\" # a folder\n[nonsense]\n").unwrap();
        let broken = ConfigSource::new(file.clone(), None).unwrap();
        assert!(broken.load().is_err());
        assert_eq!(broken.data_dir_of_a_broken_file(), Some(folder.path().join("there")));
        std::fs::write(&file, "[nonsense]\n").unwrap();
        assert_eq!(broken.data_dir_of_a_broken_file(), Some(folder.path().join("data")), "the default");
        std::fs::write(&file, "[server]\ndata_dir = 'un\n").unwrap();
        assert_eq!(broken.data_dir_of_a_broken_file(), None, "a folder that cannot be read is not guessed");
        std::fs::write(
            &file,
            "[server]\ndata_dir = \"there\"\n[[routes]]\nname = \"a\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"bypass\"\n",
        )
        .unwrap();
        assert_eq!(broken.load().unwrap().config.server.data_dir, folder.path().join("there"));
        let here = ConfigSource::new(file, Some(folder.path().join("here"))).unwrap();
        assert_eq!(here.load().unwrap().config.server.data_dir, folder.path().join("here"));
    }
}
