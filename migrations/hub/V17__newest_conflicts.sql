-- When what does not fit together on a wallet or ticket showed last, and how many things it is: the console shows the
-- newest and says how many there are.
ALTER TABLE conflicts ADD COLUMN newest_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conflicts ADD COLUMN found INTEGER NOT NULL DEFAULT 1;
CREATE INDEX conflicts_by_time ON conflicts (festival, newest_ms);
