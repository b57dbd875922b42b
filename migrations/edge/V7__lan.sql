-- The venue's LAN: what this box granted, where it stands in its group, and what neighbours told.

-- Who holds what, of the claims that this box granted or was handed over. Never derived, kept for the event: a row goes only
-- when its holder gives that very claim up. number is the u64 as a signed integer.
CREATE TABLE lan_grant (
    what    INTEGER NOT NULL,
    subject BLOB NOT NULL,
    number  INTEGER NOT NULL,
    device  BLOB NOT NULL,
    epoch   INTEGER NOT NULL,
    claim   INTEGER NOT NULL,
    PRIMARY KEY (what, subject, number, device, epoch)
) STRICT, WITHOUT ROWID;

-- state: domain::lan::Succession. claims: how many this box has made; a number is never used again.
CREATE TABLE lan (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    group_number INTEGER,
    state      BLOB,
    claims     INTEGER NOT NULL
) STRICT;
INSERT INTO lan (one, claims) VALUES (1, 0);

-- Commits of neighbours, as they told them: copies, until the hub's state covers them. told: domain::lan::Told.
CREATE TABLE neighbour_commit (
    device BLOB NOT NULL,
    epoch  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    hash   BLOB NOT NULL,
    told   BLOB NOT NULL,
    PRIMARY KEY (device, epoch, last)
) STRICT, WITHOUT ROWID;

-- Their entries by what they are about.
CREATE TABLE neighbour_entry (
    subject    BLOB NOT NULL,
    device     BLOB NOT NULL,
    epoch      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    box_number INTEGER NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (subject, device, epoch, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX neighbour_entry_place ON neighbour_entry (device, epoch, seq);

-- How far the hub's state takes neighbours into account, by sections: entries before this position.
CREATE TABLE neighbour_covered (
    section INTEGER NOT NULL,
    device  BLOB NOT NULL,
    epoch   INTEGER NOT NULL,
    before  INTEGER NOT NULL,
    PRIMARY KEY (section, device, epoch)
) STRICT, WITHOUT ROWID;
