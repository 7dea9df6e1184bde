//! What the user should know of a search, whether or not the file was found.

use thiserror::Error;

use super::ImageError;
use super::error::list;
use super::partitions::Place;

/// No error, but worth a line.
#[derive(Debug, Error)]
pub(crate) enum Remark {
    #[error("not everything was searched: {0}")]
    NotSearched(ImageError),
    #[error(
        "the guest has not unmounted {0}: its journal was taken into account, and what was not written by then is missing"
    )]
    NotUnmounted(Place),
    #[error("`{path}` is also on {}; {chosen} is what the guest mounts at `/`, as its /etc/fstab says", list(.others))]
    OnRoot { path: String, chosen: Place, others: Vec<Place> },
}
