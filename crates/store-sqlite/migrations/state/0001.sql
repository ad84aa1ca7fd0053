-- What must not be lost. Ids are text, as people and records write them; times are microseconds since the Unix epoch, UTC.

CREATE TABLE session (
    id        TEXT PRIMARY KEY CHECK (id LIKE 'ses\_%' ESCAPE '\' AND length(id) = 30),
    tail      TEXT NOT NULL CHECK (tail = substr(id, -4)),
    parent    TEXT REFERENCES session (id) CHECK (parent <> id),
    opened_at INTEGER NOT NULL,
    body      TEXT NOT NULL CHECK (json_valid(body)),
    ended     TEXT CHECK (ended IN ('"exited"', '"expired"', '"idle"', '"locked"', '"lost"')),
    ended_at  INTEGER,
    CHECK ((ended IS NULL) = (ended_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX session_tail ON session (tail);
CREATE INDEX session_open ON session (opened_at) WHERE ended IS NULL;

-- Handles are opaque references to sessions; only their hashes are kept.
CREATE TABLE handle (
    hash    BLOB PRIMARY KEY CHECK (length(hash) = 32),
    session TEXT NOT NULL REFERENCES session (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE lock (
    id   TEXT PRIMARY KEY CHECK (id LIKE 'lck\_%' ESCAPE '\' AND length(id) = 30),
    at   INTEGER NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT, WITHOUT ROWID;

-- Ciphertext and the place it is bound to.
CREATE TABLE sealed (
    purpose     TEXT NOT NULL CHECK (purpose <> ''),
    name        TEXT NOT NULL CHECK (name <> ''),
    version     INTEGER NOT NULL CHECK (version >= 0),
    key         BLOB NOT NULL CHECK (length(key) = 8),
    wrapped_key BLOB NOT NULL,
    content     BLOB NOT NULL,
    PRIMARY KEY (purpose, name, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE setting (
    key   TEXT PRIMARY KEY CHECK (key <> ''),
    value TEXT NOT NULL CHECK (json_valid(value))
) STRICT, WITHOUT ROWID;
