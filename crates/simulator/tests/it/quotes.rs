//! Quotes: every format, every kind of certification data, padding, and the quoting enclave's own choice.

use tdattest_simulator::wire::bytes::{Measurement, ReportData, TeeTcbSvn};
use tdattest_simulator::wire::pcs::{EvaluationDataSet, PcsRequests};
use tdattest_simulator::wire::quote::{
    CertificationData, CertificationDataType, Quote, TeeType, Version,
};
use tdattest_simulator::{
    CertificationDraft, ForgedReport, Format, MintError, Platform, QuoteDraft, QuotingEnclave,
};

use crate::{at, platform};

const REPORT_DATA: ReportData = ReportData([0x5a; 64]);

fn draft(format: Format) -> QuoteDraft {
    QuoteDraft::new(&platform(), format, REPORT_DATA, at()).unwrap()
}

#[test]
fn every_format_is_read_back_as_what_it_is() {
    for format in Format::ALL {
        let bytes = draft(format).mint().unwrap();
        let quote = Quote::parse(&bytes).unwrap();
        assert_eq!(quote.header().version, format.version(), "{format}");
        assert_eq!(quote.tee(), format.tee(), "{format}");
        assert_eq!(quote.body().kind(), format.body(), "{format}");
        assert_eq!(quote.body().report_data(), &REPORT_DATA, "{format}");
        assert!(quote.trailing().is_empty(), "{format}");
        assert_eq!(quote.signature().qe_auth_data.len(), 32, "{format}");
        let requests = PcsRequests::for_quote(&quote, EvaluationDataSet::Standard).unwrap();
        assert_eq!(requests.0.len(), 4);
    }
}

#[test]
fn a_td_quote_says_of_the_td_what_its_report_says() {
    let platform = platform();
    let td = platform.launch_td();
    let bytes = draft(Format::V5_TD_1_5_EX).mint().unwrap();
    let quote = Quote::parse(&bytes).unwrap();
    let body = quote.body().td().unwrap();
    assert_eq!([body.rtmr_0, body.rtmr_1, body.rtmr_2, body.rtmr_3], *td.rtmrs());
    assert_eq!(body.mr_td, platform.td.mr_td);
    assert_eq!(body.tee_tcb_svn, TeeTcbSvn(platform.tdx_module.tee_tcb_svn));
}

#[test]
fn the_same_platform_and_time_give_the_same_bytes() {
    for format in Format::ALL {
        assert_eq!(draft(format).mint().unwrap(), draft(format).mint().unwrap(), "{format}");
    }
}

#[test]
fn padding_follows_the_quote_and_is_zero() {
    let plain = draft(Format::V4_TD_1_0).mint().unwrap();
    for padding in [0, 70, 307] {
        let mut padded = draft(Format::V4_TD_1_0);
        padded.padding = padding;
        let bytes = padded.mint().unwrap();
        assert_eq!(bytes.len(), plain.len() + padding);
        assert_eq!(Quote::parse(&bytes).unwrap().trailing(), vec![0; padding]);
    }
    let mut padded = draft(Format::V4_TD_1_0);
    padded.pad_to(8_000).unwrap();
    assert_eq!(padded.mint().unwrap().len(), 8_000);
    padded.pad_to(100).unwrap();
    assert_eq!(padded.mint().unwrap(), plain, "a longer quote is not cut");
}

#[test]
fn every_kind_of_certification_data_is_read_back() {
    let platform = platform();
    let sizes = [
        (CertificationDataType::PpidCleartext, 16),
        (CertificationDataType::PpidRsa2048, 256),
        (CertificationDataType::PpidRsa3072, 384),
    ];
    for (kind, size) in sizes {
        let mut draft = draft(Format::V4_TD_1_0);
        draft.certification = CertificationDraft::ppid(&platform, kind);
        let bytes = draft.mint().unwrap();
        let quote = Quote::parse(&bytes).unwrap();
        let CertificationData::Ppid(ppid) = &quote.signature().certification_data else {
            panic!("{kind:?}")
        };
        assert_eq!((ppid.kind, ppid.ppid().unwrap().len()), (kind, size));
        let hardware = &platform.hardware;
        let tcb = (hardware.cpu_svn, hardware.pce_svn, hardware.pce_id);
        assert_eq!(ppid.tcb().unwrap(), tcb);
    }
    let mut draft = draft(Format::V4_TD_1_0);
    draft.certification = CertificationDraft::PckLeaf(Box::new(platform.pck()));
    let bytes = draft.mint().unwrap();
    let quote = Quote::parse(&bytes).unwrap();
    assert!(matches!(quote.signature().certification_data, CertificationData::PckLeaf(_)));
}

/// A TDREPORT decides the format, as the TD quoting enclave does.
#[test]
fn the_quoting_enclave_chooses_the_format_that_a_report_needs() {
    let format = |change: fn(&mut Platform)| {
        let mut platform = platform();
        change(&mut platform);
        let report = platform.launch_td().report(REPORT_DATA);
        let bytes = QuotingEnclave::new(&platform).unwrap().quote(&report).unwrap();
        let drafted = QuoteDraft::of_td(&platform, &report, at()).unwrap().mint().unwrap();
        assert_eq!(bytes, drafted, "the enclave and the draft are one");
        let quote = Quote::parse(&bytes).unwrap();
        Format::new(quote.header().version, quote.body().kind()).unwrap()
    };
    assert_eq!(format(|_| {}), Format::V4_TD_1_0);
    assert_eq!(format(|it| it.tdx_module.tee_tcb_svn_now[0] += 1), Format::V5_TD_1_5);
    assert_eq!(format(|it| it.td.service_td_hash = Measurement([1; 48])), Format::V5_TD_1_5);
    assert_eq!(format(|it| it.td.vm_id = 1), Format::V5_TD_1_5_EX);
}

#[test]
fn the_quoting_enclave_refuses_forged_reports_and_unknown_kinds() {
    let platform = platform();
    let enclave = QuotingEnclave::new(&platform).unwrap();
    let mut forged = platform.launch_td().report(REPORT_DATA);
    forged.td_info.mr_td.0[0] ^= 1;
    let expected = MintError::ForgedReport(ForgedReport::Hash("TEE_INFO_HASH"));
    assert_eq!(enclave.quote(&forged), Err(expected));
    forged.report_mac.report_type.0[2] = 2;
    assert_eq!(enclave.quote(&forged), Err(MintError::ForgedReport(ForgedReport::Mac)));
}

#[test]
fn only_version_3_headers_carry_svns() {
    for format in Format::ALL {
        let bytes = draft(format).mint().unwrap();
        let header = Quote::parse(&bytes).unwrap().header().clone();
        let hardware = &platform().hardware;
        let expected = match format.version() {
            Version::V3 => (hardware.qe_isv_svn, hardware.pce_svn),
            _ => (0, 0),
        };
        assert_eq!((header.qe_svn, header.pce_svn), expected, "{format}");
        assert_eq!(&header.user_data.0[..16], hardware.qe_id.0);
        assert_eq!(header.tee_type == TeeType::Tdx, format.tee() == TeeType::Tdx);
    }
}
