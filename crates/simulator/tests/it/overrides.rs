//! `--set`: other values for single keys.

use tdattest_simulator::platform::OverrideError;
use tdattest_simulator::wire::tcb_status::TcbStatus;

use crate::platform;

#[test]
fn a_key_takes_another_value_and_no_other_key_changes() {
    let mut expected = platform();
    expected.hardware.pce_svn = 12;
    assert_eq!(platform().with("hardware.pce_svn=12").unwrap(), expected);
    let mut expected = platform();
    expected.tdx_module.tee_tcb_svn[2] = 1;
    assert_eq!(platform().with(" tdx_module.tee_tcb_svn.2 = 1 ").unwrap(), expected);
    let mut expected = platform();
    expected.standard.tcb_level[0].status = TcbStatus::Revoked;
    assert_eq!(platform().with("standard.tcb_level.0.status=Revoked").unwrap(), expected);
    assert_eq!(platform().with("standard.tcb_level.0.status=\"Revoked\"").unwrap(), expected);
    let mut expected = platform();
    expected.pki.revoked.pck = true;
    assert_eq!(platform().with("pki.revoked.pck=true").unwrap(), expected);
}

/// A text of digits alone is a number in TOML, and here still the text that the key wants.
#[test]
fn a_text_of_digits_stays_a_text() {
    let digits = "112233445566";
    let changed = platform().with(&format!("hardware.fmspc={digits}")).unwrap();
    assert_eq!(changed.hardware.fmspc.to_string(), digits);
}

#[test]
fn a_key_that_is_not_there_is_refused_with_those_that_are() {
    let refused = |setting: &str| platform().with(setting).unwrap_err();
    let form = OverrideError::Form("hardware.pce_svn".into());
    assert_eq!(refused("hardware.pce_svn"), form);
    let OverrideError::Unknown { key, hint } = refused("hardware.pcesvn=1") else { panic!() };
    assert_eq!(key, "hardware.pcesvn");
    assert!(hint.contains("pce_svn"), "{hint}");
    let OverrideError::Unknown { key, hint } = refused("standard.tcb_level.3.status=Revoked")
    else {
        panic!()
    };
    assert_eq!(key, "standard.tcb_level.3");
    assert!(hint.contains("3 entries"), "{hint}");
}

#[test]
fn a_list_that_is_empty_can_be_filled() {
    let mut expected = platform();
    expected.standard.tcb_level[0].advisory_ids = vec!["SIMULATED-SA-1".into()];
    let setting = "standard.tcb_level.0.advisory_ids=[\"SIMULATED-SA-1\"]";
    assert_eq!(platform().with(setting).unwrap(), expected);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    for (setting, problem) in [
        ("pki.windows.document_days=0", "document_days is 0"),
        ("early.tcb_evaluation_data_number=20", "same number, 20"),
        ("standard.tcb_level=[]", "standard.tcb_level is empty"),
        ("standard.qe=[]", "standard.qe is empty"),
        ("standard.td_qe.1.isv_svn=4", "isv_svn 4 twice"),
        ("standard.td_qe.0.status=ConfigurationNeeded", "which no QE can have"),
        ("standard.tcb_level.0.status=TDRelaunchAdvised", "which no level can have"),
        ("standard.tdx_module.1.version=3", "version 3 twice"),
        ("standard.tdx_module.0.tcb_level=[]", "version 3: tcb_level is empty"),
        ("pki.windows.pck.to=2017-01-01T00:00:00Z", "before it begins"),
        ("td.event.0.rtmr=4", "RTMR4"),
    ] {
        let refused = platform().with(setting).unwrap_err();
        assert!(matches!(refused, OverrideError::Value { .. }), "{setting}: {refused}");
        assert!(refused.to_string().contains(problem), "{setting}: {refused}");
    }
    let twin = platform();
    let mut twin = twin.standard.tcb_level[0].clone();
    twin.advisory_ids.clear();
    let level = format!("{:?}", twin.sgx).replace(' ', "");
    let setting = format!("standard.tcb_level.1.sgx={level}");
    let changed = platform().with(&setting).unwrap();
    let setting = format!("standard.tcb_level.1.tdx={:?}", twin.tdx);
    let refused = changed.with(&setting).unwrap_err();
    assert!(refused.to_string().contains("same SVNs"), "{refused}");
}

#[test]
fn a_value_that_does_not_fit_is_refused() {
    for setting in [
        "hardware.pce_svn=many",
        "hardware.pce_svn=65536",
        "hardware.pce_svn=-1",
        "hardware.fmspc=12",
        "standard.tcb_level.0.status=Fine",
        "tdx_module.tee_tcb_svn=[1,2]",
        "form=2",
    ] {
        let refused = platform().with(setting).unwrap_err();
        assert!(matches!(refused, OverrideError::Value { .. }), "{setting}: {refused:?}");
        let text = refused.to_string();
        assert!(!text.contains('\n'), "one line: {text}");
    }
}
