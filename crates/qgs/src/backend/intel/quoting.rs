//! The backend that asks Intel's TD quoting enclave: one context a worker, calls in the order of Intel's daemon.
//!
//! ```text
//! open:  create context ─▶ paths ─▶ the provider's log is listened to
//! probe: init quote (a key, certified)
//! quote: size ─▶ quote ─▶ done
//!          ├───────┴─ key missing: init quote with a new key, and once more
//!          └─ unexpected: init quote; where that succeeds, the context is good
//! ```
//!
//! Source: Intel DCAP, the daemon's `qgs_ql_logic.cpp`, as observed.
//! Must stay true: no failure is without a code; what only verifiers can judge is passed on as it is.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tdattest_wire::qgs::QgsError;

use super::codes::{self, IN_DOUBT, KEY_MISSING};
use super::part::Part;
use super::quote_buffer::QuoteBuffer;
use super::{
    IntelSettings, Library, PLATFORM_INFO_BYTES, RawContext, Status, collateral, provider_log,
};
use crate::ask::{Collateral, PckCa, PlatformInfo, REPORT_BYTES, SERVICE_TD_BYTES};
use crate::backend::{Backend, Context, LARGEST_QUOTE};
use crate::failure::{Failure, Hop};

/// Intel's TD quoting library, with its enclaves and its quote provider.
pub struct Intel {
    library: Library,
    name: String,
    paths: Vec<(Part, PathBuf, CString)>,
}

/// One context is opened at a time: the provider's first one initialises its network library for the whole process, which must
/// not happen twice at once.
static OPENING: Mutex<()> = Mutex::new(());

impl Intel {
    /// Loads the library. It stays loaded for as long as the process lives.
    ///
    /// # Errors
    /// When there is none, when a part of it is missing, or when a path in the settings cannot be told to C.
    pub fn load(settings: IntelSettings) -> Result<Self, Failure> {
        let IntelSettings { library: path, tdqe, pce, provider, id_enclave } = settings;
        let paths = [
            (Part::Tdqe, tdqe),
            (Part::Pce, pce),
            (Part::Provider, provider),
            (Part::IdEnclave, id_enclave),
        ];
        let paths = paths
            .into_iter()
            .filter_map(|(part, path)| path.map(|path| (part, path)))
            .map(|(part, path)| match CString::new(path.as_os_str().as_bytes()) {
                Ok(text) => Ok((part, path, text)),
                Err(_) => Err(bad_path(part, &path, "has a NUL in it")),
            })
            .collect::<Result<_, _>>()?;
        let library = Library::open(path.as_os_str()).map_err(|fault| fault.explain(&path))?;
        Ok(Self { library, name: format!("intel ({})", path.display()), paths })
    }
}

impl Backend for Intel {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn open(&self) -> Result<Box<dyn Context>, Failure> {
        let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let library = self.library;
        let mut raw =
            call(CREATE_CONTEXT, || library.create())?.ok_or_else(|| nothing(CREATE_CONTEXT))?;
        for (part, path, text) in &self.paths {
            if !path.is_file() {
                return Err(bad_path(*part, path, "is no regular file"));
            }
            call("tee_att_set_path", || raw.set_path(*part, text))?;
        }
        listen(&mut raw);
        Ok(Box::new(IntelContext { raw }))
    }
}

/// Has the provider tell what it does. Without a provider there can still be quotes, though none that can be verified offline.
fn listen(raw: &mut RawContext) {
    let level = provider_log::level();
    match call(GET_PROVIDER, || {
        raw.provider().map(|found| found.map(|provider| provider.log(level)))
    }) {
        Ok(Some(true)) => {}
        Ok(Some(false)) => {
            tracing::warn!(code = "provider.log", "the quote provider cannot tell us what it does");
        }
        Ok(None) => warn(&nothing(GET_PROVIDER)),
        Err(failure) => warn(&failure),
    }
}

fn warn(failure: &Failure) {
    tracing::warn!(
        hop = failure.hop.name(),
        code = failure.code,
        cause = %failure.cause,
        remedy = failure.remedy,
        "no quote provider"
    );
}

struct IntelContext {
    raw: RawContext,
}

impl IntelContext {
    fn init(&mut self, refresh: bool) -> Result<(), Failure> {
        call("tee_att_init_quote", || self.raw.init_quote(refresh))
    }

    fn attempt(
        &mut self,
        report: &[u8; REPORT_BYTES],
        service_td: Option<&[u8; SERVICE_TD_BYTES]>,
    ) -> Result<Vec<u8>, Failure> {
        let size = call("tee_att_get_quote_size", || self.raw.quote_size())?;
        let mut buffer = QuoteBuffer::of(size, LARGEST_QUOTE)?;
        match service_td {
            None => call("tee_att_get_quote", || self.raw.quote(report, &mut buffer))?,
            Some(service_td) => call("tee_att_get_quote_mig_history", || {
                self.raw.migration_quote(report, service_td, &mut buffer).transpose()
            })?
            .ok_or_else(no_migration)?,
        }
        buffer.into_quote()
    }

    /// The failure of a quote, for which a context is not given up where it is as good as before.
    ///
    /// Otherwise a guest could have every worker make a new key for each altered TDREPORT that it sends.
    fn weighed(&mut self, failure: Failure) -> Failure {
        if !IN_DOUBT.contains(&failure.code) || self.init(false).is_err() {
            return failure;
        }
        let cause =
            format!("{}; the enclave's key is good, so the TDREPORT may be altered", failure.cause);
        Failure { cause, spoils_context: false, ..failure }
    }
}

impl Context for IntelContext {
    fn quote(
        &mut self,
        report: &[u8; REPORT_BYTES],
        service_td: Option<&[u8; SERVICE_TD_BYTES]>,
    ) -> Result<Vec<u8>, Failure> {
        let done = match self.attempt(report, service_td) {
            // As after an update of microcode or of the enclave.
            Err(failure) if failure.code == KEY_MISSING => {
                self.init(true)?;
                self.attempt(report, service_td)
            }
            done => done,
        };
        done.map_err(|failure| self.weighed(failure))
    }

    fn collateral(&mut self, fmspc: [u8; 6], ca: PckCa) -> Result<Collateral, Failure> {
        let provider = call(GET_PROVIDER, || self.raw.provider());
        let provider =
            provider.map_err(collateral::without_spoiling)?.ok_or_else(|| nothing(GET_PROVIDER))?;
        let name: &CStr = match ca {
            PckCa::Processor => c"processor",
            PckCa::Platform => c"platform",
        };
        let (found, heard) = provider_log::attend(|| provider.collateral(fmspc, name));
        let set = found.map_err(|fault| collateral::explain(fault, &heard))?;
        collateral::bounded(set)
    }

    fn platform_info(&mut self) -> Result<PlatformInfo, Failure> {
        let info = call("tee_att_get_platform_info", || self.raw.platform_info())?;
        Ok(facts(info))
    }

    fn probe(&mut self) -> Result<(), Failure> {
        self.init(false)
    }
}

/// Calls a function of the library; what the provider says meanwhile is part of why it fails.
fn call<T>(function: &str, work: impl FnOnce() -> Result<T, Status>) -> Result<T, Failure> {
    let (done, heard) = provider_log::attend(work);
    done.map_err(|status| codes::explain(function, status, &heard))
}

fn facts(info: [u8; PLATFORM_INFO_BYTES]) -> PlatformInfo {
    let mut bytes = info.into_iter();
    let mut next = || bytes.next().unwrap_or_default();
    PlatformInfo {
        platform_id: std::array::from_fn(|_| next()),
        cpu_svn: std::array::from_fn(|_| next()),
        tdqe_isv_svn: u16::from_le_bytes([next(), next()]),
        pce_isv_svn: u16::from_le_bytes([next(), next()]),
    }
}

/// What says success and gives nothing.
pub(super) fn nothing(function: &str) -> Failure {
    let text = format!("{function} says success and gives nothing");
    Failure::new(Hop::Backend, "backend.empty", text)
}

fn no_migration() -> Failure {
    Failure::new(
        Hop::Backend,
        "backend.migration",
        "the installed library cannot make quotes with migration history: it has no tee_att_get_quote_mig_history",
    )
    .with_remedy("install libsgx-tdx-logic 1.26 or newer")
    .told_as(QgsError::INVALID_TYPE)
}

fn bad_path(part: Part, path: &Path, how: &str) -> Failure {
    let text = format!("the {} `{}` {how}", part.name(), path.display());
    Failure::new(Hop::Backend, "backend.path", text)
        .with_remedy("correct the path in the configuration, or leave it out for the usual place")
}

const CREATE_CONTEXT: &str = "tee_att_create_context";
const GET_PROVIDER: &str = "tee_att_get_qpl_handle";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_stand_where_the_packed_structure_has_them() {
        let mut info = [0; PLATFORM_INFO_BYTES];
        info[..16].fill(1);
        info[16..32].fill(2);
        info[32..].copy_from_slice(&[3, 4, 5, 6]);
        let expected = PlatformInfo {
            tdqe_isv_svn: 0x0403,
            pce_isv_svn: 0x0605,
            platform_id: [1; 16],
            cpu_svn: [2; 16],
        };
        assert_eq!(facts(info), expected);
    }
}
