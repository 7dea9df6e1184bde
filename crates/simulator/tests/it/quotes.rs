//! Quotes: every format, every kind of certification data, padding, and the quoting enclave's own choice.

use tdattest_simulator::wire::Fixed as _;
use tdattest_simulator::wire::bytes::{Measurement, ReportData, TdId, TeeTcbSvn};
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

/// Each field has bytes of its own here, so that none can stand in for another.
#[test]
fn every_field_of_a_td_stands_where_the_specification_puts_it() {
    let mut platform = platform();
    let register = |byte| Measurement([byte; 48]);
    platform.td.mr_config_id = register(0xc1);
    platform.td.mr_owner = register(0xc2);
    platform.td.mr_owner_config = register(0xc3);
    platform.td.service_td_hash = register(0xc4);
    platform.td.td_id = TdId([0xc5; 32]);
    platform.td.vm_id = 0xc6;
    platform.tdx_module.mr_signer_seam = register(0xc7);
    platform.tdx_module.tee_tcb_svn_2 = Some([0xc8; 16]);
    let td = platform.launch_td();
    let report = td.report(REPORT_DATA).to_bytes();
    let quote = QuoteDraft::new(&platform, Format::V5_TD_1_5_EX, REPORT_DATA, at()).unwrap();
    let quote = quote.mint().unwrap();
    // Offset in the TDREPORT, offset in the body, bytes.
    let fields: [(usize, usize, &[u8]); 17] = [
        (264, 0, &platform.tdx_module.tee_tcb_svn),
        (280, 16, &platform.tdx_module.mr_seam.0),
        (328, 64, &[0xc7; 48]),
        (512, 120, &platform.td.attributes.0),
        (520, 128, &platform.td.xfam.0),
        (528, 136, &platform.td.mr_td.0),
        (576, 184, &[0xc1; 48]),
        (624, 232, &[0xc2; 48]),
        (672, 280, &[0xc3; 48]),
        (720, 328, &td.rtmrs()[0].0),
        (768, 376, &td.rtmrs()[1].0),
        (816, 424, &td.rtmrs()[2].0),
        (864, 472, &td.rtmrs()[3].0),
        (128, 520, &REPORT_DATA.0),
        (384, 584, &[0xc8; 16]),
        (912, 600, &[0xc4; 48]),
        (960, 649, &[0xc5; 32]),
    ];
    for (in_report, in_body, bytes) in fields {
        assert_eq!(&report[in_report..in_report + bytes.len()], bytes, "TDREPORT at {in_report}");
        let at = 54 + in_body;
        assert_eq!(&quote[at..at + bytes.len()], bytes, "body at {in_body}");
    }
    assert_eq!((report[1016], quote[54 + 648]), (0xc6, 0xc6), "VMID");
    assert_eq!(report[1020..], [1, 3, 0, 0], "VALID");
    assert_eq!(report[16..32], platform.hardware.cpu_svn.0, "CPUSVN");
}

#[test]
fn what_is_longer_than_a_quote_can_be_is_refused() {
    let mut draft = draft(Format::V4_TD_1_0);
    draft.padding = usize::MAX;
    assert_eq!(draft.mint(), Err(MintError::TooLong));
    draft.padding = 0;
    draft.qe_auth_data = vec![0; 65_535];
    assert!(draft.mint().is_ok());
    draft.qe_auth_data.push(0);
    assert_eq!(draft.mint(), Err(MintError::TooLong));
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
    assert_eq!(format(|it| it.tdx_module.tee_tcb_svn_2 = Some([9; 16])), Format::V5_TD_1_5);
    assert_eq!(format(|it| it.td.service_td_hash = Measurement([1; 48])), Format::V5_TD_1_5);
    assert_eq!(format(|it| it.td.vm_id = 1), Format::V5_TD_1_5_EX);
}

#[test]
fn the_quoting_enclave_refuses_forged_reports_before_it_looks_at_their_kind() {
    let platform = platform();
    let enclave = QuotingEnclave::new(&platform).unwrap();
    let mut forged = platform.launch_td().report(REPORT_DATA);
    forged.td_info.mr_td.0[0] ^= 1;
    let expected = MintError::ForgedReport(ForgedReport::Hash("TEE_INFO_HASH"));
    assert_eq!(enclave.quote(&forged), Err(expected));
    // A kind that it knows no quote for, were it genuine.
    forged.report_mac.report_type.0[2] = 2;
    assert_eq!(enclave.quote(&forged), Err(MintError::ForgedReport(ForgedReport::Mac)));
    let drafted = QuoteDraft::of_td(&platform, &forged, at());
    assert_eq!(drafted, Err(MintError::ForgedReport(ForgedReport::Mac)));
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
