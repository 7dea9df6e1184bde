//! What the journal has that is not in its place yet: the guest was stopped before it could unmount.
//!
//! Source: Linux, "Documentation/filesystems/ext4/journal.rst"; "fs/jbd2/recovery.c".
//! Must stay true: as when the guest mounts again, transactions count up to the last one that is whole, and a block
//! that was revoked is taken from no transaction up to that which revoked it. Each step reads, and pays for, a block.

mod log;

use std::collections::BTreeMap;

use self::log::{Entry, Log, Tag};
use super::{FileSystem, ImageError, Inode, Kind};

const MAGIC: u32 = 0xc03b_3998;

/// More than an honest journal revokes between two checkpoints.
const REVOKED: usize = 1 << 20;

/// Where the newest copy of a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) block: u64,
    /// The block begins as those of a journal do, so its copy begins with zeros.
    is_escaped: bool,
}

impl Copy {
    /// Gives a copy that was read the beginning of its block.
    pub(super) fn restore(self, block: &mut [u8]) {
        if self.is_escaped {
            block.iter_mut().zip(MAGIC.to_be_bytes()).for_each(|(byte, own)| *byte = own);
        }
    }
}

/// The blocks whose newest copy is in the journal.
#[derive(Default)]
pub(super) struct Replay(BTreeMap<u64, Copy>);

impl Replay {
    pub(super) fn copy_of(&self, block: u64) -> Option<Copy> {
        self.0.get(&block).copied()
    }

    /// Reads the journal from the first transaction that may not be in place.
    ///
    /// # Errors
    /// When it is damaged, other than in a last transaction that was not written to its end.
    pub(super) fn load(file_system: &FileSystem, inode: &Inode) -> Result<Self, ImageError> {
        if inode.kind != Kind::File {
            return Err(file_system.damaged("its journal is no file"));
        }
        let Some(mut log) = Log::open(file_system, inode)? else { return Ok(Self::default()) };
        let mut scan = Scan::default();
        while let Some(entry) = log.next()? {
            match entry {
                Entry::Copies(tags) => scan.copied.extend(tags),
                Entry::Revoked(blocks) => scan.revoked.extend(blocks),
                Entry::Commit => {
                    scan.copied.iter().try_for_each(|(tag, block)| log.check(tag, *block))?;
                    scan.commit();
                    log.begin_next();
                }
            }
            if scan.revoked.len().saturating_add(scan.revoked_by.len()) > REVOKED {
                return Err(ImageError::TooMuchWork);
            }
        }
        Ok(scan.finish())
    }
}

/// The transactions so far. The last one counts once it is committed.
#[derive(Default)]
struct Scan {
    copied: Vec<(Tag, u64)>,
    revoked: Vec<u64>,
    committed: Vec<(u32, Tag, u64)>,
    /// The last transaction that revoked a block.
    revoked_by: BTreeMap<u64, u32>,
    /// How many are committed.
    transactions: u32,
}

impl Scan {
    fn commit(&mut self) {
        let number = self.transactions;
        let copied = self.copied.drain(..).map(|(tag, block)| (number, tag, block));
        self.committed.extend(copied);
        self.revoked_by.extend(self.revoked.drain(..).map(|block| (block, number)));
        self.transactions = number.saturating_add(1);
    }

    fn finish(self) -> Replay {
        let mut copies = BTreeMap::new();
        for (number, tag, block) in self.committed {
            if self.revoked_by.get(&tag.of).is_none_or(|by| *by < number) {
                copies.insert(tag.of, Copy { block, is_escaped: tag.is_escaped });
            }
        }
        Replay(copies)
    }
}
