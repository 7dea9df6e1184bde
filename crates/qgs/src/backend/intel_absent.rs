//! What stands for Intel's backend in a static build, where no library can be loaded at run time.
//!
//! Must stay true: whoever asks for it learns which build has it.

use crate::backend::{Backend, Context};
use crate::failure::{Failure, Hop};

#[path = "intel/settings.rs"]
mod settings;

pub use settings::IntelSettings;

/// Intel's enclaves; cannot be had here.
#[derive(Debug)]
pub enum Intel {}

impl Intel {
    /// Fails.
    ///
    /// # Errors
    /// Always: a static program cannot load a library.
    pub fn load(settings: IntelSettings) -> Result<Self, Failure> {
        let text = format!(
            "cannot load {}: this program is linked statically, and such a program cannot load libraries",
            settings.library.display()
        );
        Err(Failure::new(Hop::Backend, "backend.static", text).with_remedy(
            "use the build for glibc, which `cargo xtask dist --glibc` makes; the static build serves simulated platforms only",
        ))
    }
}

impl Backend for Intel {
    fn name(&self) -> String {
        match *self {}
    }

    fn open(&self) -> Result<Box<dyn Context>, Failure> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_static_build_says_which_build_can() {
        let failure = Intel::load(IntelSettings::default()).unwrap_err();
        assert_eq!((failure.hop, failure.code), (Hop::Backend, "backend.static"));
        assert!(failure.remedy.is_some());
    }
}
