//! `tdattest pccs user`: who may register platforms, and who may change the cache.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use tdattest_pccs::config::StoreAt;
use tdattest_pccs::store::{Role, Store, StoreError, Token};
use tdattest_pccs::tokens;

use super::configuration::{ConfigArgs, Read};
use super::open::{self, IfAbsent};
use crate::arguments::now;
use crate::exit::Exit;
use crate::input;
use crate::output::{self, Hinted};
use crate::table::aligned;

/// Add, list and remove the tokens that open the service: for registering platforms, or for changing the cache
///
/// Tokens are kept as slow hashes. A service that runs takes changes within a second or so.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Add a token, in place of one of the same name and role; one that is made here is printed, once
    Add(Add),
    /// List the names of all tokens
    List(ConfigArgs),
    /// Remove a token
    Remove(Remove),
}

/// Which token.
#[derive(clap::Args)]
struct Which {
    /// A name to know it by
    name: String,

    /// What it opens: user registers platforms, admin changes the cache
    #[arg(long, value_enum, default_value = "user")]
    role: Opens,
}

#[derive(clap::Args)]
struct Add {
    #[command(flatten)]
    which: Which,

    /// Take the token from this file, or from standard input (-), instead of making one
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(clap::Args)]
struct Remove {
    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Opens {
    User,
    Admin,
}

impl From<Opens> for Role {
    fn from(opens: Opens) -> Self {
        match opens {
            Opens::User => Self::User,
            Opens::Admin => Self::Admin,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  A token for the hosts of a rack, which register themselves:
    tdattest pccs user add rack-7

  A token for an administrator, typed in and not shown in any list of processes:
    tdattest pccs user add alice --role admin --token-file -

  Who has one?
    tdattest pccs user list

Exit codes:
  0  done
  1  there is no such token
  2  misuse, or a token or a database that cannot be used
  3  the database is not there, or refuses its user";

/// Largest file with a token, in bytes.
const LARGEST: usize = 4096;

pub(super) fn run(args: &Args) -> Result<Exit> {
    match &args.command {
        Command::Add(args) => add(args),
        Command::List(config) => list(config),
        Command::Remove(args) => remove(args),
    }
}

fn add(args: &Add) -> Result<Exit> {
    let name = name(&args.which.name)?;
    let (token, made) = match &args.token_file {
        None => (tokens::generate()?, true),
        Some(path) => (given(path)?, false),
    };
    let hash = tokens::hash(&token).map_err(|fault| {
        Hinted::error(fault, "leave out --token-file, and a good one is made and printed")
    })?;
    let kept = Token { name, role: args.which.role.into(), hash, created: now()? };
    let put = async |store: Arc<dyn Store>| store.put_token(&kept).await;
    let done = with_store(&args.config, IfAbsent::Make, put)?;
    if done == Exit::Success && made {
        output::data(format!("{token}\n").as_bytes())?;
        output::note("keep it: it is not shown again");
    }
    Ok(done)
}

fn list(config: &ConfigArgs) -> Result<Exit> {
    let mut tokens = Vec::new();
    let done = with_store(config, IfAbsent::Miss, async |store| {
        tokens = store.tokens().await?;
        Ok(())
    })?;
    tokens.sort_by(|one, other| (one.role, &one.name).cmp(&(other.role, &other.name)));
    let rows: Vec<Vec<String>> = tokens
        .into_iter()
        .map(|token| {
            let role = match token.role {
                Role::User => "user",
                Role::Admin => "admin",
            };
            vec![role.into(), token.name, format!("since {}", token.created)]
        })
        .collect();
    output::data(aligned(&rows, &[], "").as_bytes())?;
    Ok(done)
}

fn remove(args: &Remove) -> Result<Exit> {
    let Which { name, role } = &args.which;
    let mut was_there = false;
    let done = with_store(&args.config, IfAbsent::Miss, async |store| {
        was_there = store.remove_token((*role).into(), name).await?;
        Ok(())
    })?;
    if done == Exit::Success && !was_there {
        output::error(&Hinted::error(
            format!("there is no token {name} of that role"),
            "`tdattest pccs user list` shows all; --role says which role is meant",
        ));
        return Ok(Exit::Refused);
    }
    Ok(done)
}

fn with_store(
    config: &ConfigArgs,
    if_absent: IfAbsent,
    work: impl AsyncFnOnce(Arc<dyn Store>) -> Result<(), StoreError>,
) -> Result<Exit> {
    let Read { config, .. } = config.read()?;
    if config.store == StoreAt::Memory {
        return Err(in_memory());
    }
    open::tell_store(&config);
    let done = open::runtime()?.block_on(async {
        anyhow::Ok(match open::store(&config, if_absent).await? {
            Ok(store) => work(store).await,
            Err(fault) => Err(fault),
        })
    })?;
    Ok(match done {
        Ok(()) => Exit::Success,
        Err(fault) => open::unavailable(&fault, &config),
    })
}

fn in_memory() -> anyhow::Error {
    let hint = "give [access] user_token_sha512 and admin_token_sha512, or another store";
    Hinted::error("the store is in the memory of the service, where tokens cannot be put", hint)
}

fn name(name: &str) -> Result<String> {
    let fits = (1..=64).contains(&name.chars().count())
        && name.chars().all(|char| char.is_ascii_alphanumeric() || "-_.@".contains(char));
    match fits {
        true => Ok(name.into()),
        false => bail!(
            "`{}`: expected a name of up to 64 letters, digits, `-`, `_`, `.` and `@`",
            name.escape_debug()
        ),
    }
}

/// The token of a file, or of standard input: its first line.
fn given(path: &Path) -> Result<String> {
    if path.as_os_str() == "-" {
        if io::stdin().is_terminal() {
            output::note("token, then Enter (it is shown as you type):");
        }
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).context("cannot read standard input")?;
        return Ok(line.trim_end_matches(['\r', '\n']).into());
    }
    let bytes = input::read(path, LARGEST).map_err(|problem| anyhow!(problem))?;
    let text = String::from_utf8(bytes).map_err(|_| anyhow!("{}: no text", input::shown(path)))?;
    Ok(text.lines().next().unwrap_or_default().into())
}
