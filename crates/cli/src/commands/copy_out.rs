//! `tdattest copy-out`: a file out of a TD's disk image.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;

use crate::destination::{self, Access, Form};
use crate::disk_image::copy::{self, GuestFile, Wanted};
use crate::disk_image::{DiskImage, Format, Gate, ImageError, Remark, Work};
use crate::exit::Exit;
use crate::input::shown;
use crate::output::{self, Hinted, NOTE};
use crate::shell::quoted;

/// Copy a file out of the disk image of a TD that is off
///
/// Needs no root, no mounting and no libguestfs. Reads raw and qcow2 images (version 2 and 3, zlib-compressed, with
/// backing files), with a GPT or one file system on the whole disk: ext4, ext3 or ext2. Symbolic links are followed as
/// the guest would, and its journal is taken into account if it was stopped before it could unmount. Nothing is written
/// to the image. While the TD runs, its latest files may not be in the image yet.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The disk image, or a block device
    image: PathBuf,

    /// The file in the guest, as its partition has it: what the guest mounts at /home has no /home before it there
    path: String,

    /// Where it goes, readable for you alone: a file, which is replaced if it is there, a folder, or `-` for standard
    /// output
    dest: PathBuf,

    /// Look on this partition only [default: all; of several with the file, the guest's root, if its /etc/fstab says
    /// which that is]
    #[arg(long, value_name = "N")]
    partition: Option<u32>,

    /// Read at most this much: bytes, or with K, M or G
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = parse_size)]
    max_size: u64,

    /// Let the image lead to backing and data files below this folder; may be given again
    ///
    /// An image can name any file of this machine as the one that it stands on, and whoever ran in the guest may have
    /// written that name. Absolute names, names with `..`, and links that lead out of the folder are refused even so.
    #[arg(long, value_name = "DIR")]
    backing_folder: Vec<PathBuf>,

    /// The image's format [default: told by its first bytes]
    ///
    /// The guest of a raw image can make its first bytes look like qcow2.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

const EXAMPLES: &str = "\
Examples:
  The quote that the TD made:
    tdattest copy-out td-guest.qcow2 /home/tdx/quote.dat quote.dat

  An image made with `qemu-img create -b base.img -F raw`, beside that:
    tdattest copy-out td-guest.qcow2 /root/quote.dat quote.dat --backing-folder .

  Straight into the next command:
    tdattest copy-out td-guest.img /root/quote.dat - | tdattest inspect -

Exit codes:
  0  copied
  2  misuse, or an image that cannot be read, or the file is not in it
  3  it has something that is not read here (XFS, btrfs, LVM, LUKS, …); the hint names other ways";

/// Files are read into memory.
const MOST: u64 = 1 << 30;

pub(crate) fn run(args: &Args) -> Result<Exit> {
    let (mut remarks, mut format) = (Vec::new(), args.format);
    let file = args.read(&mut remarks, &mut format);
    for remark in remarks {
        output::note(&format!("{NOTE}note:{NOTE:#} {}", output::printable(&remark.to_string())));
    }
    let file = match file {
        Ok(file) => file,
        Err(error) => {
            let exit = if error.is_unsupported() { Exit::Undecided } else { Exit::Misuse };
            let remedy = args.remedy(&error, format);
            output::error(&Hinted::error(&error, remedy));
            return Ok(exit);
        }
    };
    args.write(&file)?;
    Ok(Exit::Success)
}

impl Args {
    /// The format becomes known on the way, unless it was given.
    fn read(
        &self,
        remarks: &mut Vec<Remark>,
        format: &mut Option<Format>,
    ) -> Result<GuestFile, ImageError> {
        let work = Rc::new(Work::for_file_of(self.max_size));
        let mut gate = Gate::new(&self.backing_folder)?;
        if format.is_none() {
            *format = Some(DiskImage::probe(&self.image, &work)?);
        }
        let disk = DiskImage::open(&self.image, *format, &mut gate, &work)?;
        let file = self.file();
        if self.dest != Path::new("-") && gate.holds(&file) {
            return Err(ImageError::Overwritten { file });
        }
        let wanted = Wanted { path: &self.path, partition: self.partition, most: self.max_size };
        copy::read(&Rc::new(disk), &wanted, remarks)
    }

    fn write(&self, file: &GuestFile) -> Result<()> {
        let mut what = format!("`{}` from {}", self.path, file.place);
        if file.real_path != self.path {
            what.push_str(&format!(", there `{}`", file.real_path));
        }
        let what = output::printable(&what);
        if self.dest == Path::new("-") {
            destination::to_standard_output(&file.bytes, Form::Binary, &what, "name a file")?;
            output::note(&format!("{what}, {} bytes", file.bytes.len()));
            return Ok(());
        }
        let path = self.file();
        if destination::write(&path, &file.bytes, Access::Private)? {
            let line = format!("wrote {}: {what}, {} bytes\n", shown(&path), file.bytes.len());
            output::data(line.as_bytes())?;
        }
        Ok(())
    }

    /// The file that is written; for `-`, one of that name.
    fn file(&self) -> PathBuf {
        let name = Path::new(&self.path).file_name().filter(|_| self.dest.is_dir());
        name.map_or_else(|| self.dest.clone(), |name| self.dest.join(name))
    }

    /// What to do about it.
    fn remedy(&self, error: &ImageError, format: Option<Format>) -> String {
        let image = quoted(self.image.as_os_str());
        match error {
            ImageError::Refused { why, .. } if why.is_for_want_of_a_folder() => format!(
                "name the folder that it may be in with --backing-folder; or, if you trust the image, {}",
                whole(&image)
            ),
            error if error.may_leave_names() => format!(
                "if you trust the image, {}; or, while the TD runs: {}",
                whole(&image),
                self.while_running()
            ),
            error if error.is_unsupported() => self.other_ways(&image, format),
            ImageError::Overwritten { .. } => "nothing was written; choose another place".into(),
            ImageError::NotAbsolute { .. } | ImageError::NotFound { .. } => {
                "give the path as its partition has it: what the guest mounts at /home has no /home before it there; in a TD that runs, `sync` writes it out".into()
            }
            ImageError::Ambiguous { .. } => {
                "choose one with --partition N; the guest's /etc/fstab does not settle it".into()
            }
            ImageError::NoPartition { .. } => "leave out --partition to search all".into(),
            ImageError::TooLarge { .. } => format!("give a larger --max-size, up to {MOST}"),
            ImageError::Folder { .. } => "copy its files one by one".into(),
            ImageError::TooManyLinks { .. } | ImageError::Special { .. } => {
                "name the file itself".into()
            }
            ImageError::Unreadable { .. } | ImageError::NoFile { .. } => {
                "check its name, and that you may read it".into()
            }
            _ => "check that the image is whole and its TD is off; in the guest, fsck".into(),
        }
    }

    /// The same with other programs, for an image of which every name was allowed: told the format, they find no others.
    fn other_ways(&self, image: &str, format: Option<Format>) -> String {
        let format = match format {
            None => "",
            Some(Format::Raw) => "--format=raw ",
            Some(Format::Qcow2) => "--format=qcow2 ",
        };
        let (path, folder) = (quoted(self.path.as_ref()), self.folder());
        let while_running = self.while_running();
        format!(
            "use libguestfs: virt-copy-out {format}-a {image} {path} {folder}; or, while the TD runs: {while_running}"
        )
    }

    fn while_running(&self) -> String {
        format!("scp USER@TD:{} {}", quoted(self.path.as_ref()), self.folder())
    }

    fn folder(&self) -> String {
        let folder = match self.dest.parent() {
            _ if self.dest.is_dir() => &self.dest,
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        quoted(folder.as_os_str())
    }
}

/// How to make an image that names no others: this opens all that it names.
fn whole(image: &str) -> String {
    format!(
        "make one that stands alone, for which every file that it names is opened: qemu-img convert -O qcow2 {image} whole.qcow2"
    )
}

/// Bytes, or with a unit of 1024, as `qemu-img` has it.
fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (text.get(..at), 1 << 10),
        Some((at, 'm' | 'M')) => (text.get(..at), 1 << 20),
        Some((at, 'g' | 'G')) => (text.get(..at), 1 << 30),
        _ => (Some(text), 1),
    };
    let number = digits.and_then(|digits| digits.parse::<u64>().ok());
    let size = number.and_then(|number| number.checked_mul(unit));
    size.filter(|size| *size <= MOST).ok_or_else(|| "expected a size up to 1G, such as 64M".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_with_units_of_1024_and_no_others() {
        assert_eq!(parse_size("0"), Ok(0));
        assert_eq!(parse_size("64M"), Ok(64 << 20));
        assert_eq!(parse_size("1G"), Ok(1 << 30));
        for wrong in ["", "M", "-1", "2G", "1.5M", "64MB", "99999999999999999999"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
