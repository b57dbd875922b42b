-- Up to which term an operator has confirmed that what a restore of this database lost was revoked and blocked again.
ALTER TABLE festivals ADD COLUMN restore_seen INTEGER NOT NULL DEFAULT 0;
