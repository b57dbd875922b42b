-- Projection, kept under escrow only: what each box put on each account and took from it, what it was dealt of it, and
-- what it said of that. granted_told, released and told_term are what the box itself said last; told: the newest grant
-- that it named. Grants and bookings stand in the hub's own journal: epoch and position there. The row of wallet zeros is
-- about the box itself: told_term is the term in which it has said everything.
CREATE TABLE account_shares (
    festival      INTEGER NOT NULL,
    wallet        BLOB NOT NULL,
    device        BLOB NOT NULL,
    epoch         INTEGER NOT NULL,
    put_on        INTEGER NOT NULL,
    taken         INTEGER NOT NULL,
    granted       INTEGER NOT NULL,
    granted_told  INTEGER NOT NULL,
    released      INTEGER NOT NULL,
    told_term     INTEGER NOT NULL,
    told_epoch    INTEGER NOT NULL,
    told_seq      INTEGER NOT NULL,
    grant_epoch   INTEGER NOT NULL,
    grant_seq     INTEGER NOT NULL,
    booked        INTEGER NOT NULL,
    booked_epoch  INTEGER NOT NULL,
    booked_seq    INTEGER NOT NULL,
    PRIMARY KEY (festival, wallet, device, epoch)
) STRICT;

CREATE INDEX account_shares_by_box ON account_shares (festival, device, epoch, wallet);

-- Which rule for accounts the projections were folded under: 0 the offline limit, 1 escrow.
ALTER TABLE festivals ADD COLUMN accounts INTEGER NOT NULL DEFAULT 0;
