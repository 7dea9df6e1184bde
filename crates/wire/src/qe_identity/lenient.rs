//! Enclave identities as Intel's library reads them.
//!
//! Source: QVL, `EnclaveIdentity` and `IdentityTcbLevel`.
//! Must stay true: the first fault in Intel's order is the one told.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::{EnclaveId, QeIdentity};
use crate::json::tree::Value;
use crate::lenient::{
    self, Classes, Fault, FaultClass, Found, Lenient, Outcome, Problem, date, from_text, object,
    optional, require_depth, required, texts,
};
use crate::tcb_info::IsvSvnLevel;
use crate::tcb_status::TcbStatus;

/// Reads an answer of a PCS: an object with `enclaveIdentity` and `signature`.
///
/// Unlike the strict reading, it takes the first of members that stand twice, lets levels have the same ISV SVN if they
/// differ in their dates, lets ISVPRODID be over 65535, ends texts at a NUL, and leaves out levels with an ISV SVN over
/// 65535, which no enclave reaches.
///
/// # Errors
/// The first fault in the order of Intel's library.
pub fn parse(text: &[u8]) -> Result<Lenient<QeIdentity>, Fault> {
    lenient::parse(text, read)
}

fn read(root: Value<'_, '_>) -> Outcome<Found<QeIdentity>> {
    let identity = required(root, "enclaveIdentity", Classes::FORMAT, object)?;
    let signature = required(root, "signature", Classes::FORMAT, Some)?;
    let id = required(identity, "id", Classes::CONTENT, id)?;
    let version = required(identity, "version", Classes::CONTENT, Value::unsigned)?;
    if version != 2 {
        return Err((FaultClass::Version, Problem::Malformed("version")));
    }
    let document = QeIdentity {
        id,
        version: 2,
        issue_date: required(identity, "issueDate", Classes::CONTENT, date)?,
        next_update: required(identity, "nextUpdate", Classes::CONTENT, date)?,
        tcb_evaluation_data_number: content(identity, "tcbEvaluationDataNumber", Value::unsigned)?,
        misc_select: content(identity, "miscselect", from_text)?,
        misc_select_mask: content(identity, "miscselectMask", from_text)?,
        attributes: content(identity, "attributes", from_text)?,
        attributes_mask: content(identity, "attributesMask", from_text)?,
        mr_signer: content(identity, "mrsigner", from_text)?,
        isv_prod_id: content(identity, "isvprodid", Value::unsigned)?,
        tcb_levels: Vec::new(),
    };
    let signature = lenient::signature(signature)
        .ok_or((FaultClass::Content, Problem::Malformed("signature")))?;
    let tcb_levels = levels(identity)?;
    require_depth(identity)?;
    let document = QeIdentity { tcb_levels, ..document };
    Ok(Found { document, signature, body: identity.span() })
}

/// A member without which, or with another value, the content is invalid.
fn content<'t, 'a, T>(
    object: Value<'t, 'a>,
    name: &'static str,
    read: impl FnOnce(Value<'t, 'a>) -> Option<T>,
) -> Outcome<T> {
    required(object, name, Classes::CONTENT, read)
}

fn id(value: Value<'_, '_>) -> Option<EnclaveId> {
    let name = value.text()?;
    [EnclaveId::Qe, EnclaveId::TdQe, EnclaveId::Qve].into_iter().find(|id| id.name() == name)
}

/// The levels that an enclave can reach: by ISV SVN, then by date, each from the highest.
fn levels(identity: Value<'_, '_>) -> Outcome<Vec<IsvSvnLevel>> {
    const LEVELS: &str = "tcbLevels";
    let elements = content(identity, LEVELS, Value::elements)?;
    let mut by_value = BTreeMap::new();
    for element in elements {
        let element = object(element).ok_or((FaultClass::Format, Problem::Element(LEVELS)))?;
        let (isv_svn, level) = level(element)?;
        if by_value.insert(Reverse((isv_svn, level.tcb_date)), level).is_some() {
            return Err((FaultClass::Content, Problem::Twice(LEVELS)));
        }
    }
    if by_value.is_empty() {
        return Err((FaultClass::Content, Problem::Empty(LEVELS)));
    }
    let reachable = |Reverse((isv_svn, _)): &Reverse<(u32, _)>| u16::try_from(*isv_svn).is_ok();
    Ok(by_value.into_iter().filter(|(key, _)| reachable(key)).map(|(_, level)| level).collect())
}

/// A level and its ISV SVN as it stands in the text.
fn level(level: Value<'_, '_>) -> Outcome<(u32, IsvSvnLevel)> {
    const MEMBER: Classes = Classes::FORMAT_THEN_CONTENT;
    let tcb = required(level, "tcb", Classes::FORMAT, object)?;
    let isv_svn = required(tcb, "isvsvn", MEMBER, Value::unsigned)?;
    let tcb_date = required(level, "tcbDate", MEMBER, date)?;
    let tcb_status = required(level, "tcbStatus", MEMBER, status)?;
    let advisory_ids = optional(level, "advisoryIDs", FaultClass::Content, texts)?;
    let level = IsvSvnLevel {
        // Levels beyond are left out by `levels`.
        isv_svn: u16::try_from(isv_svn).unwrap_or(u16::MAX),
        tcb_date,
        tcb_status: Some(tcb_status),
        advisory_ids: advisory_ids.unwrap_or_default(),
    };
    Ok((isv_svn, level))
}

fn status(value: Value<'_, '_>) -> Option<TcbStatus> {
    TcbStatus::from_name(value.text()?).filter(|status| status.is_component_status())
}
