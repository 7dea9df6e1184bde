//! Which file system does the guest mount at `/`? Its own `/etc/fstab` says so, if there is one that names itself.
//!
//! Source: the manual page fstab(5).
//! Must stay true: where anything else could be meant, the answer is none, and the user is asked.

use super::guest_path;
use super::partitions::Place;
use super::volume::Volume;

/// More than any table of honest make has.
const TABLE_BYTES: u64 = 64 * 1024;

/// The guest's root.
pub(super) struct Root<'a> {
    volume: &'a Volume,
    /// Where the guest mounts others.
    points: Vec<Vec<String>>,
}

impl<'a> Root<'a> {
    /// The only file system with a table that mounts this very file system, and no other, at `/`.
    pub(super) fn among(volumes: &[&'a Volume]) -> Option<Self> {
        let mut roots = volumes.iter().filter_map(|volume| {
            let mounts = mounts(volume)?;
            let (own, others): (Vec<_>, Vec<_>) =
                mounts.into_iter().partition(|mount| mount.point.is_empty());
            let is_named = |other: &&&Volume| own.iter().any(|mount| mount.source.is(other));
            let is_only = volumes.iter().filter(is_named).count() == 1;
            let points = others.into_iter().map(|mount| mount.point).collect();
            (is_only && is_named(&volume)).then_some(Self { volume, points })
        });
        let root = roots.next()?;
        roots.next().is_none().then_some(root)
    }

    pub(super) fn place(&self) -> &Place {
        self.volume.place()
    }

    /// Whether the guest looks for this path on its root: nothing else is mounted on the way.
    pub(super) fn keeps(&self, path: &str) -> bool {
        let names = names(path);
        let is_plain = !names.iter().any(|name| name == "..");
        is_plain && !self.points.iter().any(|point| names.starts_with(point))
    }
}

/// A line of the table.
struct Mount {
    source: Source,
    /// The names of the path; none for `/`.
    point: Vec<String>,
}

/// By what a table names a file system.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Uuid(String),
    Label(String),
    PartitionUuid(String),
    PartitionLabel(String),
    /// A device, whose name does not say which partition it is, or no device at all.
    Other,
}

impl Source {
    fn parse(text: &str) -> Self {
        let text = text.replace('"', "");
        let (kind, value) = match text.strip_prefix("/dev/disk/by-") {
            Some(rest) => rest.split_once('/').unwrap_or_default(),
            None => text.split_once('=').unwrap_or_default(),
        };
        let value = value.to_owned();
        match kind {
            "UUID" | "uuid" => Self::Uuid(value.to_ascii_lowercase()),
            "LABEL" | "label" => Self::Label(value),
            "PARTUUID" | "partuuid" => Self::PartitionUuid(value.to_ascii_lowercase()),
            "PARTLABEL" | "partlabel" => Self::PartitionLabel(value),
            _ => Self::Other,
        }
    }

    fn is(&self, volume: &Volume) -> bool {
        match self {
            Self::Uuid(uuid) => volume.uuid() == uuid,
            Self::Label(label) => volume.label() == label,
            Self::PartitionUuid(uuid) => volume.partition().uuid == *uuid,
            Self::PartitionLabel(label) => volume.place().name() == label,
            Self::Other => false,
        }
    }
}

/// What a file system's own table mounts, if it has one.
fn mounts(volume: &Volume) -> Option<Vec<Mount>> {
    let table = volume.find("/etc/fstab", TABLE_BYTES).ok()?;
    let text = String::from_utf8(volume.read(&table).ok()?).ok()?;
    Some(parse(&text))
}

fn parse(table: &str) -> Vec<Mount> {
    let lines = table.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let mounts = lines.filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (source, point) = (fields.next()?, unescaped(fields.next()?));
        let source = Source::parse(&unescaped(source));
        // Swap has no mount point, and says `none`.
        point.starts_with('/').then(|| Mount { source, point: names(&point) })
    });
    mounts.collect()
}

/// A field's spaces and the like stand there as `\040`.
fn unescaped(field: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(field.to_owned(), |field, (escape, meant)| field.replace(escape, meant))
}

fn names(path: &str) -> Vec<String> {
    let mut names = guest_path::parts(path);
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_file_systems_as_a_table_does() {
        let uuid = || Source::Uuid("0a-1b".into());
        assert_eq!(Source::parse("UUID=0A-1b"), uuid());
        assert_eq!(Source::parse("UUID=\"0a-1b\""), uuid());
        assert_eq!(Source::parse("/dev/disk/by-uuid/0a-1b"), uuid());
        assert_eq!(Source::parse("LABEL=Root"), Source::Label("Root".into()));
        assert_eq!(Source::parse("PARTUUID=0a"), Source::PartitionUuid("0a".into()));
        assert_eq!(Source::parse("PARTLABEL=Root"), Source::PartitionLabel("Root".into()));
        for other in ["/dev/vda1", "tmpfs", "", "/dev/disk/by-path/x"] {
            assert_eq!(Source::parse(other), Source::Other, "{other}");
        }
    }

    #[test]
    fn reads_mount_points_and_neither_comments_nor_swap() {
        let table = "# /dev/vda1 /no ext4\n\n UUID=a / ext4 defaults 0 1\nb none swap sw\nc\n\
                     LABEL=my\\040data\t/srv/my\\040data\text4\n";
        let mounts = parse(table);
        let points: Vec<Vec<String>> = mounts.iter().map(|mount| mount.point.clone()).collect();
        assert_eq!(points, [vec![], vec!["srv".to_owned(), "my data".to_owned()]]);
        assert_eq!(mounts[1].source, Source::Label("my data".into()));
    }
}
