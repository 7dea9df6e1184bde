//! The cache files of Intel's QCNL, as its library wrote them and as we do.

use proptest::prelude::*;
use tdattest_collateral::intel_cache::{
    ANY_PLATFORM, Answer, CacheFile, CacheFileError, Content, CrlEncoding, FILE_BYTES,
    PlatformFile, cpu_svn, file_name, platform_file_name,
};
use tdattest_wire::bytes::PceId;
use tdattest_wire::pcs::PcsRequest;

use crate::world::{day, minted, pck_ca, platform, tcb_info};

/// The start of a file that Intel's library wrote, as far as its transcript shows it.
const HEAD: [u8; 30] = [
    0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0x86, 0xb7, 0x03, 0x6b, 0x00, 0x00, 0x00, 0x00, 0x4e, 0x08,
    0x00, 0x00, 0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e, 0x31, 0x20, 0x32, 0x30, 0x30,
];

/// Such a file with headers and body of the lengths that the transcript names.
fn file_of_intel() -> Vec<u8> {
    let mut bytes = HEAD.to_vec();
    bytes.resize(18 + 2126, b' ');
    bytes.extend(2793_u32.to_le_bytes());
    bytes.resize(bytes.len() + 2793, b'{');
    bytes
}

#[test]
fn reads_what_intels_library_wrote() {
    let bytes = file_of_intel();
    assert_eq!(bytes.len(), 4941);
    let file = CacheFile::parse(&bytes).unwrap();
    assert_eq!(file.expires, 0x6b03_b786);
    let Content::Collateral(answer) = &file.content else { panic!("{file:?}") };
    assert_eq!((answer.headers.len(), answer.body.len()), (2126, 2793));
    assert_eq!(file.write().unwrap(), bytes);
}

#[test]
fn names_files_as_intels_library_does() {
    // URL and name as its transcript has them.
    let url =
        "http://127.0.0.1:9555/maxage/sgx/certification/v4/tcb?fmspc=00806F050000&update=standard";
    assert_eq!(file_name(url), "6845c8454f3b31855f68acd82022dfb55d78c0ddba268d3f4dbaf71086f72d6d");
    let ours = "https://localhost:8081/sgx/certification/v4/pckcert?qeid=AB&cpusvn=00&pceid=0000";
    let with = |ppid: &str| ours.replace("&cpusvn", &format!("&encrypted_ppid={ppid}&cpusvn"));
    assert_eq!(file_name(&with("00")), file_name(ours));
    assert_eq!(file_name(&with("a1B2")), file_name(ours));
    assert_ne!(file_name(&with("")), file_name(ours));
    assert_ne!(file_name(&with("%20")), file_name(ours));
    let name = platform_file_name(&[0xaa; 16], PceId([0, 0x0A]));
    assert_eq!(name, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_000a");
    assert_eq!(ANY_PLATFORM.len(), 21);
    assert_eq!(cpu_svn(None), b"f".repeat(32));
}

#[test]
fn a_document_survives_the_file() {
    let der = CrlEncoding::of_version("3.1");
    for (request, encoding) in [
        (tcb_info(), der),
        (PcsRequest::PckCrl(pck_ca()), der),
        (PcsRequest::PckCrl(pck_ca()), CrlEncoding::Hex),
    ] {
        let document = minted(&platform(), request, day(0));
        let content = Content::Collateral(Answer::of(&document, encoding).unwrap());
        let bytes = CacheFile { expires: 1, content }.write().unwrap();
        let Content::Collateral(answer) = CacheFile::parse(&bytes).unwrap().content else {
            panic!("another type")
        };
        assert_eq!(answer.endorsement(request), Ok(document));
    }
}

#[test]
fn crls_are_encoded_as_the_version_of_intels_library_expects() {
    let is_hex = |body: &[u8]| body.iter().all(|byte| byte.is_ascii_hexdigit());
    let body = |request, version| {
        let document = minted(&platform(), request, day(0));
        let answer = Answer::of(&document, CrlEncoding::of_version(version)).unwrap();
        (is_hex(&answer.body), answer.body == document.body)
    };
    let crl = PcsRequest::PckCrl(pck_ca());
    assert_eq!((body(crl, "3.0"), body(crl, "3.1")), ((true, false), (false, true)));
    for version in ["3.0", "3.1"] {
        assert_eq!(body(PcsRequest::RootCaCrl, version), (true, false));
        assert_eq!(body(tcb_info(), version), (false, true));
    }
}

#[test]
fn the_old_name_of_the_header_is_read_and_a_missing_one_is_named() {
    let document = minted(&platform(), tcb_info(), day(0));
    let mut answer = Answer::of(&document, CrlEncoding::Der).unwrap();
    let headers = String::from_utf8(answer.headers).unwrap();
    answer.headers = headers.replace("TCB-Info", "sgx-tcb-info").into_bytes();
    assert_eq!(answer.endorsement(tcb_info()), Ok(document));
    answer.headers = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let missing = CacheFileError::Header("TCB-Info-Issuer-Chain");
    assert_eq!(answer.endorsement(tcb_info()), Err(missing));
}

#[test]
fn what_is_no_such_file_is_refused_for_what_it_is() {
    let bytes = file_of_intel();
    let with = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        CacheFile::parse(&bytes)
    };
    assert_eq!(with(0, 2), Err(CacheFileError::Version(2)));
    assert_eq!(with(2, 3), Err(CacheFileError::Type(3)));
    let field = "headers";
    let available = bytes.len() - 18;
    let needed = 0x7f00_084e;
    assert_eq!(with(17, 0x7f), Err(CacheFileError::Truncated { field, needed, available }));
    let long = [&bytes[..], b"\0"].concat();
    assert_eq!(CacheFile::parse(&long), Err(CacheFileError::TrailingBytes { count: 1 }));
    let found = FILE_BYTES + 1;
    assert_eq!(CacheFile::parse(&vec![0; found]), Err(CacheFileError::TooLarge { found }));
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..64)
}

fn content() -> impl Strategy<Value = Content> {
    let answer = || (bytes(), bytes()).prop_map(|(headers, body)| Answer { headers, body });
    let platform = (bytes(), bytes(), bytes(), bytes());
    let platform = platform.prop_map(|(cpu_svn, tcb_info, issuer_chain, certificates)| {
        PlatformFile { cpu_svn, tcb_info, issuer_chain, certificates }
    });
    prop_oneof![
        answer().prop_map(Content::PckCertificate),
        answer().prop_map(Content::Collateral),
        platform.prop_map(Content::PckCertificates),
    ]
}

proptest! {
    #[test]
    fn every_file_survives_its_bytes_and_no_part_of_them_is_one(
        expires: i64,
        content in content(),
        cut: proptest::sample::Index,
    ) {
        let file = CacheFile { expires, content };
        let bytes = file.write().unwrap();
        prop_assert_eq!(CacheFile::parse(&bytes), Ok(file));
        let part = &bytes[..cut.index(bytes.len())];
        let is_truncated = matches!(CacheFile::parse(part), Err(CacheFileError::Truncated { .. }));
        prop_assert!(is_truncated);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(file) = CacheFile::parse(&bytes) {
            prop_assert_eq!(file.write().unwrap(), bytes);
        }
    }
}
