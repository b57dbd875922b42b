-- The store of one box. Facts first, then projections that can be rebuilt from the facts.
-- `at` everywhere = epoch << 32 | seq: the place of an own entry.

-- Whose store this is.
CREATE TABLE box (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    festival   BLOB NOT NULL,
    device     BLOB NOT NULL,
    public_key BLOB NOT NULL
) STRICT;

-- Runs of the journal, and how far the hub has acknowledged each.
CREATE TABLE epoch (
    epoch      INTEGER PRIMARY KEY,
    box_number INTEGER NOT NULL,
    stopped    INTEGER NOT NULL DEFAULT 0 CHECK (stopped IN (0, 1)),
    acked_seq  INTEGER,
    acked_hash BLOB,
    acked_term INTEGER
) STRICT;

-- The journal. Hash and signature stand only where a commit ends.
CREATE TABLE entry (
    at        INTEGER PRIMARY KEY,
    body      BLOB NOT NULL,
    hash      BLOB,
    signature BLOB,
    CHECK ((hash IS NULL) = (signature IS NULL))
) STRICT;

-- From here the chain is checked at boot: a commit's end, and the totals up to it.
CREATE TABLE checkpoint (
    at     INTEGER PRIMARY KEY,
    hash   BLOB NOT NULL,
    totals BLOB NOT NULL
) STRICT;

-- Money entries whose green light nobody has confirmed seeing.
CREATE TABLE unconfirmed (
    at INTEGER PRIMARY KEY
) STRICT;

-- What the hub said last, by section, and which own entries that covers.
CREATE TABLE knowledge (
    section        INTEGER PRIMARY KEY,
    term           INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    hub_time_ms    INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE covered (
    section  INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (section, first_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE hub_wallet (
    wallet BLOB PRIMARY KEY,
    state  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE hub_ticket (
    ticket BLOB PRIMARY KEY,
    state  BLOB NOT NULL,
    wallet BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX hub_ticket_wallet ON hub_ticket (wallet) WHERE wallet IS NOT NULL;

-- what: 1 a device, 2 a ticket.
CREATE TABLE revoked (
    what INTEGER NOT NULL CHECK (what IN (1, 2)),
    id   BLOB NOT NULL,
    PRIMARY KEY (what, id)
) STRICT, WITHOUT ROWID;

-- Heads of this box's own journal which it lacks: another image of it has written further.
CREATE TABLE newer_self (
    epoch      INTEGER PRIMARY KEY,
    contiguous INTEGER NOT NULL,
    hash       BLOB NOT NULL
) STRICT;

-- Number and BLAKE3 of the newest bundle this box ever verified; the bytes are in a file beside the store.
CREATE TABLE bundle (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    hash   BLOB NOT NULL
) STRICT;

-- Projections below. Version of the code that folded them: another one rebuilds.
CREATE TABLE projection (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
) STRICT;

-- Entries and cents by effect: the sum that is checked at boot.
CREATE TABLE total (
    effect  INTEGER PRIMARY KEY,
    entries INTEGER NOT NULL,
    cents   INTEGER NOT NULL
) STRICT;

-- Own entries by what they are about, as long as some section does not cover them.
-- debit: cents that the entry takes, or holds until it is completed or released.
CREATE TABLE touch (
    subject BLOB NOT NULL,
    at      INTEGER NOT NULL,
    debit   INTEGER NOT NULL,
    PRIMARY KEY (subject, at)
) STRICT, WITHOUT ROWID;

-- Intents that are neither committed nor void. state: 0 open, 1 given up.
CREATE TABLE intent (
    at          INTEGER PRIMARY KEY,
    wallet      BLOB NOT NULL,
    state       INTEGER NOT NULL CHECK (state IN (0, 1)),
    handed_over INTEGER NOT NULL CHECK (handed_over IN (0, 1))
) STRICT;
CREATE INDEX intent_wallet ON intent (wallet, at);

-- Taps in a row on a band that did not end in a commit.
CREATE TABLE unfinished (
    wallet BLOB PRIMARY KEY,
    taps   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What happened in each hour (hours since 1970, UTC).
CREATE TABLE hour (
    hour         INTEGER PRIMARY KEY,
    admissions   INTEGER NOT NULL,
    exits        INTEGER NOT NULL,
    sales        INTEGER NOT NULL,
    sales_cents  INTEGER NOT NULL,
    top_ups      INTEGER NOT NULL,
    top_up_cents INTEGER NOT NULL,
    refund_cents INTEGER NOT NULL
) STRICT;

-- Which band belongs to which ticket, as this box paired them.
CREATE TABLE pairing (
    ticket BLOB PRIMARY KEY,
    wallet BLOB NOT NULL,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pairing_wallet ON pairing (wallet, at);
