-- Fewer pages for each sale. All of this is folded anew at the next start.

-- What an entry puts on an account or, negative, takes from it stands beside the entry's other trace until the hub covers
-- it, and is added to account_here only then. 0: nothing, or money on a chip.
ALTER TABLE touch ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;

-- What the journal amounts to, in one place: of 0, number is an effect; of 1, number is a product, entries its pieces sold.
CREATE TABLE tally (
    of      INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    cents   INTEGER NOT NULL,
    PRIMARY KEY (of, number)
) STRICT, WITHOUT ROWID;
DROP TABLE total;
DROP TABLE product_sold;
