//! Disk images made for one test by the programs that make real ones: `mkfs.ext4`, `qemu-img`, and the `gpt` crate.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition_types::LINUX_FS;

/// What the guest's `/home/tdx/quote.dat` holds, in every image that has one.
pub(crate) const QUOTE: &[u8] = b"not a quote, but as good as one for copying";

/// A folder of images, gone with the test.
pub(crate) struct Images(tempfile::TempDir);

/// How a run of `tdattest` ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Whether the programs are there. Says so if not.
#[expect(clippy::print_stdout, reason = "a skipped test says why")]
pub(crate) fn can_be_made() -> bool {
    let missing: Vec<&str> = ["qemu-img", "mkfs.ext4", "debugfs", "e2fsck"]
        .into_iter()
        .filter(|name| program(name).arg("-V").output().is_err())
        .collect();
    if !missing.is_empty() {
        println!("skipped: {} not found (Debian: qemu-utils, e2fsprogs)", missing.join(", "));
    }
    missing.is_empty()
}

/// Debian has `mkfs.ext4` where only root looks for programs.
fn program(name: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stdin(Stdio::null());
    command
}

impl Images {
    /// A folder with nothing in it but a tree for a guest.
    pub(crate) fn new() -> Self {
        let images = Self(tempfile::tempdir().unwrap());
        images.write("tree/home/tdx/quote.dat", QUOTE);
        images
    }

    /// A folder with `disk.img`: raw, ext4 on the whole disk.
    pub(crate) fn with_disk() -> Self {
        let images = Self::new();
        images.make_ext4("disk.img", "tree", &[]);
        images
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// All names in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn link(&self, target: &str, name: &str) {
        std::os::unix::fs::symlink(target, self.path(name)).unwrap();
    }

    pub(crate) fn make_ext4(&self, name: &str, tree: &str, more: &[&str]) {
        self.make_ext4_of("8M", name, tree, more);
    }

    pub(crate) fn make_ext4_of(&self, size: &str, name: &str, tree: &str, more: &[&str]) {
        let arguments = [&["-q", "-F", "-d", tree], more, &[name, size]].concat();
        self.call("mkfs.ext4", &arguments);
    }

    pub(crate) fn qemu_img(&self, arguments: &[&str]) {
        self.call("qemu-img", arguments);
    }

    /// Writes into a file system what no kernel would.
    pub(crate) fn debugfs(&self, image: &str, request: &str) {
        self.call("debugfs", &["-w", "-R", request, image]);
    }

    /// Leaves in a file system what a guest leaves that is stopped before it can unmount: a journal to be replayed.
    /// Such requests are `jw -b BLOCK FILE`, to be committed, and `jw -c …`, which is not.
    pub(crate) fn leave_journal(&self, image: &str, open: &str, requests: &[&str]) {
        let requests = [&[open], requests, &["jc"]].concat().join("\n");
        self.write("requests", requests);
        self.call("debugfs", &["-w", "-f", "requests", image]);
        fs::remove_file(self.path("requests")).unwrap();
    }

    /// The numbers of the blocks that a file is in.
    pub(crate) fn blocks(&self, image: &str, path: &str) -> Vec<u64> {
        let stdout = self.call("debugfs", &["-R", &format!("blocks {path}"), image]);
        let numbers = stdout.split_whitespace().map(|number| number.parse().unwrap());
        numbers.collect()
    }

    /// Repairs a file system as the guest's next start would: the judge of what a journal means.
    pub(crate) fn fsck(&self, image: &str, more: &[&str]) {
        let arguments = [&["-f", "-y"], more, &[image]].concat();
        let mut command = program("e2fsck");
        let output = command.args(&arguments).current_dir(self.0.path()).output().unwrap();
        // 1: errors were corrected.
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{image}: {stdout}");
    }

    fn call(&self, name: &str, arguments: &[&str]) -> String {
        let output = program(name).args(arguments).current_dir(self.0.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A raw disk with a GPT, each partition with the bytes of a file.
    pub(crate) fn make_gpt(&self, name: &str, sector: LogicalBlockSize, partitions: &[&str]) {
        let contents: Vec<Vec<u8>> = partitions.iter().map(|file| self.read(file)).collect();
        let length: usize = contents.iter().map(|content| content.len() + (2 << 20)).sum();
        let path = self.path(name);
        let file = File::create(&path).unwrap();
        file.set_len(length as u64 + (4 << 20)).unwrap();
        let mut file = File::options().read(true).write(true).open(&path).unwrap();
        ProtectiveMBR::with_lb_size(u32::MAX).overwrite_lba0(&mut file).unwrap();
        let config = gpt::GptConfig::new().writable(true).logical_block_size(sector);
        let mut disk = config.create(&path).unwrap();
        let mut starts = Vec::new();
        for (file, content) in partitions.iter().zip(&contents) {
            let size = content.len() as u64;
            let id = disk.add_partition(file, size, LINUX_FS, 0, Some(1)).unwrap();
            starts.push(disk.partitions()[&id].bytes_start(sector).unwrap());
        }
        disk.write().unwrap();
        for (start, content) in starts.into_iter().zip(&contents) {
            self.overwrite(name, start, content);
        }
    }

    /// Writes bytes into the middle of a file.
    pub(crate) fn overwrite(&self, name: &str, at: u64, bytes: &[u8]) {
        use std::io::{Seek as _, SeekFrom};
        let mut file = File::options().write(true).open(self.path(name)).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    }

    /// `tdattest copy-out`, in the folder.
    pub(crate) fn copy_out(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tdattest"));
        command.arg("copy-out").args(arguments);
        Run::of(command, self.0.path())
    }

    /// The same with 512 MiB of address space and 20 seconds of processor time: what goes beyond is killed.
    pub(crate) fn copy_out_in_bounds(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v 524288; ulimit -t 20; exec \"$@\"", "sh"]);
        command.arg(env!("CARGO_BIN_EXE_tdattest")).arg("copy-out").args(arguments);
        Run::of(command, self.0.path())
    }

    /// Copies the quote to `out.dat` and looks whether it is what the guest had.
    pub(crate) fn assert_copies(&self, image: &str, more: &[&str]) {
        let _ = fs::remove_file(self.path("out.dat"));
        let run = self.copy_out(&[&[image, "/home/tdx/quote.dat", "out.dat"], more].concat());
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{image} {more:?}");
        assert_eq!(self.read("out.dat"), QUOTE, "{image}");
    }

    /// Wants the quote, and is refused with this exit code and these words. Nothing is written.
    pub(crate) fn assert_refused(&self, image: &str, more: &[&str], code: i32, words: &str) {
        let _ = fs::remove_file(self.path("out.dat"));
        let before = self.names();
        let run =
            self.copy_out_in_bounds(&[&[image, "/home/tdx/quote.dat", "out.dat"], more].concat());
        assert_eq!(run.code, Some(code), "{image} {more:?}: {}", run.stderr);
        let problem = run.stderr.lines().next().unwrap_or_default();
        assert!(problem.contains(words), "{image} {more:?}: {}", run.stderr);
        assert!(run.stderr.lines().nth(1).is_some_and(|line| line.starts_with("hint: ")));
        assert_eq!(self.names(), before, "{image} {more:?}");
    }
}

impl Run {
    fn of(mut command: Command, folder: &Path) -> Self {
        command.current_dir(folder).stdin(Stdio::null());
        command.env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR");
        let Output { status, stdout, stderr } = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Self { code: status.code(), stdout, stderr }
    }
}
