//! The statements, the same for SQLite and PostgreSQL.
//!
//! Must stay true: parameters first appear in the order of their numbers; a row that a transaction is to decide upon is
//! updated before it is read, which locks it.

pub(super) const RAISE_CHANGE_COUNTER: &str =
    "UPDATE change_counter SET newest = newest + 1 RETURNING newest";
pub(super) const NOTE_CHANGE: &str =
    "INSERT INTO changes (number, kind, name, pce_id) VALUES ($1, $2, $3, $4)";
pub(super) const FORGET_CHANGES: &str = "DELETE FROM changes WHERE number <= $1";
pub(super) const NEWEST_CHANGE: &str = "SELECT newest FROM change_counter";
pub(super) const CHANGES: &str = "SELECT kind, name, pce_id FROM changes \
     WHERE number > $1 AND number <= $2 ORDER BY number";

pub(super) const DOCUMENT: &str = "SELECT request, body, issuer_chain, \
     issued, next_update, chain_ends, evaluation_data_number, fetched_at \
     FROM documents WHERE request = $1";
pub(super) const DOCUMENTS: &str = "SELECT request, \
     issued, next_update, chain_ends, evaluation_data_number, fetched_at FROM documents";
pub(super) const ADD_DOCUMENT: &str = "INSERT INTO documents (request, body, issuer_chain, \
     issued, next_update, chain_ends, evaluation_data_number, fetched_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (request) DO NOTHING";
pub(super) const LOCK_DOCUMENT: &str = "UPDATE documents SET request = request WHERE request = $1 \
     RETURNING issued, next_update, chain_ends, evaluation_data_number";
pub(super) const REPLACE_DOCUMENT: &str = "UPDATE documents SET body = $1, issuer_chain = $2, \
     issued = $3, next_update = $4, chain_ends = $5, evaluation_data_number = $6, fetched_at = $7 \
     WHERE request = $8";

pub(super) const PLATFORM: &str = "SELECT qe_id, pce_id, manifest, encrypted_ppid, fmspc, ca, \
     issuer_chain, fetched_at FROM platforms WHERE qe_id = $1 AND pce_id = $2";
pub(super) const PLATFORMS: &str = "SELECT qe_id, pce_id, manifest, encrypted_ppid, fmspc, ca, \
     issuer_chain, fetched_at FROM platforms";
pub(super) const COUNT_PLATFORMS: &str = "SELECT COUNT(*) FROM platforms";
pub(super) const PLATFORMS_OF: &str = "SELECT qe_id, pce_id, manifest, encrypted_ppid, fmspc, ca, \
     issuer_chain, fetched_at FROM platforms WHERE fmspc = $1";
pub(super) const SELECTIONS: &str = "SELECT qe_id, pce_id, raw, chosen FROM selections";
pub(super) const SELECTIONS_OF: &str = "SELECT s.qe_id, s.pce_id, s.raw, s.chosen \
     FROM selections s JOIN platforms p ON p.qe_id = s.qe_id AND p.pce_id = s.pce_id \
     WHERE p.fmspc = $1";
pub(super) const ADD_PLATFORM: &str = "INSERT INTO platforms (qe_id, pce_id, manifest, \
     encrypted_ppid, fmspc, ca, issuer_chain, fetched_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (qe_id, pce_id) DO NOTHING";
pub(super) const PUT_PLATFORM: &str = "INSERT INTO platforms (qe_id, pce_id, manifest, \
     encrypted_ppid, fmspc, ca, issuer_chain, fetched_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (qe_id, pce_id) DO UPDATE SET manifest = excluded.manifest, \
     encrypted_ppid = excluded.encrypted_ppid, fmspc = excluded.fmspc, ca = excluded.ca, \
     issuer_chain = excluded.issuer_chain, fetched_at = excluded.fetched_at \
     WHERE platforms.fetched_at <= excluded.fetched_at";
pub(super) const TOUCH_PLATFORM: &str = "UPDATE platforms SET fetched_at = $1 \
     WHERE qe_id = $2 AND pce_id = $3 AND fetched_at < $1";
pub(super) const LOCK_PLATFORM: &str =
    "UPDATE platforms SET fetched_at = fetched_at WHERE qe_id = $1 AND pce_id = $2";
/// Their selections go with them.
pub(super) const FORGET_CERTIFICATES: &str =
    "DELETE FROM pck_certificates WHERE qe_id = $1 AND pce_id = $2";
pub(super) const PUT_CERTIFICATE: &str = "INSERT INTO pck_certificates (qe_id, pce_id, tcbm, \
     certificate) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (qe_id, pce_id, tcbm) DO UPDATE SET certificate = excluded.certificate";
pub(super) const CERTIFICATES: &str =
    "SELECT tcbm, certificate FROM pck_certificates WHERE qe_id = $1 AND pce_id = $2";
pub(super) const SELECTED: &str = "SELECT p.qe_id, p.pce_id, p.manifest, p.encrypted_ppid, \
     p.fmspc, p.ca, p.issuer_chain, p.fetched_at, c.tcbm, c.certificate FROM selections s \
     JOIN platforms p ON p.qe_id = s.qe_id AND p.pce_id = s.pce_id \
     JOIN pck_certificates c ON c.qe_id = s.qe_id AND c.pce_id = s.pce_id AND c.tcbm = s.chosen \
     WHERE s.qe_id = $1 AND s.pce_id = $2 AND s.raw = $3";
pub(super) const CERTIFICATE_EXISTS: &str =
    "SELECT tcbm FROM pck_certificates WHERE qe_id = $1 AND pce_id = $2 AND tcbm = $3";
pub(super) const SELECTED_TCBS: &str =
    "SELECT raw FROM selections WHERE qe_id = $1 AND pce_id = $2 LIMIT $3";
pub(super) const SELECT: &str = "INSERT INTO selections (qe_id, pce_id, raw, chosen) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (qe_id, pce_id, raw) DO UPDATE SET chosen = excluded.chosen";

pub(super) const REGISTER: &str = "INSERT INTO registrations (qe_id, pce_id, cpu_svn, pce_svn, \
     encrypted_ppid, manifest, state) VALUES ($1, $2, $3, $4, $5, $6, $7) \
     ON CONFLICT (qe_id, pce_id, cpu_svn, pce_svn) DO UPDATE SET \
     encrypted_ppid = excluded.encrypted_ppid, manifest = excluded.manifest, state = excluded.state";
pub(super) const PUT_BACK_REGISTRATION: &str = "INSERT INTO registrations (qe_id, pce_id, \
     cpu_svn, pce_svn, encrypted_ppid, manifest, state) VALUES ($1, $2, $3, $4, $5, $6, $7) \
     ON CONFLICT (qe_id, pce_id, cpu_svn, pce_svn) DO NOTHING";
pub(super) const TAKE_REGISTRATIONS: &str = "DELETE FROM registrations WHERE state = $1 \
     RETURNING number, qe_id, pce_id, cpu_svn, pce_svn, encrypted_ppid, manifest";
pub(super) const UNREGISTER: &str = "DELETE FROM registrations \
     WHERE qe_id = $1 AND pce_id = $2 AND cpu_svn = $3 AND pce_svn = $4 AND state = $5";

pub(super) const FORGET_DEFAULT_POLICIES: &str =
    "UPDATE appraisal_policies SET is_default = 0 WHERE fmspc = $1 AND is_default = 1";
pub(super) const PUT_POLICY: &str = "INSERT INTO appraisal_policies (id, policy, is_default, \
     fmspc, kind) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET \
     policy = excluded.policy, is_default = excluded.is_default, fmspc = excluded.fmspc, \
     kind = excluded.kind";
pub(super) const DEFAULT_POLICIES: &str = "SELECT id, policy, is_default, fmspc, kind \
     FROM appraisal_policies WHERE fmspc = $1 AND is_default = 1 ORDER BY number";

pub(super) const TOKENS: &str = "SELECT role, name, hash, created FROM tokens";
pub(super) const PUT_TOKEN: &str = "INSERT INTO tokens (role, name, hash, created) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (role, name) DO UPDATE SET hash = excluded.hash, \
     created = excluded.created";
pub(super) const REMOVE_TOKEN: &str = "DELETE FROM tokens WHERE role = $1 AND name = $2";
