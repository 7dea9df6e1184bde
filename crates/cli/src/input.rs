//! Reading files: bounded, from disk or standard input, raw or as text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use tdattest_verifier::result::Judgement;
use tdattest_verifier::wire::collateral::{Collateral, Part};
use tdattest_verifier::wire::{certificate, limits, pem};

/// Largest file read for anything but a quote or collateral.
pub(crate) const FILE_BYTES: usize = 64 * 1024 * 1024;

/// Reads a file, or standard input for `-`, of at most `limit` bytes. The error is a sentence with the file's name.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    let shown = shown(path);
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file at the limit from a longer one.
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let outcome = if path == Path::new("-") {
        io::stdin().lock().take(bound).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(bound).read_to_end(&mut bytes))
    };
    outcome.map_err(|error| format!("cannot read {shown}: {}", reason(&error)))?;
    if bytes.len() > limit {
        return Err(format!("{shown} is larger than {limit} bytes, the most that is read"));
    }
    Ok(bytes)
}

/// A quote's bytes, whichever of raw, hexadecimal and base64 the file has.
pub(crate) fn quote(path: &Path) -> Result<Vec<u8>, String> {
    // Hexadecimal doubles the size; line breaks may add to it.
    let bytes = read(path, limits::QUOTE_BYTES * 3)?;
    if bytes.is_empty() {
        return Err(format!("{} is empty", shown(path)));
    }
    Ok(decoded(&bytes).unwrap_or(bytes))
}

/// The bytes that a text stands for; `None` if it is not text, or neither hexadecimal nor base64.
pub(crate) fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        return None;
    }
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let hex = text.strip_prefix(b"0x").unwrap_or(&text);
    HEXLOWER_PERMISSIVE
        .decode(hex)
        .or_else(|_| BASE64.decode(&text))
        .or_else(|_| BASE64_NOPAD.decode(&text))
        .or_else(|_| BASE64URL.decode(&text))
        .or_else(|_| BASE64URL_NOPAD.decode(&text))
        .ok()
}

/// Collateral from a bundle, or from a folder of parts.
pub(crate) fn collateral(path: &Path) -> Result<Collateral, Judgement> {
    if path.is_dir() {
        return folder(path);
    }
    let text = read(path, limits::BUNDLE_BYTES).map_err(Judgement::Input)?;
    Collateral::from_bundle(&text).map_err(Judgement::Collateral)
}

fn folder(path: &Path) -> Result<Collateral, Judgement> {
    let mut parts: Vec<(Part, Vec<u8>)> = Vec::new();
    for part in Part::ALL {
        let files =
            part.file_endings().iter().map(|ending| path.join(part.name()).with_extension(ending));
        if let Some(file) = files.into_iter().find(|file| file.exists()) {
            parts.push((part, read(&file, limits::BUNDLE_BYTES).map_err(Judgement::Input)?));
        }
    }
    let mut part = |which: Part| {
        let index = parts.iter().position(|(part, _)| *part == which)?;
        Some(parts.swap_remove(index).1)
    };
    Collateral::from_parts(&mut part).map_err(Judgement::Collateral)
}

/// A root certificate, PEM or DER, as DER.
pub(crate) fn root_certificate(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = read(path, limits::CHAIN_BYTES)?;
    if certificate::Certificate::parse(&bytes).is_ok() {
        return Ok(bytes);
    }
    let fault = |problem| format!("{} is not a root certificate: {problem}", shown(path));
    let mut certificates = pem::certificates(&bytes).map_err(|error| fault(error.to_string()))?;
    match (certificates.pop(), certificates.is_empty()) {
        (Some(root), true) => Ok(root),
        _ => Err(fault("it holds more than one".into())),
    }
}

/// A path as it stands in messages.
pub(crate) fn shown(path: &Path) -> String {
    if path == Path::new("-") { "standard input".into() } else { format!("`{}`", path.display()) }
}

/// The reason of an I/O error without the number that Rust adds.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().map(str::to_lowercase).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_hexadecimal_and_base64_from_raw_bytes() {
        assert_eq!(decoded(b"0400 0200\n"), Some(vec![4, 0, 2, 0]));
        assert_eq!(decoded(b"0x04000200"), Some(vec![4, 0, 2, 0]));
        assert_eq!(decoded(b"BAACAA==\n"), Some(vec![4, 0, 2, 0]));
        assert_eq!(decoded(b"BAACAA"), Some(vec![4, 0, 2, 0]));
        assert_eq!(decoded(b"-_8"), Some(vec![0xfb, 0xff]));
        assert_eq!(decoded(&[4, 0, 2, 0]), None);
        assert_eq!(decoded(b"no quote!"), None);
    }
}
