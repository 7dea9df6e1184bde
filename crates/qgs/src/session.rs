//! One request, from bytes in whatever pieces: a pure function of what a peer sends.
//!
//! Source: Intel DCAP, `qgs_msg_lib` and the daemon as observed.
//! Must stay true: the first byte tells a bare TDREPORT from a frame, because as the length of a message it would promise
//! over two gigabytes; nothing is kept beyond the largest message.

use tdattest_wire::error::{ParseError, ParseErrorKind};
use tdattest_wire::qgs::{self, MessageType, PREFIX_BYTES, QgsError, Request};

use crate::ask::{Ask, Form, PckCa, REPORT_BYTES, SERVICE_TD_BYTES};
use crate::failure::{Failure, Hop};
use crate::report_check::{self, TDX};

/// What a peer has sent so far.
#[derive(Debug, Default)]
pub struct Session {
    bytes: Vec<u8>,
}

/// Where a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The request is not whole.
    More,
    /// It is whole, and has been checked.
    Whole(Ask, Form),
    /// It is none. The form says how the peer can be told; without one, the connection is closed.
    Refused(Failure, Option<Form>),
}

impl Session {
    /// Takes what has arrived.
    ///
    /// After [`Step::Whole`] or [`Step::Refused`] a session is over.
    pub fn take(&mut self, arrived: &[u8]) -> Step {
        self.bytes.extend_from_slice(arrived);
        match self.bytes.first() {
            None => Step::More,
            Some(&TDX) => self.bare(),
            Some(_) => self.framed(),
        }
    }

    /// Why there is no request, for a peer that left or fell silent.
    pub fn unfinished(&self, how: &str) -> Failure {
        let (code, cause) = match self.bytes.len() {
            0 => ("connection.silent", format!("the peer {how} before it sent anything")),
            found => (
                "connection.unfinished",
                format!("the peer {how} after {found} bytes, in mid-request"),
            ),
        };
        Failure::new(Hop::Connection, code, cause)
    }

    /// How many bytes have arrived.
    pub fn received(&self) -> usize {
        self.bytes.len()
    }

    /// How the peer can be answered, by what has arrived.
    pub(crate) fn form(&self) -> Option<Form> {
        match self.bytes.first() {
            Some(&TDX) => Some(Form::Raw),
            _ => form(self.bytes.get(PREFIX_BYTES..)?),
        }
    }

    /// Whether nothing has arrived, as with a peer that only looks whether somebody listens.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn bare(&self) -> Step {
        let Some((report, rest)) = self.bytes.split_first_chunk::<REPORT_BYTES>() else {
            return Step::More;
        };
        let service_td = match report_check::announces_service_td(report) {
            true if rest.len() < SERVICE_TD_BYTES => return Step::More,
            true => rest.split_first_chunk::<SERVICE_TD_BYTES>(),
            false => None,
        };
        let (service_td, trailing) = match service_td {
            Some((service_td, trailing)) => (Some(Box::new(*service_td)), trailing),
            None => (None, rest),
        };
        if !trailing.is_empty() {
            let text = format!("{} bytes follow a bare TDREPORT", trailing.len());
            return Step::Refused(malformed("request.trailing", text), None);
        }
        match report_check::check(report) {
            Ok(()) => Step::Whole(Ask::Quote { report: Box::new(*report), service_td }, Form::Raw),
            Err(failure) => Step::Refused(failure, None),
        }
    }

    fn framed(&self) -> Step {
        let Some((prefix, rest)) = self.bytes.split_first_chunk::<PREFIX_BYTES>() else {
            return Step::More;
        };
        let length = match qgs::message_length(*prefix) {
            Ok(length) => length,
            // Whether it is a frame at all is not known, so no answer can be.
            Err(fault) => {
                return Step::Refused(malformed("request.length", fault.to_string()), None);
            }
        };
        let Some((message, trailing)) = rest.split_at_checked(length) else { return Step::More };
        let form = form(message);
        if !trailing.is_empty() {
            let text = format!("{} bytes follow a message", trailing.len());
            return Step::Refused(malformed("request.trailing", text), form);
        }
        match asked(message) {
            Ok(ask) => Step::Whole(ask, form.unwrap_or(Form::Raw)),
            Err(failure) => Step::Refused(failure, form),
        }
    }
}

/// How the sender of this message can be answered, by what its header says, whatever else is wrong with it.
///
/// Answers sent as requests are not answered: two services would talk to each other for ever.
fn form(message: &[u8]) -> Option<Form> {
    let minor = message.get(2..4)?;
    let kind = message.get(4..)?.first_chunk::<4>()?;
    let response = match u32::from_le_bytes(*kind) {
        1 | 3 | 5 => return None,
        2 => MessageType::CollateralResponse,
        4 => MessageType::PlatformInfoResponse,
        _ => MessageType::QuoteResponse,
    };
    Some(Form::Framed { response, minor_0: minor == [0, 0] })
}

fn asked(message: &[u8]) -> Result<Ask, Failure> {
    let request = Request::parse(message).map_err(|fault| {
        malformed("request.malformed", fault.to_string()).told_as(code_of(&fault))
    })?;
    match request {
        Request::Quote { report, .. } => {
            Ok(Ask::Quote { report: checked_report(report)?, service_td: None })
        }
        Request::MigrationQuote { report, service_td, .. } => {
            let report = checked_report(report)?;
            let service_td = sized("SERVTD_EXT_STRUCT", service_td)?;
            Ok(Ask::Quote { report, service_td: Some(service_td) })
        }
        Request::Collateral { fmspc, pck_ca, .. } => {
            let fmspc = *sized("FMSPC", fmspc)?;
            let ca = ca_named(pck_ca).ok_or_else(|| {
                // As much as the longer of the two: it is the peer's text, of whatever length.
                let name = pck_ca.get(..9).unwrap_or(pck_ca).escape_ascii();
                let length = pck_ca.len();
                let text = format!(
                    "names the PCK CA `{name}` ({length} bytes), expected `processor` or `platform`"
                );
                malformed("request.pck-ca", text).told_as(QgsError::INVALID_PARAMETER)
            })?;
            Ok(Ask::Collateral { fmspc, ca })
        }
        Request::PlatformInfo => Ok(Ask::PlatformInfo),
    }
}

/// The CA of this name, with the NUL that C programs send or without.
fn ca_named(name: &[u8]) -> Option<PckCa> {
    let name = name.strip_suffix(&[0]).unwrap_or(name);
    [PckCa::Processor, PckCa::Platform].into_iter().find(|ca| ca.name().as_bytes() == name)
}

fn checked_report(report: &[u8]) -> Result<Box<[u8; REPORT_BYTES]>, Failure> {
    let report = sized("TDREPORT", report)?;
    report_check::check(&report)?;
    Ok(report)
}

fn sized<const N: usize>(what: &str, bytes: &[u8]) -> Result<Box<[u8; N]>, Failure> {
    let found = bytes.len();
    <[u8; N]>::try_from(bytes).map(Box::new).map_err(|_| {
        let text = format!("has a {what} of {found} bytes, expected {N}");
        malformed("request.size", text).told_as(QgsError::INVALID_SIZE)
    })
}

fn malformed(code: &'static str, what: String) -> Failure {
    Failure::new(Hop::Request, code, format!("the request: {what}"))
}

/// The code of the protocol that comes nearest.
fn code_of(fault: &ParseError) -> QgsError {
    match &fault.kind {
        ParseErrorKind::Unsupported { field: "major version", .. } => QgsError::INVALID_VERSION,
        ParseErrorKind::Unsupported { field: "message type", .. } => QgsError::INVALID_TYPE,
        ParseErrorKind::Unsupported { field: "error code", .. } => QgsError::INVALID_CODE,
        ParseErrorKind::Invalid(_) => QgsError::INVALID_PARAMETER,
        _ => QgsError::INVALID_SIZE,
    }
}

#[cfg(test)]
mod tests;
