//! A stand-in for Intel's `libsgx_tdx_logic.so.1` and `libdcap_quoteprov.so.1`: their functions in one library, without an
//! enclave behind them, doing what the file `script` next to the library says.
//!
//! This is no part of the crate: the test compiles it with `rustc --crate-type cdylib`, since it must be C functions in a
//! library of its own. So there is `unsafe` in it.
//!
//! Each line of `script` is `<function> <when> <status>`, with `first`, `second`, `third` (every third) or `always` for when, or
//! `<setting> <value>`. Each call adds a line to the file `calls`.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::slice;
use std::sync::Mutex;
use std::thread::{self, ThreadId};

const MAGIC: u64 = 0x5e5a_11fe_c0de_d00d;
const INVALID_PARAMETER: u32 = 0x1_1002;
const LIBRARY_UNAVAILABLE: u32 = 0x1_100e;

static COUNTS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
static LOGGER: Mutex<Option<(Logger, u32)>> = Mutex::new(None);

pub type Logger = extern "C" fn(u32, *const c_char);

pub struct Context {
    magic: u64,
    owner: ThreadId,
    initialised: bool,
    told: u32,
    provider: *mut c_void,
}

#[repr(C)]
pub struct Set {
    major: u16,
    minor: u16,
    tee_type: u32,
    documents: [(*mut c_char, u32); 7],
}

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlclose(handle: *mut c_void) -> c_int;
}

// A library that was built against a newer one than is installed.
#[cfg(undefined_symbol)]
unsafe extern "C" {
    fn sgx_function_of_next_year() -> u32;
}

/// The path of this library, from the list of what is mapped where.
fn own_path() -> PathBuf {
    let here = own_path as *const () as usize;
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let holds = |line: &&str| {
        let range = line.split_once(' ').unwrap().0;
        let (from, to) = range.split_once('-').unwrap();
        let at = |digits| usize::from_str_radix(digits, 16).unwrap();
        (at(from)..at(to)).contains(&here)
    };
    let line = maps.lines().find(holds).unwrap();
    PathBuf::from(&line[line.find('/').unwrap()..])
}

fn beside(name: &str) -> PathBuf {
    own_path().with_file_name(name)
}

fn note(line: &str) {
    // A worker may outlive its test, and with it the folder.
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(beside("calls")) {
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// The value of a setting in the script.
fn setting(name: &str) -> Option<String> {
    let script = fs::read_to_string(beside("script")).unwrap_or_default();
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
    script.lines().find_map(value)
}

/// Counts a call, and gives the status that the script wants.
fn scripted(function: &str) -> u32 {
    let mut counts = COUNTS.lock().unwrap();
    let count = counts.entry(function.to_owned()).or_default();
    *count += 1;
    let Some((when, status)) = setting(function).and_then(|value| {
        let (when, status) = value.split_once(' ')?;
        Some((when.to_owned(), u32::from_str_radix(status.strip_prefix("0x")?, 16).unwrap()))
    }) else {
        return 0;
    };
    let applies = match when.as_str() {
        "always" => true,
        "first" => *count == 1,
        "second" => *count == 2,
        "third" => *count % 3 == 0,
        other => panic!("no such time: {other}"),
    };
    drop(counts);
    if !applies {
        return 0;
    }
    if let (Some(text), Some((logger, _))) = (setting("says"), *LOGGER.lock().unwrap()) {
        let (level, text) = text.split_once(' ').unwrap();
        let text = CString::new(text.replace("\\n", "\n")).unwrap();
        logger(level.parse().unwrap(), text.as_ptr());
    }
    status
}

/// The context, if it is one, and of this thread.
fn context<'c>(pointer: *mut Context) -> Option<&'c mut Context> {
    let context = unsafe { pointer.as_mut() }?;
    (context.magic == MAGIC && context.owner == thread::current().id()).then_some(context)
}

#[unsafe(no_mangle)]
pub extern "C" fn tee_att_create_context(
    key_id: *const c_void,
    path: *const c_char,
    made: *mut *mut Context,
) -> u32 {
    note("create");
    #[cfg(undefined_symbol)]
    unsafe {
        sgx_function_of_next_year();
    }
    if !key_id.is_null() || !path.is_null() {
        return INVALID_PARAMETER;
    }
    let status = scripted("create");
    if status == 0 && setting("nothing").as_deref() != Some("context") {
        let context = Context {
            magic: MAGIC,
            owner: thread::current().id(),
            initialised: false,
            told: 0,
            provider: null_mut(),
        };
        unsafe { *made = Box::into_raw(Box::new(context)) };
    }
    status
}

#[unsafe(no_mangle)]
pub extern "C" fn tee_att_free_context(pointer: *mut Context) -> u32 {
    let Some(context) = context(pointer) else { return INVALID_PARAMETER };
    note("free");
    if !context.provider.is_null() {
        unsafe { dlclose(context.provider) };
    }
    context.magic = 0;
    drop(unsafe { Box::from_raw(pointer) });
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn tee_att_init_quote(
    pointer: *mut Context,
    target_info: *mut u8,
    refresh: bool,
    size: *mut usize,
    key_id: *mut u8,
) -> u32 {
    note(&format!("init {refresh}"));
    let Some(context) = context(pointer) else { return INVALID_PARAMETER };
    if unsafe { *size } != 32 || target_info.is_null() || key_id.is_null() {
        return INVALID_PARAMETER;
    }
    let status = scripted("init");
    if status == 0 {
        unsafe { target_info.write_bytes(7, 512) };
        unsafe { key_id.write_bytes(8, 32) };
        context.initialised = true;
    }
    status
}

#[unsafe(no_mangle)]
pub extern "C" fn tee_att_get_quote_size(pointer: *mut Context, size: *mut u32) -> u32 {
    note("size");
    let Some(context) = context(pointer).filter(|context| context.initialised) else {
        return INVALID_PARAMETER;
    };
    context.told = setting("size_is").map_or(100, |size| size.parse().unwrap());
    unsafe { *size = context.told };
    scripted("size")
}

fn quote(
    pointer: *mut Context,
    (report, report_size): (*const u8, u32),
    report_info: *mut c_void,
    (quote, size): (*mut u8, u32),
    service_td: &[u8],
) -> u32 {
    let Some(context) = context(pointer).filter(|context| context.initialised) else {
        return INVALID_PARAMETER;
    };
    if report_size != 1024 || !report_info.is_null() || size != context.told {
        return INVALID_PARAMETER;
    }
    let status = scripted("quote");
    if status != 0 {
        return status;
    }
    let report = unsafe { slice::from_raw_parts(report, 1024) };
    let behind = setting("writes_behind").map_or(0, |bytes| bytes.parse().unwrap());
    let out = unsafe { slice::from_raw_parts_mut(quote, size as usize + behind) };
    out.fill(b'.');
    out[..64].copy_from_slice(&report[128..192]);
    out[64] = service_td.iter().fold(0, |sum, byte| sum ^ byte);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn tee_att_get_quote(
    pointer: *mut Context,
    report: *const u8,
    report_size: u32,
    report_info: *mut c_void,
    buffer: *mut u8,
    size: u32,
) -> u32 {
    note("quote");
    quote(pointer, (report, report_size), report_info, (buffer, size), &[])
}

#[cfg(migration_history)]
#[unsafe(no_mangle)]
pub extern "C" fn tee_att_get_quote_mig_history(
    pointer: *mut Context,
    report: *const u8,
    report_size: u32,
    report_info: *mut c_void,
    buffer: *mut u8,
    size: u32,
    service_td: *const u8,
) -> u32 {
    note("migration quote");
    let service_td = unsafe { slice::from_raw_parts(service_td, 272) };
    quote(pointer, (report, report_size), report_info, (buffer, size), service_td)
}

#[cfg(not(no_platform_info))]
#[unsafe(no_mangle)]
pub extern "C" fn tee_att_get_platform_info(pointer: *mut Context, info: *mut u8) -> u32 {
    note("platform info");
    if context(pointer).is_none() {
        return INVALID_PARAMETER;
    }
    let status = scripted("platform_info");
    if status == 0 {
        let info = unsafe { slice::from_raw_parts_mut(info, 36) };
        info[..16].fill(1);
        info[16..32].fill(2);
        info[32..].copy_from_slice(&[4, 0, 13, 0]);
    }
    status
}

#[unsafe(no_mangle)]
pub extern "C" fn tee_att_set_path(pointer: *mut Context, part: c_int, path: *const c_char) -> u32 {
    let path = unsafe { CStr::from_ptr(path) }.to_str().unwrap();
    let name = path.rsplit('/').next().unwrap();
    note(&format!("path {part} {name}"));
    if context(pointer).is_none() {
        return INVALID_PARAMETER;
    }
    scripted("path")
}

#[unsafe(no_mangle)]
pub extern "C" fn tee_att_get_qpl_handle(pointer: *mut Context, handle: *mut *mut c_void) -> u32 {
    note("provider");
    let Some(context) = context(pointer) else { return INVALID_PARAMETER };
    let status = scripted("provider");
    if status != 0 {
        return status;
    }
    if setting("nothing").as_deref() == Some("provider") {
        return 0;
    }
    if context.provider.is_null() {
        // Intel's is a library of its own. This one has its functions, too.
        let path =
            own_path().with_file_name(setting("provider_is").unwrap_or("stand_in.so".into()));
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        context.provider = unsafe { dlopen(path.as_ptr(), 1) };
        if context.provider.is_null() {
            return LIBRARY_UNAVAILABLE;
        }
    }
    unsafe { *handle = context.provider };
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn sgx_ql_set_logging_callback(logger: Logger, level: u32) -> u32 {
    note("logger");
    *LOGGER.lock().unwrap() = Some((logger, level));
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn tdx_ql_get_quote_verification_collateral(
    fmspc: *const u8,
    fmspc_size: u16,
    ca: *const c_char,
    made: *mut *mut Set,
) -> u32 {
    note("collateral");
    let status = scripted("collateral");
    if status != 0 || setting("nothing").as_deref() == Some("collateral") {
        return status;
    }
    let fmspc = unsafe { slice::from_raw_parts(fmspc, fmspc_size.into()) };
    // As far as its NUL, as a C program reads it.
    let ca = unsafe { CStr::from_ptr(ca) }.to_bytes();
    let mut number = 0;
    let mut documents = [(); 7].map(|()| {
        number += 1;
        let text = format!("document {number} {} {}", ca.escape_ascii(), fmspc.escape_ascii());
        let size = text.len() as u32;
        (CString::new(text).unwrap().into_raw(), size)
    });
    // The fifth is TCB info.
    if setting("tcb_info_is").as_deref() == Some("null") {
        drop(unsafe { CString::from_raw(documents[4].0) });
        documents[4].0 = null_mut();
    }
    let claimed = documents[4].1;
    documents[4].1 = setting("tcb_info_size").map_or(claimed, |size| size.parse().unwrap());
    let set = Set { major: 3, minor: 1, tee_type: 0x81, documents };
    unsafe { *made = Box::into_raw(Box::new(set)) };
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn tdx_ql_free_quote_verification_collateral(set: *mut Set) -> u32 {
    note("free collateral");
    let set = unsafe { Box::from_raw(set) };
    for (text, _) in set.documents {
        if text as *const c_char != null() {
            drop(unsafe { CString::from_raw(text) });
        }
    }
    0
}
