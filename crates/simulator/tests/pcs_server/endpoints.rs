//! Every endpoint answers as Intel's does: status, headers, and a body that the wire crate reads.

use serde_json::Value;
use tdattest_simulator::CollateralDraft;
use tdattest_simulator::pcs_server::{Answer, Request, api};
use tdattest_wire::bytes::Fmspc;
use tdattest_wire::certificate::{Certificate, oid};
use tdattest_wire::collateral::{Collateral, Part};
use tdattest_wire::crl::Crl;
use tdattest_wire::evaluation_data::EvaluationDataNumbers;
use tdattest_wire::pck::PckExtension;
use tdattest_wire::pcs::{EvaluationDataSet, PckCa, PcsRequest, PcsRequests};
use tdattest_wire::pem;
use tdattest_wire::qe_identity::{EnclaveId, QeIdentity};
use tdattest_wire::quote::TeeType;
use tdattest_wire::signed::{Document, Signed};
use tdattest_wire::tcb_info::TcbInfo;

use crate::client::Client;
use crate::{answer, now, platform, server};

pub(crate) const PPID: &str = "encrypted_ppid=";

/// The PPID parameter of the platform: any but zero.
pub(crate) fn ppid() -> String {
    format!("{PPID}{}", "ab".repeat(384))
}

/// The text that percent-encoding hides, without a word of how the server encodes.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

/// The common names of a chain in a header, leaf first.
fn names(chain: &str) -> Vec<String> {
    assert!(chain.starts_with("-----BEGIN%20CERTIFICATE-----%0A"), "{chain}");
    let certificates = pem::certificates(&decoded(chain)).unwrap();
    certificates
        .iter()
        .map(|der| Certificate::parse(der).unwrap().subject.common_name().to_string())
        .collect()
}

fn header_names(answer: &Answer) -> Vec<&'static str> {
    answer.headers.iter().map(|(name, _)| *name).collect()
}

fn document<T: Document>(answer: &Answer) -> T {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    Signed::<T>::from_outer(&answer.body).unwrap().open_untrusted().unwrap()
}

#[test]
fn the_requests_of_the_wire_crate_bring_the_collateral_that_the_platform_mints() {
    let server = server();
    let mut client = Client::of(&server);
    for tee in [TeeType::Sgx, TeeType::Tdx] {
        for set in [
            EvaluationDataSet::Standard,
            EvaluationDataSet::Early,
            EvaluationDataSet::Number(20),
            EvaluationDataSet::Number(21),
        ] {
            let mut parts: Vec<(Part, Vec<u8>)> = vec![];
            let fmspc = platform().hardware.fmspc;
            for request in PcsRequests::new(tee, fmspc, PckCa::Platform, set).0 {
                let path = match request {
                    PcsRequest::RootCaCrl => "/IntelSGXRootCA.der".into(),
                    other => other.path(),
                };
                let response = client.get(&path);
                assert_eq!(response.status, 200, "{path}");
                if let (Some(part), Some(header)) =
                    (request.issuer_chain_part(), request.issuer_chain_header())
                {
                    parts.push((part, decoded(response.header(header).unwrap())));
                }
                parts.push((request.part().unwrap(), response.body));
            }
            let take = |wanted| {
                let found = parts.iter().find(|(part, _)| *part == wanted);
                found.map(|(_, bytes)| bytes.clone())
            };
            let fetched = Collateral::from_parts(take).unwrap();
            let minted = CollateralDraft::new(&platform(), tee, set, now()).unwrap().mint();
            assert_eq!(Ok(fetched), minted, "{tee:?} {set:?}");
        }
    }
}

#[test]
fn a_pck_certificate_is_the_one_of_the_platforms_quotes_and_comes_with_its_headers() {
    let hardware = platform().hardware;
    let path = format!(
        "/sgx/certification/v4/pckcert?{}&cpusvn={}&pcesvn=0d00&pceid=0000",
        ppid(),
        hardware.cpu_svn
    );
    let answer = answer(&path);
    let headers = [
        "Content-Type",
        "SGX-PCK-Certificate-Issuer-Chain",
        "SGX-FMSPC",
        "SGX-PCK-Certificate-CA-Type",
        "SGX-TCBm",
        "Request-ID",
    ];
    assert_eq!((answer.status, header_names(&answer)), (200, headers.to_vec()));
    assert_eq!(answer.header("Content-Type"), Some("application/x-pem-file"));
    assert_eq!(pem::certificates(&answer.body), Ok(vec![platform().pck().der().unwrap()]));
    let chain = names(answer.header("SGX-PCK-Certificate-Issuer-Chain").unwrap());
    assert_eq!(chain, ["Intel SGX PCK Platform CA", "Intel SGX Root CA"]);
    assert_eq!(
        answer.header("SGX-TCBm"),
        Some("07080504060301090201030204010502" /* CPUSVN */)
            .map(|svn| format!("{svn}0D00"))
            .as_deref()
    );
    assert_eq!(answer.header("SGX-FMSPC"), Some("5A1D0F6C0B00"));
    assert_eq!(answer.header("SGX-PCK-Certificate-CA-Type"), Some("platform"));
}

#[test]
fn a_pck_certificate_is_of_the_highest_level_that_the_raw_tcb_reaches() {
    let tcbm = |cpu_svn: &str, pce_svn: &str| {
        let path = format!(
            "/sgx/certification/v4/pckcert?{}&cpusvn={cpu_svn}&pcesvn={pce_svn}&pceid=0000",
            ppid()
        );
        let answer = answer(&path);
        (answer.status, answer.header("SGX-TCBm").map(str::to_owned))
    };
    let of = |tcbm: &str| (200, Some(tcbm.to_owned()));
    // Above everything; one component short of the highest; PCESVN 12, below both upper levels; below the lowest.
    let highest = of("070805040603010902010302040105020D00");
    assert_eq!(tcbm(&"ff".repeat(16), "ff00"), highest);
    assert_eq!(tcbm("07080504060301090201030204010502", "0d00"), highest);
    let second = of("060704030502000801000201030004010D00");
    assert_eq!(tcbm("07080504060301090201030204010501", "0d00"), second);
    let lowest = of("010101010101010101010101010101010500");
    assert_eq!(tcbm("07080504060301090201030204010502", "0c00"), lowest);
    assert_eq!(tcbm(&"ff".repeat(16), "0400"), (404, None));
    // Little endian: this is 0x0d00.
    assert_eq!(tcbm(&"00".repeat(16), "000d"), (404, None));
}

#[test]
fn the_level_order_of_the_platform_does_not_matter() {
    let mut platform = platform();
    platform.standard.tcb_level.reverse();
    let query = format!("{}&cpusvn={}&pcesvn=ffff&pceid=0000", ppid(), "ff".repeat(16));
    let request = Request::get(&format!("/sgx/certification/v4/pckcert?{query}"));
    let answer = api::answer(&platform, now(), &request);
    assert_eq!(answer.header("SGX-TCBm"), Some("070805040603010902010302040105020D00"));
}

#[test]
fn pck_certificates_are_one_a_level_however_they_are_asked_for() {
    let server = server();
    let mut client = Client::of(&server);
    let cpu_svn = platform().hardware.cpu_svn;
    let manifest = "ab".repeat(8_431);
    let body = format!(
        r#"{{"platformManifest":"{manifest}","cpusvn":"{cpu_svn}","pcesvn":"0d00","pceid":"0000"}}"#
    );
    let base = "/sgx/certification/v4/pckcerts";
    let by_ppid = client.get(&format!("{base}?{}&pceid=0000", ppid()));
    let others = [
        client.get(&format!("{base}/config?{}&cpusvn={cpu_svn}&pceid=0000", ppid())),
        client.post(base, &body),
        client.post(&format!("{base}/config"), &body),
    ];
    for other in others {
        assert_eq!((other.status, &other.body), (200, &by_ppid.body));
    }
    assert_eq!(by_ppid.header("content-type"), Some("application/json"));
    assert_eq!(by_ppid.header("sgx-fmspc"), Some("5A1D0F6C0B00"));
    assert_eq!(by_ppid.header("sgx-pck-certificate-ca-type"), Some("platform"));
    assert_eq!(by_ppid.header("sgx-tcbm"), None);
    let chain = names(by_ppid.header("sgx-pck-certificate-issuer-chain").unwrap());
    assert_eq!(chain, ["Intel SGX PCK Platform CA", "Intel SGX Root CA"]);

    let entries: Vec<Value> = serde_json::from_slice(&by_ppid.body).unwrap();
    assert_eq!(entries.len(), platform().standard.tcb_level.len());
    for (entry, level) in entries.iter().zip(&platform().standard.tcb_level) {
        let cert = pem::certificates(&decoded(entry["cert"].as_str().unwrap())).unwrap();
        let cert = Certificate::parse(&cert[0]).unwrap();
        let extension = cert.extensions.get(oid::SGX_EXTENSION).unwrap();
        let extension = PckExtension::parse(extension.value).unwrap();
        assert_eq!(extension.tcb.components, level.sgx);
        assert_eq!(extension.tcb.pce_svn, level.pce_svn);
        assert_eq!(extension.ppid, platform().hardware.ppid);
        for (number, svn) in (1..).zip(level.sgx) {
            assert_eq!(entry["tcb"][format!("sgxtcbcomp{number:02}svn")], svn);
        }
        assert_eq!(entry["tcb"].as_object().unwrap().len(), 17);
        assert_eq!(entry["tcb"]["pcesvn"], level.pce_svn);
        let tcbm = format!("{}{:02X}00", extension.tcb.cpu_svn, level.pce_svn).to_uppercase();
        assert_eq!(entry["tcbm"], tcbm);
    }
}

#[test]
fn a_posted_manifest_brings_the_same_pck_certificate_as_a_ppid() {
    let cpu_svn = platform().hardware.cpu_svn;
    let path = "/sgx/certification/v4/pckcert";
    let manifest = "ab".repeat(8_431);
    let body = format!(
        r#"{{"platformManifest":"{manifest}","cpusvn":"{cpu_svn}","pcesvn":"0d00","pceid":"0000"}}"#
    );
    let posted = api::answer(&platform(), now(), &Request::post(path, body));
    let query = format!("{}&cpusvn={cpu_svn}&pcesvn=0d00&pceid=0000", ppid());
    assert_eq!(posted, answer(&format!("{path}?{query}")));
    assert_eq!(posted.status, 200);
}

#[test]
fn a_pck_crl_is_pem_unless_der_is_asked_for() {
    for (ca, issuer) in [
        (PckCa::Platform, "Intel SGX PCK Platform CA"),
        (PckCa::Processor, "Intel SGX PCK Processor CA"),
    ] {
        let path = format!("/sgx/certification/v4/pckcrl?ca={}", ca.name());
        let der = answer(&format!("{path}&encoding=der"));
        assert_eq!(der.header("content-type"), Some("application/pkix-crl"));
        assert_eq!(der.body, platform().pck_crl(ca, now()).der().unwrap());
        assert_eq!(Crl::parse(&der.body).unwrap().issuer.common_name().to_string(), issuer);
        for in_pem in [answer(&path), answer(&format!("{path}&encoding=pem"))] {
            let headers = ["Content-Type", "SGX-PCK-CRL-Issuer-Chain", "Request-ID"];
            assert_eq!(header_names(&in_pem), headers);
            assert_eq!(in_pem.header("content-type"), Some("application/x-pem-file"));
            assert!(in_pem.body.starts_with(b"-----BEGIN X509 CRL-----\n"));
            assert_eq!(pem::crl(&in_pem.body).as_ref(), Ok(&der.body));
            let chain = names(in_pem.header("SGX-PCK-CRL-Issuer-Chain").unwrap());
            assert_eq!(chain, [issuer, "Intel SGX Root CA"]);
        }
    }
}

#[test]
fn tcb_info_is_of_the_tee_and_the_set_that_is_asked_for() {
    for (tee, path) in [(TeeType::Sgx, "/sgx"), (TeeType::Tdx, "/tdx")] {
        for (query, number) in [
            ("", 20),
            ("&update=standard", 20),
            ("&update=early", 21),
            ("&tcbEvaluationDataNumber=20", 20),
            ("&tcbEvaluationDataNumber=21", 21),
        ] {
            let path = format!("{path}/certification/v4/tcb?fmspc=5A1D0F6C0B00{query}");
            let answer = answer(&path);
            let headers = ["Content-Type", "TCB-Info-Issuer-Chain", "Request-ID"];
            assert_eq!(header_names(&answer), headers);
            let tcb_info: TcbInfo = document(&answer);
            let found = (tcb_info.tee, tcb_info.version, tcb_info.tcb_evaluation_data_number);
            assert_eq!(found, (tee, 3, number), "{path}");
            let chain = names(answer.header("TCB-Info-Issuer-Chain").unwrap());
            assert_eq!(chain, ["Intel SGX TCB Signing", "Intel SGX Root CA"]);
        }
    }
}

#[test]
fn identities_are_of_the_enclave_that_is_asked_for() {
    for (path, id) in [
        ("/sgx/certification/v4/qe/identity", EnclaveId::Qe),
        ("/tdx/certification/v4/qe/identity", EnclaveId::TdQe),
        ("/sgx/certification/v4/qve/identity", EnclaveId::Qve),
    ] {
        for (query, number) in
            [("", 20), ("?update=early", 21), ("?tcbEvaluationDataNumber=20", 20)]
        {
            let answer = answer(&format!("{path}{query}"));
            let headers = ["Content-Type", "SGX-Enclave-Identity-Issuer-Chain", "Request-ID"];
            assert_eq!(header_names(&answer), headers);
            let identity: QeIdentity = document(&answer);
            assert_eq!((identity.id, identity.tcb_evaluation_data_number), (id, number));
            let chain = names(answer.header("SGX-Enclave-Identity-Issuer-Chain").unwrap());
            assert_eq!(chain, ["Intel SGX TCB Signing", "Intel SGX Root CA"]);
        }
    }
}

#[test]
fn evaluation_data_numbers_are_those_of_the_sets_that_are_served() {
    for (tee, path) in [(TeeType::Sgx, "/sgx"), (TeeType::Tdx, "/tdx")] {
        let answer = answer(&format!("{path}/certification/v4/tcbevaluationdatanumbers"));
        let list: EvaluationDataNumbers = document(&answer);
        assert_eq!(list.tee, tee);
        let numbers: Vec<u32> =
            list.numbers.iter().map(|entry| entry.tcb_evaluation_data_number).collect();
        assert_eq!(numbers, [21, 20]);
        let chain = names(answer.header("TCB-Evaluation-Data-Numbers-Issuer-Chain").unwrap());
        assert_eq!(chain, ["Intel SGX TCB Signing", "Intel SGX Root CA"]);
    }
}

#[test]
fn fmspcs_are_of_the_kind_of_platform_that_is_asked_for() {
    let list = |query: &str| {
        let answer = answer(&format!("/sgx/certification/v4/fmspcs{query}"));
        assert_eq!(header_names(&answer), ["Content-Type", "Request-ID"]);
        String::from_utf8(answer.body).unwrap()
    };
    let family = r#"[{"fmspc":"5A1D0F6C0B00","platform":"E5"}]"#;
    for query in ["", "?platform=all", "?platform=E5"] {
        assert_eq!(list(query), family);
    }
    for query in ["?platform=client", "?platform=E3"] {
        assert_eq!(list(query), "[]");
    }
}

#[test]
fn the_root_cas_crl_is_a_file_without_a_number() {
    let answer = answer("/IntelSGXRootCA.der");
    assert_eq!(header_names(&answer), ["Content-Type"]);
    assert_eq!(answer.body, platform().root_ca_crl(now()).der().unwrap());
}

#[test]
fn an_fmspc_is_found_in_either_case_and_answered_in_upper_case() {
    let upper = answer("/tdx/certification/v4/tcb?fmspc=5A1D0F6C0B00");
    let lower = answer("/tdx/certification/v4/tcb?fmspc=5a1d0f6c0b00");
    assert_eq!(upper, lower);
    let fmspc: Fmspc = "5A1D0F6C0B00".parse().unwrap();
    assert_eq!(document::<TcbInfo>(&lower).fmspc, fmspc);
}
