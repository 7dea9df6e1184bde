//! Which file is what: numbers, names, modes and sizes.

use fuser::FileType;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A folder that is always there.
    Folder,
    /// configfs-tsm's folder, in which entries are made.
    Reports,
    /// `/dev/tdx_guest`.
    Device,
    /// A run-time register.
    Register(u8),
    MrTd,
    MrConfigId,
    MrOwner,
    MrOwnerConfig,
    /// The data of the ACPI table CCEL.
    EventLog,
    /// An entry of configfs-tsm, a folder.
    Entry,
    Provider,
    Generation,
    InBlob,
    OutBlob,
}

impl Kind {
    pub(super) fn file_type(self) -> FileType {
        match self {
            Self::Folder | Self::Reports | Self::Entry => FileType::Directory,
            // A device would need root of the whole machine.
            _ => FileType::RegularFile,
        }
    }

    /// The mode, as the kernel sets it.
    pub(super) fn mode(self) -> u16 {
        match self {
            Self::Folder | Self::Reports | Self::Entry => 0o755,
            Self::Device => 0o600,
            Self::Register(_) => 0o644,
            Self::EventLog => 0o400,
            Self::InBlob => 0o200,
            _ => 0o444,
        }
    }

    /// The size that the kernel says, which is seldom that of the content.
    pub(super) fn size(self) -> u64 {
        match self {
            Self::Provider | Self::Generation => 4096,
            Self::Register(_)
            | Self::MrTd
            | Self::MrConfigId
            | Self::MrOwner
            | Self::MrOwnerConfig => 48,
            _ => 0,
        }
    }
}

/// A file: what it is, and of which entry, 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) entry: u64,
    pub(super) inode: u64,
}

/// The files that are always there: each one's folder by its place here, its name, what it is.
const PLACES: [(usize, &str, Kind); 26] = [
    (0, "", Kind::Folder),
    (0, "dev", Kind::Folder),
    (1, "tdx_guest", Kind::Device),
    (0, "sys", Kind::Folder),
    (3, "kernel", Kind::Folder),
    (4, "config", Kind::Folder),
    (5, "tsm", Kind::Folder),
    (6, "report", Kind::Reports),
    (3, "devices", Kind::Folder),
    (8, "virtual", Kind::Folder),
    (9, "misc", Kind::Folder),
    (10, "tdx_guest", Kind::Folder),
    (11, "measurements", Kind::Folder),
    (12, "rtmr0:sha384", Kind::Register(0)),
    (12, "rtmr1:sha384", Kind::Register(1)),
    (12, "rtmr2:sha384", Kind::Register(2)),
    (12, "rtmr3:sha384", Kind::Register(3)),
    (12, "mrtd:sha384", Kind::MrTd),
    (12, "mrconfigid", Kind::MrConfigId),
    (12, "mrowner", Kind::MrOwner),
    (12, "mrownerconfig", Kind::MrOwnerConfig),
    (3, "firmware", Kind::Folder),
    (21, "acpi", Kind::Folder),
    (22, "tables", Kind::Folder),
    (23, "data", Kind::Folder),
    (24, "CCEL", Kind::EventLog),
];

/// The files of an entry; the entry itself has place 0.
const ATTRIBUTES: [(&str, Kind); 5] = [
    ("", Kind::Entry),
    ("provider", Kind::Provider),
    ("generation", Kind::Generation),
    ("inblob", Kind::InBlob),
    ("outblob", Kind::OutBlob),
];

/// Entries have the numbers from here on, this many each.
const FIRST_ENTRY: u64 = 64;
const ENTRY_STRIDE: u64 = 8;

impl Node {
    /// The file with a number, if there can be one.
    pub(super) fn of(inode: u64) -> Option<Self> {
        if let Some(beyond) = inode.checked_sub(FIRST_ENTRY) {
            let place = usize::try_from(beyond.checked_rem(ENTRY_STRIDE)?).ok()?;
            let (_, kind) = *ATTRIBUTES.get(place)?;
            // Entries count from 1.
            let entry = beyond.checked_div(ENTRY_STRIDE)?.checked_add(1)?;
            return Some(Self { kind, entry, inode });
        }
        let place = usize::try_from(inode.checked_sub(1)?).ok()?;
        let (_, _, kind) = *PLACES.get(place)?;
        Some(Self { kind, entry: 0, inode })
    }

    /// The folder of an entry, which count from 1.
    pub(super) fn of_entry(entry: u64) -> Option<Self> {
        let before = entry.checked_sub(1)?.checked_mul(ENTRY_STRIDE)?;
        Self::of(FIRST_ENTRY.checked_add(before)?)
    }

    /// The files that are always in a folder.
    pub(super) fn children(self) -> Vec<(&'static str, Self)> {
        if self.kind == Kind::Entry {
            let names = ATTRIBUTES.iter().map(|(name, _)| *name);
            let numbered = names.zip(self.inode..).skip(1);
            return numbered.filter_map(|(name, inode)| Some((name, Self::of(inode)?))).collect();
        }
        let numbered = PLACES.iter().zip(1..).skip(1);
        let parent_is = |parent: usize| u64::try_from(parent) == Ok(self.inode.saturating_sub(1));
        let inside = numbered.filter(|((parent, ..), _)| self.entry == 0 && parent_is(*parent));
        inside.filter_map(|((_, name, _), inode)| Some((*name, Self::of(inode)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_stands_in_a_folder_before_it() {
        for (place, (parent, name, _)) in PLACES.iter().enumerate().skip(1) {
            assert!(*parent < place && PLACES[*parent].2 == Kind::Folder, "{name}");
        }
    }

    #[test]
    fn the_files_of_entries_have_numbers_of_their_own() {
        let [first, second] = [1, 2].map(|entry| Node::of_entry(entry).unwrap());
        assert_eq!((first.kind, first.entry, second.entry), (Kind::Entry, 1, 2));
        let names: Vec<_> =
            second.children().into_iter().map(|(name, node)| (name, node.entry)).collect();
        assert_eq!(names, ["provider", "generation", "inblob", "outblob"].map(|name| (name, 2)));
        assert_eq!(Node::of(0), None);
        assert_eq!(Node::of(27), None);
        assert_eq!(Node::of_entry(0), None);
    }
}
