//! The file that an administrator brings, as Intel's tool writes it, made of the simulated PCS's answers.

use serde_json::{Value, json};
use tdattest_pccs::wire::time::UnixTime;
use tdattest_simulator::pcs_server::{Answer, Request, api};

use super::cases::platform;

pub(crate) const QE_ID: &str = "aabbccddeeff001122334455667788aa";

/// What stands before a text that goes into the file as it is, not as a string: signed bytes keep their order.
const VERBATIM: &str = "verbatim:";

pub(crate) fn bundle(now: UnixTime) -> Vec<u8> {
    written(&value(now))
}

/// The file of a value that a test may have changed.
pub(crate) fn written(value: &Value) -> Vec<u8> {
    let mut text = value.to_string();
    let infos = value["collaterals"]["tcbinfos"].as_array().into_iter().flatten();
    for info in infos.flat_map(|of| of.as_object().unwrap().values()) {
        if let Some(verbatim) = info.as_str().and_then(|text| text.strip_prefix(VERBATIM)) {
            text = text.replace(&info.to_string(), verbatim);
        }
    }
    text.into_bytes()
}

pub(crate) fn value(now: UnixTime) -> Value {
    let ppid = "cd".repeat(384);
    let answer = |path: &str| api::answer(&platform(), now, &Request::get(path));
    let body = |path: &str| String::from_utf8(answer(path).body).unwrap();
    let crl = |path: &str| data_encoding::HEXLOWER.encode(&answer(path).body);
    let chain = |path: &str, name: &str| header(&answer(path), name);
    let pckcerts = format!("/sgx/certification/v4/pckcerts?encrypted_ppid={ppid}&pceid=0000");
    let certs: Value = serde_json::from_str(&body(&pckcerts)).unwrap();
    let identity = |path: &str| body(&format!("{path}?update=standard"));
    json!({
        "platforms": [{
            "qe_id": QE_ID,
            "pce_id": "0000",
            "cpu_svn": "07070202030100030000000000000000",
            "pce_svn": "0b00",
            "enc_ppid": ppid,
            "platform_manifest": "",
            "pckid_filename": "host.csv",
        }],
        "collaterals": {
            "version": 4,
            "pck_certs": [{
                "qe_id": QE_ID,
                "pce_id": "0000",
                "enc_ppid": ppid,
                "platform_manifest": "",
                "certs": certs,
            }],
            "tcbinfos": [{
                "fmspc": "00806F050000",
                "sgx_tcbinfo": raw(&body("/sgx/certification/v4/tcb?fmspc=00806F050000")),
                "tdx_tcbinfo": raw(&body("/tdx/certification/v4/tcb?fmspc=00806F050000")),
                "sgx_tcbinfo_early": raw(&body("/sgx/certification/v4/tcb?fmspc=00806F050000&update=early")),
                "tdx_tcbinfo_early": raw(&body("/tdx/certification/v4/tcb?fmspc=00806F050000&update=early")),
            }],
            "pckcacrl": {
                "processorCrl": crl("/sgx/certification/v4/pckcrl?ca=processor&encoding=der"),
                "platformCrl": crl("/sgx/certification/v4/pckcrl?ca=platform&encoding=der"),
            },
            "qeidentity": identity("/sgx/certification/v4/qe/identity"),
            "qeidentity_early": body("/sgx/certification/v4/qe/identity?update=early"),
            "tdqeidentity": identity("/tdx/certification/v4/qe/identity"),
            "tdqeidentity_early": body("/tdx/certification/v4/qe/identity?update=early"),
            "qveidentity": identity("/sgx/certification/v4/qve/identity"),
            "qveidentity_early": body("/sgx/certification/v4/qve/identity?update=early"),
            "certificates": {
                "SGX-PCK-Certificate-Issuer-Chain": {
                    "PROCESSOR": chain("/sgx/certification/v4/pckcrl?ca=processor&encoding=der", "SGX-PCK-CRL-Issuer-Chain"),
                    "PLATFORM": chain(&pckcerts, "SGX-PCK-Certificate-Issuer-Chain"),
                },
                "TCB-Info-Issuer-Chain": chain("/sgx/certification/v4/tcb?fmspc=00806F050000", "TCB-Info-Issuer-Chain"),
                "SGX-Enclave-Identity-Issuer-Chain": chain("/sgx/certification/v4/qe/identity", "SGX-Enclave-Identity-Issuer-Chain"),
            },
            "rootcacrl": crl("/IntelSGXRootCA.der"),
            "rootcacrl_cdp": "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
        },
    })
}

fn raw(text: &str) -> Value {
    format!("{VERBATIM}{text}").into()
}

fn header(answer: &Answer, name: &str) -> String {
    let found = answer.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.unwrap().1.clone()
}
