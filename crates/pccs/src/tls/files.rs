//! Certificates and keys in files: read bounded, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{TlsError, file};

/// Largest file, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// What tells a file from the one that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp([Option<(u64, u64, [i64; 4])>; 2]);

impl Stamp {
    /// Inode, times of change and size of both files. The second time changes with owner and mode, too: a file that could
    /// not be read may be readable now.
    pub(super) fn of(certificate: &Path, private_key: &Path) -> Self {
        Self([certificate, private_key].map(|path| {
            let found = fs::metadata(path).ok()?;
            let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
            Some((found.ino(), found.size(), times))
        }))
    }
}

/// Reads a certificate with its key, and sees that they belong together.
pub(super) fn certified_key(
    certificate: &Path,
    private_key: &Path,
) -> Result<CertifiedKey, TlsError> {
    let content = |path: &Path, cause: String| TlsError::Content { path: path.into(), cause };
    let text = read(certificate)?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|fault| content(certificate, format!("not PEM: {fault}")))?;
    if chain.is_empty() {
        return Err(content(certificate, "expected a certificate in PEM, found none".into()));
    }
    let text = read(private_key)?;
    let key = PrivateKeyDer::from_pem_slice(&text);
    let key = key.map_err(|_| content(private_key, "expected a private key in PEM".into()))?;
    let key = aws_lc_rs::sign::any_supported_type(&key);
    let key = key.map_err(|fault| content(private_key, format!("cannot be used: {fault}")))?;
    let key = CertifiedKey::new(chain, key);
    match key.keys_match() {
        Err(rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding)) => {
            Err(content(certificate, "expected an X.509 certificate, found other bytes".into()))
        }
        // Whether they match cannot be told for certificates of version 1, which Intel's installer made once.
        Ok(()) | Err(rustls::Error::InvalidCertificate(_)) => Ok(key),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(key),
        Err(_) => Err(TlsError::Mismatch {
            certificate: certificate.into(),
            private_key: private_key.into(),
        }),
    }
}

/// Reads a small file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let opened = File::open(path).map_err(|fault| file(path, fault))?;
    let most = LARGEST.saturating_add(1);
    opened.take(most).read_to_end(&mut bytes).map_err(|fault| file(path, fault))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
        let cause = format!("is larger than {LARGEST} bytes, the most that is read");
        return Err(TlsError::Content { path: path.into(), cause });
    }
    Ok(bytes)
}

/// A file that is written whole, and not yet in its place.
#[derive(Debug)]
#[must_use]
pub(super) struct Beside {
    new: PathBuf,
    path: PathBuf,
}

impl Beside {
    /// Puts it in its place.
    pub(super) fn place(self) -> Result<(), TlsError> {
        fs::rename(&self.new, &self.path).map_err(|fault| file(&self.path, fault))
    }
}

/// Writes a file and puts it in its place.
pub(super) fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    write_beside(path, text, mode)?.place()
}

/// Writes a file beside where it is to be, readable by its owner alone or by all.
pub(super) fn write_beside(path: &Path, text: &str, mode: u32) -> Result<Beside, TlsError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = || {
        // One that was left behind may have another mode.
        match fs::remove_file(&new) {
            Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => return Err(fault),
            _ => {}
        }
        let mut opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        opened.write_all(text.as_bytes())?;
        opened.sync_all()
    };
    written().map_err(|fault| file(path, fault))?;
    Ok(Beside { new, path: path.into() })
}
