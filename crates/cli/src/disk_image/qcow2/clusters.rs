//! Where a cluster of the disk is, and its bytes.
//!
//! Source: QEMU, "docs/interop/qcow2.txt", "Cluster mapping", "L2 table entry".

use std::cell::RefCell;
use std::path::Path;

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};

use super::header::Header;
use super::{HostFile, ImageError, Qcow2Fault};

/// The bits of an entry that are an offset.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
/// "Refcount is exactly one"; with a data file, it tells offset 0 from no offset.
const COPIED: u64 = 1 << 63;
const ZERO: u64 = 1;

/// The clusters that an image has itself.
pub(super) struct Clusters {
    header: Header,
    file: HostFile,
    data_file: Option<HostFile>,
    /// The cluster that was decompressed last: neighbours are read one after the other.
    decompressed: RefCell<Option<(u64, Vec<u8>)>>,
}

/// Where a cluster is.
enum Location {
    Nowhere,
    Zero,
    At(u64),
    Compressed { offset: u64, length: usize },
}

impl Clusters {
    pub(super) fn new(header: Header, file: HostFile, data_file: Option<HostFile>) -> Self {
        Self { header, file, data_file, decompressed: RefCell::new(None) }
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn disk_size(&self) -> u64 {
        self.header.disk_size
    }

    pub(super) fn charge(&self, bytes: usize) -> Result<(), ImageError> {
        self.file.charge(bytes)
    }

    /// How many bytes there are from this place of the disk to the end of its cluster.
    pub(super) fn left_in_cluster(&self, place: u64) -> usize {
        let left = self.cluster_size().saturating_sub(self.within(place));
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Fills the buffer, which does not reach into the next cluster. Says no if the image does not have this cluster.
    pub(super) fn read(&self, place: u64, buffer: &mut [u8]) -> Result<bool, ImageError> {
        match self.locate(place)? {
            Location::Nowhere => return Ok(false),
            Location::Zero => {
                self.charge(buffer.len())?;
                buffer.fill(0);
            }
            Location::At(offset) => {
                let file = self.data_file.as_ref().unwrap_or(&self.file);
                // An offset has 56 bits.
                file.read_at(offset.saturating_add(self.within(place)), buffer)?;
            }
            Location::Compressed { offset, length } => {
                self.decompress(offset, length)?;
                let cluster = self.decompressed.borrow();
                let bytes = cluster.as_ref().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
                let start = usize::try_from(self.within(place)).unwrap_or(usize::MAX);
                let piece = bytes.get(start..).and_then(|rest| rest.get(..buffer.len()));
                let piece = piece.ok_or_else(|| self.fault(Qcow2Fault::Compressed))?;
                buffer.copy_from_slice(piece);
            }
        }
        Ok(true)
    }

    fn locate(&self, place: u64) -> Result<Location, ImageError> {
        let cluster = place >> self.header.cluster_bits;
        let per_table = self.cluster_size() / 8;
        let first = self.entry(self.header.first_table, cluster / per_table)?;
        let table = self.aligned(first & OFFSET)?;
        if table == 0 {
            return Ok(Location::Nowhere);
        }
        let entry = self.entry(table, cluster % per_table)?;
        if entry & COMPRESSED != 0 {
            return Ok(self.compressed(entry));
        }
        if self.header.version == 3 && entry & ZERO != 0 {
            return Ok(Location::Zero);
        }
        let offset = self.aligned(entry & OFFSET)?;
        let is_somewhere = offset != 0 || (self.data_file.is_some() && entry & COPIED != 0);
        Ok(if is_somewhere { Location::At(offset) } else { Location::Nowhere })
    }

    /// "Compressed Clusters Descriptor": an offset of any alignment, and how many sectors of 512 bytes it goes into.
    fn compressed(&self, entry: u64) -> Location {
        let sector_bits = self.header.cluster_bits.saturating_sub(8);
        let offset_bits = 62_u32.saturating_sub(sector_bits);
        let offset = entry & mask(offset_bits);
        let more = (entry >> offset_bits) & mask(sector_bits);
        let end = more.saturating_add(1).saturating_mul(512);
        let length = end.saturating_sub(offset % 512);
        Location::Compressed { offset, length: usize::try_from(length).unwrap_or(usize::MAX) }
    }

    fn decompress(&self, offset: u64, length: usize) -> Result<(), ImageError> {
        let mut last = self.decompressed.borrow_mut();
        if last.as_ref().is_some_and(|(known, _)| *known == offset) {
            return Ok(());
        }
        let size = usize::try_from(self.cluster_size()).unwrap_or(usize::MAX);
        self.charge(size)?;
        // The last sector may end with the file before it is full.
        let compressed = self.file.peek(offset, length)?;
        let bytes = match decompress_to_vec_with_limit(&compressed, size) {
            Ok(bytes) => bytes,
            // A full cluster is one, whether or not the stream says that it ends there.
            Err(full) if full.status == TINFLStatus::HasMoreOutput => full.output,
            // Of a stream that is cut or damaged the buffer is as long as it had grown, not as long as what came.
            Err(_) => return Err(self.fault(Qcow2Fault::Compressed)),
        };
        if bytes.len() != size {
            return Err(self.fault(Qcow2Fault::Compressed));
        }
        *last = Some((offset, bytes));
        Ok(())
    }

    /// An entry of a table that starts at this byte of the file.
    fn entry(&self, table: u64, index: u64) -> Result<u64, ImageError> {
        let mut bytes = [0; 8];
        self.file.read_at(table.saturating_add(index.saturating_mul(8)), &mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn aligned(&self, offset: u64) -> Result<u64, ImageError> {
        match offset % self.cluster_size() {
            0 => Ok(offset),
            _ => Err(self.fault(Qcow2Fault::Alignment(offset))),
        }
    }

    fn fault(&self, fault: Qcow2Fault) -> ImageError {
        ImageError::Qcow2 { file: self.path().into(), fault }
    }

    fn cluster_size(&self) -> u64 {
        // The header has between 9 and 21 bits.
        1_u64.checked_shl(self.header.cluster_bits).unwrap_or(u64::MAX)
    }

    fn within(&self, place: u64) -> u64 {
        place % self.cluster_size()
    }
}

fn mask(bits: u32) -> u64 {
    1_u64.checked_shl(bits).map_or(u64::MAX, |bit| bit.saturating_sub(1))
}
