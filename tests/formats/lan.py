"""Section 11: messages on the venue's LAN, and groups."""
import basics
import journal
from basics import Fields, need
from crypto import blake3

TAGS = {1: b"presence", 2: b"claim", 3: b"claim-answer", 4: b"claim-release", 5: b"claim-handover", 7: b"copy", 8: b"claim-handover"}


def key(fields):
    what = fields.uint(1)
    need(what in (1, 2), "what is claimed")
    return {"what": what, "subject": fields.take(16), "number": fields.uint(8)}


def claim(fields):
    return {"device": fields.take(16), "epoch": fields.uint(4), "claim": fields.uint(8)}


def told(data, festival, public):
    fields = Fields(data)
    found = {"device": fields.take(16), "epoch": fields.uint(4), "first": fields.uint(4)}
    prev, signature, count = fields.take(32), fields.take(64), fields.uint(1)
    need(1 <= count <= 64, "entries")
    found["bodies"] = [fields.take(fields.uint(2)) for _ in range(count)]
    fields.end()
    head = prev
    for body in found["bodies"]:
        head = journal.link(head, body)
    need(found["bodies"][-1][1] & 1 and found["device"] == basics.device_id(public), "end of a commit")
    journal.commit(public, festival, found["device"], found["epoch"], found["first"] + count - 1, head, signature)
    return found | {"head": head}


def message(data, found, public):
    need(len(data) <= 16_384, "length")
    fields = Fields(data)
    need(fields.uint(1) == 1, "version")
    kind, group, sender = fields.uint(1), fields.uint(2), fields.take(16)
    said = {"type": kind, "group": group, "sender": sender}
    if kind == 6:
        return said | told(fields.rest(), found["festival"], public)
    need(kind in TAGS and sender == basics.device_id(public), "type or sender")
    basics.signed(public, TAGS[kind], found["festival"], [data[:-64]], data[-64:])
    fields = Fields(data[20:-64])
    if kind == 1:
        said |= {"epoch": fields.uint(4), "box": fields.uint(2), "list": fields.uint(4), "asks": fields.uint(1)}
        need(said["asks"] < 2, "asks")
        said["chain"] = basics.chain(basics.cbor(fields.take(fields.uint(2))), found)
    elif kind == 2:
        said |= {"list": fields.uint(4), "key": key(fields), "claim": claim(fields)}
    elif kind == 3:
        said |= {"to": claim(fields), "list": fields.uint(4), "key": key(fields), "verdict": fields.uint(1)}
        need(1 <= said["verdict"] <= 4, "verdict")
        said["of"] = claim(fields) if said["verdict"] == 2 else fields.uint(8) if said["verdict"] > 2 else None
        count = fields.uint(1)
        need(count <= 4, "commits")
        said["commits"] = [told(fields.take(fields.uint(2)), found["festival"], public) for _ in range(count)]
    elif kind == 4:
        said |= {"key": key(fields), "claim": claim(fields)}
    elif kind == 5:
        said["list"] = fields.uint(4)
    elif kind == 7:
        said |= {"device": fields.take(16), "epoch": fields.uint(4), "seq": fields.uint(4), "hash": fields.take(16)}
    else:
        said |= {"list": fields.uint(4), "whole": fields.take(8), "part": fields.uint(2), "parts": fields.uint(2)}
        need(said["part"] < said["parts"] <= 4_096, "part")
        said["grants"] = [(key(fields), claim(fields)) for _ in range(fields.uint(2))]
    fields.end()
    return said


def whole(name):
    return blake3(name)[:8]
