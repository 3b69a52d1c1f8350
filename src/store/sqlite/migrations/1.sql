CREATE TABLE jobs (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, -- order of acceptance, never used again
  id TEXT NOT NULL UNIQUE,
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 4), -- nst_job_state
  created INTEGER NOT NULL, -- times in milliseconds since 1970, 0 for not yet
  started INTEGER NOT NULL DEFAULT 0,
  finished INTEGER NOT NULL DEFAULT 0,
  expires INTEGER NOT NULL DEFAULT 0,
  expired INTEGER NOT NULL DEFAULT 0, -- 1: its pictures are gone
  attempts INTEGER NOT NULL DEFAULT 0,
  lease INTEGER NOT NULL DEFAULT 0, -- grows with every claim
  owner TEXT NOT NULL DEFAULT '',
  lease_until INTEGER NOT NULL DEFAULT 0,
  cancel_requested INTEGER NOT NULL DEFAULT 0, -- 1: a client wants the current run stopped
  style_count INTEGER NOT NULL,
  options TEXT NOT NULL,
  error_status INTEGER NOT NULL DEFAULT 0, -- nst_status
  error_detail TEXT,
  output_width INTEGER NOT NULL DEFAULT 0,
  output_height INTEGER NOT NULL DEFAULT 0,
  output_format TEXT NOT NULL DEFAULT '',
  output_bytes INTEGER NOT NULL DEFAULT 0,
  output_sha256 TEXT NOT NULL DEFAULT ''
) STRICT;

-- Expired rows are kept for a while, to answer that they have expired; nothing else walks over them.
CREATE INDEX jobs_by_state ON jobs (state, sequence) WHERE expired = 0;
CREATE INDEX jobs_by_sequence ON jobs (sequence) WHERE expired = 0;
CREATE INDEX jobs_by_expiry ON jobs (expired, expires) WHERE expires > 0;

CREATE TABLE pictures (
  job INTEGER NOT NULL REFERENCES jobs (sequence) ON DELETE CASCADE,
  role TEXT NOT NULL, -- content, style0, style1, ..., png, jpeg, webp, preview
  bytes BLOB NOT NULL,
  UNIQUE (job, role)
) STRICT;

-- How many jobs there are by state, expired ones left out: kept by the three triggers, so that asking costs nothing.
CREATE TABLE tallies (
  state INTEGER PRIMARY KEY,
  jobs INTEGER NOT NULL DEFAULT 0 CHECK (jobs >= 0)
) STRICT;

INSERT INTO tallies (state) VALUES (0), (1), (2), (3), (4);

CREATE TRIGGER jobs_came AFTER INSERT ON jobs WHEN new.expired = 0 BEGIN
  UPDATE tallies SET jobs = jobs + 1 WHERE state = new.state;
END;

CREATE TRIGGER jobs_moved AFTER UPDATE OF state, expired ON jobs BEGIN
  UPDATE tallies SET jobs = jobs - 1 WHERE state = old.state AND old.expired = 0;
  UPDATE tallies SET jobs = jobs + 1 WHERE state = new.state AND new.expired = 0;
END;

CREATE TRIGGER jobs_went AFTER DELETE ON jobs WHEN old.expired = 0 BEGIN
  UPDATE tallies SET jobs = jobs - 1 WHERE state = old.state;
END;
