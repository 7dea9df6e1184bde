-- Version 1: everything.
CREATE TABLE documents (
    request TEXT PRIMARY KEY, -- path and query, as the PCS has them
    body BYTEA NOT NULL,
    issuer_chain BYTEA NOT NULL,
    issued BIGINT NOT NULL,
    next_update BIGINT NOT NULL,
    chain_ends BIGINT NOT NULL,
    evaluation_data_number BIGINT,
    fetched_at BIGINT NOT NULL
);

CREATE TABLE crls (
    uri BYTEA PRIMARY KEY,
    crl BYTEA NOT NULL,
    fetched_at BIGINT NOT NULL
);

CREATE TABLE platforms (
    qe_id BYTEA NOT NULL, -- text that may hold any character
    pce_id BYTEA NOT NULL,
    manifest BYTEA NOT NULL,
    encrypted_ppid BYTEA NOT NULL,
    fmspc BYTEA NOT NULL,
    ca TEXT NOT NULL,
    issuer_chain BYTEA NOT NULL,
    fetched_at BIGINT NOT NULL,
    PRIMARY KEY (qe_id, pce_id)
);
CREATE INDEX platforms_by_family ON platforms (fmspc);

CREATE TABLE pck_certificates (
    qe_id BYTEA NOT NULL,
    pce_id BYTEA NOT NULL,
    tcbm BYTEA NOT NULL, -- CPUSVN, then PCESVN, little endian
    certificate BYTEA NOT NULL,
    PRIMARY KEY (qe_id, pce_id, tcbm),
    FOREIGN KEY (qe_id, pce_id) REFERENCES platforms (qe_id, pce_id) ON DELETE CASCADE
);

CREATE TABLE selections (
    qe_id BYTEA NOT NULL,
    pce_id BYTEA NOT NULL,
    raw BYTEA NOT NULL,
    chosen BYTEA NOT NULL,
    PRIMARY KEY (qe_id, pce_id, raw),
    FOREIGN KEY (qe_id, pce_id, chosen) REFERENCES pck_certificates (qe_id, pce_id, tcbm) ON DELETE CASCADE
);
CREATE INDEX selections_by_certificate ON selections (qe_id, pce_id, chosen);

CREATE TABLE registrations (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    qe_id BYTEA NOT NULL,
    pce_id BYTEA NOT NULL,
    cpu_svn BYTEA NOT NULL, -- empty with a manifest
    pce_svn BIGINT NOT NULL, -- -1 with a manifest
    encrypted_ppid BYTEA NOT NULL,
    manifest BYTEA NOT NULL,
    state TEXT NOT NULL,
    UNIQUE (qe_id, pce_id, cpu_svn, pce_svn)
);

CREATE TABLE appraisal_policies (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    policy TEXT NOT NULL,
    is_default BIGINT NOT NULL,
    fmspc BYTEA NOT NULL,
    kind BIGINT NOT NULL
);

CREATE TABLE tokens (
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (role, name)
);

-- The newest change's number. Whoever changes something raises it last, and holds it until that is committed: so the
-- numbers become visible in their order.
CREATE TABLE change_counter (newest BIGINT NOT NULL);
INSERT INTO change_counter (newest) VALUES (1);

CREATE TABLE changes (
    number BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    name BYTEA NOT NULL,
    pce_id BYTEA NOT NULL
);
