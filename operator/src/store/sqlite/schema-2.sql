-- Which pool a waiting job asks for ('' when it may go to any) and how much of it it wants.
ALTER TABLE jobs ADD COLUMN pool TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN units INTEGER NOT NULL DEFAULT 1;
UPDATE jobs SET
    pool = coalesce('slots/' || (body ->> '$.spec.backend.name'), ''),
    units = max(coalesce(body ->> '$.spec.agentFarm.agents', 1), 1)
    WHERE waiting = 1;
DROP INDEX jobs_waiting;
CREATE INDEX jobs_waiting ON jobs (priority DESC, submitted_at, uid, pool, units) WHERE waiting = 1;
