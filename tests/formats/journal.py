"""Section 5 of docs/formats.md: journals."""
import struct

from basics import Fields, cbor, chain, device_id, entry_ref, need, record, signed
from crypto import blake3


def link(prev, body):
    return blake3(prev + struct.pack("<I", len(body)) + body)


def commit(public, festival, device, epoch, seq, head, signature):
    signed(public, b"commit", festival, [device, struct.pack("<II", epoch, seq), head], signature)


def entry(body):
    fields = Fields(body)
    need(len(body) <= 4096 and fields.uint(1) == 1, "version")
    found = {"flags": fields.uint(1), "kind": fields.uint(2), "effect": fields.uint(1)}
    need(found["flags"] < 16 and fields.uint(1) == 0, "flags")
    found |= {"currency": fields.uint(2), "hlc": fields.uint(8), "subject": fields.take(16), "other": fields.take(16)}
    for name, size in (("amount", 4), ("tap_counter", 2), ("zone", 2), ("operator", 4), ("price_revision", 4)):
        found[name] = fields.uint(size)
    need(found["amount"] < 2**24, "amount")
    return found | {"refers_to": entry_ref(fields), "part": part(found["kind"], fields.rest())}


def part(kind, data):
    fields = Fields(data)
    if kind == 0:
        found = cbor(data, "festival public_key box_number epoch chain previous software")
        return found | {"previous": found["previous"] and record(found["previous"], "epoch seq hash")}
    if kind == 32:
        return cbor(data, "epoch seq hash term archived")
    if kind == 35:
        of = fields.uint(1)
        found = {"of": of} | cbor(fields.rest(), "heads reason")
        need(of == 3 or of == 2 and not found["heads"], "what is revoked")
        return found | {"heads": [record(head, "epoch seq hash") for head in found["heads"]]}
    if kind in (33, 34):
        found = {"of": fields.uint(1), "reason": fields.rest()}
        need(1 <= found["of"] <= 3 and all(0x21 <= byte <= 0x7E for byte in found["reason"]), "block")
        return found
    if kind in (1, 21):
        found = {"scheme": fields.uint(1), "marks": fields.uint(1), "product": [fields.varint() for _ in range(4)]}
        need(found["marks"] < 128, "marks")
        if found["marks"] & 4:
            found["reason"] = fields.rest()
            need(1 <= len(found["reason"]) <= 32 and all(0x21 <= byte <= 0x7E for byte in found["reason"]), "reason")
    elif kind == 2:
        found = {"profile": fields.uint(1)}
        need(1 <= found["profile"] <= 4, "profile")
        if fields.at < len(fields.data):
            flags = fields.uint(1)
            need(1 <= flags <= 3, "pairing")
            if flags & 1:
                found["terms"] = {"scheme": fields.uint(1), "product": [fields.varint() for _ in range(4)]}
                found["terms"] |= {name: fields.varint() for name in ("zones", "valid_from", "valid_until")}
            if flags & 2:
                found["replaces"] = fields.take(16)
    elif kind == 37:
        found = {"epoch": fields.varint(), "granted": fields.varint(), "places": fields.varint()}
        found |= last(fields, "booked")
        need(found["places"] <= found["granted"], "places")
    elif kind == 27:
        found = {name: fields.varint() for name in ("term", "granted", "released", "places")} | last(fields, "needs")
        need(found["places"] <= found["released"], "places")
    elif kind == 3:
        found = {"c_only": fields.uint(1), "fee": fields.varint(), "means": fields.uint(1)}
        need(found["means"] <= 2, "means")
    elif kind in (4, 5, 6):
        found = sale(fields) if data else None
    elif kind in (9, 12, 13, 15):
        found = chip_seen(fields) if data else None
    elif kind == 11:
        found = intent(fields)
    elif kind in (7, 8, 14):
        found = {"supervisor": fields.varint(), "reason": code(fields.rest())} if data else None
    elif kind == 18:
        found = {"expected": zigzag(fields), "in_doubt": fields.varint()}
    elif kind == 19:
        found = closure(fields)
    elif kind == 26:
        found = {"scheme": fields.uint(1), "category": fields.varint(), "product": fields.varint(), "quantity": fields.varint()}
    elif kind == 28:
        found = {"change": fields.uint(1)}
        need(1 <= found["change"] <= 4, "staff change")
    elif kind == 29:
        found = {"into_drawer": fields.uint(1), "reason": code(fields.rest())}
        need(found["into_drawer"] < 2, "flag")
    else:
        found = fields.rest()
    fields.end()
    return found


def last(fields, name):
    """A last number that is written only where it is not 0."""
    if fields.at == len(fields.data):
        return {}
    found = {name: fields.varint()}
    need(found[name] > 0, name)
    return found


def code(data):
    need(len(data) <= 32 and all(0x21 <= byte <= 0x7E for byte in data), "reason code")
    return data


def zigzag(fields):
    n = fields.varint()
    return n // 2 if n % 2 == 0 else -(n + 1) // 2


TOTALS = "sales sold deposits_out deposits_back given vouchers top_ups credited fees by_card refunded corrected_plus corrected_minus cash_in cash_out".split()


def closure(fields):
    found = {"number": fields.varint(), "final": fields.uint(1), "last": fields.varint()}
    need(found["final"] < 2 and fields.uint(1) == len(TOTALS), "totals")
    for which in ("period", "perpetual"):
        found[which] = {name: zigzag(fields) for name in TOTALS}
    return found


def sale(fields):
    found = {"deposit_out": fields.varint(), "deposit_back": fields.varint()}
    count = fields.varint()
    need(count <= 100, "lines")
    found["lines"] = [(fields.varint(), fields.varint(), fields.varint()) for _ in range(count)]
    return found | marks(fields)


def marks(fields):
    if fields.at == len(fields.data):
        return {}
    bits = fields.uint(1)
    need(1 <= bits <= 63, "marks")
    found = {"marks": bits}
    if bits & 8:
        found["given"] = (fields.varint(), fields.varint(), code(fields.take(fields.uint(1))))
    if bits & 16:
        found["corrects"] = (entry_ref(fields), fields.varint(), code(fields.take(fields.uint(1))))
    if bits & 32:
        count = fields.uint(1)
        need(1 <= count <= 20, "vouchers")
        found["vouchers"] = [(fields.take(16), fields.varint(), fields.varint(), fields.varint()) for _ in range(count)]
    return found


def chip_seen(fields):
    found = {"base": fields.take(4), "before": fields.take(4)}
    flag = fields.uint(1)
    need(flag < 2, "flag")
    found["before2"] = fields.take(4) if flag else None
    found |= {"credit_seq": fields.uint(1), "credit_id": fields.take(4)}
    return found | {"credits": fields.uint(3), "spent": fields.uint(3)}


def intent(fields):
    found = {"purpose": fields.uint(1), "seen": chip_seen(fields), "own": fields.take(4), "spent_after": fields.uint(3)}
    need(1 <= found["purpose"] <= 5, "purpose")
    count = fields.uint(1)
    need(count <= 2, "C records")
    found["credits"] = [fields.take(76) for _ in range(count)]
    found["sale"] = sale(fields) if found["purpose"] == 1 else None
    if found["purpose"] == 2:
        found |= {"fee": fields.varint(), "means": fields.uint(1)}
        need(found["means"] <= 2, "means")
    return found


def fork_proof(data, found):
    proof = cbor(data, "chain epoch seq prev a b")
    leaf = chain(proof["chain"], found)
    need(leaf["purpose"] in (6, 8), "purpose")
    for bodies, signature in (proof["a"], proof["b"]):
        head, seq = proof["prev"], proof["seq"]
        need(1 <= len(bodies) <= 500, "length")
        for at, body in enumerate(bodies):
            head = link(head, body)
            seq = proof["seq"] + at
        commit(leaf["subject"], found["festival"], device_id(leaf["subject"]), proof["epoch"], seq, head, signature)
    need(proof["a"][0][0] != proof["b"][0][0], "same")
    return proof | {"device": device_id(leaf["subject"])}


def agreement(wallets, tickets):
    data = b"festival.agree.v1\0"
    for w in sorted(wallets, key=lambda w: w["wallet"]):
        head = struct.pack("<H", w["head_counter"]) + w["head_record"]
        data += b"\1" + w["wallet"] + head + struct.pack("<qB", w["balance"], w["flags"])
    for t in sorted(tickets, key=lambda t: t["ticket"]):
        if t["flags"] & 1:
            data += b"\2" + t["ticket"] + struct.pack("<BHI", t["flags"], t["uses"], t["inside"])
    return blake3(data)
