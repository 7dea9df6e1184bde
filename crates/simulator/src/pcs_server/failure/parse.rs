//! Failures as the command line writes them: `tcb=429:retry-after=7,times=2`.

use std::str::FromStr;
use std::time::Duration;

use super::{Failure, FailureError, FailureRule, Times, Which};

impl FromStr for FailureRule {
    type Err = FailureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || FailureError::Form(text.into());
        let (which, rest) = text.split_once('=').ok_or_else(form)?;
        let (failure, times) = match rest.split_once(',') {
            None => (rest, Times::Always),
            Some((failure, option)) => {
                (failure, times(option.strip_prefix("times=").ok_or_else(form)?)?)
            }
        };
        Self::new(which.parse()?, failure.parse()?, times)
    }
}

impl FromStr for Which {
    type Err = FailureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            name => Ok(Self::Only(name.parse()?)),
        }
    }
}

impl FromStr for Failure {
    type Err = FailureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || FailureError::Unknown(text.into());
        let (kind, detail) = match text.split_once(':') {
            None => (text, None),
            Some((kind, detail)) => (kind, Some(detail)),
        };
        match (kind, detail) {
            ("slow", Some(delay)) => slow(delay),
            ("cut-off", Some(bytes)) => {
                let after = digits(bytes).ok_or_else(|| FailureError::Bytes(bytes.into()))?;
                Ok(Self::CutOff { after })
            }
            ("lie", Some(fault)) => Ok(Self::Lie(fault.parse()?)),
            (status, detail) => {
                let status = digits(status).ok_or_else(unknown)?;
                Ok(Self::Status { status, retry_after: detail.map(retry_after).transpose()? })
            }
        }
    }
}

fn retry_after(text: &str) -> Result<u32, FailureError> {
    let seconds = text.strip_prefix("retry-after=").and_then(digits);
    seconds.ok_or_else(|| FailureError::RetryAfter(text.into()))
}

fn slow(text: &str) -> Result<Failure, FailureError> {
    let milliseconds =
        text.strip_suffix("ms").map(|number| digits(number).map(Duration::from_millis));
    let seconds = || text.strip_suffix('s').map(|number| digits(number).map(Duration::from_secs));
    let delay = milliseconds.or_else(seconds).flatten();
    delay.map(Failure::Slow).ok_or_else(|| FailureError::Duration(text.into()))
}

fn times(text: &str) -> Result<Times, FailureError> {
    digits(text).map(Times::Exactly).ok_or_else(|| FailureError::Times(text.into()))
}

/// A number of digits alone: `parse` would let a sign pass.
fn digits<N: FromStr>(text: &str) -> Option<N> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{DocumentFault, Fault, UnknownFault};
    use crate::pcs_server::request::{Endpoint, UnknownEndpoint};

    #[test]
    fn a_rule_survives_its_text() {
        for text in [
            "tcb=503",
            "all=slow:2s",
            "all=slow:1500ms",
            "pckcrl=cut-off:100",
            "tcb=lie:tcb-info.signature",
            "rootcacrl=lie:tcb-info-issuer-chain.revoked",
            "tcb=429:retry-after=7",
            "qe-identity=404,times=3",
        ] {
            assert_eq!(text.parse::<FailureRule>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_text() {
        let tcb_info = Fault::TcbInfo(DocumentFault::Signature);
        let (endpoint, teller) = (Endpoint::PckCrl, Endpoint::TcbInfo);
        let text = String::from;
        for (rule, fault) in [
            ("tcb", FailureError::Form(text("tcb"))),
            ("tcb=503,twice", FailureError::Form(text("tcb=503,twice"))),
            ("tbc=503", FailureError::Endpoint(UnknownEndpoint(text("tbc")))),
            ("tcb=", FailureError::Unknown(text(""))),
            ("tcb=slow", FailureError::Unknown(text("slow"))),
            ("tcb=+503", FailureError::Unknown(text("+503"))),
            ("tcb=200", FailureError::Status(200)),
            ("tcb=429:7", FailureError::RetryAfter(text("7"))),
            ("tcb=slow:2", FailureError::Duration(text("2"))),
            ("tcb=slow:2h", FailureError::Duration(text("2h"))),
            ("tcb=slow:3601s", FailureError::Duration(text("3601s"))),
            ("tcb=cut-off:-1", FailureError::Bytes(text("-1"))),
            ("tcb=503,times=0", FailureError::Times(text("0"))),
            ("tcb=lie:nothing", FailureError::Fault(UnknownFault(text("nothing")))),
            ("tcb=lie:quote.signature", FailureError::BreaksQuote(Fault::QuoteSignature)),
            (
                "pckcrl=lie:tcb-info.signature",
                FailureError::OtherEndpoint { fault: tcb_info, endpoint, teller },
            ),
        ] {
            assert_eq!(rule.parse::<FailureRule>(), Err(fault), "{rule}");
        }
    }
}
