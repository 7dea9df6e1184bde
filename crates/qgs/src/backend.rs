//! Where quotes come from: the seam between the service and whatever signs.

use crate::ask::{Answer, Ask, Collateral, PckCa, PlatformInfo, REPORT_BYTES, SERVICE_TD_BYTES};
use crate::failure::{Failure, Hop};

#[cfg(target_os = "linux")]
#[cfg_attr(target_feature = "crt-static", path = "backend/intel_absent.rs")]
pub mod intel;

/// A maker of quotes. Each worker opens a context of its own.
pub trait Backend: Send + Sync {
    /// Its name, for people.
    fn name(&self) -> String;

    /// Opens a context, in the worker that will use it.
    ///
    /// # Errors
    /// When there can be none now. It is asked for again, later and later.
    fn open(&self) -> Result<Box<dyn Context>, Failure>;
}

/// What one worker makes quotes with; never shared, never sent to another thread.
pub trait Context {
    /// Makes a quote for a TDREPORT.
    ///
    /// # Errors
    /// With the hop at which it failed.
    fn quote(
        &mut self,
        report: &[u8; REPORT_BYTES],
        service_td: Option<&[u8; SERVICE_TD_BYTES]>,
    ) -> Result<Vec<u8>, Failure>;

    /// The documents that verify quotes of a platform family.
    ///
    /// # Errors
    /// With the hop at which it failed.
    fn collateral(&mut self, fmspc: [u8; 6], ca: PckCa) -> Result<Collateral, Failure>;

    /// What this platform is.
    ///
    /// # Errors
    /// With the hop at which it failed.
    fn platform_info(&mut self) -> Result<PlatformInfo, Failure>;

    /// Does as much of the work as can be done without a TD, to see whether it would succeed.
    ///
    /// # Errors
    /// With the hop at which it failed.
    fn probe(&mut self) -> Result<(), Failure>;
}

/// Answers from a context. Success with nothing in it is a failure: it would be a malformed answer.
pub(crate) fn perform(context: &mut dyn Context, ask: &Ask) -> Result<Answer, Failure> {
    match ask {
        Ask::Quote { report, service_td } => {
            let quote = context.quote(report, service_td.as_deref())?;
            match quote.len() {
                0 => Err(empty("an empty quote")),
                length if length > LARGEST_QUOTE => {
                    Err(too_large("a quote", length, LARGEST_QUOTE))
                }
                _ => Ok(Answer::Quote(quote)),
            }
        }
        Ask::Collateral { fmspc, ca } => {
            let set = context.collateral(*fmspc, *ca)?;
            match set.has_gap() {
                Some(name) => Err(empty(name)),
                None if set.bytes() > LARGEST_COLLATERAL => {
                    Err(too_large("collateral", set.bytes(), LARGEST_COLLATERAL))
                }
                None => Ok(Answer::Collateral(Box::new(set))),
            }
        }
        Ask::PlatformInfo => context.platform_info().map(Answer::PlatformInfo),
    }
}

/// An answer is at most 1 MiB, header included.
const LARGEST_QUOTE: usize = tdattest_wire::limits::QGS_MESSAGE_BYTES - 24;

/// The same, with what stands before the documents and behind them.
const LARGEST_COLLATERAL: usize = tdattest_wire::limits::QGS_MESSAGE_BYTES - 52;

/// Whoever says that does not know what it does any more.
fn too_large(what: &str, found: usize, most: usize) -> Failure {
    let text = format!("the backend made {what} of {found} bytes, expected at most {most}");
    Failure::new(Hop::Backend, "backend.size", text).spoiling()
}

fn empty(what: &str) -> Failure {
    Failure::new(
        Hop::Backend,
        "backend.empty",
        format!("the backend says success and gives {what}"),
    )
}

impl Collateral {
    /// Bytes of all documents.
    fn bytes(&self) -> usize {
        [
            &self.pck_crl_issuer_chain,
            &self.root_ca_crl,
            &self.pck_crl,
            &self.tcb_info_issuer_chain,
            &self.tcb_info,
            &self.qe_identity_issuer_chain,
            &self.qe_identity,
        ]
        .into_iter()
        .fold(0, |sum, document| sum.saturating_add(document.len()))
    }

    /// The first document that is not there.
    fn has_gap(&self) -> Option<&'static str> {
        let documents = [
            (&self.pck_crl_issuer_chain, "no chain of the PCK CRL's issuer"),
            (&self.root_ca_crl, "no root CA CRL"),
            (&self.pck_crl, "no PCK CRL"),
            (&self.tcb_info_issuer_chain, "no chain of the TCB info's issuer"),
            (&self.tcb_info, "no TCB info"),
            (&self.qe_identity_issuer_chain, "no chain of the QE identity's issuer"),
            (&self.qe_identity, "no QE identity"),
        ];
        documents.into_iter().find(|(bytes, _)| bytes.is_empty()).map(|(_, name)| name)
    }
}
