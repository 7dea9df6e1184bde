//! What only a PKI of our own can show about TCB info: well signed, with the levels that a test wants.

use serde_json::{Value, json};
use tdattest_verifier::error::{Artefact, DocumentFault, NotSupported};
use tdattest_verifier::wire::tcb_status::TcbStatus;
use tdattest_verifier::{Finding, Policy, VerifyError, appraise};

use crate::own_pki::OwnPki;
use crate::own_quotes::changed;
use crate::samples;

fn tdx(change: impl FnOnce(&mut OwnPki)) -> OwnPki {
    changed(&samples::tdx(), change)
}

fn levels(own: &mut OwnPki) -> &mut Vec<Value> {
    own.tcb_info["tcbLevels"].as_array_mut().unwrap()
}

fn is_malformed(error: VerifyError, artefact: Artefact) -> bool {
    matches!(error, VerifyError::Document { document, fault: DocumentFault::Malformed(_) }
        if document == artefact)
}

/// S2, S3. Whatever the status, the quote verifies; only an accepted one passes, and `Revoked` never.
#[test]
fn every_platform_status_but_up_to_date_is_refused_by_default() {
    for status in TcbStatus::ALL.into_iter().filter(|status| status.is_platform_status()) {
        for sample in samples::verifiable() {
            let own = changed(&sample, |own| {
                levels(own).iter_mut().for_each(|level| level["tcbStatus"] = status.name().into());
            });
            let verified = own.verify().unwrap();
            assert_eq!(verified.tcb().platform, status, "{}", sample.name);
            let strict = appraise(verified.clone(), &Policy::genuine_platform());
            assert_eq!(strict.is_ok(), status == TcbStatus::UpToDate, "{} {status}", sample.name);
            let accepting = Policy::genuine_platform().accept_tcb(status);
            let lenient = appraise(verified, &accepting);
            assert_eq!(lenient.is_ok(), status != TcbStatus::Revoked, "{} {status}", sample.name);
        }
    }
}

/// S3.
#[test]
fn refuses_tcb_info_with_an_unknown_status() {
    let own = tdx(|own| levels(own)[0]["tcbStatus"] = "Fine".into());
    assert!(is_malformed(own.error(), Artefact::TcbInfo));
    let own = tdx(|own| own.qe_identity["tcbLevels"][0]["tcbStatus"] = "Fine".into());
    assert!(is_malformed(own.error(), Artefact::QeIdentity));
}

/// S34. Signed, and refused all the same.
#[test]
fn refuses_signed_levels_with_15_or_17_components() {
    for list in ["sgxtcbcomponents", "tdxtcbcomponents"] {
        for count in [15, 17] {
            let own = tdx(|own| {
                let components = levels(own)[0]["tcb"][list].as_array_mut().unwrap();
                components.resize(count, json!({ "svn": 0 }));
            });
            assert!(is_malformed(own.error(), Artefact::TcbInfo), "{count} {list}");
        }
    }
    let own = tdx(|own| {
        levels(own)[0]["tcb"].as_object_mut().unwrap().remove("tdxtcbcomponents").unwrap();
    });
    assert!(is_malformed(own.error(), Artefact::TcbInfo));
}

/// S35.
#[test]
fn the_order_of_signed_levels_does_not_matter() {
    for sample in samples::verifiable() {
        let expected = sample.verified().tcb().clone();
        let count = levels(&mut OwnPki::of(&sample)).len();
        for turn in 0..count {
            let own = changed(&sample, |own| {
                levels(own).rotate_left(turn);
                levels(own)[turn / 2..].reverse();
                own.qe_identity["tcbLevels"].as_array_mut().unwrap().reverse();
            });
            assert_eq!(own.verify().unwrap().tcb(), &expected, "{} {turn}", sample.name);
        }
    }
}

/// S34, S35. Every SVN counts: one more than the platform has, and the level is out of reach.
#[test]
fn a_level_is_out_of_reach_if_any_one_svn_is_too_high() {
    let sample = samples::tdx();
    let svns = sample.verified().facts().tcb.as_ref().unwrap().svns.clone();
    let launch = svns.launch.unwrap();
    assert!(launch.module_version() > 0);
    let only_level = |own: &mut OwnPki| {
        let mut level = levels(own)[0].clone();
        level["tcbStatus"] = "UpToDate".into();
        level["tcb"]["pcesvn"] = svns.pck.pce_svn.into();
        for (at, svn) in svns.pck.components.into_iter().enumerate() {
            level["tcb"]["sgxtcbcomponents"][at]["svn"] = svn.into();
        }
        for (at, svn) in launch.0.into_iter().enumerate() {
            level["tcb"]["tdxtcbcomponents"][at]["svn"] = svn.into();
        }
        *levels(own) = vec![level];
    };
    assert!(tdx(only_level).verify().is_ok(), "exactly what the platform has");

    let too_high = |list: &str, at: usize| {
        tdx(|own| {
            only_level(own);
            let svn = match list {
                "pcesvn" => &mut levels(own)[0]["tcb"][list],
                _ => &mut levels(own)[0]["tcb"][list][at]["svn"],
            };
            *svn = (svn.as_u64().unwrap() + 1).into();
        })
    };
    let unreached = VerifyError::TcbNotSupported(NotSupported::Platform);
    assert_eq!(too_high("pcesvn", 0).error(), unreached);
    for at in 0..16 {
        assert_eq!(too_high("sgxtcbcomponents", at).error(), unreached, "SGX component {at}");
        let own = too_high("tdxtcbcomponents", at);
        if at < 2 {
            // The module has levels of its own for these.
            assert!(own.verify().is_ok(), "TDX component {at}");
        } else {
            assert_eq!(own.error(), unreached, "TDX component {at}");
        }
    }
}

/// S16.
#[test]
fn refuses_tcb_info_of_another_fmspc_or_pce() {
    let own = tdx(|own| own.tcb_info["fmspc"] = "000000000000".into());
    assert!(matches!(own.error(), VerifyError::FmspcMismatch { .. }));
    let own = tdx(|own| own.tcb_info["pceId"] = "0100".into());
    assert!(matches!(own.error(), VerifyError::PceIdMismatch { .. }));
    // The case of hexadecimal is no difference.
    for change in [str::to_lowercase, str::to_uppercase] {
        let own = tdx(|own| {
            own.tcb_info["fmspc"] = change(own.tcb_info["fmspc"].as_str().unwrap()).into();
        });
        assert!(own.verify().is_ok());
    }
}

/// S24. Advisories of an up-to-date platform are reported, not held against it.
#[test]
fn up_to_date_with_advisories_is_accepted_and_says_so() {
    let own = tdx(|own| {
        let advisories = json!(["INTEL-SA-00002", "INTEL-DOC-10000", "INTEL-SA-00002"]);
        levels(own).iter_mut().for_each(|level| level["advisoryIDs"] = advisories.clone());
        own.qe_identity["tcbLevels"][0]["advisoryIDs"] = json!(["INTEL-SA-00001"]);
    });
    let result = appraise(own.verify().unwrap(), &Policy::genuine_platform()).unwrap();
    let expected = ["INTEL-DOC-10000", "INTEL-SA-00001", "INTEL-SA-00002"];
    assert_eq!(result.verified().tcb().advisory_ids, expected);
}

/// S3, S4. The TDX module's level weighs on the platform's.
#[test]
fn an_outdated_or_revoked_tdx_module_weighs_on_the_status() {
    for (module, status) in [("OutOfDate", TcbStatus::OutOfDate), ("Revoked", TcbStatus::Revoked)] {
        let own = tdx(|own| {
            for identity in own.tcb_info["tdxModuleIdentities"].as_array_mut().unwrap() {
                for level in identity["tcbLevels"].as_array_mut().unwrap() {
                    level["tcbStatus"] = module.into();
                }
            }
        });
        let tcb = own.verify().unwrap().tcb().clone();
        assert_eq!((tcb.status, tcb.platform), (status, TcbStatus::UpToDate));
        assert_eq!(tcb.tdx_module.map(TcbStatus::name), Some(module));
    }
}

/// S27. The module was updated under a running TD: it was launched out of date, and would not be now.
#[test]
fn a_td_launched_before_an_update_is_advised_to_relaunch() {
    let sample = samples::tdx_15_extended();
    // The descriptor of version 5, then TEE_TCB_SVN; TEE_TCB_SVN2 after the fields of TDX 1.0.
    let (launch, now) = (54, 54 + 584);
    let with_levels = |own: &mut OwnPki, launched: u8, current: u8| {
        own.signed_part[launch] = launched;
        own.signed_part[now] = current;
        for identity in own.tcb_info["tdxModuleIdentities"].as_array_mut().unwrap() {
            let mut old = identity["tcbLevels"][0].clone();
            let mut new = old.clone();
            (old["tcb"]["isvsvn"], new["tcb"]["isvsvn"]) = (1.into(), 5.into());
            (old["tcbStatus"], new["tcbStatus"]) = ("OutOfDate".into(), "UpToDate".into());
            identity["tcbLevels"] = json!([new, old]);
        }
    };
    for (launched, current, status) in [
        (5, 5, TcbStatus::UpToDate),
        (1, 5, TcbStatus::TdRelaunchAdvised),
        (1, 1, TcbStatus::OutOfDate),
        (5, 1, TcbStatus::UpToDate),
    ] {
        let own = changed(&sample, |own| with_levels(own, launched, current));
        let verified = own.verify().unwrap();
        assert_eq!(verified.tcb().status, status, "launched at {launched}, now at {current}");
        let strict = appraise(verified, &Policy::genuine_platform());
        match status {
            TcbStatus::UpToDate => assert!(strict.is_ok()),
            _ => assert_eq!(strict.unwrap_err().findings(), [Finding::TcbStatus(status)]),
        }
    }
    let own = changed(&sample, |own| with_levels(own, 5, 0));
    assert_eq!(own.error(), VerifyError::TcbNotSupported(NotSupported::CurrentTdxModule));
}
