"""Sections 1 and 2 of docs/formats.md: conventions and trust. `Refused` is raised where the document says so."""
import struct

from crypto import (
    blake3,
    blake3_derive_key,
    blake3_keyed,
    chacha20_poly1305_open,
    ed25519_verify,
    x25519_shared,
)


class Refused(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Refused(what)


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
    return [of("wallet id"), of("chip record mac")[:16], of("chip password")[:16], of("chip aes key")[:16]]


def epoch_secrets(epoch, master, festival):
    """The masters of a later epoch, as they stand beside the first one's and within a sealed copy."""
    return [epoch, *band_secrets(master, festival)[1:]]


def open_sealed(copy, seed, public, festival):
    """A box's own copy of an epoch's masters; `copy`: device and sealed bytes."""
    device, sealed = copy
    need(device == device_id(public), "another box's")
    shared = x25519_shared(seed, sealed[:32])
    key = blake3_derive_key("festival 2026-11 band keys to a box", shared + sealed[:32] + public)
    plain = chacha20_poly1305_open(key, bytes(12), sealed[32:], b"festival.band-keys.v1\0" + festival + device)
    need(plain is not None, "seal")
    return cbor(plain)


def wallet_id(wallet_key, uid):
    return blake3_keyed(wallet_key, struct.pack("<Q", len(uid)) + uid)[:16]
