//! How the values of the store are spelled in columns, and read back.

use tdattest_wire::bytes::{CpuSvn, Fmspc};
use tdattest_wire::endorsement::Validity;
use tdattest_wire::pck_certificates::Tcbm;
use tdattest_wire::pcs::{PckCa, PcsRequest};
use tdattest_wire::time::UnixTime;

use super::session::{Row, Value};
use super::{Changed, PlatformKey, RegistrationState, Role, StoreError};

/// Seconds since 1970.
pub(super) fn seconds(time: UnixTime) -> Value {
    // A time ends with the year 9999.
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX).into()
}

pub(super) fn time(row: &mut Row) -> Result<UnixTime, StoreError> {
    let seconds = row.integer()?;
    u64::try_from(seconds)
        .ok()
        .and_then(UnixTime::from_secs)
        .ok_or_else(|| broken(format!("{seconds} s is no time")))
}

/// Spells what [`validity`] reads: four columns.
pub(super) fn validity_columns(validity: &Validity) -> [Value; 4] {
    [
        seconds(validity.issued),
        seconds(validity.next_update),
        seconds(validity.chain_ends),
        validity.evaluation_data_number.map(i64::from).into(),
    ]
}

pub(super) fn validity(row: &mut Row) -> Result<Validity, StoreError> {
    let (issued, next_update, chain_ends) = (time(row)?, time(row)?, time(row)?);
    let number = row.optional()?;
    let evaluation_data_number = number
        .map(u32::try_from)
        .transpose()
        .map_err(|_| broken(format!("{number:?} is no TCB evaluation data number")))?;
    Ok(Validity { issued, next_update, chain_ends, evaluation_data_number })
}

pub(super) fn request(row: &mut Row) -> Result<PcsRequest, StoreError> {
    let path = row.text()?;
    request_of(&path)
}

fn request_of(path: &str) -> Result<PcsRequest, StoreError> {
    PcsRequest::from_path(path).ok_or_else(|| broken(format!("`{path}` names no document")))
}

/// Text that comes from outside, and may hold a NUL.
pub(super) fn free_text(text: &str) -> Value {
    text.as_bytes().into()
}

pub(super) fn text_from_outside(row: &mut Row) -> Result<String, StoreError> {
    String::from_utf8(row.bytes()?).map_err(|_| broken("a name is not UTF-8".into()))
}

/// Spells what [`key`] reads: two columns.
pub(super) fn key_columns(key: &PlatformKey) -> [Value; 2] {
    [free_text(&key.qe_id), free_text(&key.pce_id)]
}

pub(super) fn key(row: &mut Row) -> Result<PlatformKey, StoreError> {
    Ok(PlatformKey { qe_id: text_from_outside(row)?, pce_id: text_from_outside(row)? })
}

pub(super) fn fmspc(row: &mut Row) -> Result<Fmspc, StoreError> {
    let bytes = row.bytes()?;
    let found = bytes.len();
    let array = bytes.try_into();
    array.map(Fmspc).map_err(|_| broken(format!("an FMSPC has {found} bytes; expected 6")))
}

pub(super) fn ca(row: &mut Row) -> Result<PckCa, StoreError> {
    let name = row.text()?;
    let cas = [PckCa::Processor, PckCa::Platform];
    cas.into_iter()
        .find(|ca| ca.name() == name)
        .ok_or_else(|| broken(format!("`{name}` is no PCK CA")))
}

/// CPUSVN, then PCESVN, little endian.
pub(super) fn tcbm_bytes(tcbm: Tcbm) -> Value {
    let mut bytes = tcbm.cpu_svn.0.to_vec();
    bytes.extend_from_slice(&tcbm.pce_svn.to_le_bytes());
    bytes.into()
}

pub(super) fn tcbm(row: &mut Row) -> Result<Tcbm, StoreError> {
    let bytes = row.bytes()?;
    let parts = bytes.split_first_chunk::<16>().and_then(|(cpu_svn, rest)| {
        let pce_svn = u16::from_le_bytes(rest.try_into().ok()?);
        Some(Tcbm { cpu_svn: CpuSvn(*cpu_svn), pce_svn })
    });
    parts.ok_or_else(|| broken(format!("a raw TCB has {} bytes; expected 18", bytes.len())))
}

/// Spells what [`registered_tcb`] reads: two columns, empty and -1 where there is nothing.
pub(super) fn registered_tcb_columns(cpu_svn: Option<CpuSvn>, pce_svn: Option<u16>) -> [Value; 2] {
    let cpu_svn = cpu_svn.map(|cpu_svn| cpu_svn.0.to_vec()).unwrap_or_default();
    [cpu_svn.into(), pce_svn.map_or(-1, i64::from).into()]
}

pub(super) fn registered_tcb(row: &mut Row) -> Result<(Option<CpuSvn>, Option<u16>), StoreError> {
    let cpu_svn = match row.bytes()?.as_slice() {
        [] => None,
        bytes => {
            let array = bytes.try_into();
            let found = bytes.len();
            let cpu_svn = array.map(CpuSvn);
            Some(cpu_svn.map_err(|_| broken(format!("a CPUSVN has {found} bytes; expected 16")))?)
        }
    };
    let pce_svn = match row.integer()? {
        -1 => None,
        number => {
            let pce_svn = u16::try_from(number);
            Some(pce_svn.map_err(|_| broken(format!("{number} is no PCESVN")))?)
        }
    };
    Ok((cpu_svn, pce_svn))
}

pub(super) fn state_name(state: RegistrationState) -> Value {
    let name = match state {
        RegistrationState::New => "new",
        RegistrationState::NotAvailable => "not available",
    };
    name.into()
}

pub(super) fn role_name(role: Role) -> Value {
    let name = match role {
        Role::User => "user",
        Role::Admin => "admin",
    };
    name.into()
}

pub(super) fn role(row: &mut Row) -> Result<Role, StoreError> {
    match row.text()?.as_str() {
        "user" => Ok(Role::User),
        "admin" => Ok(Role::Admin),
        other => Err(broken(format!("`{other}` is no role"))),
    }
}

/// Spells what [`changed`] reads: three columns.
pub(super) fn changed_columns(change: &Changed) -> [Value; 3] {
    let (kind, name, pce_id) = match change {
        Changed::Document(request) => ("document", request.path(), ""),
        Changed::Platform(key) => ("platform", key.qe_id.clone(), key.pce_id.as_str()),
        Changed::Policies => ("policies", String::new(), ""),
        Changed::Tokens => ("tokens", String::new(), ""),
        Changed::Everything => ("everything", String::new(), ""),
    };
    [kind.into(), free_text(&name), free_text(pce_id)]
}

/// What changed; everything, when it cannot be told what: a newer version may have noted it.
pub(super) fn changed(row: &mut Row) -> Changed {
    known_change(row).unwrap_or(Changed::Everything)
}

fn known_change(row: &mut Row) -> Result<Changed, StoreError> {
    let kind = row.text()?;
    let PlatformKey { qe_id: name, pce_id } = key(row)?;
    Ok(match kind.as_str() {
        "document" => Changed::Document(request_of(&name)?),
        "platform" => Changed::Platform(PlatformKey { qe_id: name, pce_id }),
        "policies" => Changed::Policies,
        "tokens" => Changed::Tokens,
        // What a newer version calls by a name unknown here may concern anything.
        _ => Changed::Everything,
    })
}

fn broken(text: String) -> StoreError {
    StoreError::Broken(text)
}
