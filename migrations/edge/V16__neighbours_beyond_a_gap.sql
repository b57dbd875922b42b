-- What the hub's state takes into account of neighbours beyond a gap, by sections: entries from the first to the last one.
CREATE TABLE neighbour_beyond (
    section INTEGER NOT NULL,
    device  BLOB NOT NULL,
    epoch   INTEGER NOT NULL,
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    PRIMARY KEY (section, device, epoch, first)
) STRICT, WITHOUT ROWID;
