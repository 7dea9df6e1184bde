//! Faults by name: misspelt ones bring their neighbours to mind, and shells know them all.

use std::ffi::OsStr;
use std::str::FromStr;

use anyhow::Result;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use tdattest_simulator::Fault;

use crate::output::Hinted;

/// The fault of this name; if there is none, an error with the nearest names.
pub(super) fn fault(name: &str) -> Result<Fault> {
    name.parse().map_err(|unknown: <Fault as FromStr>::Err| {
        let near = nearest(name).join(", ");
        let hint = match near.is_empty() {
            true => "`tdattest sim faults` lists them all".into(),
            false => format!("the nearest: {near}; `tdattest sim faults` lists them all"),
        };
        Hinted::error(unknown, hint)
    })
}

/// Names of faults that may have been meant, the likeliest first: at most five.
fn nearest(name: &str) -> Vec<String> {
    let likeness = |known: &str| match known.contains(name) && !name.is_empty() {
        true => 1.0,
        false => strsim::normalized_damerau_levenshtein(known, name),
    };
    let names = Fault::all().into_iter().map(Fault::name);
    let mut near: Vec<(f64, String)> = names
        .map(|known| (likeness(&known), known))
        .filter(|(likeness, _)| *likeness > 0.6)
        .collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    // Those about as near as the nearest.
    let nearest = near.first().map_or(0.0, |(likeness, _)| *likeness);
    near.retain(|(likeness, _)| nearest - likeness < 0.1);
    near.into_iter().map(|(_, name)| name).take(5).collect()
}

/// Takes any text, so that the command can say more of a wrong one, and tells shells which names there are.
#[derive(Clone)]
pub(super) struct FaultName;

impl TypedValueParser for FaultName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |fault: Fault| PossibleValue::new(fault.name()).help(fault.about());
        Some(Box::new(Fault::all().into_iter().map(value)))
    }
}
