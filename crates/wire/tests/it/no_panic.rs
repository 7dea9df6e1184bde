//! No bytes make a parser panic: neither arbitrary ones nor those that are nearly right.

use proptest::collection::vec;
use proptest::prelude::*;
use tdattest_wire::bytes::EcdsaSignature;
use tdattest_wire::certificate::Certificate;
use tdattest_wire::collateral::{Collateral, Part};
use tdattest_wire::crl::{self, Crl};
use tdattest_wire::evaluation_data::EvaluationDataNumbers;
use tdattest_wire::lenient::{Fault, Lenient};
use tdattest_wire::pck::PckExtension;
use tdattest_wire::pem;
use tdattest_wire::qe_identity::{self, QeIdentity};
use tdattest_wire::quote::Quote;
use tdattest_wire::signed::{Document, Signed};
use tdattest_wire::tcb_info::{self, TcbInfo};
use tdattest_wire::td_report::TdReport;

use crate::bounds::{bundle, qe_identity, sgx_tcb_info, tdx_tcb_info};
use crate::made_der::{certificate, crl, extension, revoked, sgx_extension};
use crate::made_documents::opened_text;
use crate::made_quotes::any_quote;

/// Hands the bytes to every parser there is. What they answer does not matter here.
fn parse_as_everything(bytes: &[u8]) {
    if let Ok(quote) = Quote::parse(bytes) {
        // What was read can be shown, and written as it was.
        quote.body().visit(0, &mut |field| assert!(!format!("{field:?}").is_empty()));
        assert!(bytes.starts_with(&quote.write()) || !quote.signature().trailing.is_empty());
    }
    assert!(Quote::parse(bytes).is_err() || Quote::parse_lenient(bytes) == Quote::parse(bytes));
    let _ = TdReport::parse(bytes);
    if let Ok(certificate) = Certificate::parse(bytes) {
        show(&certificate);
    }
    let _ = Crl::parse(bytes).map(|crl| format!("{crl:?}"));
    let lenient = PckExtension::parse_lenient(bytes);
    if let Ok(strict) = PckExtension::parse(bytes) {
        assert_eq!(lenient, Ok(strict));
    }
    let _ = pem::certificates(bytes);
    let _ = pem::crl(bytes);
    let _ = crl::from_text(bytes);
    read_leniently::<TcbInfo>(bytes, tcb_info::lenient::parse);
    read_leniently::<QeIdentity>(bytes, qe_identity::lenient::parse);
    open::<TcbInfo>(bytes);
    open::<QeIdentity>(bytes);
    open::<EvaluationDataNumbers>(bytes);
    let _ = Collateral::from_bundle(bytes).map(|collateral| collateral.to_bundle());
    let _ = Collateral::from_parts(|_: Part| Some(bytes.to_vec()));
}

fn show(certificate: &Certificate<'_>) {
    let extensions = &certificate.extensions;
    let _ = (extensions.subject_key_id(), extensions.authority_key_id(), extensions.crl_number());
    let _ = (extensions.basic_constraints(), extensions.key_usage());
    assert!(certificate.subject.text_eq(&certificate.subject));
    let _ = certificate.subject.text_eq(&certificate.issuer);
    let _ = certificate.subject.five_fields_eq(&certificate.issuer);
    let _ = (certificate.subject.common_name(), format!("{certificate:?}"));
}

fn open<T: Document + std::fmt::Debug>(bytes: &[u8]) {
    let _ = opened_text::<T>(bytes.to_vec());
    let _ = Signed::<T>::from_outer(bytes).map(|signed| signed.open_untrusted());
}

/// The bytes as an answer and as the document in one, which is read alike if it is read strictly.
fn read_leniently<T: Document + std::fmt::Debug + PartialEq>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<Lenient<T>, Fault>,
) {
    let _ = parse(bytes).map(|read| read.canonical_body());
    let signed = Signed::<T>::new(bytes.to_vec(), EcdsaSignature([0xab; 64]));
    let lenient = parse(&signed.write()).map(|read| (read.document, read.signature));
    if let Ok(strict) = signed.open_untrusted() {
        assert_eq!(lenient, Ok((strict, Some(*signed.signature()))));
    }
}

/// Something a parser knows, with a few bytes changed, put in or taken out.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let entries = [revoked(&[1, 2]), revoked(&[3])].concat();
    let chain = data_encoding::BASE64.encode(&certificate(&[1], &[]));
    let chain = format!("-----BEGIN CERTIFICATE-----\n{chain}\n-----END CERTIFICATE-----\n");
    let key_usage = extension("2.5.29.15", &[3, 2, 1, 6]);
    let known = vec![
        certificate(&[1], &[key_usage.clone(), extension("1.2.840.113741.1.13.1", b"x")]),
        crl(&entries, &[key_usage]),
        sgx_extension(&[]),
        chain.into_bytes(),
        sgx_tcb_info().to_string().into_bytes(),
        tdx_tcb_info().to_string().into_bytes(),
        qe_identity().to_string().into_bytes(),
        bundle().to_string().into_bytes(),
    ];
    let known =
        prop_oneof![proptest::sample::select(known), any_quote().prop_map(|made| made.bytes()),];
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..3u8);
    (known, vec(edit, 1..6)).prop_map(|(mut bytes, edits)| {
        for (at, byte, how) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// S36.
    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..3000)) {
        parse_as_everything(&bytes);
    }

    /// S36.
    #[test]
    fn arbitrary_text(text in "[\\[\\]{}\":,0-9a-z\\\\ \\-\\n]{0,300}") {
        parse_as_everything(text.as_bytes());
    }

    /// S36.
    #[test]
    fn bytes_that_are_nearly_right(bytes in nearly_right()) {
        parse_as_everything(&bytes);
    }

    /// S36. DER whose tags and lengths are mostly sound.
    #[test]
    fn arbitrary_der(parts in vec((any::<u8>(), vec(any::<u8>(), 0..40)), 0..20)) {
        let parts = parts.into_iter().map(|(tag, value)| crate::made_der::tlv(tag, &value));
        let content = parts.collect::<Vec<_>>().concat();
        parse_as_everything(&content);
        parse_as_everything(&crate::made_der::tlv(0x30, &content));
    }
}
