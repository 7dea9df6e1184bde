//! How the devices of a TD can fail, by name, and how often.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One way to fail. As text a name of [`DeviceFault::ALL`]; `delay=SECONDS` says how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceFault {
    /// An earlier request is still with the host: `outblob` reads as EBUSY.
    Busy,
    /// A signal came: `outblob` reads as EINTR.
    Interrupted,
    /// The TDX module, or the host, says no: `outblob` reads as EIO.
    Io,
    /// The host does not answer: `outblob` reads as ETIMEDOUT.
    TimedOut,
    /// The quote does not fit: `outblob` reads as EFBIG.
    TooLarge,
    /// An old kernel without a QGS: `outblob` has no bytes, and no error.
    Empty,
    /// Somebody else writes into the entry just before its quote is made.
    CompetingWriter,
    /// The quote takes this much longer. After 30 s the kernel gives up: `outblob` reads as ETIMEDOUT, and then as EBUSY
    /// until the host has answered.
    Delay(Duration),
    /// Entries are not for this user: making one is EACCES.
    MkdirDenied,
    /// The guest driver is not loaded: making an entry is ENXIO.
    NoProvider,
    /// The provider is that of another TEE, `sev_guest`.
    OtherProvider,
    /// The TDX module gives no TDREPORT: GET_REPORT0 is EIO.
    Report,
}

/// Where a fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Mkdir,
    Provider,
    Quote,
    Report,
}

/// Why a text is no such fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownDeviceFault {
    /// No such name.
    #[error("there is no fault `{0}` of devices; there are {names}", names = names())]
    Name(String),
    /// Not a time.
    #[error("`{0}` is not how many seconds to delay by, expected 0 to {LONGEST}")]
    Seconds(String),
    /// Not a number of times.
    #[error("`{0}` is not how many times to fail, expected times=N with N 1 or more")]
    Times(String),
}

/// Most seconds of a delay.
const LONGEST: u64 = 3600;

impl DeviceFault {
    /// All of them, with the delay that the bare name stands for.
    pub const ALL: [Self; 12] = [
        Self::Busy,
        Self::Interrupted,
        Self::Io,
        Self::TimedOut,
        Self::TooLarge,
        Self::Empty,
        Self::CompetingWriter,
        Self::Delay(Duration::from_secs(5)),
        Self::MkdirDenied,
        Self::NoProvider,
        Self::OtherProvider,
        Self::Report,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Interrupted => "interrupted",
            Self::Io => "io",
            Self::TimedOut => "timed-out",
            Self::TooLarge => "too-large",
            Self::Empty => "empty",
            Self::CompetingWriter => "competing-writer",
            Self::Delay(_) => "delay",
            Self::MkdirDenied => "mkdir-denied",
            Self::NoProvider => "no-provider",
            Self::OtherProvider => "other-provider",
            Self::Report => "report",
        }
    }

    pub(super) fn place(self) -> Place {
        match self {
            Self::MkdirDenied | Self::NoProvider => Place::Mkdir,
            Self::OtherProvider => Place::Provider,
            Self::Report => Place::Report,
            _ => Place::Quote,
        }
    }
}

/// How often a fault shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FaultTimes {
    /// Until the devices recover.
    #[default]
    Always,
    /// This many times.
    Exactly(u32),
}

/// A fault, and how often it shows. As text: `NAME[,times=N]`, such as `busy,times=2` or `delay=3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRule {
    /// The fault.
    pub fault: DeviceFault,
    /// How often.
    pub times: FaultTimes,
}

impl From<DeviceFault> for FaultRule {
    fn from(fault: DeviceFault) -> Self {
        Self { fault, times: FaultTimes::Always }
    }
}

impl fmt::Display for DeviceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(time) => write!(f, "delay={}", time.as_secs()),
            other => f.pad(other.name()),
        }
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.times {
            FaultTimes::Always => self.fault.fmt(f),
            FaultTimes::Exactly(times) => write!(f, "{},times={times}", self.fault),
        }
    }
}

impl FromStr for DeviceFault {
    type Err = UnknownDeviceFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(value) = text.strip_prefix("delay=") {
            let seconds = value.parse().ok().filter(|seconds| *seconds <= LONGEST);
            let seconds = seconds.ok_or_else(|| UnknownDeviceFault::Seconds(value.into()))?;
            return Ok(Self::Delay(Duration::from_secs(seconds)));
        }
        let found = Self::ALL.into_iter().find(|it| it.name() == text);
        found.ok_or_else(|| UnknownDeviceFault::Name(text.into()))
    }
}

impl FromStr for FaultRule {
    type Err = UnknownDeviceFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((name, times)) = text.split_once(',') else {
            return Ok(Self::from(text.parse::<DeviceFault>()?));
        };
        let fault = name.parse()?;
        let number = times.strip_prefix("times=").and_then(|number| number.parse().ok());
        let number = number.filter(|number| *number > 0);
        let times = number.ok_or_else(|| UnknownDeviceFault::Times(times.into()))?;
        Ok(Self { fault, times: FaultTimes::Exactly(times) })
    }
}

fn names() -> String {
    DeviceFault::ALL.map(DeviceFault::name).join(", ")
}

/// The faults that are to show.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<FaultRule>);

impl Faults {
    pub(super) fn add(&mut self, rule: FaultRule) {
        self.0.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault to show at a place, which is one time less from now on.
    pub(super) fn take(&mut self, place: Place) -> Option<DeviceFault> {
        let at = self.0.iter().position(|rule| rule.fault.place() == place)?;
        let rule = self.0.get_mut(at)?;
        let fault = rule.fault;
        if let FaultTimes::Exactly(left) = &mut rule.times {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.0.remove(at);
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_survives_its_text() {
        for fault in DeviceFault::ALL {
            for times in [FaultTimes::Always, FaultTimes::Exactly(3)] {
                let rule = FaultRule { fault, times };
                assert_eq!(rule.to_string().parse(), Ok(rule));
            }
            assert_eq!(fault.name().parse(), Ok(fault));
        }
    }

    #[test]
    fn refuses_other_names_times_and_delays() {
        type Error = UnknownDeviceFault;
        for (text, expected) in [
            ("", Error::Name(String::new())),
            ("ebusy", Error::Name("ebusy".into())),
            ("delay=x", Error::Seconds("x".into())),
            ("busy,times=0", Error::Times("times=0".into())),
            ("busy,2", Error::Times("2".into())),
        ] {
            assert_eq!(text.parse::<FaultRule>(), Err(expected));
        }
    }

    #[test]
    fn a_fault_that_is_used_up_makes_room_for_the_next() {
        let mut faults = Faults::default();
        for text in ["busy,times=2", "no-provider", "empty"] {
            faults.add(text.parse().unwrap());
        }
        let shown: Vec<_> = (0..4).map(|_| faults.take(Place::Quote)).collect();
        let (busy, empty) = (Some(DeviceFault::Busy), Some(DeviceFault::Empty));
        assert_eq!(shown, [busy, busy, empty, empty]);
        assert_eq!(faults.take(Place::Mkdir), Some(DeviceFault::NoProvider));
        assert_eq!(faults.take(Place::Report), None);
    }
}
