//! Enums in `platform.toml`, by the names that Intel gives them.

/// Reads and writes an enum by name.
macro_rules! by_name {
    ($(#[$meta:meta])* $module:ident: $type:ty, $all:expr) => {
        $(#[$meta])*
        pub(super) mod $module {
            use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
            #[allow(unused_imports, reason = "not every list names its type")]
            use super::*;

            pub(in crate::platform) fn serialize<S: Serializer>(
                value: &$type,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(value.name())
            }

            pub(in crate::platform) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$type, D::Error> {
                let name = String::deserialize(deserializer)?;
                $all.into_iter().find(|value| value.name() == name).ok_or_else(|| {
                    let known = $all.map(<$type>::name).join(", ");
                    D::Error::custom(format!("`{name}` is none of {known}"))
                })
            }
        }
    };
}

use tdattest_wire::pck::SgxType;
use tdattest_wire::pcs::PckCa;
use tdattest_wire::tcb_status::TcbStatus;

by_name! {
    /// `platform` or `processor`.
    pck_ca: PckCa, [PckCa::Platform, PckCa::Processor]
}

by_name! {
    /// `standard`, `scalable` or `scalable with integrity`.
    sgx_type: SgxType, [SgxType::Standard, SgxType::Scalable, SgxType::ScalableWithIntegrity]
}

by_name! {
    /// `UpToDate` and the others.
    tcb_status: TcbStatus, TcbStatus::ALL
}
