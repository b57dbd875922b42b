"""A reader of every format in docs/formats.md, written from that file alone. `Refused` is raised where it says so."""
import base64
import struct
import unicodedata

import zstd
from crypto import aes_cmac, blake3, blake3_derive_key, blake3_keyed, ed25519_verify


class Refused(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Refused(what)


# --- 1 Conventions ---------------------------------------------------------------------------------------------------


class Fields:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), "ends early")
        self.at += n
        return self.data[self.at - n : self.at]

    def uint(self, n):
        return int.from_bytes(self.take(n), "little")

    def varint(self):
        value = 0
        for shift in range(0, 64, 7):
            byte = self.uint(1)
            need(shift < 63 or byte < 2, "varint")
            value |= (byte & 127) << shift
            if byte < 128:
                need(byte or not shift, "varint is not the shortest")
                return value
        raise Refused("varint")

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        need(self.at == len(self.data), "goes on after its end")


def _cbor(fields):
    head = fields.uint(1)
    major, small = head >> 5, head & 31
    if major == 7:
        need(small in (20, 21, 22), "simple value")
        return {20: False, 21: True, 22: None}[small]
    if small < 24:
        n = small
    else:
        need(small < 28, "indefinite length")
        width = 1 << small - 24
        n = int.from_bytes(fields.take(width), "big")
        need(n >= (24 if width == 1 else 1 << 4 * width), "integer is not the shortest")
    if major == 0:
        return n
    if major == 2:
        return fields.take(n)
    if major == 3:
        return fields.take(n).decode()
    need(major == 4, "map or tag")
    return [_cbor(fields) for _ in range(n)]


def cbor(data, names=None):
    """The value; with `names` a record of an array whose last fields may be left out."""
    fields = Fields(data)
    value = _cbor(fields)
    fields.end()
    return record(value, names) if names else value


def record(value, names):
    names = names.split()
    need(isinstance(value, list) and len(value) <= len(names), "array")
    need(len(value) == len(names) or all(name.endswith("?") for name in names[len(value) :]), "fields are missing")
    return {name.rstrip("?"): value[i] if i < len(value) else None for i, name in enumerate(names)}


def signed(public, tag, festival, parts, signature):
    need(ed25519_verify(public, b"festival." + tag + b".v1\0" + festival + b"".join(parts), signature), "signature")


def device_id(public):
    return blake3(public)[:16]


def key_id(public):
    return blake3(public)[:4]


def entry_ref(fields):
    at = {"device": fields.take(16), "epoch": fields.uint(4), "seq": fields.uint(4)}
    return None if at == {"device": bytes(16), "epoch": 0, "seq": 0} else at


# --- 2 Trust ---------------------------------------------------------------------------------------------------------

PURPOSES = {1: "enrol", 2: "ticket", 3: "credit", 4: "credit-online", 5: "bundle", 6: "device", 7: "manager", 8: "hub"}


def founding(data):
    found = cbor(data, "version root spare_root_hash name currency founded")
    need(found["version"] == 1 and 1 <= len(found["name"].encode()) <= 100, "founding record")
    found["festival"] = blake3(b"festival.founding.v1\0" + data)[:16]
    return found


def chain(value, found):
    """The leaf's certificate, verified up to the founding record's root."""
    certificates = cbor(value) if isinstance(value, bytes) else value
    need(1 <= len(certificates) <= 2, "chain length")
    above = None
    for body, signature in reversed(certificates):
        names = "version festival purpose subject issuer serial valid_from valid_until scope"
        one = cbor(body, names)
        one["scope"] = record(one["scope"], "place roles kinds box_numbers quota_cents")
        need(one["version"] == 1 and one["purpose"] in PURPOSES and one["festival"] == found["festival"], "certificate")
        need(one["issuer"] == (above["subject"] if above else found["root"]), "issuer")
        signed(one["issuer"], b"certificate", found["festival"], [body], signature)
        if above:
            outer, inner = above["scope"], one["scope"]
            need(above["purpose"] == 1 and one["purpose"] in (3, 6), "purpose")
            need(inner["roles"] | outer["roles"] == outer["roles"] and inner["kinds"] | outer["kinds"] == outer["kinds"], "scope")
            (low, high), (first, last) = outer["box_numbers"], inner["box_numbers"]
            need(low <= first <= last <= high and inner["quota_cents"] <= outer["quota_cents"], "scope")
        above = one
    return above


def band_secrets(master, festival):
    of = lambda name: blake3_derive_key("festival 2026-11 " + name, master + festival)
    return [of("wallet id"), of("chip record mac")[:16], of("chip password")[:16]]


def wallet_id(wallet_key, uid):
    return blake3_keyed(wallet_key, struct.pack("<Q", len(uid)) + uid)[:16]


# --- 3 Ticket --------------------------------------------------------------------------------------------------------

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


# --- 4 Wristband -----------------------------------------------------------------------------------------------------


class Band:
    def __init__(self, secrets, festival, uid):
        self.festival, self.uid = festival, uid
        self.prefix = bytes([len(uid)]) + uid
        self.mac_key = aes_cmac(secrets[1], b"\1" + uid + festival)
        word = aes_cmac(secrets[2], b"\1" + uid + festival)
        self.password, self.pack = word[:4], word[4:6]

    def spent(self, data):
        fields = Fields(data)
        sizes = (("tap_counter", 2), ("spent", 3), ("credit_seq", 1), ("box_number", 2))
        found = {name: fields.uint(size) for name, size in sizes}
        found["link"], mac = fields.take(4), fields.take(8)
        fields.end()
        good = mac == aes_cmac(self.mac_key, b"S1" + self.prefix + self.festival + data[:12])[:8]
        return found | {"id": mac[:4]} if good else None

    def credit(self, data, keys):
        fields = Fields(data)
        found = {"credits": fields.uint(3), "seq": fields.uint(1), "key_id": fields.take(4), "link": fields.take(4)}
        found["id"] = blake3(data)[:4]
        for public in keys:
            message = b"festival.credit.v1\0" + self.festival + self.prefix + b"\1" + data[:12]
            if key_id(public) == found["key_id"] and ed25519_verify(public, message, data[12:]):
                return found
        return None

    def header(self, data, profile):
        need(data == b"FB\1" + bytes([profile]) + self.festival[:4] + bytes(4), "header")

    def purse(self, pages, keys):
        """What is in force on an NTAG215/216 with these pages (page: 4 bytes)."""
        run = lambda first, last: b"".join(pages[page] for page in range(first, last + 1))
        self.header(run(4, 6), 2)
        spent = [s for s in (self.spent(run(8, 12)), self.spent(run(13, 17))) if s]
        credit = [c for c in (self.credit(run(18, 36), keys), self.credit(run(37, 55), keys)) if c]
        need(spent and credit, "unusable")
        need(len({s["tap_counter"] for s in spent}) == len(spent), "tampered")
        need(len({c["seq"] for c in credit}) == len(credit), "tampered")
        s, c = max(spent, key=lambda s: s["tap_counter"]), max(credit, key=lambda c: c["seq"])
        need(c["seq"] >= s["credit_seq"], "rolled back")
        need(s["spent"] <= c["credits"], "tampered")
        return s, c

    def pointer(self, pages, public):
        run = lambda first, last: b"".join(pages[page] for page in range(first, last + 1))
        self.header(run(4, 6), 4)
        need(run(7, 7) == key_id(public), "key")
        signed(public, b"band", self.festival, [self.prefix, run(4, 6), run(7, 7)], run(8, 23))


# --- 5 Journal -------------------------------------------------------------------------------------------------------


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
        found = cbor(data, "heads reason")
        return found | {"heads": [record(head, "epoch seq hash") for head in found["heads"]]}
    if kind in (1, 21):
        found = {"scheme": fields.uint(1), "marks": fields.uint(1), "product": [fields.varint() for _ in range(4)]}
    elif kind == 2:
        found = {"profile": fields.uint(1)}
        need(1 <= found["profile"] <= 4, "profile")
    elif kind == 3:
        found = {"c_only": fields.uint(1), "fee": fields.varint()}
    elif kind in (4, 5, 6):
        found = sale(fields) if data else None
    elif kind in (9, 12, 13, 15):
        found = chip_seen(fields) if data else None
    elif kind == 11:
        found = intent(fields)
    else:
        found = fields.rest()
    fields.end()
    return found


def sale(fields):
    found = {"deposit_out": fields.varint(), "deposit_back": fields.varint()}
    count = fields.varint()
    need(count <= 100, "lines")
    found["lines"] = [(fields.varint(), fields.varint(), fields.varint()) for _ in range(count)]
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
    return found | {"sale": sale(fields) if found["purpose"] == 1 else None}


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
            data += b"\2" + t["ticket"] + struct.pack("<BH", t["flags"], t["uses"])
    return blake3(data)


# --- 6 Bundle --------------------------------------------------------------------------------------------------------


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


# --- 7 Sync ----------------------------------------------------------------------------------------------------------


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
    need(1 <= found["section"] <= 6 and found["snapshot"] < 2 and found["part"] < found["parts"], "delta")
    need(found["prev"] < found["number"] and not (found["snapshot"] and found["prev"]), "number")
    found["vector"] = vector(fields.take(fields.uint(4)))
    reader = {1: wallet_state, 2: ticket_state, 3: revocation}[found["section"]]
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
    need(found["flags"] < 64, "ticket")
    return found


def revocation(fields):
    found = {"what": fields.uint(1), "holds": fields.uint(1), "id": fields.take(16)}
    need(found["what"] in (1, 2) and found["holds"] < 2, "revocation")
    return found
