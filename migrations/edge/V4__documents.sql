-- Edits of shared documents that the hub confirmed, in its order. Envelopes are opaque here.
CREATE TABLE document_edit (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    change   BLOB NOT NULL UNIQUE,
    envelope BLOB NOT NULL
) STRICT;

-- Edits made at this box. `answer`: none while the hub has not answered, 0 confirmed (gone once the edit itself
-- arrives), otherwise why it refused.
CREATE TABLE document_own (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    change   BLOB NOT NULL UNIQUE,
    envelope BLOB NOT NULL,
    answer   INTEGER
) STRICT;

-- Heads of the catalogue under its last revisions, so that a basket priced before a restart keeps its prices.
CREATE TABLE catalogue_revision (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    revision INTEGER NOT NULL UNIQUE,
    heads    BLOB NOT NULL
) STRICT;
