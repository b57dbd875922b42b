-- Wristbands as they were delivered: what they are and in which batch they came. No UID is kept, only the wallet's id.
CREATE TABLE delivered_bands (
    festival INTEGER NOT NULL,
    wallet   BLOB NOT NULL,
    profile  INTEGER NOT NULL,
    batch    TEXT NOT NULL,
    PRIMARY KEY (festival, wallet)
) STRICT, WITHOUT ROWID;
