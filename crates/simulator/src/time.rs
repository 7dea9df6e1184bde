//! Moving about in time, and writing a time as X.509 wants it.

use std::time::Duration;

use der::DateTime;
use der::asn1::{GeneralizedTime, UtcTime};
use tdattest_wire::time::UnixTime;
use x509_cert::time::Time;

use crate::error::MintError;

/// Seconds of a day.
pub(crate) const DAY: u64 = 86_400;

/// The beginning of its day, UTC: everything minted on one day is the same.
pub(crate) fn midnight(time: UnixTime) -> UnixTime {
    earlier(time, time.as_secs() % DAY)
}

/// This time, `seconds` before, but never before 1970.
pub(crate) fn earlier(time: UnixTime, seconds: u64) -> UnixTime {
    UnixTime::from_secs(time.as_secs().saturating_sub(seconds)).unwrap_or(UnixTime::MAX)
}

/// Up to 2049 the short form, after it the long (RFC 5280, section 4.1.2.5).
pub(crate) fn x509_time(time: UnixTime) -> Result<Time, MintError> {
    let duration = Duration::from_secs(time.as_secs());
    match UtcTime::from_unix_duration(duration) {
        Ok(time) => Ok(Time::UtcTime(time)),
        Err(_) => {
            let date = DateTime::from_unix_duration(duration)?;
            Ok(Time::GeneralTime(GeneralizedTime::from_date_time(date)))
        }
    }
}
