ALTER TABLE jobs ADD COLUMN tenant TEXT NOT NULL DEFAULT ''; -- whose job it is
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0; -- higher first
ALTER TABLE jobs ADD COLUMN max_running INTEGER NOT NULL DEFAULT 0; -- waits while its tenant runs as many; 0: never
ALTER TABLE jobs ADD COLUMN webhook TEXT;
ALTER TABLE jobs ADD COLUMN idempotency_key TEXT;
ALTER TABLE jobs ADD COLUMN idempotency_digest TEXT; -- of what came with the key
ALTER TABLE jobs ADD COLUMN stored INTEGER NOT NULL DEFAULT 0; -- bytes of its pictures, the checkpoint left out

-- What each tenant has, expired jobs left out: kept by triggers. `turn` grows with every job of theirs that is claimed.
CREATE TABLE tenants (
  tenant TEXT PRIMARY KEY,
  queued INTEGER NOT NULL DEFAULT 0 CHECK (queued >= 0),
  running INTEGER NOT NULL DEFAULT 0 CHECK (running >= 0),
  bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
  turn INTEGER NOT NULL DEFAULT 0
) STRICT;

UPDATE jobs SET stored = (SELECT coalesce(sum(length(pictures.bytes)), 0) FROM pictures WHERE job = sequence)
WHERE expired = 0;

INSERT INTO tenants (tenant, queued, running, bytes)
SELECT tenant, sum(state = 0), sum(state = 1), sum(stored) FROM jobs WHERE expired = 0 GROUP BY tenant;

CREATE TRIGGER tenants_job_came AFTER INSERT ON jobs WHEN new.expired = 0 BEGIN
  INSERT OR IGNORE INTO tenants (tenant) VALUES (new.tenant);
  UPDATE tenants SET queued = queued + (new.state = 0), running = running + (new.state = 1), bytes = bytes + new.stored
  WHERE tenant = new.tenant;
END;

CREATE TRIGGER tenants_job_moved AFTER UPDATE OF state, expired, stored ON jobs BEGIN
  UPDATE tenants SET
    queued = queued - (old.state = 0 AND old.expired = 0) + (new.state = 0 AND new.expired = 0),
    running = running - (old.state = 1 AND old.expired = 0) + (new.state = 1 AND new.expired = 0),
    bytes = bytes - iif(old.expired = 0, old.stored, 0) + iif(new.expired = 0, new.stored, 0)
  WHERE tenant = new.tenant;
END;

CREATE TRIGGER tenants_job_went AFTER DELETE ON jobs WHEN old.expired = 0 BEGIN
  UPDATE tenants SET queued = queued - (old.state = 0), running = running - (old.state = 1), bytes = bytes - old.stored
  WHERE tenant = old.tenant;
END;

CREATE UNIQUE INDEX jobs_by_key ON jobs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL AND expired = 0;
CREATE INDEX jobs_waiting ON jobs (tenant, priority DESC, sequence) WHERE state = 0 AND expired = 0;
CREATE INDEX jobs_of_tenant ON jobs (tenant, sequence) WHERE expired = 0;
CREATE INDEX jobs_of_tenant_by_state ON jobs (tenant, state, sequence) WHERE expired = 0;

-- A job that has ended is not gone on with.
CREATE TRIGGER jobs_ended AFTER UPDATE OF state ON jobs WHEN new.state >= 2 BEGIN
  DELETE FROM pictures WHERE job = new.sequence AND role = 'checkpoint';
END;

-- Webhooks that are to be called: written with the state that they tell of, so that none is lost.
CREATE TABLE deliveries (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL UNIQUE REFERENCES jobs (sequence) ON DELETE CASCADE,
  due INTEGER NOT NULL DEFAULT 0, -- milliseconds since 1970
  attempts INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX deliveries_by_due ON deliveries (due);

CREATE TRIGGER deliveries_came AFTER UPDATE OF state ON jobs
WHEN new.state >= 2 AND old.state < 2 AND new.webhook IS NOT NULL BEGIN
  INSERT OR IGNORE INTO deliveries (job) VALUES (new.sequence);
END;
