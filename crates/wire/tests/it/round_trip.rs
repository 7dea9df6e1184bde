//! What is written is read back, whatever its values.

use proptest::prelude::*;
use tdattest_wire::Fixed;
use tdattest_wire::bytes::Measurement;
use tdattest_wire::enclave_report::EnclaveReport;
use tdattest_wire::quote::{Body, Quote, TeeType, Version};
use tdattest_wire::signed::{Document, Signed};
use tdattest_wire::tcb_info::TcbInfo;
use tdattest_wire::td_report::TdReport;
use tdattest_wire::time::UnixTime;

use crate::made_documents::{
    any_qe_identity, any_tcb_info, opened, qe_identity_text, tcb_info_text,
};
use crate::made_quotes::{KINDS, any_quote, any_td_report, quote_of};

proptest! {
    #[test]
    fn a_quote_is_read_as_it_was_written(made in any_quote(), padding in 0usize..20) {
        let mut bytes = made.bytes();
        let length = bytes.len();
        bytes.extend(vec![0x5a; padding]);
        let quote = Quote::parse(&bytes).unwrap();
        prop_assert_eq!(quote.header(), &made.header);
        prop_assert_eq!(quote.body(), &made.body);
        prop_assert_eq!(quote.signature(), &made.signature());
        prop_assert_eq!(quote.tee(), made.header.tee_type);
        prop_assert_eq!(quote.signed_bytes(), &made.signed_part()[..]);
        prop_assert_eq!(quote.trailing().len(), padding);
        prop_assert_eq!(quote.write(), &bytes[..length]);
    }

    /// S30.
    #[test]
    fn another_report_data_changes_no_other_field(made in any_quote(), other in any::<[u8; 32]>()) {
        let mut bytes = made.bytes();
        let at = report_data_at(&made.body, made.header.version);
        bytes[at..at + 32].copy_from_slice(&other);
        let quote = Quote::parse(&bytes).unwrap();
        let mut body = made.body.clone();
        let report_data = match &mut body {
            Body::Sgx(body) => &mut body.report_data,
            Body::Td10(body) => &mut body.report_data,
            Body::Td15(body) => &mut body.base.report_data,
            Body::Td15Ex(body) => &mut body.base.base.report_data,
        };
        report_data.0[..32].copy_from_slice(&other);
        prop_assert_eq!(quote.body(), &body);
        prop_assert_eq!(quote.body().report_data(), body.report_data());
        prop_assert_eq!(quote.header(), &made.header);
        prop_assert_eq!(quote.signature(), &made.signature());
    }

    #[test]
    fn a_td_report_is_read_as_it_was_written(report in any_td_report()) {
        let bytes = report.to_bytes();
        prop_assert_eq!(bytes.len(), 1024);
        prop_assert_eq!(TdReport::parse(&bytes).unwrap(), report);
    }

    #[test]
    fn tcb_info_is_read_as_it_was_written(info in any_tcb_info()) {
        prop_assert_eq!(opened(&tcb_info_text(&info)), Ok(info));
    }

    /// S35.
    #[test]
    fn the_order_of_levels_and_identities_in_the_text_does_not_matter(
        info in any_tcb_info(),
        shuffle in any::<prop::sample::Index>(),
    ) {
        let mut text = tcb_info_text(&info);
        // The names of components stand in every level, so the first may be any.
        let levels = text["tcbLevels"].as_array_mut().unwrap();
        let turn = shuffle.index(levels.len());
        levels.rotate_left(turn);
        levels[turn / 2..].reverse();
        let mut listed = info.listed.clone();
        listed.rotate_left(turn);
        listed[turn / 2..].reverse();
        if let Some(identities) = text.get_mut("tdxModuleIdentities") {
            for identity in identities.as_array_mut().unwrap() {
                identity["tcbLevels"].as_array_mut().unwrap().reverse();
            }
        }
        // Save where it is asked for.
        prop_assert_eq!(opened(&text), Ok(TcbInfo { listed, ..info }));
    }

    #[test]
    fn a_qe_identity_is_read_as_it_was_written(identity in any_qe_identity()) {
        let mut text = qe_identity_text(&identity);
        prop_assert_eq!(opened(&text), Ok(identity.clone()));
        text["tcbLevels"].as_array_mut().unwrap().reverse();
        prop_assert_eq!(opened(&text), Ok(identity));
    }

    /// S37. The signed bytes are those that arrived, not an encoding made anew.
    #[test]
    fn a_signed_document_keeps_its_bytes(info in any_tcb_info(), signature in any::<[u8; 32]>()) {
        let signature = [signature, signature].concat().try_into().unwrap();
        let signature = tdattest_wire::bytes::EcdsaSignature(signature);
        let body = serde_json::to_vec_pretty(&tcb_info_text(&info)).unwrap();
        let outer = Signed::<tdattest_wire::tcb_info::TcbInfo>::new(body.clone(), signature).write();
        let read = Signed::<tdattest_wire::tcb_info::TcbInfo>::from_outer(&outer).unwrap();
        prop_assert_eq!(read.signed_bytes(), &body[..]);
        prop_assert_eq!(*read.signature(), signature);
        prop_assert_eq!(read.open_untrusted(), Ok(info));
    }

    #[test]
    fn a_time_is_read_as_it_is_shown(seconds in 0..=UnixTime::MAX.as_secs()) {
        let time = UnixTime::from_secs(seconds).unwrap();
        prop_assert_eq!(time.to_string().parse(), Ok(time));
    }
}

/// S28. Offsets of Intel's specification, not of the code: a version 5 body starts six bytes later than a version 4 one.
#[test]
fn registers_stand_where_the_specification_puts_them() {
    for kind in KINDS.into_iter().filter(|(_, tee, _)| *tee == TeeType::Tdx) {
        let bytes = quote_of(kind).bytes();
        let quote = Quote::parse(&bytes).unwrap();
        let td = quote.body().td().unwrap();
        let body = if kind.0 == Version::V5 { 54 } else { 48 };
        let register =
            |at: usize| Measurement(bytes[body + at..body + at + 48].try_into().unwrap());
        assert_eq!(td.tee_tcb_svn.0[..], bytes[body..body + 16]);
        assert_eq!(td.mr_seam, register(16));
        assert_eq!(td.mr_signer_seam, register(64));
        assert_eq!(td.seam_attributes.0[..], bytes[body + 112..body + 120]);
        assert_eq!(td.td_attributes.0[..], bytes[body + 120..body + 128]);
        assert_eq!(td.xfam.0[..], bytes[body + 128..body + 136]);
        assert_eq!(td.mr_td, register(136));
        assert_eq!(td.mr_config_id, register(184));
        assert_eq!(td.mr_owner, register(232));
        assert_eq!(td.mr_owner_config, register(280));
        let rtmrs = [td.rtmr_0, td.rtmr_1, td.rtmr_2, td.rtmr_3];
        assert_eq!(rtmrs, [328, 376, 424, 472].map(register));
        assert_eq!(td.report_data.0[..], bytes[body + 520..body + 584]);
        if let Some(td) = quote.body().td15() {
            assert_eq!(td.tee_tcb_svn_2.0[..], bytes[body + 584..body + 600]);
            assert_eq!(td.mr_service_td, register(600));
        }
    }
}

/// S28, S29.
#[test]
fn the_descriptor_of_version_5_is_part_of_what_is_signed() {
    for (kind, length) in KINDS.into_iter().zip([432, 432, 632, 438, 638, 702, 939]) {
        let bytes = quote_of(kind).bytes();
        assert_eq!(Quote::parse(&bytes).unwrap().signed_bytes(), &bytes[..length], "{kind:?}");
    }
}

#[test]
fn the_names_of_documents_are_those_of_the_pcs() {
    assert_eq!(<tdattest_wire::tcb_info::TcbInfo as Document>::MEMBER, "tcbInfo");
    assert_eq!(<tdattest_wire::qe_identity::QeIdentity as Document>::MEMBER, "enclaveIdentity");
}

fn report_data_at(body: &Body, version: Version) -> usize {
    let start = if version == Version::V5 { 54 } else { 48 };
    start + if matches!(body, Body::Sgx(_)) { EnclaveReport::SIZE - 64 } else { 520 }
}
