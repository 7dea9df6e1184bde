//! A file of the guest, on whichever partition it is.

use std::rc::Rc;

use super::partitions::{self, Partition, Place};
use super::recognise::{self, CONTENT_BYTES, Content};
use super::remark::Remark;
use super::root::Root;
use super::volume::{Found, Volume};
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

/// Reads the file from the one partition that has it; where several do, from the guest's root, if it is plain which
/// that is.
///
/// # Errors
/// When none has it, it is not plain which one is meant, or it cannot be read. What could have had it but is not read
/// here comes before "not found".
pub(crate) fn read(
    disk: &Rc<DiskImage>,
    wanted: &Wanted<'_>,
    remarks: &mut Vec<Remark>,
) -> Result<GuestFile, ImageError> {
    if !wanted.path.starts_with('/') {
        return Err(ImageError::NotAbsolute { path: wanted.path.into() });
    }
    let partitions = chosen(partitions::list(disk)?, wanted.partition)?;
    let mut search = Search::run(disk, &partitions, wanted)?;
    if search.found.is_empty() {
        let there = partitions.into_iter().map(|partition| partition.place).collect();
        return Err(search.failure(there, wanted.path, remarks));
    }
    remarks.extend(search.not_searched());
    let Hit { volume, file } = search.choose(wanted.path, remarks)?;
    remarks.extend(not_unmounted(&volume));
    let bytes = volume.read(&file)?;
    Ok(GuestFile { bytes, place: volume.place().clone(), real_path: file.real_path })
}

fn chosen(partitions: Vec<Partition>, number: Option<u32>) -> Result<Vec<Partition>, ImageError> {
    let Some(number) = number else { return Ok(partitions) };
    let there = partitions.iter().map(|partition| partition.place.clone()).collect();
    let chosen = partitions.into_iter().find(|partition| partition.place.number == Some(number));
    Ok(vec![chosen.ok_or(ImageError::NoPartition { number, there })?])
}

/// A file system with the file.
struct Hit {
    volume: Volume,
    file: Found,
}

/// What came of looking on each partition.
#[derive(Default)]
struct Search {
    found: Vec<Hit>,
    /// The file systems that were read, and do not have the file.
    without: Vec<Volume>,
    troubles: Vec<ImageError>,
}

impl Search {
    fn run(
        disk: &Rc<DiskImage>,
        partitions: &[Partition],
        wanted: &Wanted<'_>,
    ) -> Result<Self, ImageError> {
        let mut search = Self::default();
        for partition in partitions {
            match search.look(disk, partition, wanted, partitions.len() == 1) {
                Ok(()) => {}
                Err(error @ (ImageError::TooMuchWork | ImageError::Unreadable { .. })) => {
                    return Err(error);
                }
                Err(error) => search.troubles.push(error),
            }
        }
        // What was met at the path itself says more than what could not be read.
        search.troubles.sort_by_key(ImageError::is_about_place);
        Ok(search)
    }

    fn look(
        &mut self,
        disk: &Rc<DiskImage>,
        partition: &Partition,
        wanted: &Wanted<'_>,
        is_choice: bool,
    ) -> Result<(), ImageError> {
        let Some(volume) = open(disk, partition, is_choice)? else { return Ok(()) };
        match volume.find(wanted.path, wanted.most) {
            Ok(file) => self.found.push(Hit { volume, file }),
            Err(error) => {
                self.without.push(volume);
                if !matches!(error, ImageError::NotFound { .. }) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Why there is no file; what else may have it, or may be why, becomes a remark.
    fn failure(mut self, there: Vec<Place>, path: &str, remarks: &mut Vec<Remark>) -> ImageError {
        let first = (!self.troubles.is_empty()).then(|| self.troubles.remove(0));
        remarks.extend(self.not_searched());
        remarks.extend(self.without.iter().filter_map(not_unmounted));
        let searched: Vec<Place> =
            self.without.iter().map(|volume| volume.place().clone()).collect();
        first.unwrap_or_else(|| match searched.is_empty() {
            true => ImageError::NoFileSystem { there },
            false => ImageError::NotFound { path: path.into(), searched },
        })
    }

    /// The partitions that could have the file, too, had they been read.
    fn not_searched(&mut self) -> impl Iterator<Item = Remark> {
        self.troubles.drain(..).filter(ImageError::is_about_place).map(Remark::NotSearched)
    }

    /// The one that is meant, of one or more.
    fn choose(mut self, path: &str, remarks: &mut Vec<Remark>) -> Result<Hit, ImageError> {
        let index = match self.found.len() {
            1 => Some(0),
            _ => self.on_root(path),
        };
        let mut found: Vec<Place> =
            self.found.iter().map(|hit| hit.volume.place().clone()).collect();
        let path = path.to_owned();
        let Some(index) = index else { return Err(ImageError::Ambiguous { path, found }) };
        let chosen = found.remove(index);
        if !found.is_empty() {
            remarks.push(Remark::OnRoot { path, chosen, others: found });
        }
        Ok(self.found.swap_remove(index))
    }

    /// The one that the guest itself would find under this path, if it is plain which that is.
    fn on_root(&self, path: &str) -> Option<usize> {
        let found = self.found.iter().map(|hit| &hit.volume);
        let volumes: Vec<&Volume> = found.chain(&self.without).collect();
        let root = Root::among(&volumes)?;
        let is_meant = |hit: &Hit| {
            hit.volume.place() == root.place()
                && root.keeps(path)
                && root.keeps(&hit.file.real_path)
        };
        self.found.iter().position(is_meant)
    }
}

/// The file system of a partition. None for one that cannot have the file, unless it is the only one.
fn open(
    disk: &Rc<DiskImage>,
    partition: &Partition,
    is_choice: bool,
) -> Result<Option<Volume>, ImageError> {
    let most = usize::try_from(partition.length).unwrap_or(usize::MAX).min(CONTENT_BYTES);
    let place = || partition.place.clone();
    match recognise::content(&disk.peek(partition.start, most)?) {
        Content::Ext4 => Volume::open(disk, partition).map(Some),
        Content::Unread(what) => Err(ImageError::Content { place: place(), what }),
        Content::System(what) if is_choice => Err(ImageError::Content { place: place(), what }),
        Content::Unknown if is_choice => Err(ImageError::UnknownContent { place: place() }),
        Content::System(_) | Content::Unknown => Ok(None),
    }
}

fn not_unmounted(volume: &Volume) -> Option<Remark> {
    volume.is_unclean().then(|| Remark::NotUnmounted(volume.place().clone()))
}
