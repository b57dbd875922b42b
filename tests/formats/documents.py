"""Shared documents: envelopes and the changes in them, as docs/formats.md section 10 says."""
import hashlib

import basics
from basics import Fields, need
from crypto import blake3

COLUMNS = (0x15, 0x34, 0x42, 0x56, 0x57, 0x70, 0x71, 0x73)
NAMES = "version document device epoch operator at hash change intents chain entered_again?"


def edit_item(fields):
    return {"change": fields.take(32), "envelope": fields.take(fields.uint(4))}


def envelope(data, found):
    need(len(data) <= 262_144, "length")
    body, signature = basics.cbor(data)
    one = basics.cbor(body, NAMES)
    need(one["version"] == 1 and 1 <= one["document"] <= 4, "envelope")
    leaf = basics.chain(one["chain"], found)
    need(leaf["purpose"] == 7, "purpose")
    basics.signed(leaf["subject"], b"edit", found["festival"], [body], signature)
    one["manager"] = leaf["subject"]
    one["intents"] = [basics.record(intent, "path old? new?") for intent in one["intents"]]
    read = change(one["change"])
    need(read["hash"] == one["hash"], "change hash")
    need(read["actor"] == blake3(one["device"] + one["epoch"].to_bytes(4, "little") + leaf["subject"])[:16], "actor")
    need([op["key"] for op in read["operations"]] == [intent["path"] for intent in one["intents"]], "intents")
    return one | {"read": read}


def change(data):
    need(len(data) <= 65_536, "length")
    fields = Fields(data)
    need(fields.take(4) == bytes.fromhex("856f4a83"), "magic")
    checksum = fields.take(4)
    start = fields.at
    need(fields.uint(1) == 1, "chunk type")
    need(fields.varint() == len(data) - fields.at, "chunk length")
    digest = hashlib.sha256(data[start:]).digest()
    need(digest[:4] == checksum, "checksum")
    found = {"hash": digest, "dependencies": [fields.take(32) for _ in range(fields.varint())]}
    need(len(found["dependencies"]) <= 64 and found["dependencies"] == sorted(found["dependencies"]), "dependencies")
    found["actor"] = actor(fields)
    found["seq"], found["start_op"] = fields.varint(), fields.varint()
    need(fields.take(2) == b"\0\0", "time and message")
    actors = [found["actor"]] + [actor(fields) for _ in range(fields.varint())]
    table = [(fields.varint(), fields.varint()) for _ in range(fields.varint())]
    need([kind for kind, _ in table] == sorted({kind for kind, _ in table}), "columns")
    columns = {kind: b"" for kind in COLUMNS}
    for kind, length in table:
        need(kind in columns, "column")
        columns[kind] = fields.take(length)
    fields.end()
    return found | {"operations": operations(columns, actors)}


def actor(fields):
    need(fields.uint(1) == 16, "actor")
    return fields.take(16)


def operations(columns, actors):
    actions = runs(columns[0x42], Fields.varint)
    n = len(actions)
    need(1 <= n <= 256, "operations")
    keys = runs(columns[0x15], lambda fields: fields.take(fields.varint()).decode())
    metas, replaced = runs(columns[0x56], Fields.varint), runs(columns[0x70], Fields.varint)
    inserts = Fields(columns[0x34])
    need(inserts.varint() == n == len(keys) == len(metas) == len(replaced), "columns differ in length")
    inserts.end()
    by, steps = runs(columns[0x71], Fields.varint), runs(columns[0x73], sleb)
    need(len(by) == len(steps) == sum(replaced), "replaced")
    counters = [sum(steps[: i + 1]) for i in range(len(steps))]
    ids = list(zip(counters, (actors[i] for i in by)))
    raw, out = Fields(columns[0x57]), []
    for action, key, meta, count in zip(actions, keys, metas, replaced):
        need(action == 1 or (action == 3 and meta == 0), "action")
        out.append({"key": key, "value": value(meta, raw) if action == 1 else None, "replaces": ids[:count]})
        ids = ids[count:]
    raw.end()
    return out


def value(meta, raw):
    kind, data = meta & 15, raw.take(meta >> 4)
    need(kind in (1, 2, 3, 6, 7) and (kind > 2 or not data), "value")
    return {1: lambda: False, 2: lambda: True, 3: lambda: Fields(data).varint(), 6: data.decode, 7: lambda: data}[kind]()


def runs(data, read):
    fields, out = Fields(data), []
    while fields.at < len(data):
        count = sleb(fields)
        need(count and len(out) + abs(count) <= 4_096, "run")
        out += [read(fields)] * count if count > 0 else [read(fields) for _ in range(-count)]
    return out


def sleb(fields):
    result = shift = 0
    while True:
        byte = fields.uint(1)
        result |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return result - (1 << shift) if byte & 64 else result
