//! From root to a user who can do nothing but this.
//!
//! Must stay true: it is done while there is one thread, and if it cannot be done, nothing is served.

use anyhow::{Context as _, Result};
use nix::unistd::{User, geteuid, initgroups, setgid, setuid};

use crate::output::Hinted;

/// Becomes a user, with all groups that it is in. `sysusers` is the file that would make it.
pub(crate) fn become_user(name: &str, sysusers: &str) -> Result<()> {
    let user = User::from_name(name).with_context(|| format!("cannot look up the user {name}"))?;
    let user = user.ok_or_else(|| {
        let hint = format!("make it with {sysusers}, or name another one with --user");
        Hinted::error(format!("there is no user {name}"), hint)
    })?;
    if user.uid == geteuid() {
        return Ok(());
    }
    let changed = std::ffi::CString::new(name)
        .map_err(|_| nix::errno::Errno::EINVAL)
        .and_then(|name| initgroups(&name, user.gid))
        .and_then(|()| setgid(user.gid))
        .and_then(|()| setuid(user.uid));
    changed.map_err(|fault| {
        let hint = "only root can become another user; started by that user, leave out --user";
        Hinted::error(format!("cannot become the user {name}: {}", fault.desc()), hint)
    })
}
