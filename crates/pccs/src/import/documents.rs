//! Documents: TCB info, identities, CRLs.

use tdattest_wire::limits;
use tdattest_wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_wire::quote::TeeType;

use super::file::{Source, Take, bounded, bytes, integer, refuse, shown, text};
use super::{ImportError, Item};

/// The version of the API whose documents are served.
const VERSION: i64 = 4;

impl Source {
    /// Every signed document.
    pub(super) fn documents(&self, take: &mut Take<'_>) -> Result<(), ImportError> {
        self.tcb_infos(take)?;
        self.identities(take)?;
        self.pck_crls(take)?;
        self.root_ca_crl(take)?;
        self.downloaded_crls(take)
    }

    fn tcb_infos(&self, take: &mut Take<'_>) -> Result<(), ImportError> {
        let (set, body) = (self.update_type(), bounded("tcbinfo", limits::DOCUMENT_BYTES));
        let statement = format!(
            "SELECT fmspc, type, version, {set}, {body}, signing_cert_id, root_cert_id, updated_time FROM fmspc_tcbs"
        );
        self.rows(&statement, &[], &mut |row| {
            let (fmspc, tee) = (text(row, 0), integer(row, 1));
            let (version, set) = (integer(row, 2), text(row, 3));
            let [of, kind, edition, name] = [0, 1, 2, 3].map(|column| shown(row, column));
            let what = format!("TCB info of {of} (type {kind}, version {edition}, {name})");
            let tee = match tee {
                Some(0) => Some(TeeType::Sgx),
                Some(1) => Some(TeeType::Tdx),
                _ => None,
            };
            let fmspc = fmspc.and_then(|fmspc| fmspc.parse().ok());
            let named = (tee, fmspc, set.as_deref().and_then(named_set));
            let (Some(tee), Some(fmspc), Some(set)) = named else {
                return take(refuse(what, "it names no document"));
            };
            if version != Some(VERSION) {
                return take(refuse(what, NOT_SERVED));
            }
            let chain = self.chain(integer(row, 5), integer(row, 6));
            let request = PcsRequest::TcbInfo(tee, fmspc, set);
            take(self.judge(request, bytes(row, 4), chain, self.time(row, 7)))
        })
    }

    fn identities(&self, take: &mut Take<'_>) -> Result<(), ImportError> {
        let (set, body) = (self.update_type(), bounded("identity", limits::DOCUMENT_BYTES));
        let statement = format!(
            "SELECT id, version, {set}, {body}, signing_cert_id, root_cert_id, updated_time FROM enclave_identities"
        );
        self.rows(&statement, &[], &mut |row| {
            let (id, version, set) = (integer(row, 0), integer(row, 1), text(row, 2));
            let [of, edition, name] = [0, 1, 2].map(|column| shown(row, column));
            let what = format!("enclave identity {of} (version {edition}, {name})");
            let request = set.as_deref().and_then(named_set).and_then(|set| match id {
                Some(1) => Some(PcsRequest::QeIdentity(TeeType::Sgx, set)),
                Some(2) => Some(PcsRequest::QveIdentity(set)),
                Some(3) => Some(PcsRequest::QeIdentity(TeeType::Tdx, set)),
                _ => None,
            });
            let Some(request) = request else {
                return take(refuse(what, "it names no document"));
            };
            if version != Some(VERSION) {
                return take(refuse(what, NOT_SERVED));
            }
            let chain = self.chain(integer(row, 4), integer(row, 5));
            take(self.judge(request, bytes(row, 3), chain, self.time(row, 6)))
        })
    }

    fn pck_crls(&self, take: &mut Take<'_>) -> Result<(), ImportError> {
        let crl = bounded("pck_crl", limits::CRL_BYTES);
        let statement =
            format!("SELECT ca, {crl}, intmd_cert_id, root_cert_id, updated_time FROM pck_crl");
        self.rows(&statement, &[], &mut |row| {
            let name = text(row, 0).unwrap_or_default();
            let Some(ca) = named_ca(&name) else {
                return take(refuse(format!("PCK CRL of `{name}`"), "there is no such CA"));
            };
            let chain = self.chain(integer(row, 2), integer(row, 3));
            let request = PcsRequest::PckCrl(ca);
            take(self.judge(request, bytes(row, 1), chain, self.time(row, 4)))
        })
    }

    fn root_ca_crl(&self, take: &mut Take<'_>) -> Result<(), ImportError> {
        let crl = bounded("crl", limits::CRL_BYTES);
        let statement = format!(
            "SELECT {crl}, updated_time FROM pcs_certificates WHERE id = 1 AND crl IS NOT NULL"
        );
        self.rows(&statement, &[], &mut |row| {
            let request = PcsRequest::RootCaCrl;
            take(self.judge(request, bytes(row, 0), self.root(), self.time(row, 1)))
        })
    }

    /// CRLs by their addresses: the same documents once more, perhaps of another day.
    fn downloaded_crls(&self, take: &mut Take<'_>) -> Result<(), ImportError> {
        let crl = bounded("crl", limits::CRL_BYTES);
        let statement = format!("SELECT cdp_url, {crl}, updated_time FROM crl_cache");
        self.rows(&statement, &[], &mut |row| {
            let address = text(row, 0).unwrap_or_default();
            let (request, chain) = if address.contains("/IntelSGXRootCA.") {
                (PcsRequest::RootCaCrl, self.root())
            } else if address.contains("/pckcrl?") && address.contains("ca=processor") {
                (PcsRequest::PckCrl(PckCa::Processor), self.chain(Some(2), Some(1)))
            } else if address.contains("/pckcrl?") && address.contains("ca=platform") {
                (PcsRequest::PckCrl(PckCa::Platform), self.chain(Some(4), Some(1)))
            } else {
                let address = address.chars().take(200).collect::<String>();
                return take(refuse(
                    format!("CRL from {address}"),
                    "Intel publishes no CRL at this address",
                ));
            };
            let item = self.judge(request, bytes(row, 1), chain, self.time(row, 2));
            take(match item {
                Item::Refused(refused) => refuse(format!("CRL from {address}"), refused.why),
                good => good,
            })
        })
    }
}

const NOT_SERVED: &str = "it is of version 3 of the API, which Intel has ended";

fn named_set(name: &str) -> Option<EvaluationDataSet> {
    match name {
        "STANDARD" => Some(EvaluationDataSet::Standard),
        "EARLY" => Some(EvaluationDataSet::Early),
        _ => None,
    }
}

pub(super) fn named_ca(name: &str) -> Option<PckCa> {
    match name {
        "PROCESSOR" => Some(PckCa::Processor),
        "PLATFORM" => Some(PckCa::Platform),
        _ => None,
    }
}
