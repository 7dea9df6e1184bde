//! What types alone let pass and no Intel would say: refused by name, before it could pass for a fault of a verifier.

use std::collections::HashSet;

use tdattest_wire::tcb_status::TcbStatus;

use super::{EvaluationSet, FORM, IsvLevel, Platform, PlatformError};

impl Platform {
    /// This platform, unless something in it cannot be.
    pub(super) fn checked(self) -> Result<Self, PlatformError> {
        if self.form != FORM {
            return Err(PlatformError::Form { found: self.form.to_string() });
        }
        match self.problem() {
            Some(problem) => Err(PlatformError::Impossible(problem)),
            None => Ok(self),
        }
    }

    fn problem(&self) -> Option<String> {
        let (standard, early) = (&self.standard, &self.early);
        if standard.tcb_evaluation_data_number == early.tcb_evaluation_data_number {
            let number = standard.tcb_evaluation_data_number;
            return Some(format!("`standard` and `early` have the same number, {number}"));
        }
        self.problem_of_td()
            .or_else(|| self.problem_of_windows())
            .or_else(|| problem_of_set("standard", standard))
            .or_else(|| problem_of_set("early", early))
    }

    fn problem_of_td(&self) -> Option<String> {
        let event = self.td.event.iter().find(|event| event.rtmr > 3)?;
        Some(format!("an event extends RTMR{}, and there are RTMR0 to RTMR3", event.rtmr))
    }

    fn problem_of_windows(&self) -> Option<String> {
        let windows = &self.pki.windows;
        let certificates = [
            ("root_ca", windows.root_ca),
            ("pck_ca", windows.pck_ca),
            ("tcb_signing", windows.tcb_signing),
            ("pck", windows.pck),
        ];
        let empty = certificates.into_iter().find(|(_, window)| window.from > window.to);
        if let Some((name, window)) = empty {
            let (from, to) = (window.from, window.to);
            return Some(format!("pki.windows.{name} ends at {to}, before it begins at {from}"));
        }
        let days = [
            ("root_ca_crl_days", windows.root_ca_crl_days),
            ("pck_crl_days", windows.pck_crl_days),
            ("document_days", windows.document_days),
        ];
        let (name, _) = days.into_iter().find(|(_, days)| *days == 0)?;
        Some(format!("pki.windows.{name} is 0, so it would be out of date when it is made"))
    }
}

fn problem_of_set(name: &str, set: &EvaluationSet) -> Option<String> {
    if set.tcb_level.is_empty() {
        return Some(format!("{name}.tcb_level is empty"));
    }
    let mut keys = HashSet::new();
    for level in &set.tcb_level {
        if !keys.insert((level.sgx, level.pce_svn, level.tdx)) {
            return Some(format!("{name}.tcb_level has two levels with the same SVNs"));
        }
        if !level.status.is_platform_status() {
            let status = level.status;
            return Some(format!("{name}.tcb_level has status {status}, which no level can have"));
        }
    }
    let mut versions = HashSet::new();
    for module in &set.tdx_module {
        let version = module.version;
        if !versions.insert(version) {
            return Some(format!("{name}.tdx_module has version {version} twice"));
        }
        // Not the statuses: what a verifier makes of one that no module can have is worth seeing.
        let problem = problem_of_svns(&module.tcb_level);
        if let Some(problem) = problem {
            return Some(format!("{name}.tdx_module of version {version}: tcb_level {problem}"));
        }
    }
    [("td_qe", &set.td_qe), ("qe", &set.qe)].into_iter().find_map(|(enclave, levels)| {
        let status = |level: &IsvLevel| Some(level.status).filter(|it| !it.is_component_status());
        let wrong = levels.iter().find_map(status);
        let wrong = wrong.map(|it: TcbStatus| format!("has status {it}, which no QE can have"));
        let problem = problem_of_svns(levels).or(wrong)?;
        Some(format!("{name}.{enclave} {problem}"))
    })
}

fn problem_of_svns(levels: &[IsvLevel]) -> Option<String> {
    if levels.is_empty() {
        return Some("is empty".into());
    }
    let mut svns = HashSet::new();
    let twice = levels.iter().find(|level| !svns.insert(level.isv_svn))?;
    Some(format!("has isv_svn {} twice", twice.isv_svn))
}
