-- Projection: pieces of each product that this box ever sold (`domain::stock`). Folded again from the journal.
CREATE TABLE product_sold (
    product INTEGER PRIMARY KEY,
    pieces  INTEGER NOT NULL
) STRICT;

-- Wrong PINs in a row, so that the wait after them outlives a restart. No projection: a rebuild keeps it. The wait itself
-- is counted from the box's start on, since its clock may be wrong.
CREATE TABLE pin_attempts (
    member   INTEGER PRIMARY KEY,
    in_a_row INTEGER NOT NULL
) STRICT;
