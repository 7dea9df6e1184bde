//! Takes over an archive of signed documents, as `tdattest collateral export` writes it.
//!
//! Must stay true: an archive is as untrusted as what comes over the network; what cannot be verified is told and left
//! out.

use tdattest_collateral::Authenticate;
use tdattest_collateral::archive::{Archive, Kept};
use tdattest_wire::time::UnixTime;

use super::{Item, Keeping, Refused, Report};
use crate::store::{Document, Store, StoreError};

/// Takes over every document of an archive that is genuine. Platforms are not in archives.
///
/// # Errors
/// When what it has cannot be kept. What was kept until then stays, and it can be tried again.
pub async fn archive(
    archive: &Archive,
    store: &dyn Store,
    authenticate: &dyn Authenticate,
    now: UnixTime,
) -> Result<Report, StoreError> {
    let mut keeping = Keeping::into(store);
    for kept in archive.documents() {
        keeping.keep(item(kept, authenticate, now)).await?;
    }
    Ok(keeping.report)
}

fn item(kept: &Kept, authenticate: &dyn Authenticate, now: UnixTime) -> Item {
    let Kept { endorsement, fetched_at } = kept.clone();
    match authenticate.endorsement(&endorsement) {
        // Whoever wrote the archive may have had another clock.
        Ok(validity) => {
            Item::Document(Document { endorsement, validity, fetched_at: fetched_at.min(now) })
        }
        Err(why) => Item::Refused(Refused::new(&endorsement.request.path(), &why)),
    }
}
