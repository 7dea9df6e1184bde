//! Both sides of every check of a parameter, and what the PCS does not have.

use tdattest_simulator::pcs_server::{Answer, Request, api};

use crate::endpoints::{PPID, ppid};
use crate::{answer, now, platform, status};

const CPU_SVN: &str = "cpusvn=07080504060301090201030204010502";

#[test]
fn what_the_pcs_does_not_have_is_not_found() {
    for path in [
        "/",
        "/sgx/certification/v4/",
        "/sgx/certification/v4/qae/identity",
        "/tdx/certification/v4/qve/identity",
        "/tdx/certification/v4/fmspcs",
        "/tdx/certification/v4/pckcrl?ca=platform",
        "/sgx/certification/v4/rootcacrl",
        "/sgx/certification/v4/TCB?fmspc=5A1D0F6C0B00",
        "/sgx/certification/v4/tcb/?fmspc=5A1D0F6C0B00",
        "/tdx/certification/v3/tcb?fmspc=5A1D0F6C0B00",
        "/sgx/certification/v5/tcb?fmspc=5A1D0F6C0B00",
    ] {
        let answer = answer(path);
        assert_eq!((answer.status, answer.body.len()), (404, 0), "{path}");
        assert!(answer.header("Request-ID").is_some());
    }
    let posted = Request::post("/sgx/certification/v4/tcb", "{}");
    assert_eq!(api::answer(&platform(), now(), &posted).status, 404);
}

#[test]
fn version_3_of_the_api_is_gone() {
    for path in ["tcb?fmspc=5A1D0F6C0B00", "qe/identity", "pckcrl?ca=platform", "pckcert", "any"] {
        assert_eq!(status(&format!("/sgx/certification/v3/{path}")), 410);
    }
}

#[test]
fn checks_the_parameters_of_tcb_info() {
    for (query, expected) in [
        ("fmspc=5A1D0F6C0B00", 200),
        ("fmspc=5a1d0f6c0B00&something=else", 200),
        ("", 400),
        ("fmspc", 400),
        ("fmspc=", 400),
        ("fmspc=5A1D0F6C0B", 400),
        ("fmspc=5A1D0F6C0B0000", 400),
        ("fmspc=5A1D0F6C0B0G", 400),
        ("fmspc=5A1D0F6C0B00&fmspc=5A1D0F6C0B00", 400),
        ("FMSPC=5A1D0F6C0B00", 400),
        ("fmspc=5A1D0F6C0B01", 404),
        ("fmspc=000000000000", 404),
    ] {
        for tee in ["sgx", "tdx"] {
            assert_eq!(
                status(&format!("/{tee}/certification/v4/tcb?{query}")),
                expected,
                "{query}"
            );
        }
    }
}

#[test]
fn checks_which_set_is_asked_for() {
    let fmspc = "fmspc=5A1D0F6C0B00&";
    for (query, expected) in [
        ("update=early", 200),
        ("update=standard", 200),
        ("update=", 400),
        ("update=all", 400),
        ("update=EARLY", 400),
        ("update=early&update=early", 400),
        ("update=early&tcbEvaluationDataNumber=21", 400),
        ("tcbEvaluationDataNumber=21", 200),
        ("tcbEvaluationDataNumber=020", 200),
        ("tcbEvaluationDataNumber=", 400),
        ("tcbEvaluationDataNumber=+20", 400),
        ("tcbEvaluationDataNumber=-1", 400),
        ("tcbEvaluationDataNumber=twenty", 400),
        ("tcbEvaluationDataNumber=4294967296", 400),
        // Below the standard set: retired. Above the early one: not there yet.
        ("tcbEvaluationDataNumber=19", 410),
        ("tcbEvaluationDataNumber=0", 410),
        ("tcbEvaluationDataNumber=22", 404),
    ] {
        for path in [
            &format!("/sgx/certification/v4/tcb?{fmspc}"),
            &format!("/tdx/certification/v4/tcb?{fmspc}"),
            "/sgx/certification/v4/qe/identity?",
            "/tdx/certification/v4/qe/identity?",
            "/sgx/certification/v4/qve/identity?",
        ] {
            assert_eq!(status(&format!("{path}{query}")), expected, "{path}{query}");
        }
    }
}

#[test]
fn checks_the_parameters_of_a_pck_crl() {
    for (query, expected) in [
        ("ca=platform", 200),
        ("ca=processor&encoding=der", 200),
        ("", 400),
        ("ca=", 400),
        ("ca=root", 400),
        ("ca=PLATFORM", 400),
        ("ca=platform&ca=platform", 400),
        ("ca=platform&encoding=", 400),
        ("ca=platform&encoding=DER", 400),
    ] {
        assert_eq!(status(&format!("/sgx/certification/v4/pckcrl?{query}")), expected, "{query}");
    }
}

#[test]
fn checks_the_kind_of_platform_of_fmspcs() {
    for (query, expected) in
        [("platform=all", 200), ("platform=e5", 400), ("platform=", 400), ("platform=E7", 400)]
    {
        assert_eq!(status(&format!("/sgx/certification/v4/fmspcs?{query}")), expected, "{query}");
    }
}

#[test]
fn checks_who_asks_for_pck_certificates() {
    let other = format!("{PPID}{}", "0".repeat(768));
    let short = format!("{PPID}{}", "ab".repeat(383));
    let long = format!("{PPID}{}", "ab".repeat(385));
    let no_hex = format!("{PPID}{}", "xy".repeat(384));
    for (who, expected) in [
        (format!("{}&pceid=0000", ppid()), 200),
        (ppid(), 400),
        (format!("{}&pceid=00", ppid()), 400),
        (format!("{}&pceid=000000", ppid()), 400),
        (format!("{}&pceid=000g", ppid()), 400),
        (format!("{}&pceid=0100", ppid()), 404),
        (format!("{other}&pceid=0000"), 404),
        (format!("{short}&pceid=0000"), 400),
        (format!("{long}&pceid=0000"), 400),
        (format!("{no_hex}&pceid=0000"), 400),
        ("pceid=0000".into(), 400),
    ] {
        for path in [
            "pckcerts?",
            &format!("pckcerts/config?{CPU_SVN}&"),
            &format!("pckcert?{CPU_SVN}&pcesvn=0d00&"),
        ] {
            assert_eq!(
                status(&format!("/sgx/certification/v4/{path}{who}")),
                expected,
                "{path}{who}"
            );
        }
    }
}

#[test]
fn checks_the_svns_of_a_pck_certificate() {
    let who = format!("{}&pceid=0000", ppid());
    for (svns, expected) in [
        (format!("{CPU_SVN}&pcesvn=0d00"), 200),
        (CPU_SVN.into(), 400),
        ("pcesvn=0d00".into(), 400),
        (format!("{CPU_SVN}00&pcesvn=0d00"), 400),
        (format!("{CPU_SVN}&pcesvn=0d"), 400),
        (format!("{CPU_SVN}&pcesvn=0d0000"), 400),
        (format!("{CPU_SVN}&pcesvn=0x0d"), 400),
    ] {
        assert_eq!(
            status(&format!("/sgx/certification/v4/pckcert?{who}&{svns}")),
            expected,
            "{svns}"
        );
    }
    assert_eq!(status(&format!("/sgx/certification/v4/pckcerts/config?{who}")), 400);
    assert_eq!(status(&format!("/sgx/certification/v4/pckcerts/config?{who}&cpusvn=07")), 400);
}

#[test]
fn checks_the_key_that_a_ppid_is_encrypted_with() {
    let path = format!("/sgx/certification/v4/pckcerts?{}&pceid=0000", ppid());
    for (key, expected) in [("RSA-3072", 200), ("RSA-2048", 400), ("", 400)] {
        let mut request = Request::get(&path);
        request.headers.push(("ppid-encryption-key".into(), key.into()));
        assert_eq!(api::answer(&platform(), now(), &request).status, expected, "{key}");
    }
}

#[test]
fn checks_what_is_posted_and_says_which_of_intels_codes_it_breaks() {
    let post = |body: &str| -> Answer {
        let request = Request::post("/sgx/certification/v4/pckcerts", body);
        api::answer(&platform(), now(), &request)
    };
    let manifest = |digits: usize| {
        let manifest = "ab".repeat(digits / 2);
        format!(r#"{{"platformManifest":"{manifest}","pceid":"0000","more":[1]}}"#)
    };
    for digits in [16_862, 112_884] {
        assert_eq!(post(&manifest(digits)).status, 200);
    }
    let zero = format!(r#"{{"platformManifest":"{}","pceid":"0000"}}"#, "0".repeat(16_862));
    assert_eq!(post(&zero).status, 404);
    let unknown = format!(r#"{{"platformManifest":"{}","pceid":"0001"}}"#, "ab".repeat(8_431));
    assert_eq!(post(&unknown).status, 404);

    let no_hex = format!(r#"{{"platformManifest":"{}","pceid":"0000"}}"#, "xy".repeat(8_431));
    for (body, code) in [
        ("", "InvalidRequestSyntax"),
        ("[]", "InvalidRequestSyntax"),
        ("{}", "InvalidRequestSyntax"),
        (r#"{"pceid":"0000"}"#, "InvalidRequestSyntax"),
        (r#"{"platformManifest":7,"pceid":"0000"}"#, "InvalidRequestSyntax"),
        (&manifest(16_860), "InvalidPlatformManifest"),
        (&manifest(112_886), "InvalidPlatformManifest"),
        (&no_hex, "InvalidPlatformManifest"),
    ] {
        let answer = post(body);
        assert_eq!((answer.status, answer.header("Error-Code")), (400, Some(code)), "{:.40}", body);
        assert!(answer.body.is_empty());
    }
}
