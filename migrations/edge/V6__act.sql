-- What people at the till or desk did beside plain sales and top-ups: shifts, closures, corrections, goods for nothing.
-- Few rows, so that neither a shift nor a quota needs the whole journal. A projection: folded again from the journal.
-- corrects: place of the own entry that is corrected. cents: by how much. quota: what counts against the operator's
-- quota; 0 where a supervisor confirmed it.
CREATE TABLE act (
    at       INTEGER PRIMARY KEY,
    kind     INTEGER NOT NULL,
    operator INTEGER NOT NULL,
    corrects INTEGER,
    cents    INTEGER NOT NULL,
    quota    INTEGER NOT NULL
) STRICT;
CREATE INDEX act_kind ON act (kind, at);
CREATE INDEX act_corrects ON act (corrects) WHERE corrects IS NOT NULL;
