//! What programs see in the files: the kernel's configfs-tsm, registers and event log, without FUSE.
//!
//! Source: Linux `drivers/virt/coco/guest/report.c`.
//! Must stay true: one quote is made at a time, as the TD has one buffer for all; the entries are not locked meanwhile.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fuser::Errno;
use tdattest_wire::Fixed as _;
use tdattest_wire::bytes::{Measurement, ReportData};
use tdattest_wire::limits;
use tdattest_wire::td_report::TdReport;

use super::device_fault::{DeviceFault, Faults, Place};
use super::guest::Guest;
use super::host::{Asker, Host};
use super::nodes::{Kind, Node};
use super::quote_source::Quoting;

/// Most bytes of `inblob`, and what TDX needs.
pub(super) const IN_BLOB_BYTES: usize = 64;

/// Bytes that firmware reserves for the event log; more if the log is longer.
const LOG_AREA_BYTES: usize = 64 * 1024;

/// What firmware leaves behind the log.
const LOG_PADDING: u8 = 0xff;

pub(super) type Content = Arc<[u8]>;

/// A TD and its files.
#[derive(Debug)]
pub(super) struct Tree {
    guest: Guest,
    host: Host,
    faults: Mutex<Faults>,
    entries: Mutex<Entries>,
    /// Held while a quote is made.
    quoting: Mutex<()>,
}

#[derive(Debug, Default)]
struct Entries {
    /// Numbers are not used again: a file that is still open must not become another entry's.
    made: u64,
    present: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    name: OsString,
    in_blob: Vec<u8>,
    /// Counts the openings through which something was written.
    generation: u64,
    /// Counts the changes of `in_blob`.
    change: u64,
    /// The quote, and the change that it is of.
    out_blob: Option<(u64, Content)>,
}

/// What was written to `inblob` through one opening.
#[derive(Debug)]
pub(super) enum Commit {
    /// For the first time.
    First(Vec<u8>),
    /// The same once more, and more than that.
    Longer(Vec<u8>),
}

impl Tree {
    pub(super) fn new(guest: Guest, source: Quoting) -> Self {
        Self {
            guest,
            host: Host::new(source),
            faults: Mutex::default(),
            entries: Mutex::default(),
            quoting: Mutex::default(),
        }
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        locked(&self.faults)
    }

    fn fault(&self, place: Place) -> Option<DeviceFault> {
        self.faults().take(place)
    }

    /// Lets nobody wait any more.
    pub(super) fn stop(&self) {
        self.host.stop();
    }

    pub(super) fn entries(&self) -> Vec<String> {
        let entries = locked(&self.entries);
        entries.present.values().map(|it| it.name.to_string_lossy().into_owned()).collect()
    }

    /// Whether a file is there, which that of an entry may not be any more.
    pub(super) fn exists(&self, node: Node) -> bool {
        node.entry == 0 || locked(&self.entries).present.contains_key(&node.entry)
    }

    /// Everything in a folder.
    pub(super) fn children(&self, folder: Node) -> Vec<(OsString, Node)> {
        let always = folder.children().into_iter().map(|(name, node)| (name.into(), node));
        let mut children: Vec<_> = always.collect();
        if folder.kind == Kind::Reports {
            let entries = locked(&self.entries);
            let named = |(number, entry): (&u64, &Entry)| {
                Some((entry.name.clone(), Node::of_entry(*number)?))
            };
            children.extend(entries.present.iter().filter_map(named));
        }
        children
    }

    pub(super) fn child(&self, folder: Node, name: &OsStr) -> Option<Node> {
        if !self.exists(folder) {
            return None;
        }
        let found = self.children(folder).into_iter().find(|(known, _)| known == name);
        found.map(|(_, node)| node)
    }

    /// Makes an entry.
    pub(super) fn make(&self, folder: Node, name: &OsStr) -> Result<Node, Errno> {
        if folder.kind != Kind::Reports {
            return Err(Errno::EPERM);
        }
        match self.fault(Place::Mkdir) {
            Some(DeviceFault::MkdirDenied) => return Err(Errno::EACCES),
            Some(DeviceFault::NoProvider) => return Err(Errno::ENXIO),
            _ => {}
        }
        let mut entries = locked(&self.entries);
        if entries.present.values().any(|entry| entry.name == name) {
            return Err(Errno::EEXIST);
        }
        let number = entries.made.checked_add(1).ok_or(Errno::ENOSPC)?;
        let node = Node::of_entry(number).ok_or(Errno::ENOSPC)?;
        entries.made = number;
        let entry = Entry::named(name);
        entries.present.insert(number, entry);
        Ok(node)
    }

    /// Removes an entry with all its files.
    pub(super) fn remove(&self, folder: Node, name: &OsStr) -> Result<(), Errno> {
        match self.child(folder, name) {
            Some(node) if node.kind == Kind::Entry => {
                locked(&self.entries).present.remove(&node.entry).map(|_| ()).ok_or(Errno::ENOENT)
            }
            Some(_) => Err(Errno::EPERM),
            None => Err(Errno::ENOENT),
        }
    }

    /// Takes what was written to `inblob`. As in the kernel nobody hears whether that went well.
    pub(super) fn commit(&self, entry: u64, commit: Commit) {
        if let Some(entry) = locked(&self.entries).present.get_mut(&entry) {
            entry.write(commit);
        }
    }

    /// What a file has to say now. A quote takes long: that of `outblob` is [`Tree::quote`].
    pub(super) fn content(&self, node: Node) -> Result<Content, Errno> {
        let bytes = match node.kind {
            Kind::Provider if !self.exists(node) => return Err(Errno::ENOENT),
            Kind::Provider => match self.fault(Place::Provider) {
                Some(_) => b"sev_guest\n".to_vec(),
                None => b"tdx_guest\n".to_vec(),
            },
            Kind::Generation => {
                let entries = locked(&self.entries);
                let entry = entries.present.get(&node.entry).ok_or(Errno::ENOENT)?;
                format!("{}\n", entry.generation).into_bytes()
            }
            Kind::EventLog => self.event_log()?,
            kind => self.register(kind)?.0.to_vec(),
        };
        Ok(bytes.into())
    }

    /// The event log in the area that firmware reserved for it.
    pub(super) fn event_log(&self) -> Result<Vec<u8>, Errno> {
        let mut log = self.guest.event_log().ok_or(Errno::EIO)?;
        log.resize(log.len().max(LOG_AREA_BYTES), LOG_PADDING);
        Ok(log)
    }

    fn register(&self, kind: Kind) -> Result<Measurement, Errno> {
        let td = self.guest.report(ReportData::default()).ok_or(Errno::EIO)?.td_info;
        Ok(match kind {
            Kind::Register(0) => td.rtmr_0,
            Kind::Register(1) => td.rtmr_1,
            Kind::Register(2) => td.rtmr_2,
            Kind::Register(3) => td.rtmr_3,
            Kind::MrTd => td.mr_td,
            Kind::MrConfigId => td.mr_config_id,
            Kind::MrOwner => td.mr_owner,
            Kind::MrOwnerConfig => td.mr_owner_config,
            _ => return Err(Errno::EINVAL),
        })
    }

    /// Extends a register: 48 bytes in one write at the start, nothing else.
    pub(super) fn extend(&self, index: u8, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        let digest = bytes.try_into().map_err(|_| Errno::EINVAL)?;
        if at != 0 {
            return Err(Errno::EINVAL);
        }
        self.guest.extend(index, Measurement(digest)).ok_or(Errno::EIO)
    }

    /// GET_REPORT0.
    pub(super) fn report(&self, report_data: ReportData) -> Result<Vec<u8>, Errno> {
        if self.fault(Place::Report).is_some() {
            return Err(Errno::EIO);
        }
        self.guest.report(report_data).map(|report| report.to_bytes()).ok_or(Errno::EIO)
    }

    /// The content of `outblob`: the quote, made once for what was written last.
    pub(super) fn quote(&self, entry: u64, asker: Asker) -> Result<Content, Errno> {
        let _one_at_a_time = locked(&self.quoting);
        if let Some(known) = self.known(entry)? {
            return Ok(known);
        }
        let mut delay = Duration::ZERO;
        match self.fault(Place::Quote) {
            Some(DeviceFault::Busy) => return Err(Errno::EBUSY),
            Some(DeviceFault::Interrupted) => return Err(Errno::EINTR),
            Some(DeviceFault::Io) => return Err(Errno::EIO),
            Some(DeviceFault::TimedOut) => return Err(Errno::ETIMEDOUT),
            Some(DeviceFault::TooLarge) => return Err(Errno::EFBIG),
            Some(DeviceFault::Empty) => return Ok(Content::default()),
            Some(DeviceFault::CompetingWriter) => {
                self.commit(entry, Commit::First(vec![0; IN_BLOB_BYTES]));
            }
            Some(DeviceFault::Delay(time)) => delay = time,
            _ => {}
        }
        let (change, report) = self.request(entry)?;
        let quote: Content = self.host.ask(report, delay, asker)?.into();
        if quote.len() > limits::QUOTE_BYTES {
            return Err(Errno::EFBIG);
        }
        let mut entries = locked(&self.entries);
        let entry = entries.present.get_mut(&entry).ok_or(Errno::ENOENT)?;
        entry.out_blob = Some((change, Arc::clone(&quote)));
        Ok(quote)
    }

    /// The quote of what was written last, if it was made before.
    fn known(&self, entry: u64) -> Result<Option<Content>, Errno> {
        let entries = locked(&self.entries);
        let entry = entries.present.get(&entry).ok_or(Errno::ENOENT)?;
        if entry.in_blob.len() != IN_BLOB_BYTES {
            return Err(Errno::EINVAL);
        }
        let current = |(change, _): &&(u64, Content)| *change == entry.change;
        Ok(entry.out_blob.as_ref().filter(current).map(|(_, quote)| Arc::clone(quote)))
    }

    /// The TDREPORT of what was written last, and which change that is.
    fn request(&self, entry: u64) -> Result<(u64, TdReport), Errno> {
        let (change, report_data) = {
            let entries = locked(&self.entries);
            let entry = entries.present.get(&entry).ok_or(Errno::ENOENT)?;
            let bytes = entry.in_blob.as_slice().try_into().map_err(|_| Errno::EINVAL)?;
            (entry.change, ReportData(bytes))
        };
        Ok((change, self.guest.report(report_data).ok_or(Errno::EIO)?))
    }
}

impl Entry {
    fn named(name: &OsStr) -> Self {
        let (in_blob, out_blob) = (Vec::new(), None);
        Self { name: name.into(), in_blob, generation: 0, change: 0, out_blob }
    }

    fn write(&mut self, commit: Commit) {
        self.change = self.change.wrapping_add(1);
        self.in_blob = match commit {
            Commit::First(in_blob) => {
                self.generation = self.generation.wrapping_add(1);
                in_blob
            }
            Commit::Longer(in_blob) => in_blob,
        };
    }
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What stands under these locks is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
