-- What a delivered chip is: 0 a band, 1 a spare band, 2 a bad chip, and why. A bad chip's profile is 0 where nobody knows it.
ALTER TABLE delivered_bands ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivered_bands ADD COLUMN reason TEXT NOT NULL DEFAULT '';
