-- What sessions were exposed to in each workspace: the join of their labels.

CREATE TABLE exposure (
    workspace TEXT PRIMARY KEY CHECK (workspace <> ''),
    labels    TEXT NOT NULL CHECK (json_valid(labels))
) STRICT, WITHOUT ROWID;
