//! The header of a qcow2 image and its extensions.
//!
//! Source: QEMU, "docs/interop/qcow2.txt", "Header", "Header extensions".

use super::{HostFile, ImageError, Qcow2Fault};
use crate::disk_image::bytes_at::{be32, be64, has};

/// Through the end of the fixed part of version 2.
const V2_LENGTH: u32 = 72;
/// The least that a header of version 3 has.
const V3_LENGTH: u32 = 104;
/// QEMU's own bound on names in headers.
const NAME_BYTES: u32 = 1023;
/// QEMU's bound: more than 2^61 bytes cannot be addressed by any tables.
const DISK_BYTES: u64 = 1 << 61;

/// What of the header matters for reading.
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) cluster_bits: u32,
    pub(super) disk_size: u64,
    pub(super) first_table: u64,
    pub(super) backing_file: Option<String>,
    pub(super) backing_format: Option<String>,
    pub(super) data_file: Option<String>,
}

impl Header {
    pub(super) fn read(file: &HostFile) -> Result<Self, ImageError> {
        // Enough for the fixed part of both versions, and never more than the smallest cluster.
        let start = file.peek(0, 512)?;
        let fault = |fault| ImageError::Qcow2 { file: file.path().into(), fault };
        let fields = Fields::parse(&start).map_err(fault)?;
        if let Some(feature) = fields.unread_feature() {
            let may_name_files = fields.may_name_files();
            return Err(ImageError::Qcow2Feature {
                file: file.path().into(),
                feature,
                may_name_files,
            });
        }
        fields.check().map_err(fault)?;
        // Extensions and names stand in the first cluster.
        let cluster = usize::try_from(1_u64 << fields.cluster_bits).unwrap_or(usize::MAX);
        let first = file.peek(0, cluster)?;
        let extensions =
            Extensions::parse(&first, fields.header_length).ok_or(fault(Qcow2Fault::Extensions))?;
        let backing_file = fields.backing_name(&first).map_err(fault)?;
        if fields.has_data_file() && extensions.data_file.is_none() {
            return Err(fault(Qcow2Fault::DataFileName));
        }
        Ok(Self {
            version: fields.version,
            cluster_bits: fields.cluster_bits,
            disk_size: fields.disk_size,
            first_table: fields.first_table,
            backing_file,
            backing_format: extensions.backing_format,
            data_file: extensions.data_file.filter(|_| fields.has_data_file()),
        })
    }
}

/// The fixed part, as it stands.
struct Fields {
    version: u32,
    backing_offset: u64,
    backing_length: u32,
    cluster_bits: u32,
    disk_size: u64,
    encryption: u32,
    first_table_entries: u32,
    first_table: u64,
    incompatible: u64,
    header_length: u32,
    compression: u8,
}

/// "Incompatible features": a reader must know every bit that is set.
const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const DATA_FILE: u64 = 1 << 2;
const COMPRESSION: u64 = 1 << 3;
const EXTENDED: u64 = 1 << 4;
const KNOWN: u64 = DIRTY | CORRUPT | DATA_FILE | COMPRESSION | EXTENDED;

impl Fields {
    fn parse(start: &[u8]) -> Result<Self, Qcow2Fault> {
        if !has(start, 0, b"QFI\xfb") {
            return Err(Qcow2Fault::Header);
        }
        let version = be32(start, 4).ok_or(Qcow2Fault::Header)?;
        if version != 2 && version != 3 {
            return Err(Qcow2Fault::Version(version));
        }
        Self::fixed(start, version).ok_or(Qcow2Fault::Header)
    }

    fn fixed(start: &[u8], version: u32) -> Option<Self> {
        let mut fields = Self {
            version,
            backing_offset: be64(start, 8)?,
            backing_length: be32(start, 16)?,
            cluster_bits: be32(start, 20)?,
            disk_size: be64(start, 24)?,
            encryption: be32(start, 32)?,
            first_table_entries: be32(start, 36)?,
            first_table: be64(start, 40)?,
            incompatible: 0,
            header_length: V2_LENGTH,
            compression: 0,
        };
        if version == 3 {
            fields.incompatible = be64(start, 72)?;
            fields.header_length = be32(start, 100)?;
            if fields.header_length > V3_LENGTH {
                fields.compression = *start.get(104)?;
            }
        }
        Some(fields)
    }

    fn unread_feature(&self) -> Option<&'static str> {
        if self.encryption != 0 {
            return Some("encryption");
        }
        if self.incompatible & EXTENDED != 0 {
            return Some("extended L2 entries");
        }
        match self.compression {
            0 => {}
            1 => return Some("zstd compression"),
            _ => return Some("an unknown compression"),
        }
        (self.incompatible & !KNOWN != 0).then_some("an unknown incompatible feature")
    }

    fn check(&self) -> Result<(), Qcow2Fault> {
        if !(9..=21).contains(&self.cluster_bits) {
            return Err(Qcow2Fault::ClusterBits(self.cluster_bits));
        }
        let cluster = 1_u64 << self.cluster_bits;
        let fits = u64::from(self.header_length) <= cluster;
        if self.version == 3 && (self.header_length < V3_LENGTH || !fits) {
            return Err(Qcow2Fault::HeaderLength(self.header_length));
        }
        if self.incompatible & CORRUPT != 0 {
            return Err(Qcow2Fault::MarkedCorrupt);
        }
        // An entry of the first table leads to a cluster of entries of eight bytes, each of which leads to a cluster.
        let per_entry = cluster.saturating_mul(cluster / 8);
        let described = per_entry.saturating_mul(self.first_table_entries.into());
        if self.disk_size > DISK_BYTES || self.disk_size > described {
            return Err(Qcow2Fault::Size(self.disk_size));
        }
        if !self.first_table.is_multiple_of(cluster) {
            return Err(Qcow2Fault::Alignment(self.first_table));
        }
        Ok(())
    }

    fn has_data_file(&self) -> bool {
        self.incompatible & DATA_FILE != 0
    }

    /// Whether it has a backing or a data file, or may have what is not known yet.
    fn may_name_files(&self) -> bool {
        let has_backing_file = self.backing_offset != 0 || self.backing_length != 0;
        has_backing_file || self.has_data_file() || self.incompatible & !KNOWN != 0
    }

    fn backing_name(&self, first_cluster: &[u8]) -> Result<Option<String>, Qcow2Fault> {
        if self.backing_offset == 0 || self.backing_length == 0 {
            return Ok(None);
        }
        let place = || {
            let start = usize::try_from(self.backing_offset).ok()?;
            let length = usize::try_from(Some(self.backing_length).filter(|l| *l <= NAME_BYTES)?);
            first_cluster.get(start..)?.get(..length.ok()?)
        };
        place().and_then(text).map(Some).ok_or(Qcow2Fault::BackingName)
    }
}

#[derive(Default)]
struct Extensions {
    backing_format: Option<String>,
    data_file: Option<String>,
}

impl Extensions {
    /// Each has a type, a length and its data, padded to eight bytes. `None` if they run out of the cluster.
    fn parse(first_cluster: &[u8], header_length: u32) -> Option<Self> {
        let mut found = Self::default();
        let mut rest = first_cluster.get(usize::try_from(header_length).ok()?..)?;
        // Files of little content may end before the list does; QEMU reads zeros there.
        while let Some(kind) = be32(rest, 0).filter(|kind| *kind != 0) {
            let length = usize::try_from(be32(rest, 4)?).ok()?;
            let data = rest.get(8..)?.get(..length)?;
            match kind {
                0xe279_2aca => found.backing_format = Some(text(data)?),
                0x4441_5441 => found.data_file = Some(text(data)?),
                _ => {}
            }
            let padded = length.checked_next_multiple_of(8)?.checked_add(8)?;
            rest = rest.get(padded..)?;
        }
        Some(found)
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then(|| text.to_owned())
}
