-- What waits for people, and what they said, for each session that goes on.

CREATE TABLE sitting (
    session TEXT PRIMARY KEY REFERENCES session (id),
    body    TEXT NOT NULL CHECK (json_valid(body))
) STRICT, WITHOUT ROWID;
