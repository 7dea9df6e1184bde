//! The file of Intel's quote provider library, read as that library reads it, and what it overlooks.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tdattest_collateral::qcnl::{self, QcnlConfig, Severity};

use super::findings::Finding;
use crate::input::{reason, shown};

const SUBJECT: &str = "provider's file";

/// What to do where the file is not there.
const GET_IT: &str = "it comes with Intel's package libsgx-dcap-default-qpl; without it that library asks https://localhost:8081";

/// The settings, where they are from, and what there is to be said of them.
pub(super) struct Provider {
    pub(super) config: QcnlConfig,
    /// The file, as it stands in messages.
    pub(super) file: String,
    pub(super) findings: Vec<Finding>,
}

/// The file that was named, on the command line or in the environment, else the usual one.
pub(super) fn look(named: Option<&Path>) -> Provider {
    let variable = std::env::var_os(qcnl::PATH_VARIABLE).map(PathBuf::from);
    let named = named.map(Path::to_owned).or(variable);
    let path = named.as_deref().unwrap_or(Path::new(qcnl::PATH));
    let file = shown(path);
    let text = match text(path) {
        Ok(text) => text,
        Err(fault) => {
            let finding = unreadable(&file, named.is_some(), &fault);
            return Provider { config: QcnlConfig::default(), file, findings: vec![finding] };
        }
    };
    let (config, found) = qcnl::read(&text);
    let findings = match found.is_empty() {
        true => vec![Finding::good(SUBJECT, file.clone())],
        false => found.iter().map(|found| finding(&file, found)).collect(),
    };
    Provider { config, file, findings }
}

fn text(path: &Path) -> io::Result<String> {
    // To open a pipe that nobody writes to takes for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let limit = u64::try_from(qcnl::FILE_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    // One byte more than allowed tells a file at the limit from a longer one.
    File::open(path)?.take(limit.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() > qcnl::FILE_BYTES {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(text)
}

fn unreadable(file: &str, is_named: bool, fault: &io::Error) -> Finding {
    if fault.kind() == io::ErrorKind::NotFound && !is_named {
        return Finding::doubtful(SUBJECT, format!("there is no {file}"), GET_IT);
    }
    let remedy = "Intel's library goes on without it, and asks https://localhost:8081: let the service's user read it";
    Finding::bad(SUBJECT, format!("{file} cannot be read: {}", reason(fault)), remedy)
}

fn finding(file: &str, found: &qcnl::Finding) -> Finding {
    let says = format!("{file}: {found}");
    match found.severity {
        Severity::Error => Finding::bad(SUBJECT, says, "correct it, then start the service anew"),
        Severity::Warning => Finding::doubtful(SUBJECT, says, "see whether it is meant so"),
    }
}
