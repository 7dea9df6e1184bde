//! Which certificate of an issuer chain is which, in whatever order they stand.
//!
//! Source: PCS API v4 (the signer first); services and files that have the root first.
//! Must stay true: nothing here is verified; this only finds what [`crate::Authenticate`] is then asked about.

use data_encoding::BASE64;
use tdattest_wire::certificate::Certificate;
use tdattest_wire::pcs::PckCa;
use tdattest_wire::pem;

/// The root certificate of a chain, PEM: the one that names itself as its issuer.
pub(crate) fn root(chain: &[u8]) -> Result<Vec<u8>, String> {
    let certificates = certificates(chain)?;
    for der in &certificates {
        if is_root(&read(der)?) {
            return Ok(written(der));
        }
    }
    Err("the issuer chain has no root certificate".into())
}

/// The PCK CA of a chain: whom the certificate speaks of that is not the root.
pub(crate) fn pck_ca(chain: &[u8]) -> Result<PckCa, String> {
    let certificates = certificates(chain)?;
    for der in &certificates {
        let certificate = read(der)?;
        if !is_root(&certificate) {
            let name = certificate.subject.common_name();
            return PckCa::from_common_name(&name)
                .ok_or_else(|| "the issuer chain of the PCK CRL is not of a PCK CA".into());
        }
    }
    Err("the issuer chain of the PCK CRL has no certificate of a PCK CA".into())
}

fn certificates(chain: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    pem::certificates(chain).map_err(|fault| format!("the issuer chain: {fault}"))
}

fn read(der: &[u8]) -> Result<Certificate<'_>, String> {
    Certificate::parse(der).map_err(|fault| format!("the issuer chain: {fault}"))
}

fn is_root(certificate: &Certificate<'_>) -> bool {
    certificate.issuer == certificate.subject
}

/// A certificate as PEM.
fn written(der: &[u8]) -> Vec<u8> {
    const COLUMNS: usize = 64;
    let text = BASE64.encode(der).into_bytes();
    let mut pem = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    for line in text.chunks(COLUMNS) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(b"-----END CERTIFICATE-----\n");
    pem
}
