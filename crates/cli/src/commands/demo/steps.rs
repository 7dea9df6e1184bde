//! The steps of the demo, each a command that is shown and then run.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use tdattest_verifier::result::Judgement;
use tdattest_verifier::wire::time::UnixTime;

use super::folder::{PHRASE, PLATFORM};
use super::replay::{NONCE, Replay};
use crate::destination::{self, Access};
use crate::exit::Exit;
use crate::input;
use crate::input::shown;
use crate::output::{self, GOOD, NOTE};

/// A demo in a folder, as of a time.
pub(super) struct Demo<'a> {
    folder: &'a Path,
    replay: Replay<'a>,
}

/// The byte whose lowest bit is flipped: the first of MRTD.
const FLIPPED: usize = 48 + 136;

impl<'a> Demo<'a> {
    pub(super) fn new(folder: &'a Path, at: Option<UnixTime>) -> Self {
        Self { folder, replay: Replay::new(folder, at) }
    }

    /// Plays all of it.
    pub(super) fn play(&self) -> Result<Exit> {
        say(&format!(
            "No TDX hardware is needed: the platform, its TD and its Intel are simulated. Their quote and\n\
             collateral are made like real ones, and verified like real ones, but under a root of their own.\n\
             The files go to {}.",
            shown(self.folder)
        ))?;
        self.make_platform()?;
        self.make_quote()?;
        self.make_collateral()?;
        let verdicts = [self.accepted()?, self.changed()?, self.out_of_date()?];
        self.close(verdicts.into_iter().all(|is_expected| is_expected))
    }

    fn make_platform(&self) -> Result<()> {
        step(
            "1. A platform: CPU, TDX module and a TD, and the PKI that certifies them.",
            "Its keys all come from a phrase, so that it is the same on every machine.",
        )?;
        let platform = self.replay.file(PLATFORM);
        self.replay.simulate(
            &["sim", "platform", "new"],
            &[platform.into(), "--phrase".into(), PHRASE.into()],
        )
    }

    fn make_quote(&self) -> Result<()> {
        step(
            "2. A quote: the TD is launched and answers a nonce of the verifier.",
            "The nonce's hash goes into a TDREPORT, which the CPU seals; the quoting enclave checks the seal\n\
             and signs a quote, which anyone can check.",
        )?;
        self.replay.mint("quote", &["--nonce", NONCE], "quote.dat")
    }

    fn make_collateral(&self) -> Result<()> {
        step(
            "3. The collateral: what Intel says of this platform, signed.",
            "CRLs, TCB info and the identity of the quoting enclave, which Intel's PCS serves for real ones.",
        )?;
        self.replay.mint("collateral", &[], "bundle.json")
    }

    fn accepted(&self) -> Result<bool> {
        step(
            "4. The verdict: genuine, up to date, and the answer to this nonce?",
            "The root is named because it is not Intel's: without --root the quote is refused as untrusted.",
        )?;
        Ok(self.replay.verify("quote.dat", "bundle.json")?.errors().is_empty())
    }

    fn changed(&self) -> Result<bool> {
        step(
            "5. The same quote with one bit flipped, in the measurement of the TD (byte 184).",
            "A forger, or a disk, could have done it. The result is changed.dat.",
        )?;
        let mut quote = input::quote(&self.replay.file("quote.dat")).map_err(anyhow::Error::msg)?;
        let byte = quote.get_mut(FLIPPED).context("the quote ends before its MRTD")?;
        *byte ^= 1;
        destination::write(&self.replay.file("changed.dat"), &quote, Access::Kept)?;
        let judgement = self.replay.verify("changed.dat", "bundle.json")?;
        Ok(decided_by(&judgement, "quote.signature"))
    }

    fn out_of_date(&self) -> Result<bool> {
        step(
            "6. The first quote again, after a TCB recovery: Intel has published fixes, and demands them.",
            "Nothing about the quote has changed; the platform has fallen out of date.",
        )?;
        self.replay.mint("collateral", &["--set-of", "early"], "early.json")?;
        let judgement = self.replay.verify("quote.dat", "early.json")?;
        Ok(decided_by(&judgement, "policy.tcb-status"))
    }

    fn close(&self, as_expected: bool) -> Result<Exit> {
        if !as_expected {
            output::note(&output::problem(
                "these are not the verdicts to be expected: accepted, refused, refused",
            ));
            output::note(&output::hint(
                "look at the clock of this machine, or give --at; if that is not it, tdattest is at fault: report it",
            ));
            return Ok(Exit::Refused);
        }
        let folder = shown(self.folder);
        say(&format!(
            "\n{GOOD}As expected: one verdict accepted, two refused.{GOOD:#}\n\n\
             Everything is in {folder}: platform/, quote.dat, changed.dat, bundle.json, early.json.\n\
             Next: `tdattest inspect` shows what is in a file; `tdattest sim --help` makes other platforms, and\n\
             `tdattest sim faults` lists what else can be wrong."
        ))?;
        Ok(Exit::Success)
    }
}

fn decided_by(judgement: &Judgement, code: &str) -> bool {
    judgement.errors().first().is_some_and(|error| error.code == code)
}

fn step(title: &str, text: &str) -> Result<()> {
    let mut shown = format!("\n{NOTE}{title}{NOTE:#}\n");
    if !text.is_empty() {
        let _ = writeln!(shown, "{text}");
    }
    output::data(shown.as_bytes())
}

/// A paragraph.
fn say(text: &str) -> Result<()> {
    output::data(format!("{text}\n").as_bytes())
}
