//! What came of it: a table a sample, or JSON.

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::contest::Outcome;

/// Pairs that are compared: the first must not be the slower one.
const RATIOS: [(&str, &str); 5] = [
    ("verify, ours", "verify, theirs"),
    ("from JSON, ours", "from JSON, theirs"),
    ("parse, ours", "parse, theirs"),
    ("one ECDSA", "one ECDSA, theirs"),
    ("prepared verify", "one ECDSA"),
];

/// One table a sample.
pub(crate) fn tables(outcomes: &[Outcome], how: &str) -> Result<()> {
    println!("{how}");
    for outcome in outcomes {
        println!("\n{}", outcome.sample);
        for (name, _) in &outcome.times {
            println!("  {name:<26}{:>10.1}", outcome.median(name));
        }
        for (one, other) in RATIOS {
            println!("  {:<45}{:>6.2}", format!("{one} / {other}"), outcome.ratio(one, other));
        }
    }
    Ok(())
}

/// One object: sample, then contestant, then median; and the ratios.
pub(crate) fn json(outcomes: &[Outcome]) -> Result<()> {
    let samples: Map<String, Value> = outcomes
        .iter()
        .map(|outcome| {
            let medians: Map<String, Value> = outcome
                .times
                .iter()
                .map(|(name, _)| ((*name).to_owned(), json!(outcome.median(name))))
                .collect();
            let ratios: Map<String, Value> = RATIOS
                .iter()
                .map(|(one, other)| (format!("{one} / {other}"), json!(outcome.ratio(one, other))))
                .collect();
            (outcome.sample.to_owned(), json!({ "microseconds": medians, "ratios": ratios }))
        })
        .collect();
    println!("{}", serde_json::to_string_pretty(&samples)?);
    Ok(())
}
