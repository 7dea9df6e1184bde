//! The cache files of Intel's QCNL: what is in `.dcap-qcnl`, read and written.
//!
//! Source: Intel DCAP, the QCNL's local cache as observed; little endian, packed.
//! Must stay true: these files are neither signed nor bound to `nextUpdate`: what is read from them is untrusted.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use tdattest_wire::bytes::{CpuSvn, PceId};
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::limits;
use tdattest_wire::pcs::PcsRequest;
use tdattest_wire::pem;

/// Largest cache file, in bytes: an answer at its bound with its headers, or every certificate of a platform.
pub const FILE_BYTES: usize = 4 * 1024 * 1024;

/// The name of the file for platforms whose own is not there.
pub const ANY_PLATFORM: &str = "0000000000000000_0000";

/// A cache file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheFile {
    /// Until when Intel's library serves it, in seconds since 1970.
    pub expires: i64,
    /// What it holds.
    pub content: Content,
}

/// What a cache file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The answer to `pckcert`.
    PckCertificate(Answer),
    /// The answer to a request for verification collateral.
    Collateral(Answer),
    /// Every PCK certificate of a platform, for hosts without a network (`local_cache_only`).
    PckCertificates(PlatformFile),
}

/// An answer as it came over HTTP/1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status line and headers.
    pub headers: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}

/// How a PCK CRL is encoded in an answer. The root CA's CRL is always in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlEncoding {
    /// DER: what Intel's library asks for by `encoding=der`, from version 3.1 of its setting on.
    Der,
    /// Hexadecimal: what a PCCS answers without that, to version 3.0.
    Hex,
}

impl CrlEncoding {
    /// What Intel's library expects where its `pccs_api_version` is this.
    pub fn of_version(pccs_api_version: &str) -> Self {
        match pccs_api_version {
            "3.0" => Self::Hex,
            _ => Self::Der,
        }
    }
}

/// What Intel's library chooses a PCK certificate from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformFile {
    /// The CPU's SVN, hexadecimal: `ff…` where it is not known.
    pub cpu_svn: Vec<u8>,
    /// The SGX TCB info, as a PCS answers it.
    pub tcb_info: Vec<u8>,
    /// The chain above the certificates, percent-encoded PEM.
    pub issuer_chain: Vec<u8>,
    /// The certificates, JSON as `pckcerts` answers it.
    pub certificates: Vec<u8>,
}

/// Why bytes are no cache file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheFileError {
    /// It is longer than any is.
    #[error("cache file has {found} bytes; at most {FILE_BYTES} are read")]
    TooLarge {
        /// How many it has.
        found: usize,
    },
    /// It ends too early.
    #[error("cache file ends inside its {field}: it needs {needed} bytes, and has {available}")]
    Truncated {
        /// What was being read.
        field: &'static str,
        /// How many bytes it needs.
        needed: usize,
        /// How many are left.
        available: usize,
    },
    /// It goes on after its end.
    #[error("{count} unexpected bytes follow the cache file")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// It is of another version.
    #[error("cache file has version {0}, expected 1")]
    Version(u16),
    /// It is of a type that is not known.
    #[error("cache file has type {0}, expected 1, 2 or 4")]
    Type(u32),
    /// It does not answer the request.
    #[error("cache file has no header `{0}`")]
    Header(&'static str),
    /// Its body is not the document.
    #[error("cache file: {0}")]
    Body(String),
}

impl CacheFile {
    /// Parses a cache file.
    ///
    /// # Errors
    /// When it is too long, cut off, or of a version or type that is not known.
    pub fn parse(bytes: &[u8]) -> Result<Self, CacheFileError> {
        if bytes.len() > FILE_BYTES {
            return Err(CacheFileError::TooLarge { found: bytes.len() });
        }
        let mut cursor = Cursor(bytes);
        let version = u16::from_le_bytes(cursor.array("version")?);
        if version != VERSION {
            return Err(CacheFileError::Version(version));
        }
        let kind = u32::from_le_bytes(cursor.array("type")?);
        let expires = i64::from_le_bytes(cursor.array("expiry")?);
        let content = match kind {
            PCK_CERTIFICATE => Content::PckCertificate(cursor.answer()?),
            COLLATERAL => Content::Collateral(cursor.answer()?),
            PCK_CERTIFICATES => Content::PckCertificates(cursor.platform_file()?),
            other => return Err(CacheFileError::Type(other)),
        };
        match cursor.0.len() {
            0 => Ok(Self { expires, content }),
            count => Err(CacheFileError::TrailingBytes { count }),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it would be longer than any that is read.
    pub fn write(&self) -> Result<Vec<u8>, CacheFileError> {
        let (kind, parts) = match &self.content {
            Content::PckCertificate(answer) => {
                (PCK_CERTIFICATE, vec![&answer.headers, &answer.body])
            }
            Content::Collateral(answer) => (COLLATERAL, vec![&answer.headers, &answer.body]),
            Content::PckCertificates(file) => (
                PCK_CERTIFICATES,
                vec![&file.cpu_svn, &file.tcb_info, &file.issuer_chain, &file.certificates],
            ),
        };
        let mut bytes = VERSION.to_le_bytes().to_vec();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(self.expires.to_le_bytes());
        for part in parts {
            let too_large = |_| CacheFileError::TooLarge { found: part.len() };
            bytes.extend(u32::try_from(part.len()).map_err(too_large)?.to_le_bytes());
            bytes.extend(part);
        }
        if bytes.len() > FILE_BYTES {
            return Err(CacheFileError::TooLarge { found: bytes.len() });
        }
        Ok(bytes)
    }
}

impl Answer {
    /// The answer of a PCCS that brings this document, with CRLs as whoever reads it expects them.
    ///
    /// # Errors
    /// When its issuer chain is no text, or it comes without one.
    pub fn of(endorsement: &Endorsement, encoding: CrlEncoding) -> Result<Self, CacheFileError> {
        let Endorsement { request, body, issuer_chain } = endorsement;
        let mut headers = String::from("HTTP/1.1 200 OK\r\n");
        if let Some(name) = request.issuer_chain_header() {
            let text = std::str::from_utf8(issuer_chain);
            let text = text.map_err(|_| CacheFileError::Body("issuer chain is no text".into()))?;
            // A text takes whatever is written to it.
            let _ = write!(headers, "{name}: {}\r\n", percent_encoded(text));
        }
        headers.push_str("\r\n");
        let is_hex = match request {
            // A PCCS has it in no other way.
            PcsRequest::RootCaCrl => true,
            PcsRequest::PckCrl(_) => encoding == CrlEncoding::Hex,
            _ => false,
        };
        let body = match is_hex {
            true => data_encoding::HEXLOWER.encode(body).into_bytes(),
            false => body.clone(),
        };
        Ok(Self { headers: headers.into_bytes(), body })
    }

    /// The document that it brings, untrusted. The root CA's CRL comes without a chain: that is left empty.
    ///
    /// # Errors
    /// When it has no issuer chain where it needs one, or is too long, or its CRL cannot be read.
    pub fn endorsement(&self, request: PcsRequest) -> Result<Endorsement, CacheFileError> {
        let issuer_chain = match request.issuer_chain_header() {
            Some(name) => self.issuer_chain(name)?,
            None => Vec::new(),
        };
        let body = match request {
            PcsRequest::PckCrl(_) | PcsRequest::RootCaCrl => {
                pem::crl(&self.body).map_err(|fault| CacheFileError::Body(fault.to_string()))?
            }
            _ if self.body.len() > limits::DOCUMENT_BYTES => {
                return Err(CacheFileError::TooLarge { found: self.body.len() });
            }
            _ => self.body.clone(),
        };
        Ok(Endorsement { request, body, issuer_chain })
    }

    /// The value of the first header with this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let text = std::str::from_utf8(&self.headers).ok()?;
        text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn issuer_chain(&self, name: &'static str) -> Result<Vec<u8>, CacheFileError> {
        // Version 3 of the API has another name for one of them.
        let value = self.header(name).or_else(|| match name {
            "TCB-Info-Issuer-Chain" => self.header("SGX-TCB-Info-Issuer-Chain"),
            _ => None,
        });
        let value = value.ok_or(CacheFileError::Header(name))?;
        let chain: Vec<u8> = percent_decode_str(value).collect();
        if chain.len() > limits::CHAIN_BYTES {
            return Err(CacheFileError::TooLarge { found: chain.len() });
        }
        Ok(chain)
    }
}

/// The name of the file for the answer to a URL. The encrypted PPID, which is another each time, is not part of it.
pub fn file_name(url: &str) -> String {
    let digest = Sha256::digest(without_encrypted_ppid(url));
    data_encoding::HEXLOWER.encode(&digest)
}

/// The name of the file with all PCK certificates of a platform.
pub fn platform_file_name(qe_id: &[u8; 16], pce_id: PceId) -> String {
    let qe_id = data_encoding::HEXLOWER.encode(qe_id);
    format!("{qe_id}_{}", pce_id.to_string().to_ascii_lowercase())
}

/// A CPU's SVN as a platform's file has it; `ff…` where it is not known.
pub fn cpu_svn(known: Option<CpuSvn>) -> Vec<u8> {
    known.unwrap_or(CpuSvn([0xff; 16])).to_string().to_ascii_lowercase().into_bytes()
}

fn without_encrypted_ppid(url: &str) -> String {
    const KEY: &str = "&encrypted_ppid=";
    let found = url.split_once(KEY).and_then(|(head, tail)| {
        let (ppid, rest) = tail.split_once('&')?;
        let is_word = !ppid.is_empty() && ppid.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_word.then(|| format!("{head}&{rest}"))
    });
    found.unwrap_or_else(|| url.to_owned())
}

/// As Intel's services encode a chain: letters, digits, `-`, `.`, `_` and `~` stay.
fn percent_encoded(text: &str) -> impl std::fmt::Display {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const ENCODED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ENCODED)
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], CacheFileError> {
        let Some((found, rest)) = self.0.split_first_chunk() else {
            return Err(CacheFileError::Truncated { field, needed: N, available: self.0.len() });
        };
        self.0 = rest;
        Ok(*found)
    }

    fn part(&mut self, field: &'static str) -> Result<Vec<u8>, CacheFileError> {
        let length = u32::from_le_bytes(self.array(field)?);
        let needed = usize::try_from(length).unwrap_or(usize::MAX);
        let Some((found, rest)) = self.0.split_at_checked(needed) else {
            return Err(CacheFileError::Truncated { field, needed, available: self.0.len() });
        };
        self.0 = rest;
        Ok(found.to_vec())
    }

    fn answer(&mut self) -> Result<Answer, CacheFileError> {
        Ok(Answer { headers: self.part("headers")?, body: self.part("body")? })
    }

    fn platform_file(&mut self) -> Result<PlatformFile, CacheFileError> {
        Ok(PlatformFile {
            cpu_svn: self.part("CPUSVN")?,
            tcb_info: self.part("TCB info")?,
            issuer_chain: self.part("issuer chain")?,
            certificates: self.part("PCK certificates")?,
        })
    }
}

const VERSION: u16 = 1;
const PCK_CERTIFICATE: u32 = 1;
const COLLATERAL: u32 = 2;
const PCK_CERTIFICATES: u32 = 4;
