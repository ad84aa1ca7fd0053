-- Built from the ledger and from nothing else: whatever is wrong here, it is built again.

-- Which ledger, how far, and the hash of the last record taken in.
CREATE TABLE cursor (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    origin   TEXT NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0),
    last     BLOB CHECK (length(last) = 32),
    CHECK ((position = 0) = (last IS NULL))
) STRICT;

-- One row an attempt; `record` is its index in the ledger, `outcome_record` that of the outcome.
CREATE TABLE attempt (
    record         INTEGER PRIMARY KEY,
    act            TEXT NOT NULL,
    tail           TEXT NOT NULL CHECK (tail = substr(act, -4)),
    at             INTEGER NOT NULL,
    session        TEXT NOT NULL,
    agent          TEXT NOT NULL,
    process        TEXT,
    resource       TEXT NOT NULL,
    operation      TEXT NOT NULL,
    target         TEXT NOT NULL,
    decision       TEXT NOT NULL CHECK (decision IN ('permit', 'hold', 'refuse')),
    reason         TEXT,
    approval       TEXT,
    count          INTEGER NOT NULL CHECK (count > 0),
    outcome        TEXT CHECK (outcome IN ('ok', 'failed', 'cut', 'withdrawn', 'unknown')),
    outcome_record INTEGER,
    CHECK ((outcome IS NULL) = (outcome_record IS NULL)),
    CHECK (outcome_record > record)
) STRICT;
CREATE INDEX attempt_act ON attempt (act);
CREATE INDEX attempt_tail ON attempt (tail);
CREATE INDEX attempt_session ON attempt (session, record);
CREATE INDEX attempt_stopped ON attempt (decision, record) WHERE decision <> 'permit';
