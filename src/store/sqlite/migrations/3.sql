-- What happened to a job while it ran, for its owner: sentences, one a line.
ALTER TABLE jobs ADD COLUMN notes TEXT;
