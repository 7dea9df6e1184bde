-- Version 1: everything.
CREATE TABLE documents (
    request TEXT PRIMARY KEY, -- path and query, as the PCS has them
    body BLOB NOT NULL,
    issuer_chain BLOB NOT NULL,
    issued INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    chain_ends INTEGER NOT NULL,
    evaluation_data_number INTEGER,
    fetched_at INTEGER NOT NULL
);

CREATE TABLE crls (
    uri BLOB PRIMARY KEY,
    crl BLOB NOT NULL,
    fetched_at INTEGER NOT NULL
);

CREATE TABLE platforms (
    qe_id BLOB NOT NULL, -- text that may hold any character
    pce_id BLOB NOT NULL,
    manifest BLOB NOT NULL,
    encrypted_ppid BLOB NOT NULL,
    fmspc BLOB NOT NULL,
    ca TEXT NOT NULL,
    issuer_chain BLOB NOT NULL,
    fetched_at INTEGER NOT NULL,
    PRIMARY KEY (qe_id, pce_id)
);
CREATE INDEX platforms_by_family ON platforms (fmspc);

CREATE TABLE pck_certificates (
    qe_id BLOB NOT NULL,
    pce_id BLOB NOT NULL,
    tcbm BLOB NOT NULL, -- CPUSVN, then PCESVN, little endian
    certificate BLOB NOT NULL,
    PRIMARY KEY (qe_id, pce_id, tcbm),
    FOREIGN KEY (qe_id, pce_id) REFERENCES platforms (qe_id, pce_id) ON DELETE CASCADE
);

CREATE TABLE selections (
    qe_id BLOB NOT NULL,
    pce_id BLOB NOT NULL,
    raw BLOB NOT NULL,
    chosen BLOB NOT NULL,
    PRIMARY KEY (qe_id, pce_id, raw),
    FOREIGN KEY (qe_id, pce_id, chosen) REFERENCES pck_certificates (qe_id, pce_id, tcbm) ON DELETE CASCADE
);
CREATE INDEX selections_by_certificate ON selections (qe_id, pce_id, chosen);

CREATE TABLE registrations (
    number INTEGER PRIMARY KEY,
    qe_id BLOB NOT NULL,
    pce_id BLOB NOT NULL,
    cpu_svn BLOB NOT NULL, -- empty with a manifest
    pce_svn INTEGER NOT NULL, -- -1 with a manifest
    encrypted_ppid BLOB NOT NULL,
    manifest BLOB NOT NULL,
    state TEXT NOT NULL,
    UNIQUE (qe_id, pce_id, cpu_svn, pce_svn)
);

CREATE TABLE appraisal_policies (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    policy TEXT NOT NULL,
    is_default INTEGER NOT NULL,
    fmspc BLOB NOT NULL,
    kind INTEGER NOT NULL
);

CREATE TABLE tokens (
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (role, name)
);

-- The newest change's number. Whoever changes something raises it last, and holds it until that is committed: so the
-- numbers become visible in their order.
CREATE TABLE change_counter (newest INTEGER NOT NULL);
INSERT INTO change_counter (newest) VALUES (1);

CREATE TABLE changes (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    name BLOB NOT NULL,
    pce_id BLOB NOT NULL
);
