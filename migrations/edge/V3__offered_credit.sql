-- Credits that the hub signed for bands, to be written the next time one of them is tapped here.
CREATE TABLE offered_credit (
    wallet BLOB PRIMARY KEY,
    record BLOB NOT NULL,
    amount INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
