-- Cents of accounts that were dealt to this box, by its epochs, as the hub said last. What was granted never becomes
-- less, also when the hub was restored from an older copy. open: something is to be answered.
CREATE TABLE hub_account_share (
    wallet   BLOB NOT NULL,
    epoch    INTEGER NOT NULL,
    granted  INTEGER NOT NULL,
    asked    INTEGER NOT NULL,
    booked   INTEGER NOT NULL,
    grant_of BLOB,
    open     INTEGER NOT NULL CHECK (open IN (0, 1)),
    PRIMARY KEY (wallet, epoch)
) STRICT, WITHOUT ROWID;

CREATE INDEX account_share_open ON hub_account_share (epoch, wallet) WHERE open = 1;

-- Summed like the rest of what the hub said (V12).
CREATE TRIGGER hub_account_share_is_new AFTER INSERT ON hub_account_share BEGIN
    UPDATE content SET sum = row_sum(sum, 1, 'hub_account_share', NEW.wallet, NEW.epoch, NEW.granted, NEW.asked, NEW.booked, NEW.grant_of, NEW.open) WHERE name = 'hub_account_share';
END;
CREATE TRIGGER hub_account_share_is_gone AFTER DELETE ON hub_account_share BEGIN
    UPDATE content SET sum = row_sum(sum, -1, 'hub_account_share', OLD.wallet, OLD.epoch, OLD.granted, OLD.asked, OLD.booked, OLD.grant_of, OLD.open) WHERE name = 'hub_account_share';
END;
CREATE TRIGGER hub_account_share_is_other AFTER UPDATE ON hub_account_share BEGIN
    UPDATE content SET sum = row_sum(row_sum(sum, -1, 'hub_account_share', OLD.wallet, OLD.epoch, OLD.granted, OLD.asked, OLD.booked, OLD.grant_of, OLD.open), 1, 'hub_account_share', NEW.wallet, NEW.epoch, NEW.granted, NEW.asked, NEW.booked, NEW.grant_of, NEW.open) WHERE name = 'hub_account_share';
END;

-- Projection: what this box put on accounts and took from them, and what it has said of its shares. told: the newest
-- grant that it named. The row of wallet zeros is about the box itself: told_term is the hub's term in which it has said
-- everything.
CREATE TABLE account_here (
    wallet    BLOB NOT NULL,
    epoch     INTEGER NOT NULL,
    put_on    INTEGER NOT NULL,
    taken     INTEGER NOT NULL,
    granted   INTEGER NOT NULL,
    released  INTEGER NOT NULL,
    told_term INTEGER NOT NULL,
    told      BLOB,
    PRIMARY KEY (wallet, epoch)
) STRICT, WITHOUT ROWID;
