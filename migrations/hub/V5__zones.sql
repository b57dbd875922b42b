-- Projections: who let how many people into each zone and out, and who was dealt its places. `granted_told`, `released`
-- and `told_term` are what the gate itself said last of its share.
CREATE TABLE passages (
    festival     INTEGER NOT NULL,
    zone         INTEGER NOT NULL,
    device       BLOB NOT NULL,
    epoch        INTEGER NOT NULL,
    ins          INTEGER NOT NULL,
    outs         INTEGER NOT NULL,
    overrides    INTEGER NOT NULL,
    granted      INTEGER NOT NULL,
    granted_told INTEGER NOT NULL,
    released     INTEGER NOT NULL,
    told_term    INTEGER NOT NULL,
    last_ms      INTEGER NOT NULL,
    -- The newest grant: epoch and position in the hub's own journal.
    grant_epoch  INTEGER NOT NULL,
    grant_seq    INTEGER NOT NULL,
    PRIMARY KEY (festival, zone, device, epoch)
) STRICT;

-- They are folded from every entry again.
UPDATE runs SET folded = NULL;
DELETE FROM touches;
DELETE FROM wallets;
DELETE FROM tickets;
DELETE FROM conflicts;
DELETE FROM set_aside;
