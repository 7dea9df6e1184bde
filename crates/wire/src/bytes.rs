//! Byte strings with a meaning: one type each, so that a measurement cannot be handed in as a signer.

use core::fmt;

/// Declares a byte-string type: shown and read as hexadecimal, compared as bytes.
macro_rules! byte_string {
    ($( $(#[$meta:meta])* $name:ident[$size:literal]; )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $size]);

        impl $name {
            /// Its size in bytes.
            pub const SIZE: usize = $size;

            /// Whether every byte is zero.
            pub fn is_zero(&self) -> bool {
                self.0.iter().all(|byte| *byte == 0)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self([0; $size])
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::error::ParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::bytes::hex_array(text, stringify!($name)).map(Self)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), $crate::bytes::Hex(&self.0))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str($crate::bytes::HexVisitor::<$size>).map(Self)
            }
        }

        impl $crate::Fixed for $name {
            const SIZE: usize = $size;

            fn read(
                reader: &mut $crate::reader::Reader<'_>,
            ) -> Result<Self, $crate::error::ParseError> {
                reader.array().map(Self)
            }

            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(&self.0);
            }

            fn visit(
                &self,
                name: &'static str,
                offset: usize,
                visitor: &mut dyn FnMut($crate::Field<'_>),
            ) {
                visitor($crate::Field { name, offset, size: $size, value: self });
            }
        }
    )*};
}

/// Shows a byte string as lower-case hexadecimal.
macro_rules! shown_as_lower_hex {
    ($($name:ident),* $(,)?) => {$(
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(&$crate::bytes::Hex(&self.0), f)
            }
        }
    )*};
}

byte_string! {
    /// A SHA-384 measurement register or hash: MRTD, RTMR, MRSEAM, MRSIGNERSEAM, MRCONFIGID, MROWNER, service TD hashes.
    Measurement[48];
    /// A SHA-256 hash of an enclave or of its signer's key: MRENCLAVE, MRSIGNER.
    EnclaveMeasurement[32];
    /// TEE_TCB_SVN: byte 0 is the TDX module's minor SVN, byte 1 its major version, byte 2 the SEAM loader's SVN.
    TeeTcbSvn[16];
    /// CPUSVN as one opaque value; its components are compared through the PCK certificate.
    CpuSvn[16];
    /// REPORTDATA: 64 bytes that the TD or enclave chose.
    ReportData[64];
    /// FMSPC: the platform family, model, stepping, type and custom SKU. Shown in upper case, as Intel does.
    Fmspc[6];
    /// PCEID: the provisioning certification enclave's id.
    PceId[2];
    /// PPID: the platform provisioning id.
    Ppid[16];
    /// Platform instance id of a multi-package platform.
    PlatformInstanceId[16];
    /// The QE vendor's UUID.
    QeVendorId[16];
    /// User data of the quote header; Intel's QE puts its QE id into the first 16 bytes.
    UserData[20];
    /// MISCSELECT, in memory order.
    MiscSelect[4];
    /// An ECDSA P-256 signature, r then s, big endian.
    EcdsaSignature[64];
    /// An ECDSA P-256 public key, x then y, big endian; not necessarily on the curve.
    EcdsaPublicKey[64];
    /// TD_ID of a TD.
    TdId[32];
    /// A TDREPORT's MAC, which only the CPU that made it can check.
    ReportMac[32];
    /// FMSPC and model of the platform a TD was initialised on.
    InitialFmspc[12];
    /// The REPORTTYPE of a TDREPORT: type, subtype, version, reserved.
    ReportType[4];
    /// The VALID bitmap of TEE_TCB_INFO.
    ValidBitmap[8];
    /// The VALID bits of a version 3 TDINFO.
    TdInfoValid[4];
    /// 3 reserved bytes.
    Reserved3[3];
    /// 12 reserved bytes.
    Reserved12[12];
    /// 17 reserved bytes.
    Reserved17[17];
    /// 24 reserved bytes.
    Reserved24[24];
    /// 28 reserved bytes.
    Reserved28[28];
    /// 32 reserved bytes.
    Reserved32[32];
    /// 60 reserved bytes.
    Reserved60[60];
    /// 95 reserved bytes.
    Reserved95[95];
    /// 96 reserved bytes.
    Reserved96[96];
}

shown_as_lower_hex!(
    Measurement,
    EnclaveMeasurement,
    TeeTcbSvn,
    CpuSvn,
    ReportData,
    Ppid,
    PlatformInstanceId,
    QeVendorId,
    UserData,
    MiscSelect,
    EcdsaSignature,
    EcdsaPublicKey,
    TdId,
    ReportMac,
    InitialFmspc,
    ReportType,
    ValidBitmap,
    TdInfoValid,
    Reserved3,
    Reserved12,
    Reserved17,
    Reserved24,
    Reserved28,
    Reserved32,
    Reserved60,
    Reserved95,
    Reserved96,
);

/// Shows a byte string as upper-case hexadecimal, as Intel writes FMSPC and PCEID.
macro_rules! shown_as_upper_hex {
    ($($name:ident),* $(,)?) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
            }
        }
    )*};
}

shown_as_upper_hex!(Fmspc, PceId);

impl TeeTcbSvn {
    /// The TDX module's ISV SVN: its minor version (byte 0).
    pub fn module_isv_svn(&self) -> u8 {
        let [minor, ..] = self.0;
        minor
    }

    /// The TDX module's major version (byte 1). Zero before TDX 1.5's module identities.
    pub fn module_version(&self) -> u8 {
        let [_, major, ..] = self.0;
        major
    }
}

/// Shows bytes as lower-case hexadecimal.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Decodes exactly `2 * N` hexadecimal digits of either case.
pub(crate) fn hex_array<const N: usize>(
    text: &str,
    structure: &'static str,
) -> Result<[u8; N], crate::error::ParseError> {
    let expected = N.saturating_mul(2);
    let fault =
        || crate::error::ParseError::new(structure, crate::error::ParseErrorKind::Hex { expected });
    let mut array = [0; N];
    if text.len() != expected {
        return Err(fault());
    }
    data_encoding::HEXLOWER_PERMISSIVE
        .decode_mut(text.as_bytes(), &mut array)
        .map_err(|_| fault())?;
    Ok(array)
}

/// Reads hexadecimal out of JSON; a wrong length or digit is an error at its line and column.
pub(crate) struct HexVisitor<const N: usize>;

impl<const N: usize> serde::de::Visitor<'_> for HexVisitor<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hexadecimal digits", N.saturating_mul(2))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        hex_array(text, "hexadecimal")
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn reads_hexadecimal_of_either_case_and_shows_fmspc_in_upper_case() {
        let lower: Fmspc = "00806f050000".parse().unwrap();
        let upper: Fmspc = "00806F050000".parse().unwrap();
        assert_eq!(lower, upper);
        assert_eq!(lower.to_string(), "00806F050000");
    }

    #[test]
    fn refuses_hexadecimal_of_another_length_or_with_other_digits() {
        for text in
            ["", "00806f0500", "00806f05000", "00806f05000000", "00806f05000g", " 0806f050000"]
        {
            assert!(text.parse::<Fmspc>().is_err(), "{text:?}");
        }
    }
}
