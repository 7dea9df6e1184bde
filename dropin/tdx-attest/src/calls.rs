//! What each call does, in the order in which Intel's library does it.
//!
//! Must stay true: the TDREPORT comes before any way to a quote, so that a machine which is no TD is told as such, and is
//! taken once; a configured vsock port is the only way; of the others, one that is not there gives way to the next.

use tdattest_attester::wire::bytes::{Measurement, ReportData};

use crate::machine::{Machine, Taken, Way};
use crate::status::{Failure, Status};

/// The key that quotes are signed with: ECDSA P-256, by Intel's quoting enclave for TDs.
pub const KEY_ID: [u8; 16] = [
    0xe8, 0x6c, 0x04, 0x6e, 0x8c, 0xc4, 0x4d, 0x95, 0x81, 0x73, 0xfc, 0x43, 0xc1, 0xfa, 0x4f, 0x3f,
];

/// The version of `tdx_rtmr_event_t`.
const EVENT_VERSION: u32 = 1;

/// What a `tdx_rtmr_event_t` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// `rtmr_index`.
    pub index: u64,
    /// `extend_data`.
    pub digest: [u8; 48],
    /// `event_data_size`.
    pub data_size: u32,
}

/// A TDREPORT; `wanted` is whether there is a place for it.
///
/// # Errors
/// Without a device, 10; without arguments, 2; without a TDREPORT, 5.
pub fn report(
    machine: &impl Machine,
    data: Option<[u8; 64]>,
    wanted: bool,
) -> Result<[u8; 1024], Failure> {
    open_device(machine)?;
    if !wanted {
        return Err(Failure::parameter("p_tdx_report is NULL"));
    }
    take_report(machine, data).map(|taken| taken.report)
}

/// Refuses what no call for a quote may ask for. `list` is the first key id of the list, `None` for no list.
///
/// # Errors
/// 2 for arguments that cannot be; 12 for a key other than Intel's.
pub fn check_quote_arguments(
    list: Option<[u8; 16]>,
    list_size: u32,
    wanted: bool,
    flags: u32,
) -> Result<(), Failure> {
    if list.is_none() != (list_size == 0) {
        let text = format!("att_key_id_list and list_size ({list_size}) contradict each other");
        return Err(Failure::parameter(text));
    }
    if !wanted {
        return Err(Failure::parameter("pp_quote is NULL"));
    }
    if flags != 0 {
        return Err(Failure::parameter(format!("flags is {flags}, expected 0")));
    }
    if list_size > 1 {
        return Err(Failure::parameter(format!("list_size is {list_size}, expected 0 or 1")));
    }
    match list {
        Some(other) if other != KEY_ID => Err(Failure {
            status: Status::UnsupportedKeyId,
            reason: format!("the key id is {}, expected {}", hex(&other), hex(&KEY_ID)),
        }),
        _ => Ok(()),
    }
}

/// A quote, with the padding of the buffer it came in, as from Intel's library.
///
/// # Errors
/// Without a device, 10; without report data, 2; without a TDREPORT, 5; then what the last way says that was tried.
pub fn quote(machine: &impl Machine, data: Option<[u8; 64]>) -> Result<Vec<u8>, Failure> {
    open_device(machine)?;
    let taken = take_report(machine, data)?;
    if let Some(port) = machine.vsock_port() {
        // Final, as with Intel's library: an administrator who names a port wants that QGS and no other.
        return machine.quote(Way::Vsock(port), &taken).map_err(|error| Failure {
            status: Status::of_vsock(&error),
            reason: format!(
                "vsock port {port} of the host, which the configuration names: {error}; no other way is tried unless its line `port=` is taken out"
            ),
        });
    }
    let failure = match machine.quote(Way::Configfs, &taken) {
        Ok(quote) => return Ok(quote),
        Err(error) => Failure { status: Status::of_configfs(&error), reason: error.to_string() },
    };
    if failure.status != Status::NotSupported {
        return Err(failure);
    }
    machine.quote(Way::Ioctl, &taken).map_err(|error| Failure {
        status: Status::of_ioctl(&error),
        reason: format!("configfs-tsm: {failure}; GET_QUOTE: {error}"),
    })
}

/// Refuses a version of `tdx_rtmr_event_t` that is not known; `None` is for no event.
///
/// # Errors
/// 2.
pub fn check_event_version(version: Option<u32>) -> Result<(), Failure> {
    match version {
        None => Err(Failure::parameter("p_rtmr_event is NULL")),
        Some(EVENT_VERSION) => Ok(()),
        Some(other) => {
            let text = format!("the event has version {other}, expected {EVENT_VERSION}");
            Err(Failure::parameter(text))
        }
    }
}

/// Extends a register.
///
/// # Errors
/// 7 for an event with data; 2 for a register that no TD has; then what the kernel says.
pub fn extend(machine: &impl Machine, event: &Event) -> Result<(), Failure> {
    if event.data_size != 0 {
        let reason = format!("the event has {} bytes of data, which nobody keeps", event.data_size);
        return Err(Failure { status: Status::NotSupported, reason });
    }
    let index = u8::try_from(event.index).ok().filter(|index| *index <= 3).ok_or_else(|| {
        Failure::parameter(format!("there is no RTMR{}; there are RTMR0 to RTMR3", event.index))
    })?;
    let extended = machine.extend_rtmr(index, &Measurement(event.digest));
    extended.map_err(|error| Failure { status: Status::of_rtmr(&error), reason: error.to_string() })
}

/// The key ids: `wanted` is whether there is a place for them, `size` how many fit.
///
/// # Errors
/// 2 for arguments that cannot be.
pub fn check_key_id_arguments(wanted: bool, size: Option<u32>) -> Result<(), Failure> {
    match (wanted, size) {
        (_, None) => Err(Failure::parameter("p_list_size is NULL")),
        (true, Some(0)) => Err(Failure::parameter("the list has no room: *p_list_size is 0")),
        (false, Some(1..)) => {
            Err(Failure::parameter("p_att_key_id_list is NULL, but *p_list_size is not 0"))
        }
        (true, Some(1..)) | (false, Some(0)) => Ok(()),
    }
}

fn open_device(machine: &impl Machine) -> Result<(), Failure> {
    machine.open_device().map_err(|error| Failure {
        // Whatever the reason, it cannot be opened.
        status: Status::DeviceFailure,
        reason: error.to_string(),
    })
}

fn take_report(machine: &impl Machine, data: Option<[u8; 64]>) -> Result<Taken, Failure> {
    let data = data.ok_or_else(|| Failure::parameter("p_tdx_report_data is NULL"))?;
    let report_data = ReportData(data);
    match machine.report(&report_data) {
        Ok(report) => Ok(Taken { report_data, report }),
        Err(error) => Err(Failure { status: Status::of_report(&error), reason: error.to_string() }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
