//! A qcow2 image, version 2 or 3: a disk in clusters, each somewhere in a file or not at all.
//!
//! Source: QEMU, "docs/interop/qcow2.txt".
//! Must stay true: tables are looked up entry by entry and never loaded, so a table that claims to be huge costs
//! nothing; a cluster is at most 2 MiB.

mod clusters;
mod header;

use std::rc::Rc;

use self::clusters::Clusters;
use self::header::Header;
use super::error::{Qcow2Fault, Refusal};
use super::host_file::HostFile;
use super::{DiskImage, Format, Gate, ImageError, Work};

/// An open image with all that it stands on.
pub(crate) struct Qcow2 {
    clusters: Clusters,
    /// Where clusters come from that the image does not have.
    backing: Option<DiskImage>,
}

impl Qcow2 {
    /// Reads the header and opens what it names, as far as the gate lets it.
    pub(super) fn open(
        file: HostFile,
        gate: &mut Gate,
        work: &Rc<Work>,
    ) -> Result<Self, ImageError> {
        let header = Header::read(&file)?;
        let data_file = match &header.data_file {
            None => None,
            Some(name) => {
                let path = gate.admit(file.path(), name)?;
                gate.enter(&path)?;
                Some(HostFile::open(&path, Rc::clone(work))?)
            }
        };
        let backing = match &header.backing_file {
            None => None,
            Some(name) => {
                let refused = || ImageError::Refused { name: name.clone(), why: Refusal::Format };
                let format = match header.backing_format.as_deref() {
                    None => None,
                    Some("raw" | "file" | "host_device") => Some(Format::Raw),
                    Some("qcow2") => Some(Format::Qcow2),
                    Some(_) => return Err(refused()),
                };
                let path = gate.admit(file.path(), name)?;
                Some(DiskImage::open(&path, format, gate, work)?)
            }
        };
        Ok(Self { clusters: Clusters::new(header, file, data_file), backing })
    }

    pub(super) fn length(&self) -> u64 {
        self.clusters.disk_size()
    }

    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        let length = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        if offset.checked_add(length).is_none_or(|end| end > self.length()) {
            let (file, end) = (self.clusters.path().into(), self.length());
            return Err(ImageError::EndsEarly { file, end, offset, length });
        }
        let (mut place, mut rest) = (offset, buffer);
        while !rest.is_empty() {
            let step = self.clusters.left_in_cluster(place).min(rest.len());
            let (piece, after) = rest.split_at_mut(step);
            if !self.clusters.read(place, piece)? {
                self.read_backing(place, piece)?;
            }
            place = place.saturating_add(u64::try_from(step).unwrap_or(u64::MAX));
            rest = after;
        }
        Ok(())
    }

    /// What the image does not have comes from the backing file; past the end of that, and without one, it is zero.
    fn read_backing(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        self.clusters.charge(buffer.len())?;
        buffer.fill(0);
        let Some(backing) = &self.backing else { return Ok(()) };
        let there = usize::try_from(backing.length().saturating_sub(offset)).unwrap_or(usize::MAX);
        let there = there.min(buffer.len());
        match buffer.get_mut(..there) {
            Some(buffer) if !buffer.is_empty() => backing.read_at(offset, buffer),
            _ => Ok(()),
        }
    }
}
