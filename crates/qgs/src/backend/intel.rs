//! Intel's TD quoting library as C functions, each in a safe form: the one place with `unsafe`.
//!
//! Source: Intel DCAP, `td_ql_wrapper.h`, `sgx_ql_lib_common.h` and `sgx_default_quote_provider.h`.
//! Must stay true: a context is used by one thread; nothing of the provider is used after its context is freed; no size that
//! the library says is believed before it is checked.
#![allow(unsafe_code, reason = "C functions, found at run time")]

mod codes;
mod collateral;
mod loading;
mod part;
mod provider_log;
mod quote_buffer;
mod quoting;
mod settings;

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, forget};
use std::panic::catch_unwind;
use std::ptr::{NonNull, null, null_mut};

use libloading::os::unix::{self, RTLD_LOCAL, RTLD_NOW};
use tdattest_wire::limits::QGS_MESSAGE_BYTES;

use crate::ask::{Collateral, REPORT_BYTES, SERVICE_TD_BYTES};
use collateral::CollateralFault;
use loading::LoadFault;
use part::Part;
use quote_buffer::QuoteBuffer;

pub use quoting::Intel;
pub use settings::IntelSettings;

/// An error number of the library, never zero.
type Status = u32;

/// What is found in the library. It is never unloaded, so this is good for ever.
#[derive(Clone, Copy)]
struct Library {
    create_context: unsafe extern "C" fn(*const c_void, *const c_char, *mut *mut c_void) -> Status,
    free_context: unsafe extern "C" fn(*mut c_void) -> Status,
    init_quote:
        unsafe extern "C" fn(*mut c_void, *mut TargetInfo, bool, *mut usize, *mut u8) -> Status,
    quote_size: unsafe extern "C" fn(*mut c_void, *mut u32) -> Status,
    quote: unsafe extern "C" fn(*mut c_void, *const u8, u32, *mut c_void, *mut u8, u32) -> Status,
    migration_quote: Option<MigrationQuote>,
    platform_info: unsafe extern "C" fn(*mut c_void, *mut u8) -> Status,
    set_path: unsafe extern "C" fn(*mut c_void, c_int, *const c_char) -> Status,
    provider: unsafe extern "C" fn(*mut c_void, *mut *mut c_void) -> Status,
}

/// The function for quotes with migration history, which libraries before 1.26 do not have.
type MigrationQuote = unsafe extern "C" fn(
    *mut c_void,
    *const u8,
    u32,
    *mut c_void,
    *mut u8,
    u32,
    *const u8,
) -> Status;

/// The provider's function for collateral.
type GetCollateral = unsafe extern "C" fn(*const u8, u16, *const c_char, *mut *mut Set) -> Status;

/// Its counterpart.
type FreeCollateral = unsafe extern "C" fn(*mut Set) -> Status;

/// The provider's function that says to whom it logs, and from which level on.
type SetLogger = unsafe extern "C" fn(extern "C" fn(u32, *const c_char), u32) -> Status;

impl Library {
    /// Loads a library, by its path or by its name on the loader's search path.
    fn open(name: &OsStr) -> Result<Self, LoadFault> {
        // SAFETY: the initialisers of the library run. The operator names the library, and is trusted as with the programs
        // that they start; Intel's has no initialisers that need anything of ours. All symbols are resolved here
        // (RTLD_NOW), so that a library that lacks a piece fails now and does not end the process later.
        let library = unsafe { unix::Library::open(Some(name), RTLD_NOW | RTLD_LOCAL) }?;
        // SAFETY: these are the types of the functions with these names, as Intel's headers declare them.
        let found = unsafe {
            Self {
                create_context: required(&library, "tee_att_create_context")?,
                free_context: required(&library, "tee_att_free_context")?,
                init_quote: required(&library, "tee_att_init_quote")?,
                quote_size: required(&library, "tee_att_get_quote_size")?,
                quote: required(&library, "tee_att_get_quote")?,
                migration_quote: symbol(&library, "tee_att_get_quote_mig_history"),
                platform_info: required(&library, "tee_att_get_platform_info")?,
                set_path: required(&library, "tee_att_set_path")?,
                provider: required(&library, "tee_att_get_qpl_handle")?,
            }
        };
        // Never unloaded: a worker that hangs may be inside for ever, and so may threads that the library has started.
        forget(library);
        Ok(found)
    }

    /// Makes a context. A library that says success and gives none has given nothing.
    fn create(self) -> Result<Option<RawContext>, Status> {
        let mut context = null_mut();
        // SAFETY: without a key id and a path the defaults are taken; the context is written where we say.
        checked(unsafe { (self.create_context)(null(), null(), &raw mut context) })?;
        Ok(NonNull::new(context).map(|context| RawContext { library: self, context }))
    }
}

/// A context: neither `Send` nor `Sync`, since Intel's are not said to be.
struct RawContext {
    library: Library,
    context: NonNull<c_void>,
}

impl RawContext {
    /// Says where a part is.
    fn set_path(&mut self, part: Part, path: &CStr) -> Result<(), Status> {
        // SAFETY: the context is alive until it is dropped; the path ends with a NUL, and is copied.
        checked(unsafe {
            (self.library.set_path)(self.context.as_ptr(), part.number(), path.as_ptr())
        })
    }

    /// Makes or takes an attestation key, and has it certified.
    fn init_quote(&mut self, refresh: bool) -> Result<(), Status> {
        let mut target_info = TargetInfo([0; 512]);
        let mut key_id = [0_u8; KEY_ID_BYTES];
        let mut size = KEY_ID_BYTES;
        // SAFETY: the context is alive; the library writes a TARGETINFO, which is 512 bytes, and a key id, for which it
        // demands exactly the 32 bytes that there are.
        checked(unsafe {
            (self.library.init_quote)(
                self.context.as_ptr(),
                &raw mut target_info,
                refresh,
                &raw mut size,
                key_id.as_mut_ptr(),
            )
        })
    }

    /// How large a quote would be. Not to be believed.
    fn quote_size(&mut self) -> Result<u32, Status> {
        let mut size = 0;
        // SAFETY: the context is alive; one `u32` is written.
        checked(unsafe { (self.library.quote_size)(self.context.as_ptr(), &raw mut size) })?;
        Ok(size)
    }

    /// Makes a quote.
    fn quote(
        &mut self,
        report: &[u8; REPORT_BYTES],
        buffer: &mut QuoteBuffer,
    ) -> Result<(), Status> {
        let (told, bytes) = buffer.parts();
        // SAFETY: the context is alive; the report is as long as is said, and only read; the buffer is longer than is said,
        // which is what `QuoteBuffer` is for. A report of the enclave's own is not asked for.
        checked(unsafe {
            (self.library.quote)(
                self.context.as_ptr(),
                report.as_ptr(),
                REPORT_SIZE,
                null_mut(),
                bytes.as_mut_ptr(),
                told,
            )
        })
    }

    /// Makes a quote with migration history; nothing where the library cannot.
    fn migration_quote(
        &mut self,
        report: &[u8; REPORT_BYTES],
        service_td: &[u8; SERVICE_TD_BYTES],
        buffer: &mut QuoteBuffer,
    ) -> Option<Result<(), Status>> {
        let function = self.library.migration_quote?;
        let (told, bytes) = buffer.parts();
        // SAFETY: as for `quote`; the structure of the service TDs has the size of Intel's type, and is only read.
        Some(checked(unsafe {
            function(
                self.context.as_ptr(),
                report.as_ptr(),
                REPORT_SIZE,
                null_mut(),
                bytes.as_mut_ptr(),
                told,
                service_td.as_ptr(),
            )
        }))
    }

    /// What the platform is: platform id, CPU SVN, SVN of the TDQE, SVN of the PCE.
    fn platform_info(&mut self) -> Result<[u8; PLATFORM_INFO_BYTES], Status> {
        let mut info = [0; PLATFORM_INFO_BYTES];
        // SAFETY: the context is alive; the packed structure that is written has 36 bytes.
        checked(unsafe { (self.library.platform_info)(self.context.as_ptr(), info.as_mut_ptr()) })?;
        Ok(info)
    }

    /// The quote provider, as long as the context lives. A library that says success and gives none has given nothing.
    fn provider(&mut self) -> Result<Option<Provider<'_>>, Status> {
        let mut handle = null_mut();
        // SAFETY: the context is alive; one pointer is written.
        checked(unsafe { (self.library.provider)(self.context.as_ptr(), &raw mut handle) })?;
        if handle.is_null() {
            return Ok(None);
        }
        // SAFETY: the handle is one of `dlopen`, as Intel's own daemon uses it. It stays the context's, which closes it
        // when it is freed: so it is never dropped here, and borrows the context.
        let library = ManuallyDrop::new(unsafe { unix::Library::from_raw(handle) });
        Ok(Some(Provider { library, context: PhantomData }))
    }
}

impl Drop for RawContext {
    fn drop(&mut self) {
        // SAFETY: the context is alive, and this is the last that is done with it. Whatever the library says, there is
        // nothing that could be done about it.
        unsafe { (self.library.free_context)(self.context.as_ptr()) };
    }
}

/// The quote provider library of a context.
struct Provider<'c> {
    library: ManuallyDrop<unix::Library>,
    context: PhantomData<&'c mut RawContext>,
}

impl Provider<'_> {
    /// Has what the provider says sent to [`provider_log`]; whether the provider can do that.
    fn log(&self, level: u32) -> bool {
        // SAFETY: this is the type of the function with this name.
        let function: Option<SetLogger> =
            unsafe { symbol(&self.library, "sgx_ql_set_logging_callback") };
        let Some(function) = function else { return false };
        // SAFETY: the callback is a function of this program, which outlives the provider.
        unsafe { function(on_message, level) == 0 }
    }

    /// Asks for the documents of a platform family.
    fn collateral(&self, fmspc: [u8; 6], ca: &CStr) -> Result<Collateral, CollateralFault> {
        // SAFETY: these are the types of the functions with these names.
        let (get, free): (Option<GetCollateral>, Option<FreeCollateral>) = unsafe {
            (symbol(&self.library, GET_COLLATERAL), symbol(&self.library, FREE_COLLATERAL))
        };
        let get = get.ok_or(CollateralFault::Lacks(GET_COLLATERAL))?;
        let free = free.ok_or(CollateralFault::Lacks(FREE_COLLATERAL))?;
        let mut set = null_mut();
        // SAFETY: the FMSPC is as long as is said; the name of the CA ends with a NUL; one pointer is written.
        checked(unsafe { get(fmspc.as_ptr(), FMSPC_SIZE, ca.as_ptr(), &raw mut set) })
            .map_err(CollateralFault::Status)?;
        let set = NonNull::new(set).ok_or(CollateralFault::Nothing)?;
        OwnedSet { set, free }.copy()
    }
}

/// A set of documents of the provider, given back when it is dropped.
struct OwnedSet {
    set: NonNull<Set>,
    free: FreeCollateral,
}

impl OwnedSet {
    fn copy(&self) -> Result<Collateral, CollateralFault> {
        // SAFETY: the provider made this structure and said success; it is ours until it is given back. How it is aligned
        // is not taken for granted.
        let set = unsafe { self.set.as_ptr().read_unaligned() };
        let [pck_crl_chain, root_ca_crl, pck_crl, tcb_info_chain, tcb_info, qe_chain, qe_identity] =
            set.documents;
        Ok(Collateral {
            version: (set.major, set.minor),
            pck_crl_issuer_chain: self.document("chain of the PCK CRL's issuer", pck_crl_chain)?,
            root_ca_crl: self.document("root CA CRL", root_ca_crl)?,
            pck_crl: self.document("PCK CRL", pck_crl)?,
            tcb_info_issuer_chain: self
                .document("chain of the TCB info's issuer", tcb_info_chain)?,
            tcb_info: self.document("TCB info", tcb_info)?,
            qe_identity_issuer_chain: self
                .document("chain of the QE identity's issuer", qe_chain)?,
            qe_identity: self.document("QE identity", qe_identity)?,
        })
    }

    /// The bytes of a document; none where there is no document.
    fn document(&self, name: &'static str, found: Document) -> Result<Vec<u8>, CollateralFault> {
        let Document { bytes, size } = found;
        if bytes.is_null() || size == 0 {
            return Ok(Vec::new());
        }
        let length = usize::try_from(size)
            .ok()
            .filter(|length| *length <= QGS_MESSAGE_BYTES)
            .ok_or(CollateralFault::Size(name, size))?;
        // SAFETY: the pointer is the provider's, and so is the size, of which no more is believed than what a message can
        // hold. The set is given back only when `self` is dropped.
        Ok(unsafe { std::slice::from_raw_parts(bytes, length) }.to_vec())
    }
}

impl Drop for OwnedSet {
    fn drop(&mut self) {
        // SAFETY: the set came from the function of which this is the counterpart, and is not used any more.
        unsafe { (self.free)(self.set.as_ptr()) };
    }
}

/// What the provider calls with each message.
extern "C" fn on_message(level: u32, message: *const c_char) {
    if message.is_null() {
        return;
    }
    let mut bytes = Vec::new();
    for at in 0..provider_log::LONGEST {
        // SAFETY: the message is a C string, of which nothing beyond its NUL is read: the loop ends there.
        let byte = unsafe { message.cast::<u8>().add(at).read() };
        if byte == 0 {
            break;
        }
        bytes.push(byte);
    }
    // Whoever writes the log may panic, which must not go through C. The message is lost then.
    let _ = catch_unwind(|| provider_log::hear(level, &bytes));
}

/// Finds a function that every library has.
///
/// # Safety
/// `T` must be the type of pointers to the function with this name.
unsafe fn required<T: Copy>(library: &unix::Library, name: &'static str) -> Result<T, LoadFault> {
    // SAFETY: as the caller says.
    unsafe { symbol(library, name) }.ok_or(LoadFault::Lacks(name))
}

/// Finds a function, if the library has it.
///
/// # Safety
/// `T` must be the type of pointers to the function with this name.
unsafe fn symbol<T: Copy>(library: &unix::Library, name: &str) -> Option<T> {
    // SAFETY: as the caller says. An `Option` of a function pointer is as large as a pointer, which the loader's wrapper
    // checks, and none for a symbol that is null.
    unsafe { library.get::<Option<T>>(name) }.ok().and_then(|found| *found)
}

fn checked(status: Status) -> Result<(), Status> {
    match status {
        0 => Ok(()),
        status => Err(status),
    }
}

/// SGX's TARGETINFO.
#[repr(C, align(512))]
struct TargetInfo([u8; 512]);

/// `tdx_ql_qv_collateral_t`, little endian: the versions are the halves of one `u32`.
#[repr(C)]
struct Set {
    major: u16,
    minor: u16,
    tee_type: u32,
    documents: [Document; 7],
}

/// A pointer and a size, as they alternate in it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Document {
    bytes: *const u8,
    size: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Set>() == 120 && size_of::<TargetInfo>() == 512);

/// The library demands exactly this, a SHA-256 hash.
const KEY_ID_BYTES: usize = 32;

/// `tee_platform_info_t`, packed: 16 + 16 + 2 + 2.
const PLATFORM_INFO_BYTES: usize = 36;

/// [`REPORT_BYTES`], as C wants it.
const REPORT_SIZE: u32 = 1024;
const _: () = assert!(REPORT_SIZE as usize == REPORT_BYTES);

/// Bytes of an FMSPC.
const FMSPC_SIZE: u16 = 6;

const GET_COLLATERAL: &str = "tdx_ql_get_quote_verification_collateral";
const FREE_COLLATERAL: &str = "tdx_ql_free_quote_verification_collateral";
