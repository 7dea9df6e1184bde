//! A CRL: who issued it, when, and what it revokes.

use serde::Serialize;
use tdattest_verifier::wire::bytes::Hex;
use tdattest_verifier::wire::crl::Crl;
use tdattest_verifier::wire::error::ParseError;
use tdattest_verifier::wire::pem;
use tdattest_verifier::wire::time::UnixTime;

use super::page::Page;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CrlView {
    issuer: String,
    #[serde(skip)]
    pub(super) issuer_common_name: String,
    number: Option<String>,
    pub(super) this_update: UnixTime,
    pub(super) next_update: UnixTime,
    pub(super) revoked: Vec<String>,
}

/// A CRL in any of its encodings.
pub(super) fn view(bytes: &[u8]) -> Result<CrlView, ParseError> {
    let der = pem::crl(bytes)?;
    let crl = Crl::parse(&der)?;
    Ok(CrlView {
        issuer: crl.issuer.to_string(),
        issuer_common_name: crl.issuer.common_name(),
        number: crl.extensions.crl_number().map(|number| Hex(number).to_string()),
        this_update: crl.this_update,
        next_update: crl.next_update,
        revoked: crl.revoked.iter().map(ToString::to_string).collect(),
    })
}

impl CrlView {
    pub(super) fn show(&self, page: &mut Page) {
        page.heading("list");
        page.pairs(&[
            ("issuer", self.issuer.clone()),
            ("number", self.number.clone().unwrap_or("not said".into())),
            ("this update", self.this_update.to_string()),
            ("next update", self.next_update.to_string()),
            ("revoked", self.revoked.len().to_string()),
        ]);
        if !self.revoked.is_empty() {
            page.heading("revoked serial numbers");
            self.revoked.iter().for_each(|serial| page.line(serial));
        }
    }
}
