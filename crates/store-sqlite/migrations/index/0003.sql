-- What the agent claims an attempt belongs to (JSON), where it said so.
ALTER TABLE attempt ADD COLUMN claimed TEXT CHECK (json_valid(claimed));
