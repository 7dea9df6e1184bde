//! Points in time: whole seconds since 1970-01-01T00:00:00Z, leap seconds not counted.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use der::DateTime;

use crate::error::ParseError;

/// Seconds since the Unix epoch, UTC; up to the end of the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The last second that dates of this format can show: 9999-12-31T23:59:59Z.
    pub const MAX: Self = Self(253_402_300_799);

    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From seconds since the epoch; `None` beyond the year 9999.
    pub fn from_secs(seconds: u64) -> Option<Self> {
        (seconds <= Self::MAX.0).then_some(Self(seconds))
    }

    /// Seconds since the epoch.
    pub fn as_secs(self) -> u64 {
        self.0
    }

    /// This time, `seconds` later, but never after [`UnixTime::MAX`].
    #[must_use]
    pub fn saturating_add(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds)).min(Self::MAX)
    }

    /// From the time of a certificate or CRL.
    pub(crate) fn from_x509(time: &x509_cert::time::Time) -> Self {
        Self(time.to_unix_duration().as_secs())
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_unix_duration(Duration::from_secs(self.0)) {
            Ok(date) => date.fmt(f),
            Err(_) => write!(f, "{} s", self.0),
        }
    }
}

impl FromStr for UnixTime {
    type Err = ParseError;

    /// Reads exactly `YYYY-MM-DDThh:mm:ssZ`, the form of every date in Intel's documents.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<DateTime>().map(|date| Self(date.unix_duration().as_secs())).map_err(|_| {
            ParseError::invalid("date", "expected a date such as 2026-01-31T23:59:59Z")
        })
    }
}

impl serde::Serialize for UnixTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for UnixTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimeVisitor)
    }
}

struct TimeVisitor;

impl serde::de::Visitor<'_> for TimeVisitor {
    type Value = UnixTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date such as 2026-01-31T23:59:59Z")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn reads_and_shows_intels_dates() {
        let time: UnixTime = "2025-06-19T10:16:03Z".parse().unwrap();
        assert_eq!(time.as_secs(), 1_750_328_163);
        assert_eq!(time.to_string(), "2025-06-19T10:16:03Z");
        assert_eq!(UnixTime::MAX.to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(UnixTime::from_secs(UnixTime::MAX.as_secs() + 1), None);
    }

    #[test]
    fn refuses_dates_of_any_other_form() {
        for text in [
            "",
            "2025-06-19",
            "2025-06-19T10:16:03",
            "2025-06-19T10:16:03+00:00",
            "2025-02-30T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-06-19T24:00:00Z",
            "2025-06-19 10:16:03Z",
            "1969-12-31T23:59:59Z",
            "2025-06-19T10:16:03z",
            "2025-06-19T10:16:03.5Z",
            "\u{662}025-06-19T10:16:03Z",
        ] {
            assert!(text.parse::<UnixTime>().is_err(), "{text:?}");
        }
    }
}
