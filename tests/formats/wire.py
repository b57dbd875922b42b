"""Sections 6 to 8 of docs/formats.md: bundle, frames, version vector, state delta."""
import struct

from basics import Fields, cbor, chain, entry_ref, founding, need, signed
from documents import edit_item


def bundle(data):
    fields = Fields(data)
    need(fields.take(4) == b"FBUN" and fields.uint(1) == 1, "magic or version")
    body = fields.take(fields.uint(4))
    signer, signature = fields.take(fields.uint(4)), fields.take(64)
    fields.end()
    names = (
        "version founding number issued policy ticket_keys credit_keys categories events products price_revision"
        " catalogue revoked blocked places sections"
    )
    found = cbor(body, names)
    need(found["version"] == 1, "version")
    record_ = founding(found["founding"])
    leaf = chain(signer, record_)
    need(leaf["purpose"] == 5, "purpose")
    signed(leaf["subject"], b"bundle", record_["festival"], [body], signature)
    need(all(chain(c, record_)["purpose"] == 2 for c in found["ticket_keys"]), "ticket keys")
    need(all(chain(c, record_)["purpose"] in (3, 4) for c in found["credit_keys"]), "credit keys")
    return found | {"signer": leaf["subject"]}


def frames(data):
    fields = Fields(data)
    while fields.at < len(data):
        length = fields.uint(4)
        need(1 <= length <= 1 << 20, "frame length")
        kind = fields.uint(1)
        yield kind, fields.take(length - 1)


FRAMES = {
    1: "version festival chain device epoch roles sections bundle software further",
    2: "version chain term hub_time",
    4: "device epoch seq",
    6: "device epoch contiguous hash term",
    8: "section term number next_part?",
    9: "number offset total bytes",
    10: "number",
    11: "number offset",
    12: "code text",
    13: "chain",
    14: "token time",
    15: "token time",
    17: "change envelope",
    18: "change code entered_again",
    19: "hash offset",
    20: "hash offset bytes",
    32: "version founding nonce re_enrol",
    33: "public_key nonce epoch hardware signature",
    34: "number offset total bytes",
    35: "body signature",
    36: "signature",
    37: "text",
}


def vector(data):
    fields = Fields(data)
    need(fields.uint(1) == 1, "version")
    journals = []
    for _ in range(fields.varint()):
        journal = {"device": fields.take(16), "epoch": fields.varint(), "branches": []}
        for _ in range(fields.varint()):
            contiguous = fields.varint()
            branch = {"contiguous": contiguous, "hash": fields.take(16) if contiguous else bytes(16), "ranges": []}
            following = contiguous
            for _ in range(fields.varint()):
                missing = fields.varint()
                need(missing, "range")
                first = following + missing
                last = first + fields.varint()
                branch["ranges"].append((first, last))
                following = last + 1
            journal["branches"].append(branch)
        order = [(b["contiguous"], b["hash"], b["ranges"]) for b in journal["branches"]]
        need(1 <= len(order) <= 8 and all(a < b for a, b in zip(order, order[1:])), "branches")
        journals.append(journal)
    order = [(j["device"], j["epoch"]) for j in journals]
    need(len(order) <= 4096 and all(a < b for a, b in zip(order, order[1:])), "journals")
    fields.end()
    return journals


def delta(data, festival, bundle_keys):
    fields = Fields(data)
    public, signature = fields.take(32), fields.take(64)
    body = fields.rest()
    need(public in bundle_keys and len(body) <= 1_000_000, "key")
    signed(public, b"delta", festival, [body], signature)
    fields = Fields(body)
    need(fields.uint(1) == 1 and fields.take(16) == festival, "version or festival")
    found = {}
    for name, size in (("section", 1), ("term", 4), ("prev", 8), ("number", 8), ("part", 2), ("parts", 2), ("snapshot", 1), ("hub_time", 8)):
        found[name] = fields.uint(size)
    need(1 <= found["section"] <= 9 and found["snapshot"] < 2 and found["part"] < found["parts"], "delta")
    need(found["prev"] < found["number"] and not (found["snapshot"] and found["prev"]), "number")
    found["vector"] = vector(fields.take(fields.uint(4)))
    reader = {1: wallet_state, 2: ticket_state, 3: revocation, 5: edit_item, 9: account_share}[found["section"]]
    found["items"] = []
    while fields.at < len(body):
        found["items"].append(reader(fields))
    return found


def wallet_state(fields):
    found = {"wallet": fields.take(16), "balance": struct.unpack("<q", fields.take(8))[0]}
    found |= {"spent": fields.uint(4), "pending": fields.uint(4), "in_doubt": fields.uint(4)}
    found |= {"head_counter": fields.uint(2), "head_record": fields.take(4), "credit_seq": fields.uint(1)}
    found |= {"profile": fields.uint(1), "flags": fields.uint(1)}
    need(found["profile"] <= 4 and found["flags"] < 32, "wallet")
    return found


def ticket_state(fields):
    found = {"ticket": fields.take(16), "flags": fields.uint(1), "uses": fields.uint(2), "first_use": fields.uint(8)}
    found |= {"first_box": fields.uint(2), "first_zone": fields.uint(2), "wallet": fields.take(16)}
    found |= {"used": fields.uint(4), "inside": fields.uint(4), "last_use": fields.uint(8)}
    found |= {"last_box": fields.uint(2), "last_zone": fields.uint(2)}
    terms = {"scheme": fields.uint(1), "what": fields.uint(2), "item": fields.uint(8), "zones": fields.uint(4)}
    terms |= {"valid_from": fields.uint(4), "valid_until": fields.uint(4)}
    need(terms["scheme"] or not any(terms.values()), "terms")
    need(found["flags"] < 64, "ticket")
    return found | {"terms": terms if terms["scheme"] else None}


def account_share(fields):
    found = {"wallet": fields.take(16), "device": fields.take(16), "epoch": fields.uint(4)}
    found |= {"granted": fields.uint(4), "asked": fields.uint(4), "booked": fields.uint(4)}
    return found | {"grant": entry_ref(fields)}


def revocation(fields):
    found = {"what": fields.uint(1), "holds": fields.uint(1), "id": fields.take(16)}
    need(found["what"] in (1, 2) and found["holds"] < 2, "revocation")
    return found
