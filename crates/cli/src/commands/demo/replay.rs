//! Commands of the demo: each is shown as a shell takes it, and run as it is shown.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Parser as _;
use tdattest_simulator::folder;
use tdattest_verifier::result::Judgement;
use tdattest_verifier::wire::time::UnixTime;

use super::folder::PLATFORM;
use crate::cli::{Cli, Command};
use crate::commands::{sim, verify};
use crate::output::{self, NOTE};
use crate::report::Report;
use crate::shell::quoted;

/// What a verifier would draw at random, and send to the TD.
pub(super) const NONCE: &str = "00112233445566778899aabbccddeeff";

/// Where the commands are run, and as of when.
pub(super) struct Replay<'a> {
    folder: &'a Path,
    at: Option<UnixTime>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(folder: &'a Path, at: Option<UnixTime>) -> Self {
        Self { folder, at }
    }

    /// A file of the demo.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `tdattest sim quote` or `collateral`, into a file.
    pub(super) fn mint(&self, what: &str, options: &[&str], file: &str) -> Result<()> {
        let mut words = vec!["--platform".into(), self.file(PLATFORM).into()];
        words.extend(options.iter().map(OsString::from));
        words.extend(self.at_words());
        words.extend(["-o".into(), self.file(file).into()]);
        self.simulate(&["sim", what], &words)
    }

    /// `tdattest sim`.
    pub(super) fn simulate(&self, command: &[&str], words: &[OsString]) -> Result<()> {
        match parsed(command, words)? {
            Command::Sim(args) => sim::perform(&args),
            _ => bail!("no simulation"),
        }
    }

    /// `tdattest verify`: the verdict, after it has been shown.
    pub(super) fn verify(&self, quote: &str, bundle: &str) -> Result<Judgement> {
        let root = self.file(PLATFORM).join(folder::ROOT);
        let mut words = vec![self.file(quote).into()];
        words.extend(["--collateral".into(), self.file(bundle).into()]);
        words.extend(["--root".into(), root.into(), "--nonce".into(), NONCE.into()]);
        words.extend(self.at_words());
        let Command::Verify(args) = parsed(&["verify"], &words)? else { bail!("no verification") };
        let judged = verify::judge(&args)?;
        output::data(Report::new(&judged).whole().as_bytes())?;
        Ok(judged.judgement)
    }

    /// The time, if one was given: what is left out means now, here as there.
    fn at_words(&self) -> Vec<OsString> {
        let at = self.at.map(|at| ["--at".into(), at.to_string().into()]);
        at.into_iter().flatten().collect()
    }
}

/// Shows a command as a shell takes it, and reads it as the shell would hand it over.
fn parsed(command: &[&str], words: &[OsString]) -> Result<Command> {
    let words: Vec<OsString> = ["tdattest"]
        .iter()
        .chain(command)
        .map(OsString::from)
        .chain(words.iter().cloned())
        .collect();
    let shown: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    output::data(format!("  {NOTE}${NOTE:#} {}\n", shown.join(" ")).as_bytes())?;
    Ok(Cli::try_parse_from(words)?.command)
}
