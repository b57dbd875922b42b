-- The store of a hub. Every key starts with the festival (a small number; its id stands in `festivals`).
-- Facts first, then projections that can be rebuilt from the facts. Times are milliseconds since 1970.

CREATE TABLE festivals (
    festival        INTEGER NOT NULL PRIMARY KEY,
    id              BLOB NOT NULL UNIQUE,
    -- Counts restores of this database. `run` and `changes` stand in a file beside it too: where they differ, it is a restore.
    term            INTEGER NOT NULL,
    run             BLOB NOT NULL,
    changes         INTEGER NOT NULL,
    seed            BLOB NOT NULL,
    catalogue       BLOB NOT NULL,
    price_revision  INTEGER NOT NULL,
    -- Version of the code that folded the projections: another one rebuilds them.
    projection      INTEGER NOT NULL
) STRICT;

-- Keys that may connect, as they showed their chains.
CREATE TABLE boxes (
    festival     INTEGER NOT NULL,
    device       BLOB NOT NULL,
    number       INTEGER NOT NULL,
    place        TEXT NOT NULL,
    roles        INTEGER NOT NULL,
    chain        BLOB NOT NULL,
    adopted_ms   INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    unsent       INTEGER,
    revoked      INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1)),
    PRIMARY KEY (festival, device)
) STRICT;

-- Credit keys that the bundle announces.
CREATE TABLE credit_keys (
    festival   INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    chain      BLOB NOT NULL,
    PRIMARY KEY (festival, public_key)
) STRICT;

CREATE TABLE journals (
    festival   INTEGER NOT NULL,
    journal    INTEGER NOT NULL,
    device     BLOB NOT NULL,
    epoch      INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    -- The genesis' body, once it is held: by its certificate the entries' rights are judged.
    genesis    BLOB,
    PRIMARY KEY (festival, journal),
    UNIQUE (festival, device, epoch)
) STRICT;

-- Consecutive entries of one journal. A second run after the same entry is a fork; one without a parent lies beyond a gap.
CREATE TABLE runs (
    festival   INTEGER NOT NULL,
    journal    INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    first_seq  INTEGER NOT NULL,
    prev_hash  BLOB NOT NULL,
    last_seq   INTEGER NOT NULL,
    last_hash  BLOB NOT NULL,
    parent     INTEGER,
    -- Up to where the projections below take it into account; a start catches up with what is missing.
    folded     INTEGER,
    PRIMARY KEY (festival, journal, run)
) STRICT;

CREATE TABLE entries (
    festival INTEGER NOT NULL,
    journal  INTEGER NOT NULL,
    run      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    body     BLOB NOT NULL,
    PRIMARY KEY (festival, journal, run, seq)
) STRICT, WITHOUT ROWID;

-- What was signed: the head of each segment.
CREATE TABLE segments (
    festival  INTEGER NOT NULL,
    journal   INTEGER NOT NULL,
    run       INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    hash      BLOB NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (festival, journal, run, last_seq)
) STRICT, WITHOUT ROWID;

-- Segments that were refused, with the reason.
CREATE TABLE poison (
    festival INTEGER NOT NULL,
    id       INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    sender   BLOB NOT NULL,
    device   BLOB NOT NULL,
    epoch    INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (festival, id)
) STRICT;

CREATE TABLE categories (
    festival    INTEGER NOT NULL,
    category    INTEGER NOT NULL,
    name_fr     TEXT NOT NULL,
    name_en     TEXT NOT NULL,
    price_cents INTEGER NOT NULL,
    zones       INTEGER NOT NULL,
    PRIMARY KEY (festival, category)
) STRICT;

-- Tickets that this hub issued. The holder's name is not kept, only its check value inside the text.
CREATE TABLE issued_tickets (
    festival  INTEGER NOT NULL,
    ticket_id BLOB NOT NULL,
    ticket    BLOB NOT NULL,
    category  INTEGER NOT NULL,
    issued_ms INTEGER NOT NULL,
    text      TEXT NOT NULL,
    PRIMARY KEY (festival, ticket_id)
) STRICT;

-- Tickets that may not enter, whoever issued them. reason: 1 revoked, 2 blocked.
CREATE TABLE barred_tickets (
    festival INTEGER NOT NULL,
    ticket   BLOB NOT NULL,
    reason   INTEGER NOT NULL CHECK (reason IN (1, 2)),
    PRIMARY KEY (festival, ticket, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE pretix_events (
    festival INTEGER NOT NULL,
    event    INTEGER NOT NULL,
    slug     TEXT NOT NULL,
    PRIMARY KEY (festival, event),
    UNIQUE (festival, slug)
) STRICT;

CREATE TABLE pretix_keys (
    festival   INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    event      INTEGER NOT NULL,
    PRIMARY KEY (festival, public_key)
) STRICT;

CREATE TABLE pretix_products (
    festival INTEGER NOT NULL,
    event    INTEGER NOT NULL,
    item     INTEGER NOT NULL,
    name     TEXT NOT NULL,
    zones    INTEGER NOT NULL,
    PRIMARY KEY (festival, event, item)
) STRICT;

-- Signed bundles. `content` is the hash of what they say without number and time.
CREATE TABLE bundles (
    festival INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    content  BLOB NOT NULL,
    bytes    BLOB NOT NULL,
    PRIMARY KEY (festival, number)
) STRICT;

-- State deltas: the number of each section in this term, and the last change that it takes into account.
CREATE TABLE sections (
    festival INTEGER NOT NULL,
    section  INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    change   INTEGER NOT NULL,
    PRIMARY KEY (festival, section)
) STRICT;

-- Projections below.

-- Entries by what they are about: one row for each subject and transaction, `places` being journal, run and seq of each.
CREATE TABLE touches (
    festival INTEGER NOT NULL,
    subject  BLOB NOT NULL,
    change   INTEGER NOT NULL,
    places   BLOB NOT NULL,
    PRIMARY KEY (festival, subject, change)
) STRICT, WITHOUT ROWID;

-- accounts and tip: sums of the entries in force. state: what was last published. folded: the sums of the full fold, where
-- accounts and tip alone do not tell. unusual: always fold in full. change: when it was last touched.
CREATE TABLE wallets (
    festival INTEGER NOT NULL,
    wallet   BLOB NOT NULL,
    accounts BLOB NOT NULL,
    tip      BLOB NOT NULL,
    unusual  INTEGER NOT NULL CHECK (unusual IN (0, 1)),
    change   INTEGER NOT NULL,
    state    BLOB,
    folded   BLOB,
    PRIMARY KEY (festival, wallet)
) STRICT, WITHOUT ROWID;

CREATE TABLE tickets (
    festival INTEGER NOT NULL,
    ticket   BLOB NOT NULL,
    change   INTEGER NOT NULL,
    state    BLOB,
    PRIMARY KEY (festival, ticket)
) STRICT, WITHOUT ROWID;

-- What does not fit together on a wallet or ticket, as it was last folded.
CREATE TABLE conflicts (
    festival INTEGER NOT NULL,
    subject  BLOB NOT NULL,
    view     TEXT NOT NULL,
    PRIMARY KEY (festival, subject)
) STRICT;

-- Well-signed entries that count nothing, with the reason.
CREATE TABLE set_aside (
    festival INTEGER NOT NULL,
    journal  INTEGER NOT NULL,
    run      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (festival, journal, run, seq)
) STRICT, WITHOUT ROWID;
