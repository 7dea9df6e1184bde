//! `tdattest quote`: a quote of this TD, whichever way there is.

use std::path::Path;

use anyhow::Result;
use tdattest_attester::{Attester, ObtainedQuote};
use tdattest_verifier::wire::quote::Quote;

use crate::arguments::ReportDataArgs;
use crate::destination::{Access, DestinationArgs, Form};
use crate::exit::Exit;
use crate::guest::{self, Challenge, ProviderArgs, RootArgs};
use crate::output;
use crate::table::pairs;

/// In a TD: make a quote, which anybody can verify
///
/// Tries each way in order, and says what became of it. A quote is returned only if it parses and has the report data
/// asked for; whether it is genuine is for `tdattest verify` to say, on another machine. Without report data, a random
/// nonce is chosen and shown.
#[derive(clap::Args)]
#[command(
    after_long_help = EXAMPLES,
    mut_arg("report_data", |it| it.help("Report data (64 bytes, hexadecimal)")),
    mut_arg("nonce", |it| it.help("The SHA-512 of this nonce (16 to 64 bytes, hexadecimal) as report data")),
    mut_arg("data_file", |it| it.help("The SHA-512 of this file's bytes as report data")),
)]
pub(crate) struct Args {
    #[command(flatten)]
    report_data: ReportDataArgs,

    #[command(flatten)]
    provider: ProviderArgs,

    /// Leave out the bytes that follow the quote in its buffer, which no signature covers
    #[arg(long)]
    trim: bool,

    #[command(flatten)]
    root: RootArgs,

    #[command(flatten)]
    destination: DestinationArgs,
}

const EXAMPLES: &str = "\
Examples:
  A quote for a verifier's nonce:
    tdattest quote --nonce 00112233445566778899aabbccddeeff -o quote.dat

  The same through the host's QGS first, by vsock, and only then through the kernel:
    tdattest quote --provider vsock:2:4050,configfs --data-file challenge.bin -o quote.dat

  In a container that has the QGS's socket:
    tdattest quote --provider unix:/run/qgs.socket --timeout 40 -o quote.dat

Exit codes:
  0  made
  2  misuse, or a file that cannot be read or written
  3  it cannot be had here: no TD, no device, no permission, or the host does not answer";

pub(crate) fn run(args: &Args) -> Result<Exit> {
    let challenge = Challenge::new(&args.report_data)?;
    let attester = Attester::new(args.root.paths())
        .with_providers(args.provider.providers())
        .with_deadline(args.provider.timeout());
    let obtained = match attester.quote(&challenge.report_data) {
        Ok(obtained) => obtained,
        Err(no_quote) => return Ok(guest::no_quote(&no_quote)),
    };
    let bytes = if args.trim { obtained.trimmed() } else { &obtained.bytes };
    let place = args.destination.place(bytes, Form::Binary, "quote", Access::Private)?;
    challenge.warn();
    if !obtained.failed.is_empty() {
        output::note(&output::warning("other ways were tried before, and brought nothing:"));
        output::note(guest::attempts(&obtained.failed).trim_end());
    }
    output::note(summary(args, &obtained, &challenge, place)?.trim_end());
    Ok(Exit::Success)
}

fn summary(
    args: &Args,
    obtained: &ObtainedQuote,
    challenge: &Challenge,
    place: Option<&Path>,
) -> Result<String> {
    let quote = Quote::parse(&obtained.bytes)?;
    let version = quote.header().version.number();
    let kind = quote.body().kind().name();
    let padding = match (obtained.padding, args.trim) {
        (0, _) => String::new(),
        (count, true) => format!(", without {count} bytes of padding"),
        (count, false) => format!(", the last {count} of them padding (--trim leaves it out)"),
    };
    let length = if args.trim { obtained.trimmed().len() } else { obtained.bytes.len() };
    let mut rows = vec![
        ("quote", format!("version {version}, {kind}, {length} bytes{padding}")),
        ("obtained by", obtained.provider.to_string()),
        ("report data", challenge.report_data.to_string()),
    ];
    if let Some(path) = place {
        rows.push(("written to", path.display().to_string()));
    }
    let file = guest::word(place, "quote.dat");
    let verify = format!("tdattest verify {file} --collateral bundle.json {}", challenge.words);
    rows.push(("verified by", verify));
    Ok(pairs(&rows, ""))
}
