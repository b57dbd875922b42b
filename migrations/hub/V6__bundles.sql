-- Names of ticket holders, each sealed with the names key (`domain::names`): no name stands in this database.
CREATE TABLE ticket_names (
    festival INTEGER NOT NULL,
    ticket   BLOB NOT NULL,
    sealed   BLOB NOT NULL,
    PRIMARY KEY (festival, ticket)
) STRICT;

-- Tickets that an import named, with what a gate must know of them. Times in unix seconds, 0 = open.
CREATE TABLE imported_tickets (
    festival    INTEGER NOT NULL,
    ticket      BLOB NOT NULL,
    event       INTEGER NOT NULL,
    item        INTEGER NOT NULL,
    valid_from  INTEGER NOT NULL,
    valid_until INTEGER NOT NULL,
    PRIMARY KEY (festival, ticket)
) STRICT;

-- The newest blob of each section of the bundle. `source` is the hash of what it was made from.
CREATE TABLE blobs (
    festival INTEGER NOT NULL,
    section  INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    source   BLOB NOT NULL,
    hash     BLOB NOT NULL,
    length   INTEGER NOT NULL,
    records  INTEGER NOT NULL,
    PRIMARY KEY (festival, section)
) STRICT;

-- Ticket keys in use or out of it; one without a row has issued nothing yet. state: 1 issues, 2 retired for ever,
-- 3 has issued: its tickets stay good.
CREATE TABLE ticket_keys (
    festival   INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    state      INTEGER NOT NULL CHECK (state IN (1, 2, 3)),
    since_ms   INTEGER NOT NULL,
    PRIMARY KEY (festival, public_key)
) STRICT;
