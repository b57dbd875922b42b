-- Of the segments of a box that were refused only the newest are kept: how many there were before them, and since when.
CREATE TABLE poison_before (
    festival INTEGER NOT NULL,
    sender   BLOB NOT NULL,
    segments INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    PRIMARY KEY (festival, sender)
) STRICT;
CREATE INDEX poison_by_sender ON poison (festival, sender, id);
