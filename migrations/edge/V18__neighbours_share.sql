-- How much each neighbour has told, so that none of them takes the place of all others; with what stands by subjects, which
-- holds every body a second time and a third.
CREATE TABLE neighbour_share (
    device  BLOB PRIMARY KEY,
    commits INTEGER NOT NULL,
    bytes   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO neighbour_share (device, commits, bytes)
    SELECT device, sum(commits), sum(bytes) FROM (
        SELECT device, 1 AS commits, length(told) AS bytes FROM neighbour_commit
        UNION ALL SELECT device, 0, length(body) FROM neighbour_entry
    ) GROUP BY device;
UPDATE neighbour_size SET
    commits = (SELECT coalesce(sum(commits), 0) FROM neighbour_share),
    bytes = (SELECT coalesce(sum(bytes), 0) FROM neighbour_share);

DROP TRIGGER neighbour_commit_is_new;
DROP TRIGGER neighbour_commit_is_gone;
CREATE TRIGGER neighbour_commit_is_new AFTER INSERT ON neighbour_commit BEGIN
    UPDATE neighbour_size SET commits = commits + 1, bytes = bytes + length(NEW.told);
    INSERT OR IGNORE INTO neighbour_share (device, commits, bytes) VALUES (NEW.device, 0, 0);
    UPDATE neighbour_share SET commits = commits + 1, bytes = bytes + length(NEW.told) WHERE device = NEW.device;
END;
CREATE TRIGGER neighbour_commit_is_gone AFTER DELETE ON neighbour_commit BEGIN
    UPDATE neighbour_size SET commits = commits - 1, bytes = bytes - length(OLD.told);
    UPDATE neighbour_share SET commits = commits - 1, bytes = bytes - length(OLD.told) WHERE device = OLD.device;
    DELETE FROM neighbour_share WHERE device = OLD.device AND commits <= 0 AND bytes <= 0;
END;
CREATE TRIGGER neighbour_entry_is_new AFTER INSERT ON neighbour_entry BEGIN
    UPDATE neighbour_size SET bytes = bytes + length(NEW.body);
    INSERT OR IGNORE INTO neighbour_share (device, commits, bytes) VALUES (NEW.device, 0, 0);
    UPDATE neighbour_share SET bytes = bytes + length(NEW.body) WHERE device = NEW.device;
END;
CREATE TRIGGER neighbour_entry_is_gone AFTER DELETE ON neighbour_entry BEGIN
    UPDATE neighbour_size SET bytes = bytes - length(OLD.body);
    UPDATE neighbour_share SET bytes = bytes - length(OLD.body) WHERE device = OLD.device;
    DELETE FROM neighbour_share WHERE device = OLD.device AND commits <= 0 AND bytes <= 0;
END;
