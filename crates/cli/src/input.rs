//! Reading files: bounded, from disk or standard input, raw or as text.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use serde::Serialize;
use tdattest_collateral::archive::{ARCHIVE_BYTES, Archive, ArchiveError};
use tdattest_verifier::result::Judgement;
use tdattest_verifier::wire::collateral::{Collateral, CollateralError, Part};
use tdattest_verifier::wire::pcs::{EvaluationDataSet, PcsRequests};
use tdattest_verifier::wire::quote::Quote;
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

/// How a file writes its bytes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    Raw,
    Hexadecimal,
    Base64,
    Json,
    Pem,
    Der,
    Folder,
}

impl Encoding {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Hexadecimal => "hexadecimal",
            Self::Base64 => "base64",
            Self::Json => "JSON",
            Self::Pem => "PEM",
            Self::Der => "DER",
            Self::Folder => "folder",
        }
    }
}

/// A quote's bytes, whichever of raw, hexadecimal and base64 the file has.
pub(crate) fn quote(path: &Path) -> Result<Vec<u8>, String> {
    // Hexadecimal doubles the size; line breaks may add to it.
    let bytes = read(path, limits::QUOTE_BYTES * 3)?;
    if bytes.trim_ascii().is_empty() {
        return Err(format!("{} is empty", shown(path)));
    }
    match decoded(&bytes) {
        Ok((bytes, _)) => Ok(bytes.into_owned()),
        Err(problem) => Err(format!("{} {problem}", shown(path))),
    }
}

/// The bytes that a text stands for, or the bytes themselves if they are no text.
///
/// # Errors
/// When they are text, but neither hexadecimal nor base64: as a predicate.
pub(crate) fn decoded(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, Encoding), String> {
    if !bytes.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        return Ok((Cow::Borrowed(bytes), Encoding::Raw));
    }
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digits = text.strip_prefix(b"0x").unwrap_or(&text);
    if digits.iter().all(u8::is_ascii_hexdigit) {
        // All of these are base64 characters too; as base64 they would be anything but what was meant.
        let decoded = HEXLOWER_PERMISSIVE
            .decode(digits)
            .map_err(|_| format!("has {} hexadecimal digits, an odd number", digits.len()))?;
        return Ok((Cow::Owned(decoded), Encoding::Hexadecimal));
    }
    let decoded = [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD]
        .iter()
        .find_map(|encoding| encoding.decode(&text).ok())
        .ok_or("is text, but neither hexadecimal nor base64")?;
    Ok((Cow::Owned(decoded), Encoding::Base64))
}

/// Collateral from a bundle, or from a folder of parts.
pub(crate) fn collateral(path: &Path) -> Result<Collateral, Box<Judgement>> {
    if path.is_dir() {
        return folder(path);
    }
    let text = read(path, limits::BUNDLE_BYTES).map_err(input_fault)?;
    Collateral::from_bundle(&text).map_err(collateral_fault)
}

/// Collateral of a quote: a bundle, a folder of parts, or out of an archive of many.
pub(crate) fn collateral_of(
    path: &Path,
    quote: &Quote<'_>,
    set: EvaluationDataSet,
) -> Result<Collateral, Box<Judgement>> {
    if path.is_dir() {
        return folder(path);
    }
    let text = read(path, ARCHIVE_BYTES).map_err(input_fault)?;
    if !Archive::is_archive(&text) {
        return Collateral::from_bundle(&text).map_err(collateral_fault);
    }
    let fault = |fault: String| format!("{}: {fault}", shown(path));
    let archive = Archive::parse(&text).map_err(|error| input_fault(fault(error.to_string())))?;
    let requests = PcsRequests::for_quote(quote, set)
        .map_err(|error| Box::new(Judgement::CollateralUnavailable(fault(error.to_string()))))?;
    archive.collateral(&requests).map_err(|error| match error {
        ArchiveError::Collateral(error) => collateral_fault(error),
        error => Box::new(Judgement::CollateralUnavailable(fault(error.to_string()))),
    })
}

fn folder(path: &Path) -> Result<Collateral, Box<Judgement>> {
    let mut parts: Vec<(Part, Vec<u8>)> = Vec::new();
    for part in Part::ALL {
        if let Some(file) = part_file(path, part) {
            parts.push((part, read(&file, limits::BUNDLE_BYTES).map_err(input_fault)?));
        }
    }
    let mut part = |which: Part| {
        let index = parts.iter().position(|(part, _)| *part == which)?;
        Some(parts.swap_remove(index).1)
    };
    Collateral::from_parts(&mut part).map_err(collateral_fault)
}

fn input_fault(problem: String) -> Box<Judgement> {
    Box::new(Judgement::Input(problem))
}

fn collateral_fault(error: CollateralError) -> Box<Judgement> {
    Box::new(Judgement::Collateral(error))
}

/// The file of a part in a folder; the first that exists of those it may have.
pub(crate) fn part_file(folder: &Path, part: Part) -> Option<PathBuf> {
    let endings = part.file_endings().iter();
    endings
        .map(|ending| folder.join(part.name()).with_extension(ending))
        .find(|file| file.symlink_metadata().is_ok())
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
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().map(str::to_lowercase).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_hexadecimal_and_base64_from_raw_bytes() {
        let bytes =
            |text: &'static [u8]| decoded(text).map(|(bytes, how)| (bytes.into_owned(), how));
        let header = vec![4, 0, 2, 0, 0x81, 0, 0, 0];
        for (text, how) in [
            (&b"04000200 81000000\n"[..], Encoding::Hexadecimal),
            (b"0x0400020081000000", Encoding::Hexadecimal),
            (b"BAACAIEAAAA=\n", Encoding::Base64),
            (b"BAACAIEAAAA", Encoding::Base64),
            (&[4, 0, 2, 0, 0x81, 0, 0, 0], Encoding::Raw),
        ] {
            assert_eq!(bytes(text), Ok((header.clone(), how)));
        }
        assert_eq!(bytes(b"-_8"), Ok((vec![0xfb, 0xff], Encoding::Base64)));
    }

    #[test]
    fn text_that_stands_for_no_bytes_is_refused_and_not_read_as_raw_bytes() {
        assert!(decoded(b"no quote!").is_err());
    }

    #[test]
    fn hexadecimal_with_a_lost_digit_is_not_read_as_base64() {
        assert!(decoded(b"040002000").is_err());
    }
}
