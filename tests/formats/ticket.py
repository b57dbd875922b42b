"""Section 3 of docs/formats.md: tickets."""
import base64
import unicodedata

from basics import Fields, Refused, key_id, need, signed
from crypto import blake3, ed25519_verify

_BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def base45(text):
    out = b""
    for at in range(0, len(text), 3):
        group = text[at : at + 3]
        need(len(group) > 1 and all(c in _BASE45 for c in group), "base45")
        value = sum(_BASE45.index(c) * 45**i for i, c in enumerate(group))
        need(value < (65536 if len(group) == 3 else 256), "base45 group")
        out += value.to_bytes(len(group) - 1, "big")
    return out


def ticket_uid(scheme, issuer, name):
    return blake3(b"festival.ticket-uid.v1\0" + bytes([scheme]) + issuer + name)[:16]


def own_ticket(text, festival, public):
    need(len(text) == 152, "length")
    data = base45(text)
    fields = Fields(data)
    need(fields.uint(1) == 1, "version")
    ticket = {"key_id": fields.take(4), "festival": fields.take(4), "ticket_id": fields.take(12)}
    for name, size in (("category", 2), ("zones", 4), ("valid_from", 4), ("valid_until", 4), ("holder_check", 2)):
        ticket[name] = fields.uint(size)
    signature = fields.take(64)
    fields.end()
    need(ticket["valid_until"] == 0 or ticket["valid_from"] <= ticket["valid_until"], "window")
    need(ticket["festival"] == festival[:4] and ticket["key_id"] == key_id(public), "festival or key")
    signed(public, b"ticket", festival, [data[:37]], signature)
    ticket["uid"] = ticket_uid(1, festival, ticket["ticket_id"])
    return ticket


_PLAIN = {
    letter: plain
    for letters, plain in (
        ("àáâãäåāăą", "a"), ("çćčĉċ", "c"), ("ďđð", "d"), ("èéêëēĕėęě", "e"), ("ĝğġģ", "g"), ("ìíîïĩīĭįı", "i"),
        ("ĺļľł", "l"), ("ñńņň", "n"), ("òóôõöøōŏő", "o"), ("ŕŗř", "r"), ("śŝşšș", "s"), ("ţťț", "t"),
        ("ùúûüũūŭůűų", "u"), ("ýÿ", "y"), ("źżž", "z"), ("æ", "ae"), ("œ", "oe"), ("ß", "ss"),
    )
    for letter in letters
}


def holder_check(name):
    if not name.strip():
        return 0
    letters = [c for c in name.lower() if not "\u0300" <= c <= "\u036f"]
    words = "".join(c if unicodedata.category(c)[0] in "LN" else " " for c in letters).split()
    normal = "".join(_PLAIN.get(c, c) for c in " ".join(words))
    return int.from_bytes(blake3(normal.encode())[:2], "little") or 1


def pretix_key(text):
    der = base64.b64decode("".join(base64.b64decode(text).decode().strip().splitlines()[1:-1]), validate=True)
    need(der[:12].hex() == "302a300506032b6570032100" and len(der) == 44, "key")
    return der[12:]


def pretix_ticket(text, public):
    forward = text[::-1]
    try:
        data = base64.b64decode(forward, validate=True)
    except ValueError as error:
        raise Refused("base64") from error
    need(base64.b64encode(data).decode() == forward, "base64 is not canonical")
    fields = Fields(data)
    need(fields.uint(1) == 1, "version")
    lengths = [int.from_bytes(fields.take(2), "big") for _ in range(2)]
    need(lengths[1] == 64, "signature length")
    payload, signature = fields.take(lengths[0]), fields.take(64)
    fields.end()
    need(ed25519_verify(public, payload, signature), "signature")
    return protobuf(payload) | {"key": public}


def protobuf(payload):
    names = {1: "seed", 2: "item", 3: "variation", 4: "subevent", 5: "valid_from", 6: "valid_until"}
    found, fields = {}, Fields(payload)
    while fields.at < len(payload):
        tag = fields.varint()
        number, wire = tag >> 3, tag & 7
        need(number and wire in (0, 1, 2, 5), "wire type")
        value = fields.varint() if wire == 0 else fields.take({1: 8, 5: 4}.get(wire) or fields.varint())
        if number in names:
            need(names[number] not in found and wire == (2 if number == 1 else 0), "field")
            need(number == 1 or value < 2**63, "number")
            found[names[number]] = value.decode() if number == 1 else value
    need(found.get("seed") and "item" in found, "seed and item")
    return {name: found.get(name, 0) for name in names.values()}
