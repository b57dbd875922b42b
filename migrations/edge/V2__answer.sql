-- Which entry answered a request of a screen: a request that comes again after a restart gets the same answer.
-- `request` is the screen's idempotency key. Not derived from the journal, so a rebuild keeps it.
CREATE TABLE answer (
    request BLOB PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
