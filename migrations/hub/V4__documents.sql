-- Confirmed edits of shared documents, in the hub's order. change: the transaction that confirmed it.
CREATE TABLE document_edits (
    festival INTEGER NOT NULL,
    position INTEGER NOT NULL,
    edit     BLOB NOT NULL,
    envelope BLOB NOT NULL,
    change   INTEGER NOT NULL,
    PRIMARY KEY (festival, position),
    UNIQUE (festival, edit)
) STRICT;

-- Edits that were not confirmed as they came: code 0, entered again by the hub; otherwise why they were refused.
CREATE TABLE document_answers (
    festival INTEGER NOT NULL,
    edit     BLOB NOT NULL,
    code     INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    PRIMARY KEY (festival, edit)
) STRICT;

-- Manager keys whose edits are not taken any more.
CREATE TABLE revoked_managers (
    festival   INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    at_ms      INTEGER NOT NULL,
    PRIMARY KEY (festival, public_key)
) STRICT;
