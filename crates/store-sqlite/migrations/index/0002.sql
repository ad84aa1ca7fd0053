-- The record of a person's answer, where one was asked for.
ALTER TABLE attempt ADD COLUMN approval_record INTEGER;
