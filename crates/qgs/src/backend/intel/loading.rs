//! Why a library could not be loaded, and who brings what is missing.

use std::error::Error as _;
use std::path::Path;

use crate::failure::{Failure, Hop};

/// Why there is no library.
#[derive(Debug)]
pub(super) enum LoadFault {
    /// The loader refuses, in its words.
    Loader(String),
    /// It is loaded, and does not have this function.
    Lacks(&'static str),
}

impl From<libloading::Error> for LoadFault {
    fn from(fault: libloading::Error) -> Self {
        // The loader's own words are those of the source.
        Self::Loader(fault.source().map_or_else(|| fault.to_string(), ToString::to_string))
    }
}

impl LoadFault {
    /// With what the operator can do about it.
    pub(super) fn explain(self, library: &Path) -> Failure {
        let name = library.display();
        let (text, remedy) = match self {
            Self::Loader(words) => {
                let remedy = match is_about(&words, library) {
                    true => INSTALL,
                    false => COMPLETE,
                };
                (format!("cannot load {name}: the loader says `{words}`"), remedy)
            }
            Self::Lacks(function) => {
                let text = format!(
                    "{name} is no TD quoting library, or a very old one: it has no function {function}"
                );
                (text, UPDATE)
            }
        };
        Failure::new(Hop::Backend, "backend.library", text).with_remedy(remedy)
    }
}

/// Whether the loader could not open the library itself, rather than one that it needs.
fn is_about(words: &str, library: &Path) -> bool {
    let subject = words.split_once(": ").map_or("", |(subject, _)| subject);
    words.contains("cannot open shared object file") && Path::new(subject) == library
}

const INSTALL: &str = "install the package that brings it: libsgx-tdx-logic from Intel's repositories (deb and rpm), \
    libsgx-tdx-logic1 from Debian's and Ubuntu's; or say where the library is";

const COMPLETE: &str = "install what the loader names, such as libsgx-urts and libsgx-pce-logic, from where libsgx-tdx-logic \
    came; all of one version";

const UPDATE: &str = "install the newest libsgx-tdx-logic (Debian, Ubuntu: libsgx-tdx-logic1)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_library_that_is_not_there_from_one_whose_parts_are_not() {
        for (words, about) in [
            ("lib.so.1: cannot open shared object file: No such file or directory", true),
            ("libsgx_urts.so.2: cannot open shared object file: No such file or directory", false),
            ("lib.so.1: undefined symbol: sgx_ecall", false),
            ("lib.so.1: invalid ELF header", false),
            ("", false),
        ] {
            assert_eq!(is_about(words, Path::new("lib.so.1")), about, "{words}");
        }
    }
}
