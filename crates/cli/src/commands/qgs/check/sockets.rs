//! The Unix sockets: does somebody listen there, could somebody, and who may come?

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::unistd::{Gid, Group, getegid, geteuid, getgroups};
use rustix::fs::Access;
use tdattest_qgs::config::Config;
use tdattest_qgs::listen::{UnixSettings, connect};

use super::findings::Finding;
use super::{SEE_THE_LOG, START_IT};
use crate::input::{reason, shown};

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let asked_for = config.listen.asked_for;
    let socket = |subject, settings: &UnixSettings| unix(subject, settings, asked_for);
    let requests = config.listen.unix.as_ref().map(|settings| socket("Unix socket", settings));
    let folder = config.listen.unix.as_ref().and_then(folder);
    let status = config.status.as_ref().map(|settings| socket("status socket", settings));
    [requests, folder, status].into_iter().flatten().collect()
}

fn unix(subject: &'static str, settings: &UnixSettings, asked_for: bool) -> Finding {
    let path = &settings.path;
    match connect(path) {
        Ok(_) => {
            Finding::good(subject, format!("a service listens at {}{}", shown(path), open_to(path)))
        }
        Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
            Finding::bad(subject, format!("{}: {}", shown(path), reason(&fault)), SEE_THE_LOG)
        }
        Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => Finding::bad(
            subject,
            format!("this user may not use {}{}", shown(path), open_to(path)),
            "whoever uses it must be in the socket's group, as QEMU's user: usermod --append --groups qgsd libvirt-qemu",
        ),
        Err(_) => could_listen(subject, settings, asked_for),
    }
}

/// What a service would find that starts now.
fn could_listen(subject: &'static str, settings: &UnixSettings, asked_for: bool) -> Finding {
    let path = &settings.path;
    let found = fs::symlink_metadata(path);
    if found.is_ok_and(|found| !found.file_type().is_socket()) {
        let says =
            format!("no service can listen at {}: a file is there that is no socket", shown(path));
        let hint = "move the file away, or name another path in the configuration";
        return Finding::in_the_way(asked_for, subject, says, hint);
    }
    if let Err(says) = has_group(settings) {
        let hint = "make the group as packaging/qgs/tdattest-qgs.sysusers does, name another one, or start it as root";
        return Finding::in_the_way(asked_for, subject, says, hint);
    }
    let folder = folder_of(path);
    let needed = if folder.exists() { folder } else { folder_of(folder) };
    match rustix::fs::access(needed, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Finding::doubtful(
            subject,
            format!("no service listens at {}; this user could", shown(path)),
            START_IT,
        ),
        Err(fault) => Finding::doubtful(
            subject,
            format!(
                "no service listens at {}, and this user cannot: {}: {}",
                shown(path),
                shown(needed),
                reason(&fault.into())
            ),
            "start it as root or by systemd, which makes the folder; or name another path in the configuration",
        ),
    }
}

/// Whether this user can give the socket its group; else why not.
fn has_group(settings: &UnixSettings) -> Result<(), String> {
    let Some(id) = settings.group_id().map_err(|fault| fault.to_string())? else { return Ok(()) };
    let group = Gid::from_raw(id);
    let own = getgroups().unwrap_or_default();
    if geteuid().is_root() || getegid() == group || own.contains(&group) {
        return Ok(());
    }
    let (path, name) = (shown(&settings.path), settings.group.clone().unwrap_or_default());
    Err(format!("this user cannot give {path} to the group {name}, which it is not in"))
}

/// What is wrong with the folder of the socket, for those who may use the socket.
fn folder(settings: &UnixSettings) -> Option<Finding> {
    let folder = folder_of(&settings.path);
    let found = fs::metadata(folder).ok()?;
    let (mode, group) = (found.permissions().mode() & 0o7777, found.gid());
    let same_group = fs::metadata(&settings.path).is_ok_and(|socket| socket.gid() == group);
    let reached = mode & 0o001 != 0 || (same_group && mode & 0o010 != 0);
    let for_others = settings.mode & 0o066 != 0;
    (for_others && !reached).then(|| {
        Finding::doubtful(
            "socket's folder",
            format!("{} has mode {mode:04o}: other users, such as QEMU's, do not reach the socket in it", shown(folder)),
            "give the folder the mode 0755; old packages of Intel's QGS make it with 0700",
        )
    })
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => Path::new("/"),
    }
}

/// Who may use a socket, in words.
fn open_to(path: &Path) -> String {
    let Ok(found) = fs::metadata(path) else { return String::new() };
    let group = Group::from_gid(Gid::from_raw(found.gid())).ok().flatten();
    let group = group.map_or_else(|| found.gid().to_string(), |group| group.name);
    format!(" (mode {:04o}, group {group})", found.permissions().mode() & 0o7777)
}
