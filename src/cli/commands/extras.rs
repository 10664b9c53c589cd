//! Shell completions and manual pages, made from the same description of the command line.

use std::path::Path;

use anyhow::Context;

pub fn completions(command: &mut clap::Command, shell: clap_complete::Shell) {
    clap_complete::generate(shell, command, "vestibule", &mut std::io::stdout());
}

/// The page of the whole on standard output, or a page for each command in a folder.
pub fn man(command: clap::Command, folder: Option<&Path>) -> anyhow::Result<()> {
    match folder {
        None => Ok(clap_mangen::Man::new(command).render(&mut std::io::stdout())?),
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            clap_mangen::generate_to(command, folder).with_context(|| format!("{} cannot be written", folder.display()))
        }
    }
}
