//! Bits with names: TD ATTRIBUTES, XFAM, SGX ATTRIBUTES.
//!
//! Source: Intel TDX Module ABI specification, "ATTRIBUTES" and "XFAM"; Intel SDM volume 3D, "ATTRIBUTES".
//! Must stay true: a bit without a name here is *unknown*, and whoever judges it must refuse it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

byte_string! {
    /// ATTRIBUTES of a TD.
    TdAttributes[8];
    /// XFAM of a TD: which extended CPU state it may use, laid out as XCR0 and IA32_XSS.
    Xfam[8];
    /// SEAMATTRIBUTES of the TDX module; zero for a production module.
    SeamAttributes[8];
    /// ATTRIBUTES of an enclave: 8 bytes of flags, then 8 bytes of XFRM.
    SgxAttributes[16];
    /// ATTRIBUTES of a service TD.
    ServiceTdAttributes[8];
}

shown_as_lower_hex!(TdAttributes, Xfam, SeamAttributes, SgxAttributes, ServiceTdAttributes);

/// A bit and its name.
type Names = &'static [(u8, &'static str)];

const TD_ATTRIBUTES: Names = &[
    (0, "DEBUG"),
    (4, "HGS_PLUS_PROF"),
    (5, "PERF_PROF"),
    (6, "PMT_PROF"),
    (16, "ICSSD"),
    (27, "LASS"),
    (28, "SEPT_VE_DISABLE"),
    (29, "MIGRATABLE"),
    (30, "PKS"),
    (31, "KL"),
    (62, "TPA"),
    (63, "PERFMON"),
];

const XFAM: Names = &[
    (0, "X87"),
    (1, "SSE"),
    (2, "AVX"),
    (5, "AVX512_OPMASK"),
    (6, "AVX512_ZMM_HI256"),
    (7, "AVX512_HI16_ZMM"),
    (8, "PT"),
    (9, "PKRU"),
    (11, "CET_U"),
    (12, "CET_S"),
    (14, "UINTR"),
    (15, "LBR"),
    (17, "AMX_TILECFG"),
    (18, "AMX_TILEDATA"),
    (19, "APX"),
];

const SGX_FLAGS: Names = &[
    (0, "INIT"),
    (1, "DEBUG"),
    (2, "MODE64BIT"),
    (4, "PROVISION_KEY"),
    (5, "EINITTOKEN_KEY"),
    (6, "CET"),
    (7, "KSS"),
    (10, "AEX_NOTIFY"),
];

impl TdAttributes {
    /// The bits as one number, bit 0 the least.
    pub fn bits(&self) -> u64 {
        u64::from_le_bytes(self.0)
    }

    /// DEBUG (bit 0): the host can read and change the TD.
    pub fn debug(&self) -> bool {
        self.bits() & 1 != 0
    }

    /// The TD-under-debug group (bits 0 to 7): any of them makes the TD untrustworthy.
    pub fn under_debug(&self) -> u8 {
        let [group, ..] = self.0;
        group
    }

    /// The set bits, by name.
    pub fn named(&self) -> NamedBits {
        NamedBits { bits: self.bits(), names: TD_ATTRIBUTES }
    }
}

impl Xfam {
    /// The bits as one number, bit 0 the least.
    pub fn bits(&self) -> u64 {
        u64::from_le_bytes(self.0)
    }

    /// The set bits, by name.
    pub fn named(&self) -> NamedBits {
        NamedBits { bits: self.bits(), names: XFAM }
    }
}

impl SgxAttributes {
    /// The flags as one number, bit 0 the least.
    pub fn flags(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// DEBUG (bit 1): the host can read and change the enclave.
    pub fn debug(&self) -> bool {
        self.flags() & 2 != 0
    }

    /// The set flags, by name.
    pub fn named(&self) -> NamedBits {
        NamedBits { bits: self.flags(), names: SGX_FLAGS }
    }
}

/// A set of bits that shows itself as names: `SEPT_VE_DISABLE, PERFMON`, or `bit 40` for a bit without one.
#[derive(Clone, Copy, Debug)]
pub struct NamedBits {
    bits: u64,
    names: Names,
}

impl NamedBits {
    /// The names of the set bits that have one.
    pub fn names(&self) -> Vec<&'static str> {
        self.names.iter().filter(|(bit, _)| self.has(*bit)).map(|(_, name)| *name).collect()
    }

    /// The numbers of the set bits that have no name.
    pub fn unknown(&self) -> Vec<u8> {
        (0..64u8)
            .filter(|bit| self.has(*bit) && !self.names.iter().any(|(known, _)| known == bit))
            .collect()
    }

    /// The set bits by name, or as `bit 40` where there is none.
    pub fn labels(&self) -> Vec<String> {
        let named = self.names().into_iter().map(String::from);
        named.chain(self.unknown().into_iter().map(|bit| alloc::format!("bit {bit}"))).collect()
    }

    fn has(&self, bit: u8) -> bool {
        self.bits.checked_shr(u32::from(bit)).unwrap_or(0) & 1 != 0
    }
}

impl fmt::Display for NamedBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.labels().join(", ") {
            none if none.is_empty() => f.write_str("none"),
            labels => f.write_str(&labels),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec;

    #[test]
    fn names_the_bits_of_real_td_attributes() {
        let perfmon: TdAttributes = "0000001000000080".parse().unwrap();
        assert_eq!(perfmon.named().to_string(), "SEPT_VE_DISABLE, PERFMON");
        assert!(!perfmon.debug());
        let debug: TdAttributes = "0100001000000000".parse().unwrap();
        assert_eq!(debug.named().to_string(), "DEBUG, SEPT_VE_DISABLE");
        assert!(debug.debug());
    }

    #[test]
    fn shows_a_bit_without_a_name_by_its_number() {
        let unknown = TdAttributes((1u64 << 40).to_le_bytes());
        assert_eq!(unknown.named().unknown(), vec![40]);
        assert_eq!(unknown.named().to_string(), "bit 40");
        assert_eq!(TdAttributes::default().named().to_string(), "none");
    }

    #[test]
    fn every_td_attribute_bit_is_either_named_or_unknown() {
        for bit in 0..64 {
            let named = TdAttributes((1u64 << bit).to_le_bytes()).named();
            assert_eq!(named.names().len() + named.unknown().len(), 1, "bit {bit}");
        }
    }

    #[test]
    fn knows_the_debug_flag_of_an_enclave() {
        let production: SgxAttributes = "0500000000000000e700000000000000".parse().unwrap();
        assert_eq!(production.named().to_string(), "INIT, MODE64BIT");
        assert!(!production.debug());
        let debug: SgxAttributes = "0700000000000000e700000000000000".parse().unwrap();
        assert!(debug.debug());
    }
}
