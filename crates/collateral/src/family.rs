//! The platform families that Intel knows, as it lists them.
//!
//! Source: PCS API v4, "Get FMSPCs".
//! Must stay true: nobody signs this list, so that it is a hint of what can be asked for and nothing rests on it.

use serde::{Deserialize, Serialize};
use tdattest_wire::bytes::Fmspc;

/// A platform family, and what kind of platforms it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformFamily {
    /// Its FMSPC.
    pub fmspc: Fmspc,
    /// Its kind: `client`, `E3`, `E5`, or one that is newer than this.
    pub platform: String,
}
