//! A file of the guest, on whichever partition it is.

use std::rc::Rc;

use super::partitions::{self, Partition, Place};
use super::recognise::{self, CONTENT_BYTES, Content};
use super::volume::Volume;
use super::{DiskImage, ImageError};

/// Which file, and how much of it at most.
pub(crate) struct Wanted<'a> {
    pub(crate) path: &'a str,
    pub(crate) partition: Option<u32>,
    pub(crate) most: u64,
}

/// A file that was read.
pub(crate) struct GuestFile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) place: Place,
    /// Its path once links are followed.
    pub(crate) real_path: String,
}

/// Reads the file from the one partition that has it.
///
/// # Errors
/// When none has it, more than one has it, or it cannot be read. What could have had it but is not read here comes
/// before "not found".
pub(crate) fn read(disk: &Rc<DiskImage>, wanted: &Wanted<'_>) -> Result<GuestFile, ImageError> {
    if !wanted.path.starts_with('/') {
        return Err(ImageError::NotAbsolute { path: wanted.path.into() });
    }
    let partitions = chosen(partitions::list(disk)?, wanted.partition)?;
    let is_choice = partitions.len() == 1;
    let there = partitions.iter().map(|partition| partition.place.clone()).collect();
    let mut found = Vec::new();
    let (mut searched, mut troubles) = (Vec::new(), Vec::new());
    for partition in partitions {
        let place = partition.place.clone();
        match look(disk, &partition, wanted, is_choice) {
            Ok(Some((volume, real_path))) => found.push((place, volume, real_path)),
            Ok(None) => {}
            Err(ImageError::NotFound { .. }) => searched.push(place),
            Err(error @ (ImageError::TooMuchWork | ImageError::Unreadable { .. })) => {
                return Err(error);
            }
            Err(error) => troubles.push(error),
        }
    }
    let path = wanted.path.to_owned();
    if found.len() > 1 {
        let found = found.into_iter().map(|(place, ..)| place).collect();
        return Err(ImageError::Ambiguous { path, found });
    }
    if let Some((place, volume, real_path)) = found.pop() {
        let bytes = volume.read(&real_path)?;
        return Ok(GuestFile { bytes, place, real_path });
    }
    if searched.is_empty() && troubles.is_empty() {
        return Err(ImageError::NoFileSystem { there });
    }
    // What was met at the path itself says more than what could not be read.
    troubles.sort_by_key(ImageError::is_about_place);
    Err(troubles.into_iter().next().unwrap_or(ImageError::NotFound { path, searched }))
}

fn chosen(partitions: Vec<Partition>, number: Option<u32>) -> Result<Vec<Partition>, ImageError> {
    let Some(number) = number else { return Ok(partitions) };
    let there = partitions.iter().map(|partition| partition.place.clone()).collect();
    let chosen = partitions.into_iter().find(|partition| partition.place.number == Some(number));
    Ok(vec![chosen.ok_or(ImageError::NoPartition { number, there })?])
}

/// The file system and the path in it. Nothing for a partition that cannot have the file, unless it is the only one.
fn look(
    disk: &Rc<DiskImage>,
    partition: &Partition,
    wanted: &Wanted<'_>,
    is_choice: bool,
) -> Result<Option<(Volume, String)>, ImageError> {
    let most = usize::try_from(partition.length).unwrap_or(usize::MAX).min(CONTENT_BYTES);
    let place = || partition.place.clone();
    match recognise::content(&disk.peek(partition.start, most)?) {
        Content::Ext4 => {
            let volume = Volume::open(disk, partition)?;
            let real_path = volume.find(wanted.path, wanted.most)?;
            Ok(Some((volume, real_path)))
        }
        Content::Unread(what) => Err(ImageError::Content { place: place(), what }),
        Content::System(what) if is_choice => Err(ImageError::Content { place: place(), what }),
        Content::Unknown if is_choice => Err(ImageError::UnknownContent { place: place() }),
        Content::System(_) | Content::Unknown => Ok(None),
    }
}
