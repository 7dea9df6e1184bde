//! The bounds on every input, each with its reason. Beyond a bound there is an error, never more memory or time.

/// Largest quote, in bytes, padding included. Quotes have about 5,000; buffers padded to 8,000 are common, and newer
/// Linux guests use one of 128 KiB.
pub const QUOTE_BYTES: usize = 256 * 1024;

/// Largest JSON document that Intel signs, in bytes. The largest seen (PCS, 2023 to 2026) is 9 KiB.
pub const DOCUMENT_BYTES: usize = 1024 * 1024;

/// Deepest nesting of such a document. Intel's own library refuses more than 32; documents seen have 6.
pub const DOCUMENT_DEPTH: usize = 32;

/// Most members of one JSON object. The largest seen has 17 (a version 2 TCB level).
pub const OBJECT_MEMBERS: usize = 128;

/// Most TCB levels of a document. The most seen is 23.
pub const TCB_LEVELS: usize = 512;

/// Most TDX module identities of a document; the id has one byte for the version.
pub const TDX_MODULE_IDENTITIES: usize = 256;

/// Most advisory ids of one TCB level. The most seen is 22.
pub const ADVISORY_IDS: usize = 256;

/// Largest certificate, in bytes. PCK certificates have about 1,300.
pub const CERTIFICATE_BYTES: usize = 16 * 1024;

/// Most certificates in a chain. Intel's chains have two or three.
pub const CHAIN_CERTIFICATES: usize = 4;

/// Largest PEM text of a chain, in bytes: [`CHAIN_CERTIFICATES`] in base64, with room for comments.
pub const CHAIN_BYTES: usize = 128 * 1024;

/// Most PCK certificates of one platform. There is one a TCB level; the most seen is 19.
pub const PCK_CERTIFICATES: usize = 256;

/// Largest platform manifest, in bytes: the most digits that PCS API v4 ("Get PCK Certificates") takes, halved.
pub const PLATFORM_MANIFEST_BYTES: usize = 56_442;

/// Most extensions of a certificate or CRL. PCK certificates have 6.
pub const EXTENSIONS: usize = 32;

/// Largest CRL, in bytes. The largest seen (SGX PCK Platform CA, 2026) has 3,356; this leaves room for 60,000 entries.
pub const CRL_BYTES: usize = 2 * 1024 * 1024;

/// Largest collateral bundle, in bytes: every part at its own bound, the CRLs in hexadecimal.
pub const BUNDLE_BYTES: usize = 16 * 1024 * 1024;

/// Largest message to or from a Quote Generation Service, in bytes: the limit of Intel's newest daemon.
pub const QGS_MESSAGE_BYTES: usize = 1024 * 1024;

/// Largest event log, in bytes. The area that firmware reserves is 64 KiB to 1 MiB.
pub const EVENT_LOG_BYTES: usize = 4 * 1024 * 1024;

/// Most digest algorithms of an event log. TCG's registry has fewer than 16 hashes; the logs of TDs have one.
pub const EVENT_LOG_ALGORITHMS: usize = 16;

/// Most events of a log. Logs of Linux guests have some hundred.
pub const EVENTS: usize = 65_536;
