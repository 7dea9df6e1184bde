//! The platform that nobody described: current under the standard set, out of date under the early one.
//!
//! No SVN is zero where zero could hide a mistake, and few neighbours are equal.

use tdattest_wire::attributes::{SeamAttributes, SgxAttributes, TdAttributes, Xfam};
use tdattest_wire::bytes::{
    CpuSvn, EnclaveMeasurement, Fmspc, Measurement, MiscSelect, PceId, PlatformInstanceId, Ppid,
    TdId,
};
use tdattest_wire::pck::SgxType;
use tdattest_wire::pcs::PckCa;
use tdattest_wire::tcb_status::TcbStatus::{self, OutOfDate, UpToDate};
use tdattest_wire::time::UnixTime;

use super::{
    Enclave, EvaluationSet, Event, FORM, Hardware, IsvLevel, ModuleIdentity, PkiSettings, Platform,
    PlatformLevel, Revoked, Td, TdxModule, Window, Windows,
};
use crate::pki::KeyRing;
use crate::seed::Seed;

/// What stands at the head of `platform.toml`.
pub(super) const COMMENT: &str = "\
# A simulated platform: what it is, and what its simulated Intel says of it.
# Everything is minted from this file and a time; nothing here is a secret that protects anything.
#
#   hardware    the CPU: identity, SVNs as its PCK certificate has them, SVNs of its quoting enclaves
#   tdx_module  the TDX module: tee_tcb_svn[0] is its minor version, [1] its major one, [2] the SEAM loader's SVN
#   td          the TD, and the events that its RTMRs are extended with
#   enclave     the SGX enclave of SGX quotes
#   pki         windows of certificates and CRLs, and what is revoked
#   standard    the TCB levels in force; early: those of the newest TCB recovery
#
# A level is reached if no SVN of the platform is below it; the highest one reached counts.

";

/// SVNs of the platform.
const SGX: [u8; 16] = [7, 8, 5, 4, 6, 3, 1, 9, 2, 1, 3, 2, 4, 1, 5, 2];
const PCE: u16 = 13;
/// Module version 3, minor version 5; SEAM loader 7.
const TDX: [u8; 16] = [5, 3, 7, 2, 4, 1, 3, 6, 1, 2, 5, 1, 4, 2, 3, 1];

/// The SVNs that the TCB recovery asks for: early and late microcode of SGX, late microcode of TDX.
const SGX_FIXED: [u8; 16] = [8, 9, 5, 4, 6, 3, 1, 9, 2, 1, 3, 2, 4, 1, 5, 2];
const TDX_FIXED: [u8; 16] = [5, 3, 8, 2, 4, 1, 3, 6, 1, 2, 5, 1, 4, 2, 3, 1];

pub(super) fn platform(seed: Seed) -> Platform {
    Platform {
        form: FORM,
        seed,
        hardware: hardware(&seed),
        tdx_module: TdxModule {
            tee_tcb_svn: TDX,
            tee_tcb_svn_2: Some(TDX),
            mr_seam: Measurement(seed.bytes("MRSEAM")),
            mr_signer_seam: Measurement::default(),
            seam_attributes: SeamAttributes::default(),
        },
        td: td(&seed),
        enclave: Enclave {
            mr_enclave: EnclaveMeasurement(seed.bytes("MRENCLAVE")),
            mr_signer: EnclaveMeasurement(seed.bytes("MRSIGNER")),
            // INIT, MODE64BIT; X87, SSE, AVX, AVX-512, PKRU.
            attributes: SgxAttributes([5, 0, 0, 0, 0, 0, 0, 0, 0xe7, 2, 0, 0, 0, 0, 0, 0]),
            misc_select: MiscSelect::default(),
            isv_prod_id: 11,
            isv_svn: 3,
        },
        pki: pki(),
        standard: standard(),
        early: early(),
        keys: KeyRing::default(),
    }
}

fn hardware(seed: &Seed) -> Hardware {
    Hardware {
        fmspc: Fmspc([0x5a, 0x1d, 0x0f, 0x6c, 0x0b, 0x00]),
        // The one PCEID that Intel has; clients know no other.
        pce_id: PceId([0, 0]),
        ppid: Ppid(seed.bytes("PPID")),
        qe_id: PlatformInstanceId(seed.bytes("QE id")),
        ca: PckCa::Platform,
        sgx_type: SgxType::ScalableWithIntegrity,
        platform_instance_id: PlatformInstanceId(seed.bytes("platform instance id")),
        dynamic_platform: true,
        cached_keys: true,
        smt_enabled: true,
        cpu_svn: CpuSvn(SGX),
        sgx_tcb_svns: SGX,
        pce_svn: PCE,
        qe_isv_svn: 8,
        td_qe_isv_svn: 4,
    }
}

fn td(seed: &Seed) -> Td {
    let event = |rtmr, kind, data: &str| Event { rtmr, kind, data: data.into() };
    Td {
        // SEPT_VE_DISABLE, PKS.
        attributes: TdAttributes([0, 0, 0, 0x50, 0, 0, 0, 0]),
        // X87, SSE, AVX, AVX-512, PKRU, CET.
        xfam: Xfam([0xe7, 0x1a, 0, 0, 0, 0, 0, 0]),
        mr_td: Measurement(seed.bytes("MRTD")),
        mr_config_id: Measurement::default(),
        mr_owner: Measurement::default(),
        mr_owner_config: Measurement::default(),
        service_td_hash: Measurement::default(),
        td_id: TdId::default(),
        vm_id: 0,
        // EV_EFI_PLATFORM_FIRMWARE_BLOB2, EV_EFI_BOOT_SERVICES_APPLICATION, EV_EVENT_TAG, EV_IPL.
        event: vec![
            event(0, 0x8000_000a, "simulated firmware"),
            event(1, 0x8000_0003, "simulated boot loader"),
            event(2, 6, "simulated kernel command line"),
            event(2, 13, "simulated initial RAM disk"),
        ],
    }
}

fn pki() -> PkiSettings {
    let long = Window { from: date("2018-05-21"), to: date("2049-12-31") };
    PkiSettings {
        root_ca_crl_url: "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der".into(),
        pck_crl_url: "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl".into(),
        revoked: Revoked::default(),
        windows: Windows {
            root_ca_crl_days: 365,
            pck_crl_days: 30,
            document_days: 30,
            root_ca: long,
            pck_ca: long,
            tcb_signing: long,
            pck: long,
        },
    }
}

/// The platform is up to date, at exactly the highest level.
fn standard() -> EvaluationSet {
    let (recent, old, oldest) = (date("2025-08-13"), date("2024-03-13"), date("2022-11-09"));
    EvaluationSet {
        tcb_evaluation_data_number: 20,
        tcb_recovery_event_date: date("2025-08-12"),
        tcb_date: recent,
        tcb_level: vec![
            level(UpToDate, recent, SGX, PCE, TDX),
            advised(level(OutOfDate, old, lower(SGX), PCE, lower(TDX)), 1),
            advised(level(TcbStatus::Revoked, oldest, [1; 16], 5, [1; 16]), 2),
        ],
        tdx_module: vec![
            module(3, &[(5, UpToDate, recent), (3, OutOfDate, old)]),
            module(1, &[(11, UpToDate, recent), (6, OutOfDate, old)]),
        ],
        td_qe: isv_levels(&[(4, UpToDate, recent), (3, OutOfDate, old)]),
        qe: isv_levels(&[(8, UpToDate, recent), (6, OutOfDate, old)]),
    }
}

/// A TCB recovery, as they mostly are: new microcode, for SGX and TDX; what was up to date is not any more.
fn early() -> EvaluationSet {
    // The day after it became public, as with Intel's.
    let newest = date("2026-08-12");
    let mut set = standard();
    set.tcb_evaluation_data_number = 21;
    set.tcb_recovery_event_date = date("2026-08-11");
    set.tcb_date = newest;
    for level in &mut set.tcb_level {
        if level.status == UpToDate {
            level.status = OutOfDate;
            level.advisory_ids = vec![advisory(3)];
        }
    }
    set.tcb_level.insert(0, level(UpToDate, newest, SGX_FIXED, PCE, TDX_FIXED));
    set
}

fn level(
    status: TcbStatus,
    date: UnixTime,
    sgx: [u8; 16],
    pce_svn: u16,
    tdx: [u8; 16],
) -> PlatformLevel {
    PlatformLevel { status, date, sgx, pce_svn, tdx, advisory_ids: vec![] }
}

fn advised(mut level: PlatformLevel, advisories: u32) -> PlatformLevel {
    level.advisory_ids = (1..=advisories).map(advisory).collect();
    level
}

/// Not one of Intel's numbers.
fn advisory(number: u32) -> String {
    format!("SIMULATED-SA-{number:05}")
}

fn lower(svns: [u8; 16]) -> [u8; 16] {
    svns.map(|svn| svn.saturating_sub(1))
}

fn module(version: u8, levels: &[(u16, TcbStatus, UnixTime)]) -> ModuleIdentity {
    ModuleIdentity {
        version,
        mr_signer: Measurement::default(),
        attributes: SeamAttributes::default(),
        tcb_level: isv_levels(levels),
    }
}

fn isv_levels(levels: &[(u16, TcbStatus, UnixTime)]) -> Vec<IsvLevel> {
    let level = |(isv_svn, status, date): &(u16, TcbStatus, UnixTime)| IsvLevel {
        status: *status,
        date: *date,
        isv_svn: *isv_svn,
        advisory_ids: if *status == UpToDate { vec![] } else { vec![advisory(1)] },
    };
    levels.iter().map(level).collect()
}

/// Midnight of a date of this file. One that is none would be 1970, which a test notices.
fn date(day: &str) -> UnixTime {
    format!("{day}T00:00:00Z").parse().unwrap_or(UnixTime::EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_platform_survives_its_toml() {
        let platform = Platform::new(Seed::of("a test"));
        let text = platform.to_toml().unwrap();
        assert!(text.starts_with("# A simulated platform"));
        assert_eq!(Platform::from_toml(&text), Ok(platform));
        assert!(!text.contains("1970"));
    }
}
