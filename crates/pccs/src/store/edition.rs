//! Is one edition of a document older than another?
//!
//! Must stay true: a document with a higher number but an older date, or the reverse, is not newer.

use tdattest_wire::endorsement::Validity;

/// Whether `new` must not replace `kept`: its evaluation data number is lower, or its issue date older.
pub(crate) fn is_older(new: &Validity, kept: &Validity) -> bool {
    let lower = match (new.evaluation_data_number, kept.evaluation_data_number) {
        (Some(new), Some(kept)) => new < kept,
        // A number that is gone is no newer edition; one that comes is.
        (None, Some(_)) => true,
        (_, None) => false,
    };
    lower || new.issued < kept.issued
}

#[cfg(test)]
mod tests {
    use super::*;
    use tdattest_wire::time::UnixTime;

    fn edition(issued: u64, evaluation_data_number: Option<u32>) -> Validity {
        let at = |seconds| UnixTime::from_secs(seconds).unwrap();
        let (next_update, chain_ends) = (at(issued + 30), UnixTime::MAX);
        Validity { issued: at(issued), next_update, chain_ends, evaluation_data_number }
    }

    #[test]
    fn takes_the_same_edition_and_newer_ones() {
        let kept = edition(100, Some(17));
        for new in [edition(100, Some(17)), edition(101, Some(17)), edition(100, Some(18))] {
            assert!(!is_older(&new, &kept), "{new:?}");
        }
        assert!(!is_older(&edition(100, Some(1)), &edition(100, None)));
        assert!(!is_older(&edition(100, None), &edition(100, None)));
    }

    #[test]
    fn refuses_an_edition_that_is_older_in_number_or_in_date() {
        let kept = edition(100, Some(17));
        for new in [
            edition(99, Some(17)),
            edition(99, Some(18)),
            edition(101, Some(16)),
            edition(101, None),
        ] {
            assert!(is_older(&new, &kept), "{new:?}");
        }
    }
}
