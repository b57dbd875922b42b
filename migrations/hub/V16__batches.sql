-- State deltas as they were signed, a row for each part: a box that was away while the hub started anew goes on from
-- where it was. What is no longer here is told in a snapshot.
CREATE TABLE batches (
    festival  INTEGER NOT NULL,
    section   INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    part      INTEGER NOT NULL,
    prev      INTEGER NOT NULL,
    body      BLOB NOT NULL,
    signature BLOB NOT NULL,
    signer    BLOB NOT NULL,
    PRIMARY KEY (festival, section, number, part)
) STRICT;
