//! Fields of fixed layouts: name, place, value, and what the value means where that can be said in a few words.

use serde::Serialize;
use tdattest_verifier::wire::Field;
use tdattest_verifier::wire::attributes::{SgxAttributes, TdAttributes, Xfam};
use tdattest_verifier::wire::bytes::{ReportType, TeeTcbSvn};
use tdattest_verifier::wire::quote::QE_VENDOR_ID_INTEL;

use super::page::Page;
use crate::table::Align;

/// A named part of a structure, and its fields in order.
#[derive(Serialize)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) fields: Vec<FieldView>,
}

/// One field.
#[derive(Serialize)]
pub(super) struct FieldView {
    pub(super) name: &'static str,
    pub(super) offset: usize,
    pub(super) size: usize,
    pub(super) value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) meaning: Option<String>,
}

impl Section {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), fields: Vec::new() }
    }

    /// Takes a field that a layout shows.
    pub(super) fn take(&mut self, field: Field<'_>) {
        self.add(field.name, field.offset, field.size, field.value.to_string());
    }

    /// Adds a field.
    pub(super) fn add(&mut self, name: &'static str, offset: usize, size: usize, value: String) {
        let meaning = meaning(name, &value);
        self.fields.push(FieldView { name, offset, size, value, meaning });
    }

    /// Says what the value of the last field means.
    pub(super) fn explain(&mut self, meaning: &str) {
        if let Some(field) = self.fields.last_mut() {
            field.meaning = Some(meaning.into());
        }
    }

    /// The field with this name.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut FieldView> {
        self.fields.iter_mut().find(|field| field.name == name)
    }

    /// Shows the section. Without offsets, reserved bytes that are zero, as they should be, are left out.
    pub(super) fn show(&self, page: &mut Page, offsets: bool) {
        page.heading(&self.name);
        let shown = self.fields.iter().filter(|field| offsets || !field.is_idle());
        if offsets {
            let mut rows = vec![["offset", "size", "field", "value"].map(String::from).to_vec()];
            rows.extend(shown.map(|field| {
                vec![
                    field.offset.to_string(),
                    field.size.to_string(),
                    field.name.into(),
                    field.text(),
                ]
            }));
            page.table(&rows, &[Align::Right, Align::Right]);
        } else {
            let rows: Vec<_> = shown.map(|field| (field.name, field.text())).collect();
            page.pairs(&rows);
        }
    }
}

impl FieldView {
    /// Whether it is reserved and says nothing.
    fn is_idle(&self) -> bool {
        self.is_reserved() && self.is_zero()
    }

    pub(super) fn is_reserved(&self) -> bool {
        self.name.starts_with("reserved")
    }

    pub(super) fn is_zero(&self) -> bool {
        self.value.bytes().all(|digit| digit == b'0')
    }

    fn text(&self) -> String {
        match &self.meaning {
            Some(meaning) => format!("{}  ({meaning})", self.value),
            None => self.value.clone(),
        }
    }
}

/// What a value means, by the name of its field.
fn meaning(name: &str, value: &str) -> Option<String> {
    match name {
        "attestation key type" if value == "2" => Some("ECDSA P-256".into()),
        "TEE type" if value == "0" => Some("SGX".into()),
        "TEE type" if value == "129" => Some("0x81, TDX".into()),
        "QE vendor id" if value == QE_VENDOR_ID_INTEL.to_string() => Some("Intel".into()),
        "REPORTTYPE" => value.parse().ok().map(report_type),
        "TEE_TCB_SVN" | "TEE_TCB_SVN2" | "INIT_TEE_TCB_SVN" => {
            value.parse().ok().filter(|svn: &TeeTcbSvn| !svn.is_zero()).map(tee_tcb_svn)
        }
        "TDATTRIBUTES" => value.parse::<TdAttributes>().ok().map(|bits| bits.named().to_string()),
        "XFAM" => value.parse::<Xfam>().ok().map(|bits| bits.named().to_string()),
        "ATTRIBUTES" => value.parse().ok().map(sgx_attributes),
        _ => None,
    }
}

fn report_type(ReportType([kind, subtype, version, _]): ReportType) -> String {
    format!("type {kind:#04x}, subtype {subtype}, version {version}")
}

fn tee_tcb_svn(svn: TeeTcbSvn) -> String {
    let TeeTcbSvn([_, _, loader, ..]) = svn;
    let (version, module) = (svn.module_version(), svn.module_isv_svn());
    format!("TDX module version {version}, SVN {module}; SEAMLDR SVN {loader}")
}

/// The flags, then the extended CPU state, whose bits are those of XFAM.
pub(super) fn sgx_attributes(attributes: SgxAttributes) -> String {
    let SgxAttributes([.., a, b, c, d, e, f, g, h]) = attributes;
    let xfrm = Xfam([a, b, c, d, e, f, g, h]);
    format!("{}; XFRM {}", attributes.named(), xfrm.named())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_out_attribute_bits_and_numbers_those_without_a_name() {
        let meaning = |name, value| meaning(name, value).unwrap();
        assert_eq!(meaning("TDATTRIBUTES", "0000001000010080"), "SEPT_VE_DISABLE, PERFMON, bit 40");
        assert_eq!(meaning("XFAM", "0700000000000000"), "X87, SSE, AVX");
        assert_eq!(
            meaning("ATTRIBUTES", "15000000000000000300000000000000"),
            "INIT, MODE64BIT, PROVISION_KEY; XFRM X87, SSE"
        );
        assert_eq!(
            meaning("TEE_TCB_SVN", "05010200000000000000000000000000"),
            "TDX module version 1, SVN 5; SEAMLDR SVN 2"
        );
    }
}
