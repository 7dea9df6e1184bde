//! What every store does, whatever keeps it. Each function is one test, run over each of the stores.

use std::collections::BTreeSet;
use std::sync::Arc;

use tdattest_pccs::store::{
    AppraisalPolicy, Changed, Document, DocumentState, MOST_SELECTIONS, Pending, Platform,
    PlatformCertificate, PlatformKey, Put, Registration, RegistrationState, Role, Selection, Store,
    Token,
};
use tdattest_pccs::wire::bytes::{CpuSvn, Fmspc};
use tdattest_pccs::wire::endorsement::{Endorsement, Validity};
use tdattest_pccs::wire::pck_certificates::Tcbm;
use tdattest_pccs::wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_pccs::wire::quote::TeeType;
use tdattest_pccs::wire::time::UnixTime;

/// A place that several replicas can open.
pub(crate) trait Place: Send + Sync {
    /// One more replica's store over the same data.
    fn open(&self) -> Pending<'_, Arc<dyn Store>>;
}

/// Bytes under a name, to change a store with: the manifest of a platform.
pub(crate) trait Anything: Store {
    fn put<'a>(&'a self, name: &'a str, bytes: &'a [u8]) -> Pending<'a, ()> {
        let changed = Platform { manifest: bytes.into(), ..platform(name, 1) };
        Box::pin(async move { self.put_platform(&changed, &[]).await })
    }

    fn found<'a>(&'a self, name: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move { Ok(self.platform(&key(name)).await?.map(|found| found.manifest)) })
    }

    fn names(&self) -> Pending<'_, Vec<String>> {
        Box::pin(async move {
            let found = self.platforms(&[]).await?;
            Ok(found.into_iter().map(|(found, _)| found.key.qe_id).collect())
        })
    }
}

impl<S: Store + ?Sized> Anything for S {}

/// Runs a test on two threads.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(test)
}

pub(crate) fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(1_750_000_000 + seconds).unwrap()
}

fn fmspc(last: u8) -> Fmspc {
    Fmspc([0, 0x80, 0x6f, 5, 0, last])
}

fn tcb_info(last: u8) -> PcsRequest {
    PcsRequest::TcbInfo(TeeType::Tdx, fmspc(last), EvaluationDataSet::Standard)
}

pub(crate) fn document(
    request: PcsRequest,
    issued: u64,
    evaluation_data_number: Option<u32>,
) -> Document {
    let body = format!("{{\"n\":\"\u{0}ä\",\"issued\":{issued}}}").into_bytes();
    let endorsement = Endorsement { request, body, issuer_chain: b"-----BEGIN".to_vec() };
    let (next_update, chain_ends) = (at(issued + 30), UnixTime::MAX);
    let validity = Validity { issued: at(issued), next_update, chain_ends, evaluation_data_number };
    Document { endorsement, validity, fetched_at: at(issued + 1) }
}

pub(crate) fn key(qe_id: &str) -> PlatformKey {
    PlatformKey { qe_id: qe_id.into(), pce_id: "0000".into() }
}

pub(crate) fn platform(qe_id: &str, family: u8) -> Platform {
    Platform {
        key: key(qe_id),
        manifest: vec![0, 1, 255],
        encrypted_ppid: vec![7; 384],
        fmspc: fmspc(family),
        ca: PckCa::Platform,
        issuer_chain: b"chain".to_vec(),
        fetched_at: at(5),
    }
}

pub(crate) fn tcbm(svn: u8) -> Tcbm {
    // A PCESVN whose bytes sort another way than its value.
    Tcbm { cpu_svn: CpuSvn([svn; 16]), pce_svn: 0x0100 | u16::from(svn) }
}

pub(crate) fn certificate(svn: u8) -> PlatformCertificate {
    PlatformCertificate { tcbm: tcbm(svn), certificate: format!("certificate {svn}").into_bytes() }
}

pub(crate) fn registration(qe_id: &str, svn: u8) -> Registration {
    Registration {
        key: key(qe_id),
        cpu_svn: Some(CpuSvn([svn; 16])),
        pce_svn: Some(u16::from(svn)),
        encrypted_ppid: vec![svn; 384],
        manifest: vec![],
    }
}

fn with_manifest(qe_id: &str) -> Registration {
    let (cpu_svn, pce_svn) = (None, None);
    let manifest = vec![9; 100];
    Registration { key: key(qe_id), cpu_svn, pce_svn, encrypted_ppid: vec![], manifest }
}

fn policy(id: &str, is_default: bool, family: u8) -> AppraisalPolicy {
    AppraisalPolicy {
        id: id.into(),
        text: format!("policy {id}"),
        is_default,
        fmspc: fmspc(family),
        kind: 2,
    }
}

fn token(role: Role, name: &str, hash: &str) -> Token {
    Token { name: name.into(), role, hash: hash.into(), created: at(0) }
}

pub(crate) async fn has_nothing_at_first(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.ping().await.unwrap();
    assert_eq!(store.document(tcb_info(0)).await.unwrap(), None);
    assert_eq!(store.documents().await.unwrap(), []);
    assert_eq!(store.platform(&key("A")).await.unwrap(), None);
    assert_eq!(store.platforms(&[]).await.unwrap(), []);
    assert_eq!(store.count_platforms().await.unwrap(), 0);
    assert_eq!(store.certificates(&key("A")).await.unwrap(), None);
    assert_eq!(store.selected(&key("A"), tcbm(1)).await.unwrap(), None);
    assert_eq!(store.take_registrations(RegistrationState::New).await.unwrap(), []);
    assert_eq!(store.default_policies(fmspc(0)).await.unwrap(), []);
    assert_eq!(store.tokens().await.unwrap(), []);
    assert!(!store.remove_token(Role::User, "anybody").await.unwrap());
}

pub(crate) async fn keeps_each_document_as_it_came(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let requests = [
        PcsRequest::PckCrl(PckCa::Processor),
        PcsRequest::RootCaCrl,
        tcb_info(1),
        PcsRequest::TcbInfo(TeeType::Sgx, fmspc(1), EvaluationDataSet::Early),
        PcsRequest::QeIdentity(TeeType::Tdx, EvaluationDataSet::Number(17)),
        PcsRequest::QveIdentity(EvaluationDataSet::Standard),
        PcsRequest::EvaluationDataNumbers(TeeType::Sgx),
    ];
    let mut kept = Vec::new();
    for (number, request) in (0..).zip(requests) {
        let document = document(request, number, (number % 2 == 0).then_some(17));
        assert_eq!(store.put_document(&document, false).await.unwrap(), Put::Stored);
        assert_eq!(store.document(request).await.unwrap(), Some(document.clone()));
        let (validity, fetched_at) = (document.validity, document.fetched_at);
        kept.push(DocumentState { request, validity, fetched_at });
    }
    kept.sort_by_key(|state| state.request);
    assert_eq!(store.documents().await.unwrap(), kept);
    assert_eq!(store.document(tcb_info(2)).await.unwrap(), None);
}

pub(crate) async fn keeps_the_newer_edition_unless_told_otherwise(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let kept = document(tcb_info(1), 100, Some(17));
    store.put_document(&kept, false).await.unwrap();
    for (issued, number) in [(99, 17), (200, 16), (99, 18)] {
        let older = document(tcb_info(1), issued, Some(number));
        let put = store.put_document(&older, false).await.unwrap();
        assert_eq!(put, Put::OlderThanKept { kept: kept.validity });
        assert_eq!(store.document(tcb_info(1)).await.unwrap(), Some(kept.clone()));
    }
    for (issued, number) in [(100, 17), (101, 17), (101, 18)] {
        let newer = document(tcb_info(1), issued, Some(number));
        assert_eq!(store.put_document(&newer, false).await.unwrap(), Put::Stored);
        assert_eq!(store.document(tcb_info(1)).await.unwrap(), Some(newer));
    }
    let told = document(tcb_info(1), 1, Some(1));
    assert_eq!(store.put_document(&told, true).await.unwrap(), Put::Stored);
    assert_eq!(store.document(tcb_info(1)).await.unwrap(), Some(told));
}

pub(crate) async fn keeps_the_newest_of_many_put_at_once(place: &dyn Place) {
    let stores = [place.open().await.unwrap(), place.open().await.unwrap()];
    let mut puts = tokio::task::JoinSet::new();
    // A fixed shuffle of 0 to 39.
    for step in 0..40_u64 {
        let issued = step * 17 % 40;
        let store = Arc::clone(&stores[usize::try_from(step % 2).unwrap()]);
        puts.spawn(async move {
            let document = document(tcb_info(1), issued, Some(17));
            store.put_document(&document, false).await
        });
    }
    for put in puts.join_all().await {
        put.unwrap();
    }
    let newest = stores[0].document(tcb_info(1)).await.unwrap().unwrap();
    assert_eq!(newest, document(tcb_info(1), 39, Some(17)));
}

pub(crate) async fn keeps_platforms_whatever_their_names(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let longest = "Ä".repeat(260);
    let names = ["A", "a", "'; --", "\u{0}", "A\u{0}", "", "%_", "\\x41", longest.as_str()];
    for name in names {
        let platform = platform(name, 1);
        store.put_platform(&platform, &[certificate(1)]).await.unwrap();
        assert_eq!(store.platform(&key(name)).await.unwrap(), Some(platform));
    }
    let all = store.platforms(&[]).await.unwrap();
    let found: BTreeSet<&str> = all.iter().map(|(found, _)| found.key.qe_id.as_str()).collect();
    assert_eq!(found, names.into());
    let other_pce = PlatformKey { qe_id: "A".into(), pce_id: "0001".into() };
    assert_eq!(store.platform(&other_pce).await.unwrap(), None);
}

pub(crate) async fn replaces_a_platform_with_its_certificates(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let (key, other) = (key("A"), platform("B", 1));
    store.put_platform(&other, &[certificate(9)]).await.unwrap();
    store.put_platform(&platform("A", 1), &[certificate(2), certificate(1)]).await.unwrap();
    let both = vec![certificate(1), certificate(2)];
    assert_eq!(store.certificates(&key).await.unwrap(), Some((platform("A", 1), both)));
    store.select(&key, Selection { raw: tcbm(5), chosen: tcbm(2) }).await.unwrap();
    let chosen = Some((platform("A", 1), certificate(2)));
    assert_eq!(store.selected(&key, tcbm(5)).await.unwrap(), chosen);

    let moved = Platform { manifest: vec![], ca: PckCa::Processor, ..platform("A", 2) };
    let last = PlatformCertificate { certificate: b"the last one".to_vec(), ..certificate(2) };
    let certificates = [certificate(2), certificate(3), last.clone()];
    store.put_platform(&moved, &certificates).await.unwrap();
    assert_eq!(store.platform(&key).await.unwrap(), Some(moved.clone()));
    let all = vec![last, certificate(3)];
    assert_eq!(store.certificates(&key).await.unwrap(), Some((moved, all)));
    assert_eq!(store.selected(&key, tcbm(5)).await.unwrap(), None, "selections are forgotten");
    let kept = Some((other.clone(), vec![certificate(9)]));
    assert_eq!(store.certificates(&other.key).await.unwrap(), kept);
}

pub(crate) async fn keeps_the_certificates_that_were_fetched_last(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let fetched_at = |seconds| Platform { fetched_at: at(seconds), ..platform("A", 1) };
    let key = key("A");
    store.put_platform(&fetched_at(9), &[certificate(1)]).await.unwrap();
    store.select(&key, Selection { raw: tcbm(5), chosen: tcbm(1) }).await.unwrap();
    let before = store.changes(0).await.unwrap();

    // Set out earlier, came later.
    store.put_platform(&fetched_at(8), &[certificate(2)]).await.unwrap();
    let kept = Some((fetched_at(9), vec![certificate(1)]));
    assert_eq!(store.certificates(&key).await.unwrap(), kept);
    let selected = Some((fetched_at(9), certificate(1)));
    assert_eq!(store.selected(&key, tcbm(5)).await.unwrap(), selected);
    assert_eq!(store.changes(before.cursor).await.unwrap(), before);

    // Of the same second, the last one counts.
    store.put_platform(&fetched_at(9), &[certificate(3)]).await.unwrap();
    let kept = Some((fetched_at(9), vec![certificate(3)]));
    assert_eq!(store.certificates(&key).await.unwrap(), kept);
}

pub(crate) async fn replaces_certificates_by_none_never(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let fetched_at = |seconds| Platform { fetched_at: at(seconds), ..platform("A", 1) };
    let key = key("A");
    store.put_platform(&fetched_at(1), &[]).await.unwrap();
    store.put_platform(&fetched_at(2), &[]).await.unwrap();
    assert_eq!(store.certificates(&key).await.unwrap(), Some((fetched_at(2), vec![])));
    store.put_platform(&fetched_at(3), &[certificate(1)]).await.unwrap();
    store.select(&key, Selection { raw: tcbm(5), chosen: tcbm(1) }).await.unwrap();
    let before = store.changes(0).await.unwrap();

    // A list without certificates: when it came is noted, and nothing else.
    let other = Platform { manifest: vec![], fmspc: fmspc(7), ..fetched_at(4) };
    store.put_platform(&other, &[]).await.unwrap();
    let kept = Some((fetched_at(4), vec![certificate(1)]));
    assert_eq!(store.certificates(&key).await.unwrap(), kept);
    let selected = Some((fetched_at(4), certificate(1)));
    assert_eq!(store.selected(&key, tcbm(5)).await.unwrap(), selected);
    let changes = store.changes(before.cursor).await.unwrap();
    assert_eq!(changes.list, [Changed::Platform(key.clone())]);
    store.put_platform(&fetched_at(3), &[]).await.unwrap();
    assert_eq!(store.platform(&key).await.unwrap(), Some(fetched_at(4)));
}

pub(crate) async fn remembers_which_certificate_was_chosen(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let key = key("A");
    let choose = |raw, chosen| Selection { raw: tcbm(raw), chosen: tcbm(chosen) };
    store.select(&key, choose(5, 1)).await.unwrap();
    assert_eq!(store.selected(&key, tcbm(5)).await.unwrap(), None, "there is no such platform");

    store.put_platform(&platform("A", 1), &[certificate(1), certificate(2)]).await.unwrap();
    store.select(&key, choose(5, 7)).await.unwrap();
    assert_eq!(store.selected(&key, tcbm(5)).await.unwrap(), None, "nor such a certificate");

    store.select(&key, choose(5, 1)).await.unwrap();
    store.select(&key, choose(6, 2)).await.unwrap();
    let chosen = |svn| Some((platform("A", 1), certificate(svn)));
    assert_eq!(store.selected(&key, tcbm(5)).await.unwrap(), chosen(1));
    store.select(&key, choose(5, 2)).await.unwrap();
    assert_eq!(store.selected(&key, tcbm(5)).await.unwrap(), chosen(2));
    assert_eq!(store.selected(&key, tcbm(4)).await.unwrap(), None);
    let all = store.platforms(&[]).await.unwrap();
    assert_eq!(all, [(platform("A", 1), vec![choose(5, 2), choose(6, 2)])]);
}

pub(crate) async fn remembers_a_bounded_number_of_choices(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let key = key("A");
    store.put_platform(&platform("A", 1), &[certificate(1), certificate(2)]).await.unwrap();
    let raw = |pce_svn| Tcbm { pce_svn, ..tcbm(9) };
    let choose = |pce_svn, chosen| Selection { raw: raw(pce_svn), chosen: tcbm(chosen) };
    let most = u16::try_from(MOST_SELECTIONS).unwrap();
    for pce_svn in 0..most {
        store.select(&key, choose(pce_svn, 1)).await.unwrap();
    }
    let full = store.changes(0).await.unwrap().cursor;
    store.select(&key, choose(most, 1)).await.unwrap();
    assert_eq!(store.selected(&key, raw(most)).await.unwrap(), None, "it is chosen again");
    assert_eq!(store.changes(full).await.unwrap().list, [], "nothing was written");
    assert_eq!(store.platforms(&[]).await.unwrap()[0].1.len(), MOST_SELECTIONS);

    store.select(&key, choose(most - 1, 2)).await.unwrap();
    let chosen = Some((platform("A", 1), certificate(2)));
    assert_eq!(store.selected(&key, raw(most - 1)).await.unwrap(), chosen, "it is known already");
    store.put_platform(&platform("B", 1), &[certificate(1)]).await.unwrap();
    let other = PlatformKey { qe_id: "B".into(), ..key };
    store.select(&other, choose(most, 1)).await.unwrap();
    assert!(store.selected(&other, raw(most)).await.unwrap().is_some(), "each has its own");
}

pub(crate) async fn lists_the_platforms_of_families(place: &dyn Place) {
    let store = place.open().await.unwrap();
    for (name, family) in [("C", 1), ("A", 2), ("B", 1), ("D", 3)] {
        store.put_platform(&platform(name, family), &[certificate(1)]).await.unwrap();
        let selection = Selection { raw: tcbm(family), chosen: tcbm(1) };
        store.select(&key(name), selection).await.unwrap();
    }
    let names = async |families: &[u8]| -> Vec<String> {
        let families: Vec<Fmspc> = families.iter().map(|family| fmspc(*family)).collect();
        let found = store.platforms(&families).await.unwrap();
        assert!(found.iter().all(|(found, chosen)| chosen[0].raw.cpu_svn.0[0] == found.fmspc.0[5]));
        found.into_iter().map(|(found, _)| found.key.qe_id).collect()
    };
    assert_eq!(names(&[]).await, ["A", "B", "C", "D"]);
    assert_eq!(store.count_platforms().await.unwrap(), 4);
    assert_eq!(names(&[1]).await, ["B", "C"]);
    assert_eq!(names(&[2, 1, 2]).await, ["A", "B", "C"]);
    assert_eq!(names(&[4]).await, [""; 0]);
}

pub(crate) async fn changes_one_platform_from_two_replicas_at_once(place: &dyn Place) {
    let stores = [place.open().await.unwrap(), place.open().await.unwrap()];
    let mut all = tokio::task::JoinSet::new();
    for step in 0..20_u8 {
        let store = Arc::clone(&stores[usize::from(step % 2)]);
        all.spawn(async move {
            let certificates = [certificate(1), certificate(100 + step)];
            store.put_platform(&platform("A", 1), &certificates).await?;
            let selection = Selection { raw: tcbm(5), chosen: tcbm(1) };
            store.select(&key("A"), selection).await
        });
    }
    for done in all.join_all().await {
        done.unwrap();
    }
    // Whole or not at all: the two certificates of one of them.
    let (_, certificates) = stores[0].certificates(&key("A")).await.unwrap().unwrap();
    assert_eq!(certificates.len(), 2, "{certificates:?}");
    let selected = stores[1].selected(&key("A"), tcbm(5)).await.unwrap();
    assert_eq!(selected, Some((platform("A", 1), certificate(1))));
}

pub(crate) async fn serves_many_new_platforms_at_once(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let mut all = tokio::task::JoinSet::new();
    for number in 0..50 {
        let store = Arc::clone(&store);
        all.spawn(async move {
            let name = format!("platform {number}");
            assert_eq!(store.platform(&key(&name)).await?, None);
            store.put_platform(&platform(&name, 1), &[certificate(1)]).await?;
            let selection = Selection { raw: tcbm(5), chosen: tcbm(1) };
            store.select(&key(&name), selection).await?;
            store.selected(&key(&name), tcbm(5)).await
        });
    }
    for done in all.join_all().await {
        let (_, selected) = done.unwrap().unwrap();
        assert_eq!(selected, certificate(1));
    }
}

pub(crate) async fn queues_registrations(place: &dyn Place) {
    use RegistrationState::{New, NotAvailable};
    let store = place.open().await.unwrap();
    for (registration, state) in [
        (registration("C", 1), New),
        (registration("A", 1), New),
        (registration("A", 2), New),
        (with_manifest("A"), New),
        (registration("B", 1), NotAvailable),
        (registration("D", 1), New),
    ] {
        store.register(&registration, state).await.unwrap();
    }
    // The same platform and TCB again: it takes the other one's place.
    let again = Registration { encrypted_ppid: vec![77; 384], ..registration("C", 1) };
    store.register(&again, New).await.unwrap();
    store.register(&registration("D", 1), NotAvailable).await.unwrap();
    store.unregister(&registration("A", 1)).await.unwrap();
    store.unregister(&registration("unknown", 1)).await.unwrap();
    // It waits for Intel, which whoever is done with a new one does not end.
    store.unregister(&registration("B", 1)).await.unwrap();

    let expected = [again, registration("A", 2), with_manifest("A")];
    assert_eq!(store.take_registrations(New).await.unwrap(), expected);
    assert_eq!(store.take_registrations(New).await.unwrap(), []);
    let expected = [registration("B", 1), registration("D", 1)];
    assert_eq!(store.take_registrations(NotAvailable).await.unwrap(), expected);
}

pub(crate) async fn puts_registrations_back_that_did_not_come_anew(place: &dyn Place) {
    use RegistrationState::{New, NotAvailable};
    let store = place.open().await.unwrap();
    for registration in [registration("A", 1), with_manifest("A"), registration("B", 1)] {
        store.register(&registration, New).await.unwrap();
    }
    let taken = store.take_registrations(New).await.unwrap();
    let newer = Registration { manifest: vec![8; 100], ..with_manifest("A") };
    store.register(&newer, New).await.unwrap();
    store.register(&registration("B", 1), NotAvailable).await.unwrap();
    store.put_back(&taken, New).await.unwrap();
    store.put_back(&[], New).await.unwrap();

    assert_eq!(store.take_registrations(New).await.unwrap(), [newer, registration("A", 1)]);
    let waiting = store.take_registrations(NotAvailable).await.unwrap();
    assert_eq!(waiting, [registration("B", 1)]);
}

pub(crate) async fn hands_each_registration_to_one_taker(place: &dyn Place) {
    let stores = [place.open().await.unwrap(), place.open().await.unwrap()];
    let names: BTreeSet<String> = (0..30).map(|number| format!("platform {number}")).collect();
    for name in &names {
        stores[0].register(&registration(name, 1), RegistrationState::New).await.unwrap();
    }
    let mut takers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&stores[number % 2]);
        takers.spawn(async move { store.take_registrations(RegistrationState::New).await });
    }
    let taken: Vec<_> = takers.join_all().await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(taken.len(), names.len());
    let taken: BTreeSet<String> = taken.into_iter().map(|taken| taken.key.qe_id).collect();
    assert_eq!(taken, names);
}

pub(crate) async fn keeps_one_default_policy_of_a_family(place: &dyn Place) {
    let store = place.open().await.unwrap();
    for policy in [policy("1", true, 1), policy("2", false, 1), policy("3", true, 2)] {
        store.put_policy(&policy).await.unwrap();
    }
    let defaults = async |family| store.default_policies(fmspc(family)).await.unwrap();
    assert_eq!(defaults(1).await, [policy("1", true, 1)]);
    store.put_policy(&policy("2", true, 1)).await.unwrap();
    assert_eq!(defaults(1).await, [policy("2", true, 1)]);
    assert_eq!(defaults(2).await, [policy("3", true, 2)]);
    store.put_policy(&policy("2", false, 1)).await.unwrap();
    assert_eq!(defaults(1).await, []);
}

pub(crate) async fn keeps_one_of_default_policies_put_at_once(place: &dyn Place) {
    let stores = [place.open().await.unwrap(), place.open().await.unwrap()];
    let mut puts = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = Arc::clone(&stores[number % 2]);
        puts.spawn(async move { store.put_policy(&policy(&number.to_string(), true, 1)).await });
    }
    for put in puts.join_all().await {
        put.unwrap();
    }
    assert_eq!(stores[0].default_policies(fmspc(1)).await.unwrap().len(), 1);
}

pub(crate) async fn keeps_tokens_by_role_and_name(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let (user, admin) = (token(Role::User, "a", "1"), token(Role::Admin, "a", "2"));
    for token in [&admin, &user, &token(Role::User, "b", "3")] {
        store.put_token(token).await.unwrap();
    }
    let rotated = token(Role::User, "b", "4");
    store.put_token(&rotated).await.unwrap();
    assert_eq!(store.tokens().await.unwrap(), [user.clone(), rotated.clone(), admin.clone()]);
    assert!(!store.remove_token(Role::Admin, "b").await.unwrap());
    assert!(store.remove_token(Role::User, "b").await.unwrap());
    assert!(!store.remove_token(Role::User, "b").await.unwrap());
    assert_eq!(store.tokens().await.unwrap(), [user, admin]);
}

pub(crate) async fn tells_other_replicas_what_changed(place: &dyn Place) {
    let (here, there) = (place.open().await.unwrap(), place.open().await.unwrap());
    here.put("https://before/", b"").await.unwrap();
    let start = there.changes(0).await.unwrap();
    assert_eq!(start.list, []);
    assert_ne!(start.cursor, 0);
    assert_eq!(there.changes(start.cursor).await.unwrap(), start);

    here.put_document(&document(tcb_info(1), 10, None), false).await.unwrap();
    here.put_document(&document(tcb_info(1), 9, None), false).await.unwrap();
    here.put_platform(&platform("\u{0}A", 1), &[certificate(1)]).await.unwrap();
    let selection = Selection { raw: tcbm(5), chosen: tcbm(1) };
    here.select(&key("\u{0}A"), selection).await.unwrap();
    here.select(&key("unknown"), selection).await.unwrap();
    here.put("https://b/", b"").await.unwrap();
    here.put_policy(&policy("1", true, 1)).await.unwrap();
    here.put_token(&token(Role::User, "a", "1")).await.unwrap();
    here.remove_token(Role::User, "a").await.unwrap();
    here.remove_token(Role::User, "a").await.unwrap();

    let changes = there.changes(start.cursor).await.unwrap();
    let expected = [
        Changed::Document(tcb_info(1)),
        Changed::Platform(key("\u{0}A")),
        Changed::Platform(key("\u{0}A")),
        Changed::Platform(key("https://b/")),
        Changed::Policies,
        Changed::Tokens,
        Changed::Tokens,
    ];
    assert_eq!(changes.list, expected);
    assert_eq!(there.changes(changes.cursor).await.unwrap().list, []);
    assert_eq!(there.changes(0).await.unwrap().cursor, changes.cursor);
}

pub(crate) async fn tells_whoever_is_elsewhere_to_drop_everything(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.put("https://b/", b"").await.unwrap();
    let newest = store.changes(0).await.unwrap().cursor;
    // A cursor from before the list, and one of a database that is no longer this one.
    for cursor in [i64::MIN, -1, newest + 1, i64::MAX] {
        let changes = store.changes(cursor).await.unwrap();
        assert_eq!(changes.list, [Changed::Everything], "{cursor}");
        assert_eq!(changes.cursor, newest);
    }
}

pub(crate) async fn no_reader_of_changes_misses_one(place: &dyn Place) {
    let stores = [place.open().await.unwrap(), place.open().await.unwrap()];
    let mut cursor = stores[0].changes(0).await.unwrap().cursor;
    let mut puts = tokio::task::JoinSet::new();
    for number in 0..40 {
        let store = Arc::clone(&stores[number % 2]);
        puts.spawn(async move { store.put(&number.to_string(), b"").await });
    }
    let mut seen = Vec::new();
    while let Some(put) = puts.join_next().await {
        put.unwrap().unwrap();
        let changes = stores[0].changes(cursor).await.unwrap();
        cursor = changes.cursor;
        seen.extend(changes.list.into_iter().map(|change| match change {
            Changed::Platform(key) => key.qe_id,
            other => panic!("{other:?}"),
        }));
    }
    let expected: BTreeSet<String> = (0..40).map(|number: u32| number.to_string()).collect();
    assert_eq!(seen.len(), expected.len());
    assert_eq!(BTreeSet::from_iter(seen), expected);
}

pub(crate) async fn gives_a_lease_to_one_holder(place: &dyn Place) {
    let (here, there) = (place.open().await.unwrap(), place.open().await.unwrap());
    let held = here.try_lease("refresh").await.unwrap().expect("nobody else has it");
    assert!(there.try_lease("refresh").await.unwrap().is_none());
    assert!(here.try_lease("refresh").await.unwrap().is_none(), "it has its own already");
    let other = there.try_lease("another").await.unwrap();
    assert!(other.is_some());
    // What is dropped may be on its way back still.
    drop(other);
    while here.try_lease("another").await.unwrap().is_none() {}
    drop(held);
    let mut again = None;
    while again.is_none() {
        again = there.try_lease("refresh").await.unwrap();
    }
    assert!(here.try_lease("refresh").await.unwrap().is_none());
}

pub(crate) async fn gives_a_lease_back_when_its_replica_ends(place: &dyn Place) {
    let (here, there) = (place.open().await.unwrap(), place.open().await.unwrap());
    let held = here.try_lease("refresh").await.unwrap();
    assert!(held.is_some() && there.try_lease("refresh").await.unwrap().is_none());
    drop(here);
    drop(held);
    while there.try_lease("refresh").await.unwrap().is_none() {}
}
