//! What the services of this command have in common: how they log, and how they become another user.

pub(crate) mod log;
pub(crate) mod privileges;
