//! `vestibule init`: a first configuration, from a few questions or from what another gateway had. Nothing is overwritten, and what is
//! written has passed the same check as every configuration.

mod ask;
mod authelia;
mod draft;
mod nginx;
mod oauth2_proxy;
mod pattern;
mod questions;
mod render;
mod write;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::context::Context;
use super::terminal::output;
use draft::{BasePolicy, Draft};

/// More than any configuration of another gateway.
const MOST: u64 = 32 * 1024 * 1024;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Read what `nginx -T` prints (-: standard input)
    #[arg(long, value_name = "FILE", group = "from")]
    from_nginx: Option<PathBuf>,
    /// Read Authelia's configuration.yml (-: standard input)
    #[arg(long, value_name = "FILE", group = "from")]
    from_authelia: Option<PathBuf>,
    /// Read oauth2-proxy's configuration (-: standard input)
    #[arg(long, value_name = "FILE", group = "from")]
    from_oauth2_proxy: Option<PathBuf>,
    /// What places get that nginx let everybody into
    #[arg(long, value_enum, default_value_t, requires = "from")]
    policy: BasePolicy,
    /// Where to write; the file must not exist (default: vestibule.toml, and standard output with --from-…)
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    answers: questions::Answers,
}

pub fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    if let Some(file) = &args.from_nginx {
        let dump = read(file)?;
        return imported(&nginx::draft(&dump, args.policy)?, args.output.as_deref());
    }
    if let Some(file) = &args.from_authelia {
        return imported(&authelia::draft(&read(file)?)?, args.output.as_deref());
    }
    if let Some(file) = &args.from_oauth2_proxy {
        return imported(&oauth2_proxy::draft(&read(file)?)?, args.output.as_deref());
    }
    let target = args.output.unwrap_or_else(|| PathBuf::from("vestibule.toml"));
    ask::run(context, args.answers, &target)
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let result = match file == Path::new("-") {
        true => std::io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes),
        false => std::fs::File::open(file).and_then(|open| open.take(MOST + 1).read_to_end(&mut bytes)),
    };
    result.with_context(|| format!("{} cannot be read", file.display()))?;
    if bytes.len() as u64 > MOST {
        bail!("{} is larger than {} MiB", file.display(), MOST >> 20);
    }
    // Old configurations have comments in Latin-1: what is not UTF-8 protects nothing, but must not stop the rest.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Checks a draft, writes it, and says what became of what.
fn imported(draft: &Draft, target: Option<&Path>) -> anyhow::Result<()> {
    let text = render::render(draft);
    write::check(&text, target.unwrap_or(Path::new("vestibule.toml")))?;
    match target {
        Some(file) => write::write_new(file, &text)?,
        None => output::line(text.trim_end())?,
    }
    summary(draft).iter().for_each(|line| eprintln!("{}", output::plain(line)));
    Ok(())
}

/// What was carried over, and what became of the rest.
fn summary(draft: &Draft) -> Vec<String> {
    let rules = || draft.routes.iter().flat_map(|route| route.rules.iter().map(move |rule| (route, rule)));
    let closed_routes: Vec<_> = draft.routes.iter().filter(|route| route.is_closed()).collect();
    let closed_rules: Vec<_> = rules().filter(|(_, rule)| !rule.original.is_empty()).collect();
    let carried = draft.routes.len() - closed_routes.len() + rules().count() - closed_rules.len();
    let denied = closed_routes.len() + closed_rules.len();
    let mut lines =
        vec![format!("vestibule: {carried} routes and rules carried over, {denied} became deny, {} left out", draft.left_out.len())];
    let where_from =
        |original: &[String]| original.iter().find(|line| line.contains(':') && !line.starts_with(' ')).cloned().unwrap_or_default();
    lines.extend(closed_routes.iter().map(|route| format!("  deny: route {} ({})", route.name, where_from(&route.original))));
    let rule = |(route, rule): &(&draft::RouteDraft, &draft::RuleDraft)| {
        format!("  deny: a rule of {}: {} ({})", route.name, rule.patterns.join(", "), where_from(&rule.original))
    };
    lines.extend(closed_rules.iter().map(rule));
    lines
}
