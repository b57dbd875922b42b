-- How much neighbours have told, so that the bound on it is no count over all of it at every commit.
CREATE TABLE neighbour_size (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    commits INTEGER NOT NULL,
    bytes   INTEGER NOT NULL
) STRICT;
INSERT INTO neighbour_size (one, commits, bytes)
    SELECT 1, count(*), coalesce(sum(length(told)), 0) FROM neighbour_commit;

CREATE TRIGGER neighbour_commit_is_new AFTER INSERT ON neighbour_commit BEGIN
    UPDATE neighbour_size SET commits = commits + 1, bytes = bytes + length(NEW.told);
END;
CREATE TRIGGER neighbour_commit_is_gone AFTER DELETE ON neighbour_commit BEGIN
    UPDATE neighbour_size SET commits = commits - 1, bytes = bytes - length(OLD.told);
END;
