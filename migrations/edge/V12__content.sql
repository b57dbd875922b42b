-- What the hub said stands in no journal of this box, so nothing here can be computed again: a sum over the rows of each such
-- table is kept with them, in the same transaction, and tells after a start whether a disk has changed any of them.
-- row_sum(sum, sign, table, columns...): `crates/box-store/src/content.rs`.
CREATE TABLE content (
    name TEXT PRIMARY KEY,
    sum  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER hub_wallet_is_new AFTER INSERT ON hub_wallet BEGIN
    UPDATE content SET sum = row_sum(sum, 1, 'hub_wallet', NEW.wallet, NEW.state) WHERE name = 'hub_wallet';
END;
CREATE TRIGGER hub_wallet_is_gone AFTER DELETE ON hub_wallet BEGIN
    UPDATE content SET sum = row_sum(sum, -1, 'hub_wallet', OLD.wallet, OLD.state) WHERE name = 'hub_wallet';
END;
CREATE TRIGGER hub_wallet_is_other AFTER UPDATE ON hub_wallet BEGIN
    UPDATE content SET sum = row_sum(row_sum(sum, -1, 'hub_wallet', OLD.wallet, OLD.state), 1, 'hub_wallet', NEW.wallet, NEW.state) WHERE name = 'hub_wallet';
END;

CREATE TRIGGER hub_ticket_is_new AFTER INSERT ON hub_ticket BEGIN
    UPDATE content SET sum = row_sum(sum, 1, 'hub_ticket', NEW.ticket, NEW.state, NEW.wallet) WHERE name = 'hub_ticket';
END;
CREATE TRIGGER hub_ticket_is_gone AFTER DELETE ON hub_ticket BEGIN
    UPDATE content SET sum = row_sum(sum, -1, 'hub_ticket', OLD.ticket, OLD.state, OLD.wallet) WHERE name = 'hub_ticket';
END;
CREATE TRIGGER hub_ticket_is_other AFTER UPDATE ON hub_ticket BEGIN
    UPDATE content SET sum = row_sum(row_sum(sum, -1, 'hub_ticket', OLD.ticket, OLD.state, OLD.wallet), 1, 'hub_ticket', NEW.ticket, NEW.state, NEW.wallet) WHERE name = 'hub_ticket';
END;

CREATE TRIGGER revoked_is_new AFTER INSERT ON revoked BEGIN
    UPDATE content SET sum = row_sum(sum, 1, 'revoked', NEW.what, NEW.id) WHERE name = 'revoked';
END;
CREATE TRIGGER revoked_is_gone AFTER DELETE ON revoked BEGIN
    UPDATE content SET sum = row_sum(sum, -1, 'revoked', OLD.what, OLD.id) WHERE name = 'revoked';
END;
CREATE TRIGGER revoked_is_other AFTER UPDATE ON revoked BEGIN
    UPDATE content SET sum = row_sum(row_sum(sum, -1, 'revoked', OLD.what, OLD.id), 1, 'revoked', NEW.what, NEW.id) WHERE name = 'revoked';
END;

CREATE TRIGGER offered_credit_is_new AFTER INSERT ON offered_credit BEGIN
    UPDATE content SET sum = row_sum(sum, 1, 'offered_credit', NEW.wallet, NEW.record, NEW.amount) WHERE name = 'offered_credit';
END;
CREATE TRIGGER offered_credit_is_gone AFTER DELETE ON offered_credit BEGIN
    UPDATE content SET sum = row_sum(sum, -1, 'offered_credit', OLD.wallet, OLD.record, OLD.amount) WHERE name = 'offered_credit';
END;
CREATE TRIGGER offered_credit_is_other AFTER UPDATE ON offered_credit BEGIN
    UPDATE content SET sum = row_sum(row_sum(sum, -1, 'offered_credit', OLD.wallet, OLD.record, OLD.amount), 1, 'offered_credit', NEW.wallet, NEW.record, NEW.amount) WHERE name = 'offered_credit';
END;

CREATE TRIGGER hub_zone_is_new AFTER INSERT ON hub_zone BEGIN
    UPDATE content SET sum = row_sum(sum, 1, 'hub_zone', NEW.zone, NEW.capacity, NEW.inside) WHERE name = 'hub_zone';
END;
CREATE TRIGGER hub_zone_is_gone AFTER DELETE ON hub_zone BEGIN
    UPDATE content SET sum = row_sum(sum, -1, 'hub_zone', OLD.zone, OLD.capacity, OLD.inside) WHERE name = 'hub_zone';
END;
CREATE TRIGGER hub_zone_is_other AFTER UPDATE ON hub_zone BEGIN
    UPDATE content SET sum = row_sum(row_sum(sum, -1, 'hub_zone', OLD.zone, OLD.capacity, OLD.inside), 1, 'hub_zone', NEW.zone, NEW.capacity, NEW.inside) WHERE name = 'hub_zone';
END;

CREATE TRIGGER hub_share_is_new AFTER INSERT ON hub_share BEGIN
    UPDATE content SET sum = row_sum(sum, 1, 'hub_share', NEW.zone, NEW.epoch, NEW.granted, NEW.asked, NEW.inside, NEW.grant_of) WHERE name = 'hub_share';
END;
CREATE TRIGGER hub_share_is_gone AFTER DELETE ON hub_share BEGIN
    UPDATE content SET sum = row_sum(sum, -1, 'hub_share', OLD.zone, OLD.epoch, OLD.granted, OLD.asked, OLD.inside, OLD.grant_of) WHERE name = 'hub_share';
END;
CREATE TRIGGER hub_share_is_other AFTER UPDATE ON hub_share BEGIN
    UPDATE content SET sum = row_sum(row_sum(sum, -1, 'hub_share', OLD.zone, OLD.epoch, OLD.granted, OLD.asked, OLD.inside, OLD.grant_of), 1, 'hub_share', NEW.zone, NEW.epoch, NEW.granted, NEW.asked, NEW.inside, NEW.grant_of) WHERE name = 'hub_share';
END;

CREATE TRIGGER document_edit_is_new AFTER INSERT ON document_edit BEGIN
    UPDATE content SET sum = row_sum(sum, 1, 'document_edit', NEW.position, NEW.change, NEW.envelope) WHERE name = 'document_edit';
END;
CREATE TRIGGER document_edit_is_gone AFTER DELETE ON document_edit BEGIN
    UPDATE content SET sum = row_sum(sum, -1, 'document_edit', OLD.position, OLD.change, OLD.envelope) WHERE name = 'document_edit';
END;
CREATE TRIGGER document_edit_is_other AFTER UPDATE ON document_edit BEGIN
    UPDATE content SET sum = row_sum(row_sum(sum, -1, 'document_edit', OLD.position, OLD.change, OLD.envelope), 1, 'document_edit', NEW.position, NEW.change, NEW.envelope) WHERE name = 'document_edit';
END;

CREATE TRIGGER covered_is_new AFTER INSERT ON covered BEGIN
    UPDATE content SET sum = row_sum(sum, 1, 'covered', NEW.section, NEW.first_at, NEW.last_at) WHERE name = 'covered';
END;
CREATE TRIGGER covered_is_gone AFTER DELETE ON covered BEGIN
    UPDATE content SET sum = row_sum(sum, -1, 'covered', OLD.section, OLD.first_at, OLD.last_at) WHERE name = 'covered';
END;
CREATE TRIGGER covered_is_other AFTER UPDATE ON covered BEGIN
    UPDATE content SET sum = row_sum(row_sum(sum, -1, 'covered', OLD.section, OLD.first_at, OLD.last_at), 1, 'covered', NEW.section, NEW.first_at, NEW.last_at) WHERE name = 'covered';
END;

CREATE TRIGGER knowledge_is_new AFTER INSERT ON knowledge BEGIN
    UPDATE content SET sum = row_sum(sum, 1, 'knowledge', NEW.section, NEW.term, NEW.number, NEW.hub_time_ms, NEW.received_at_ms) WHERE name = 'knowledge';
END;
CREATE TRIGGER knowledge_is_gone AFTER DELETE ON knowledge BEGIN
    UPDATE content SET sum = row_sum(sum, -1, 'knowledge', OLD.section, OLD.term, OLD.number, OLD.hub_time_ms, OLD.received_at_ms) WHERE name = 'knowledge';
END;
CREATE TRIGGER knowledge_is_other AFTER UPDATE ON knowledge BEGIN
    UPDATE content SET sum = row_sum(row_sum(sum, -1, 'knowledge', OLD.section, OLD.term, OLD.number, OLD.hub_time_ms, OLD.received_at_ms), 1, 'knowledge', NEW.section, NEW.term, NEW.number, NEW.hub_time_ms, NEW.received_at_ms) WHERE name = 'knowledge';
END;
