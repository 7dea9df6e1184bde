//! Taking over the database of Intel's PCCS: all of it that is genuine, nothing that is not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use rusqlite::{Connection, ToSql};
use sha2::{Digest as _, Sha384};
use tdattest_pccs::collateral::archive::Kept;
use tdattest_pccs::collateral::{Archive, Authenticate};
use tdattest_pccs::import::{ImportError, Report, archive, pckcache};
use tdattest_pccs::store::memory::Memory;
use tdattest_pccs::store::sqlite::Sqlite;
use tdattest_pccs::store::{PlatformKey, RegistrationState, Store};
use tdattest_pccs::wire::endorsement::{Endorsement, PckCertificate, Validity};
use tdattest_pccs::wire::pck_certificates::Tcbm;
use tdattest_pccs::wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_pccs::wire::quote::TeeType;
use tdattest_pccs::wire::time::UnixTime;
use tdattest_simulator::pcs_server::{Request, api};
use tdattest_simulator::{Platform, Seed};
use tdattest_verifier::{TrustAnchor, Verifier, crypto};

const V4: &str = "/sgx/certification/v4";
const QE_ID: &str = "AABBCCDDEEFF001122334455667788AA";
const ROOT_CA_CRL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

/// When Intel's service wrote its rows, and the same as it writes that.
const WRITTEN: &str = "2026-10-31T08:30:00Z";
const WRITTEN_THERE: &str = "2026-10-31 08:30:00.123 +00:00";

fn now() -> UnixTime {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

fn platform() -> Platform {
    Platform::new(Seed::of("a platform behind Intel's PCCS"))
}

struct Judge(Verifier);

impl Authenticate for Judge {
    fn endorsement(&self, endorsement: &Endorsement) -> Result<Validity, String> {
        self.0.endorsement(endorsement).map_err(|fault| fault.to_string())
    }

    fn pck_certificate(&self, chain: &[u8]) -> Result<PckCertificate, String> {
        self.0.pck_certificate(chain).map_err(|fault| fault.to_string())
    }
}

fn judge() -> Arc<dyn Authenticate> {
    let root = platform().root_ca().der().unwrap();
    Arc::new(Judge(Verifier::new(TrustAnchor::from_der(&root).unwrap(), crypto::aws_lc())))
}

/// What Intel answers, and a header of it.
fn intel(path: &str) -> Vec<u8> {
    let answer = api::answer(&platform(), now(), &Request::get(path));
    assert_eq!(answer.status, 200, "{path}");
    answer.body
}

fn header(path: &str, name: &str) -> String {
    let answer = api::answer(&platform(), now(), &Request::get(path));
    answer.headers.into_iter().find(|(found, _)| *found == name).unwrap().1
}

/// A database as Intel's PCCS leaves it.
struct Database {
    folder: tempfile::TempDir,
    connection: Connection,
}

const TABLES: &str = "
    CREATE TABLE `pcs_version` (`id` INTEGER PRIMARY KEY, `api_version` INTEGER, `server_addr` TEXT, `db_version` INTEGER);
    CREATE TABLE `platforms` (`qe_id` VARCHAR(255), `pce_id` VARCHAR(255), `platform_manifest` BLOB, `enc_ppid` BLOB,
        `fmspc` VARCHAR(255), `ca` VARCHAR(255), `created_time` DATETIME, `updated_time` DATETIME, PRIMARY KEY (`qe_id`, `pce_id`));
    CREATE TABLE `platform_tcbs` (`qe_id` TEXT, `pce_id` TEXT, `cpu_svn` TEXT, `pce_svn` TEXT, `tcbm` TEXT);
    CREATE TABLE `pck_cert` (`qe_id` TEXT, `pce_id` TEXT, `tcbm` TEXT, `pck_cert` BLOB);
    CREATE TABLE `pck_certchain` (`ca` TEXT PRIMARY KEY, `root_cert_id` INTEGER, `intmd_cert_id` INTEGER);
    CREATE TABLE `pck_crl` (`ca` TEXT PRIMARY KEY, `pck_crl` BLOB, `root_cert_id` INTEGER, `intmd_cert_id` INTEGER, `updated_time` DATETIME);
    CREATE TABLE `fmspc_tcbs` (`fmspc` TEXT, `type` INTEGER, `version` INTEGER, `update_type` TEXT, `tcbinfo` BLOB,
        `root_cert_id` INTEGER, `signing_cert_id` INTEGER, `updated_time` DATETIME);
    CREATE TABLE `enclave_identities` (`id` INTEGER, `version` INTEGER, `update_type` TEXT, `identity` BLOB,
        `root_cert_id` INTEGER, `signing_cert_id` INTEGER, `updated_time` DATETIME);
    CREATE TABLE `pcs_certificates` (`id` INTEGER PRIMARY KEY, `cert` BLOB, `crl` BLOB, `updated_time` DATETIME);
    CREATE TABLE `crl_cache` (`cdp_url` TEXT PRIMARY KEY, `crl` BLOB, `updated_time` DATETIME);
    CREATE TABLE `platforms_registered` (`qe_id` TEXT, `pce_id` TEXT, `cpu_svn` TEXT, `pce_svn` TEXT, `enc_ppid` BLOB,
        `platform_manifest` BLOB, `state` INTEGER, `created_time` DATETIME);
    CREATE TABLE `appraisal_policies` (`id` TEXT PRIMARY KEY, `type` INTEGER, `policy` TEXT, `is_default` INTEGER,
        `fmspc` TEXT, `created_time` DATETIME);
    INSERT INTO pcs_version VALUES (1, 4, 'api.trustedservices.intel.com', 5);
";

impl Database {
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("pckcache.db")).unwrap();
        connection.execute_batch(TABLES).unwrap();
        Self { folder, connection }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("pckcache.db")
    }

    fn add(&self, statement: &str, values: &[&dyn ToSql]) -> &Self {
        assert_eq!(self.connection.execute(statement, values).unwrap(), 1, "{statement}");
        self
    }

    /// With everything that a service keeps for one platform.
    fn full() -> Self {
        let database = Self::empty();
        database.add_certificates();
        database.add_documents();
        database.add_platform();
        database.add_waiting();
        database
    }

    fn add_certificates(&self) {
        let split = |chain: &str| -> (String, String) {
            let at = chain.rfind("-----BEGIN%20CERTIFICATE-----").unwrap();
            (chain[..at].to_owned(), chain[at..].to_owned())
        };
        let crl = |ca: &str| {
            let path = format!("{V4}/pckcrl?ca={ca}&encoding=der");
            split(&header(&path, "SGX-PCK-CRL-Issuer-Chain"))
        };
        let (signer, root) =
            split(&header(&format!("{V4}/qe/identity"), "SGX-Enclave-Identity-Issuer-Chain"));
        let root_crl = intel("/IntelSGXRootCA.der");
        let add = "INSERT INTO pcs_certificates VALUES ($1, $2, $3, $4)";
        self.add(add, &[&1, &root, &root_crl, &WRITTEN_THERE]);
        for (id, certificate) in [(2, crl("processor").0), (3, signer), (4, crl("platform").0)] {
            self.add(add, &[&id, &certificate, &None::<Vec<u8>>, &WRITTEN_THERE]);
        }
        let add = "INSERT INTO pck_certchain VALUES ($1, 1, $2)";
        self.add(add, &[&"PROCESSOR", &2]).add(add, &[&"PLATFORM", &4]);
    }

    fn add_documents(&self) {
        let fmspc = platform().hardware.fmspc.to_string();
        for (kind, name) in [(0, "sgx"), (1, "tdx")] {
            for set in ["STANDARD", "EARLY"] {
                let update = set.to_lowercase();
                let path = format!("/{name}/certification/v4/tcb?fmspc={fmspc}&update={update}");
                let add = "INSERT INTO fmspc_tcbs VALUES ($1, $2, 4, $3, $4, 1, 3, $5)";
                self.add(add, &[&fmspc, &kind, &set, &intel(&path), &WRITTEN_THERE]);
            }
        }
        for (id, path) in [(1, "sgx"), (3, "tdx")] {
            // Intel's service hands text to the database here.
            let identity =
                String::from_utf8(intel(&format!("/{path}/certification/v4/qe/identity"))).unwrap();
            self.add_identity(id, &identity);
        }
        self.add_identity(2, &String::from_utf8(intel(&format!("{V4}/qve/identity"))).unwrap());
        for (ca, intermediate) in [("PROCESSOR", 2), ("PLATFORM", 4)] {
            let crl = intel(&format!("{V4}/pckcrl?ca={}&encoding=der", ca.to_lowercase()));
            let add = "INSERT INTO pck_crl VALUES ($1, $2, 1, $3, $4)";
            self.add(add, &[&ca, &crl, &intermediate, &WRITTEN_THERE]);
        }
        let add = "INSERT INTO crl_cache VALUES ($1, $2, $3)";
        self.add(add, &[&ROOT_CA_CRL, &intel("/IntelSGXRootCA.der"), &WRITTEN_THERE]);
    }

    fn add_identity(&self, id: i64, identity: &str) {
        let add = "INSERT INTO enclave_identities VALUES ($1, 4, 'STANDARD', $2, 1, 3, $3)";
        self.add(add, &[&id, &identity, &WRITTEN_THERE]);
    }

    fn add_platform(&self) {
        let hardware = platform().hardware;
        let (fmspc, ca) = (hardware.fmspc.to_string(), hardware.ca.name().to_uppercase());
        let add = "INSERT INTO platforms VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
        let (manifest, ppid) = (Vec::<u8>::new(), vec![0xcd; 384]);
        let values: [&dyn ToSql; 7] =
            [&QE_ID, &pce_id(), &manifest, &ppid, &fmspc, &ca, &WRITTEN_THERE];
        self.add(add, &values);
        for (tcbm, certificate) in listed() {
            let add = "INSERT INTO pck_cert VALUES ($1, $2, $3, $4)";
            self.add(add, &[&QE_ID, &pce_id(), &tcbm, &certificate]);
        }
        let (tcbm, _) = &listed()[0];
        let add = "INSERT INTO platform_tcbs VALUES ($1, $2, $3, $4, $5)";
        self.add(add, &[&QE_ID, &pce_id(), &"FF".repeat(16), &"0F00", tcbm]);
    }

    fn add_waiting(&self) {
        let add = "INSERT INTO platforms_registered VALUES ($1, '0000', $2, $3, $4, $5, $6, $7)";
        let (none, ppid) = (Vec::<u8>::new(), vec![0xab; 384]);
        let svn = "07".repeat(16);
        self.add(add, &[&"B", &svn, &"0B00", &ppid, &none, &0, &"2"]);
        self.add(add, &[&"A", &"", &"", &none, &vec![1_u8; 100], &0, &"1"]);
        self.add(add, &[&"C", &svn, &"0B00", &ppid, &none, &1, &"3"]);
        self.add(add, &[&"D", &svn, &"0B00", &ppid, &none, &9, &"4"]);
        self.add_policy(&policy_id(), 2);
    }

    fn add_policy(&self, id: &str, kind: i64) {
        let fmspc = platform().hardware.fmspc.to_string();
        let add = "INSERT INTO appraisal_policies VALUES ($1, $2, $3, 1, $4, '1')";
        self.add(add, &[&id, &kind, &POLICY, &fmspc]);
    }

    fn import(&self, store: &dyn Store) -> Result<Report, ImportError> {
        import(&self.path(), store)
    }
}

const POLICY: &str = "e30.e30.c2ln";

fn policy_id() -> String {
    data_encoding::HEXLOWER.encode(&Sha384::digest(POLICY.as_bytes()))
}

fn pce_id() -> String {
    platform().hardware.pce_id.to_string()
}

/// The platform's certificates, each with its TCB.
fn listed() -> Vec<(String, Vec<u8>)> {
    let ppid = "cd".repeat(384);
    let path = format!("{V4}/pckcerts?encrypted_ppid={ppid}&pceid={}", pce_id());
    let entries: serde_json::Value = serde_json::from_slice(&intel(&path)).unwrap();
    let text = |entry: &serde_json::Value, name: &str| entry[name].as_str().unwrap().to_owned();
    let listed = entries.as_array().unwrap().iter().map(|entry| {
        let certificate = percent_decode_str(&text(entry, "cert")).collect();
        (text(entry, "tcbm"), certificate)
    });
    listed.collect()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap().block_on(future)
}

fn import(path: &Path, store: &dyn Store) -> Result<Report, ImportError> {
    wait(pckcache(path, store, judge(), now()))
}

fn key() -> PlatformKey {
    PlatformKey { qe_id: QE_ID.into(), pce_id: pce_id() }
}

/// What was refused, without the reasons: those are the verifier's.
fn refused(report: &Report) -> Vec<&str> {
    report.refused.iter().map(|refused| refused.what.as_str()).collect()
}

#[test]
fn takes_over_everything_that_is_intels() {
    let database = Database::full();
    let before = std::fs::read(database.path()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("pccs.db")).unwrap();
    let report = database.import(&store).unwrap();
    let certificates = u64::try_from(listed().len()).unwrap();
    let expected = Report {
        documents: 11, // the root CA's CRL twice: it is also kept by its address
        platforms: 1,
        certificates,
        selections: 1,
        registrations: 3,
        policies: 1,
        ..Report::default()
    };
    assert_eq!(report, expected);
    assert_eq!(std::fs::read(database.path()).unwrap(), before, "it is only read");

    let fmspc = platform().hardware.fmspc;
    let request = PcsRequest::TcbInfo(TeeType::Tdx, fmspc, EvaluationDataSet::Early);
    let kept = wait(store.document(request)).unwrap().unwrap();
    assert_eq!(kept.endorsement.body, intel(&request.path()), "byte for byte");
    assert_eq!(kept.fetched_at, WRITTEN.parse().unwrap());
    let requests: Vec<_> =
        wait(store.documents()).unwrap().into_iter().map(|state| state.request).collect();
    assert_eq!(requests.len(), 10, "{requests:?}");
    assert!(requests.contains(&PcsRequest::RootCaCrl));
    assert!(requests.contains(&PcsRequest::PckCrl(PckCa::Processor)));
    assert!(requests.contains(&PcsRequest::QveIdentity(EvaluationDataSet::Standard)));
}

#[test]
fn takes_over_platforms_and_what_waits() {
    let store = Memory::new();
    Database::full().import(&store).unwrap();
    let kept = wait(store.platform(&key())).unwrap().unwrap();
    assert_eq!(kept.encrypted_ppid, vec![0xcd; 384]);
    assert_eq!(kept.fetched_at, WRITTEN.parse().unwrap());
    let (tcbm, certificate) = listed().remove(0);
    let raw: Tcbm = format!("{}0F00", "FF".repeat(16)).parse().unwrap();
    let (_, selected) = wait(store.selected(&key(), raw)).unwrap().unwrap();
    assert_eq!(selected.tcbm, tcbm.parse().unwrap());
    assert_eq!(selected.certificate, certificate);

    let waiting = wait(store.take_registrations(RegistrationState::New)).unwrap();
    let names: Vec<_> = waiting.iter().map(|waiting| waiting.key.qe_id.as_str()).collect();
    assert_eq!(names, ["A", "B"], "oldest first");
    assert_eq!((waiting[0].cpu_svn, waiting[0].manifest.len()), (None, 100));
    assert_eq!(waiting[1].pce_svn, Some(11));
    let waiting = wait(store.take_registrations(RegistrationState::NotAvailable)).unwrap();
    assert_eq!(waiting.len(), 1);
    let policies = wait(store.default_policies(platform().hardware.fmspc)).unwrap();
    assert_eq!(policies[0].text, POLICY);
}

#[test]
fn puts_nothing_older_over_what_was_decided_since() {
    let store = Memory::new();
    let database = Database::full();
    database.import(&store).unwrap();
    let taken = wait(store.take_registrations(RegistrationState::New)).unwrap();
    assert_eq!(taken.len(), 2);
    // Since then the first was fetched, and an administrator chose another policy.
    let (kept, certificates) = wait(store.certificates(&key())).unwrap().unwrap();
    let fetched = tdattest_pccs::store::Platform { key: taken[0].key.clone(), ..kept };
    wait(store.put_platform(&fetched, &certificates)).unwrap();
    let fmspc = platform().hardware.fmspc;
    let old = wait(store.default_policies(fmspc)).unwrap().remove(0);
    let policy =
        tdattest_pccs::store::AppraisalPolicy { id: "new".into(), text: "new".into(), ..old };
    wait(store.put_policy(&policy)).unwrap();

    let report = database.import(&store).unwrap();
    assert_eq!((report.policies, report.registrations, report.kept_newer), (0, 2, 2));
    assert_eq!(wait(store.default_policies(fmspc)).unwrap(), [policy]);
    let waiting = wait(store.take_registrations(RegistrationState::New)).unwrap();
    assert_eq!(waiting, [taken[1].clone()], "the one whose platform is still not kept");
}

#[test]
fn leaves_out_what_is_not_genuine_and_says_so() {
    let database = Database::full();
    let change = |statement: &str| database.connection.execute_batch(statement).unwrap();
    // One letter of a signed document, an identity in another one's place, and an answer that is none.
    change(
        "UPDATE fmspc_tcbs SET tcbinfo = replace(CAST(tcbinfo AS TEXT), 'UpToDate', 'upToDate')
             WHERE type = 0 AND update_type = 'STANDARD';
         UPDATE enclave_identities SET identity =
             (SELECT identity FROM enclave_identities WHERE id = 1) WHERE id = 3;
         UPDATE pck_crl SET pck_crl = '<html></html>' WHERE ca = 'PROCESSOR';",
    );
    // A certificate under another one's TCB, and a platform of another family.
    let (first, second) = (&listed()[0].0, &listed()[1].0);
    change(&format!("DELETE FROM pck_cert WHERE tcbm = '{second}'"));
    change(&format!("UPDATE pck_cert SET tcbm = '{second}' WHERE tcbm = '{first}'"));
    change(
        "INSERT INTO platforms SELECT 'OTHER', pce_id, platform_manifest, enc_ppid, '000000000000', ca, '', '' FROM platforms;
         INSERT INTO pck_cert SELECT 'OTHER', pce_id, tcbm, pck_cert FROM pck_cert;
         INSERT INTO fmspc_tcbs VALUES ('000000000000', 0, 3, 'STANDARD', '{}', 1, 3, '');
         INSERT INTO crl_cache VALUES ('https://example.org/a.crl', '', '');
         INSERT INTO platforms_registered VALUES ('E', '0000', '', '', x'', x'', 0, '');",
    );
    database.add_policy("another-id", 2);
    let store = Memory::new();
    let report = database.import(&store).unwrap();
    let what = refused(&report);
    let fmspc = platform().hardware.fmspc;
    let tcb_info = PcsRequest::TcbInfo(TeeType::Sgx, fmspc, EvaluationDataSet::Standard);
    let identity = PcsRequest::QeIdentity(TeeType::Tdx, EvaluationDataSet::Standard);
    for expected in [
        tcb_info.path(),
        identity.path(),
        PcsRequest::PckCrl(PckCa::Processor).path(),
        format!("platform {QE_ID} {}, PCK certificate {second}", pce_id()),
        format!("platform OTHER {}", pce_id()),
        "TCB info of 000000000000 (type 0, version 3, STANDARD)".into(),
        "CRL from https://example.org/a.crl".into(),
        "registration of E".into(),
        "appraisal policy another-id".into(),
    ] {
        assert!(what.contains(&expected.as_str()), "{expected}: {what:#?}");
    }
    let certificates = listed().len();
    // Those nine, and each certificate of the platform of another family.
    assert_eq!(what.len(), 9 + certificates - 1, "{what:#?}");
    assert_eq!((report.documents, report.platforms), (8, 1));
    assert_eq!(wait(store.document(tcb_info)).unwrap(), None);
    let (_, kept) = wait(store.certificates(&key())).unwrap().unwrap();
    assert_eq!(kept.len(), certificates - 2);
    assert_eq!(report.selections, 0, "its certificate was not good");
}

#[test]
fn leaves_out_what_another_root_signed() {
    let database = Database::full();
    let stranger = Platform::new(Seed::of("somebody else's root"));
    let root = stranger.root_ca().der().unwrap();
    let anchor = TrustAnchor::from_der(&root).unwrap();
    let judge: Arc<dyn Authenticate> = Arc::new(Judge(Verifier::new(anchor, crypto::aws_lc())));
    let store = Memory::new();
    let report = wait(pckcache(&database.path(), &store, judge, now())).unwrap();
    assert_eq!((report.documents, report.platforms, report.certificates), (0, 0, 0));
    assert_eq!(wait(store.documents()).unwrap(), []);
    assert_eq!(wait(store.platforms(&[])).unwrap(), []);
}

#[test]
fn replaces_nothing_that_is_newer() {
    let database = Database::full();
    let store = Memory::new();
    database.import(&store).unwrap();
    let mut kept = wait(store.platform(&key())).unwrap().unwrap();
    kept.fetched_at = kept.fetched_at.saturating_add(1);
    wait(store.put_platform(&kept, &[])).unwrap();
    let mut document = wait(store.document(PcsRequest::RootCaCrl)).unwrap().unwrap();
    document.validity.issued = document.validity.issued.saturating_add(1);
    wait(store.put_document(&document, false)).unwrap();

    let report = database.import(&store).unwrap();
    assert_eq!((report.kept_newer, report.platforms, report.documents), (3, 0, 9));
    assert_eq!(wait(store.platform(&key())).unwrap(), Some(kept));
    assert_eq!(wait(store.document(PcsRequest::RootCaCrl)).unwrap(), Some(document));
}

#[test]
fn takes_over_the_documents_of_an_archive_that_are_genuine() {
    let database = Database::full();
    let kept_before = Memory::new();
    database.import(&kept_before).unwrap();
    let document = |request| wait(kept_before.document(request)).unwrap().unwrap();
    let later = now().saturating_add(60);
    let genuine = document(PcsRequest::RootCaCrl).endorsement;
    let mut forged = document(PcsRequest::PckCrl(PckCa::Platform)).endorsement;
    *forged.body.last_mut().unwrap() ^= 1;
    let found = [&genuine, &forged]
        .map(|endorsement| Kept { endorsement: endorsement.clone(), fetched_at: later });
    let found = Archive::parse(Archive::from_iter(found).write().unwrap().as_bytes()).unwrap();

    let store = Memory::new();
    let report = wait(archive(&found, &store, judge().as_ref(), now())).unwrap();
    assert_eq!((report.documents, report.kept_newer), (1, 0));
    assert_eq!(refused(&report), [forged.request.path()]);
    assert_eq!(wait(store.document(forged.request)).unwrap(), None);
    let kept = wait(store.document(genuine.request)).unwrap().unwrap();
    assert_eq!((kept.endorsement, kept.fetched_at), (genuine, now()));
}

#[test]
fn reads_databases_from_before_early_sets_and_policies() {
    let database = Database::full();
    let older = "DELETE FROM fmspc_tcbs WHERE update_type = 'EARLY';
         ALTER TABLE fmspc_tcbs DROP COLUMN update_type;
         ALTER TABLE enclave_identities DROP COLUMN update_type;
         DROP TABLE appraisal_policies;
         UPDATE pcs_version SET db_version = 3;";
    database.connection.execute_batch(older).unwrap();
    let report = database.import(&Memory::new()).unwrap();
    assert_eq!((report.documents, report.policies), (9, 0));
    assert_eq!(report.refused, []);
}

#[test]
fn refuses_a_table_that_computes_what_it_holds() {
    let database = Database::full();
    let computed = "ALTER TABLE platforms ADD COLUMN more TEXT AS (printf('%.*c', 900000000, 'a'))";
    database.connection.execute_batch(computed).unwrap();
    let fault = database.import(&Memory::new()).unwrap_err();
    assert_eq!(fault, ImportError::Computed { table: "platforms" });

    let database = Database::full();
    let computed = "ALTER TABLE pcs_version ADD COLUMN more TEXT AS ('a')";
    database.connection.execute_batch(computed).unwrap();
    let fault = database.import(&Memory::new()).unwrap_err();
    assert_eq!(fault, ImportError::Computed { table: "pcs_version" });
}

#[test]
fn refuses_a_table_whose_default_value_is_long() {
    let with_default = |bytes: usize| {
        let database = Database::full();
        let column = format!(
            "ALTER TABLE appraisal_policies ADD COLUMN more TEXT DEFAULT '{}'",
            "a".repeat(bytes)
        );
        database.connection.execute_batch(&column).unwrap();
        database.import(&Memory::new()).map(drop)
    };
    assert_eq!(with_default(50), Ok(()));
    let fault = ImportError::Computed { table: "appraisal_policies" };
    assert_eq!(with_default(1_000), Err(fault));
}

#[test]
fn gives_up_on_a_file_whose_bytes_are_read_again_and_again() {
    let database = Database::full();
    // One platform stands there many times, and each time with all of its certificates.
    let many = "DROP TABLE platforms;
        CREATE TABLE platforms (qe_id, pce_id, platform_manifest, enc_ppid, fmspc, ca, updated_time);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
            INSERT INTO pck_cert SELECT 'x', '0000', i, zeroblob(16000) FROM n;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
            INSERT INTO platforms SELECT 'x', '0000', '', '', '00806F050000', 'PLATFORM', '' FROM n;";
    database.connection.execute_batch(many).unwrap();
    let fault = database.import(&Memory::new()).err();
    assert_eq!(fault, Some(ImportError::TooMuchWork));
}

#[test]
fn keeps_the_beginning_of_a_long_name_that_it_refuses() {
    let database = Database::full();
    database.add_policy(&"é".repeat(1_000_000), 2);
    let report = database.import(&Memory::new()).unwrap();
    let told: Vec<usize> =
        report.refused.iter().map(|refused| refused.what.chars().count()).collect();
    assert_eq!(told, [201]);
}

#[test]
fn refuses_a_file_whose_fault_has_no_name_that_is_text() {
    let database = Database::full();
    // The check of the pages names the column that lacks a value.
    let change = "CREATE TABLE other (a TEXT);
        INSERT INTO other VALUES (NULL);
        PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET sql = CAST(CAST('CREATE TABLE other (a' AS BLOB) || x'FF' ||
            CAST(' TEXT NOT NULL)' AS BLOB) AS TEXT) WHERE name = 'other';";
    database.connection.execute_batch(change).unwrap();
    let fault = database.import(&Memory::new()).unwrap_err();
    assert!(matches!(fault, ImportError::Unreadable(_)), "{fault}");
}

#[test]
fn refuses_a_file_in_which_one_page_stands_for_many() {
    let database = Database::full();
    let add = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
        INSERT INTO crl_cache SELECT 'https://example.org/' || i, zeroblob(900), '' FROM n";
    database.connection.execute_batch(add).unwrap();
    let number = |sql| database.connection.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
    let number = |sql| usize::try_from(number(sql)).unwrap();
    let page = number("PRAGMA page_size");
    let root = page * (number("SELECT rootpage FROM sqlite_master WHERE name = 'crl_cache'") - 1);
    assert!(database.import(&Memory::new()).is_ok());

    let mut file = std::fs::read(database.path()).unwrap();
    assert_eq!(file[root], 5, "the root points to other pages");
    let two = |file: &[u8], at: usize| usize::from(u16::from_be_bytes([file[at], file[at + 1]]));
    let cells = two(&file, root + 3);
    assert!(cells > 10, "{cells}");
    // The first four bytes of each cell are the number of a page.
    let first = root + two(&file, root + 12);
    let child: [u8; 4] = file[first..first + 4].try_into().unwrap();
    for cell in 1..cells {
        let at = root + two(&file, root + 12 + 2 * cell);
        file[at..at + 4].copy_from_slice(&child);
    }
    std::fs::write(database.path(), file).unwrap();
    let fault = database.import(&Memory::new()).unwrap_err();
    assert!(matches!(fault, ImportError::Unreadable(_)), "{fault}");
}

#[test]
fn gives_up_on_a_file_that_takes_more_work_than_its_size_can_need() {
    let database = Database::full();
    // Without an index every platform is looked for in all rows.
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
            INSERT INTO pck_cert SELECT i, '0000', '', '' FROM n;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
            INSERT INTO platforms SELECT 'x' || i, pce_id, '', '', fmspc, ca, '', '' FROM n, platforms;";
    database.connection.execute_batch(many).unwrap();
    let fault = database.import(&Memory::new()).unwrap_err();
    assert_eq!(fault, ImportError::TooMuchWork);
}

#[test]
fn gives_up_on_a_file_that_takes_too_many_short_statements() {
    let database = Database::full();
    // Each of them ends before SQLite tells of its steps.
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO pck_cert SELECT i, '0000', '', '' FROM n;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
            INSERT INTO platforms SELECT 'x' || i, pce_id, '', '', fmspc, ca, '', '' FROM n, platforms;";
    database.connection.execute_batch(many).unwrap();
    let fault = database.import(&Memory::new()).err();
    assert_eq!(fault, Some(ImportError::TooMuchWork));
}

#[test]
fn reads_many_platforms_within_its_bounds() {
    let database = Database::full();
    let many = "CREATE UNIQUE INDEX one ON pck_cert (qe_id, pce_id, tcbm);
        CREATE UNIQUE INDEX other ON platform_tcbs (qe_id, pce_id, cpu_svn, pce_svn);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
            INSERT INTO platforms SELECT printf('%032d', i), pce_id, '', zeroblob(384), fmspc, ca, '', ''
            FROM n, platforms;";
    database.connection.execute_batch(many).unwrap();
    let report = database.import(&Memory::new()).unwrap();
    assert_eq!((report.platforms, report.refused_more), (1, 9_000));
}

#[test]
fn refuses_files_that_are_not_of_intels_service() {
    let store = Memory::new();
    let refused = |database: &Database| database.import(&store).unwrap_err();
    let changed = |statement: &str| {
        let database = Database::empty();
        database.connection.execute_batch(statement).unwrap();
        database
    };
    let old = changed("UPDATE pcs_version SET db_version = 2");
    assert_eq!(refused(&old), ImportError::Version { found: 2 });
    let new = changed("UPDATE pcs_version SET db_version = 6");
    assert_eq!(refused(&new), ImportError::Version { found: 6 });
    let without = changed("DROP TABLE pck_crl");
    assert_eq!(refused(&without), ImportError::NotIntels { table: "pck_crl" });
    let endless = changed(
        "DROP TABLE platforms; CREATE VIEW platforms AS
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i AS qe_id FROM n",
    );
    assert_eq!(refused(&endless), ImportError::NotIntels { table: "platforms" });
    let other = changed("DROP TABLE platforms; CREATE TABLE platforms (a)");
    assert!(matches!(refused(&other), ImportError::Unreadable(_)));

    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "no database, but a text of some length").unwrap();
    assert!(matches!(import(&text, &store), Err(ImportError::Unreadable(_))));
    let absent = folder.path().join("absent");
    assert!(matches!(import(&absent, &store), Err(ImportError::Unreadable(_))));
    assert!(!absent.exists());
}
