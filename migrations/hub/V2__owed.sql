-- What boxes are told to carry to bands, as it was last published (a projection of the entries; the item is 96 bytes).
CREATE TABLE offers (
    festival INTEGER NOT NULL,
    wallet   BLOB NOT NULL,
    item     BLOB NOT NULL,
    PRIMARY KEY (festival, wallet)
) STRICT, WITHOUT ROWID;

-- The newest state of the wallets that a box said it holds whole, and where its own journal ended then.
CREATE TABLE box_knowledge (
    festival INTEGER NOT NULL,
    device   BLOB NOT NULL,
    term     INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    PRIMARY KEY (festival, device)
) STRICT, WITHOUT ROWID;

-- Bands whose money leaves without them, and the state of the wallets from which on no box serves them.
CREATE TABLE leaving_bands (
    festival INTEGER NOT NULL,
    wallet   BLOB NOT NULL,
    term     INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    PRIMARY KEY (festival, wallet)
) STRICT, WITHOUT ROWID;
