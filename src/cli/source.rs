//! Where the configuration comes from: a file, the environment, and `--data-dir` over both. `serve` reads it again at every reload.

use std::path::{Path, PathBuf};

use crate::config::{self, Config, Loaded, Problems};

/// The variable that `--data-dir` stands for.
const DATA_DIR: &str = "VESTIBULE_SERVER__DATA_DIR";

/// Where a configuration is looked for if none is named.
const PLACES: [&str; 3] = ["vestibule.toml", "config/vestibule.toml", "/etc/vestibule/vestibule.toml"];

/// The first configuration that there is; the first place if there is none.
pub fn found() -> PathBuf {
    let [first, ..] = PLACES;
    PathBuf::from(PLACES.into_iter().find(|place| Path::new(place).exists()).unwrap_or(first))
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
