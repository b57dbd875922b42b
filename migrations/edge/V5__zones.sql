-- How full each zone is, as the hub said last.
CREATE TABLE hub_zone (
    zone     INTEGER PRIMARY KEY,
    capacity INTEGER,
    inside   INTEGER NOT NULL
) STRICT;

-- Places of each zone that were dealt to this box, by its epochs. What was granted never becomes less, also when the hub
-- was restored from an older copy.
CREATE TABLE hub_share (
    zone    INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    asked   INTEGER NOT NULL,
    inside  INTEGER NOT NULL,
    grant_of BLOB,
    PRIMARY KEY (zone, epoch)
) STRICT, WITHOUT ROWID;

-- Projection: own passages of each zone, and what this box has said of its share. told_term: the hub's term that it has
-- answered last.
CREATE TABLE passages (
    zone      INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    ins       INTEGER NOT NULL,
    outs      INTEGER NOT NULL,
    overrides INTEGER NOT NULL,
    granted   INTEGER NOT NULL,
    released  INTEGER NOT NULL,
    told_term INTEGER NOT NULL,
    PRIMARY KEY (zone, epoch)
) STRICT, WITHOUT ROWID;

-- Which ways this gate is open: 0 in, 1 out, 2 both. A switch on its screen, no fact of the journal.
CREATE TABLE gate (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    ways INTEGER NOT NULL CHECK (ways IN (0, 1, 2))
) STRICT;
