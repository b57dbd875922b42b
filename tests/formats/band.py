"""Section 4 of docs/formats.md: wristbands."""
from basics import Fields, key_id, need, signed, wallet_id
from crypto import aes_cmac, blake3, ed25519_verify


class Band:
    def __init__(self, secrets, festival, uid, epoch=0):
        self.festival, self.uid, self.epoch = festival, uid, epoch
        self.prefix = bytes([len(uid)]) + uid
        self.wallet = wallet_id(secrets[0], uid)
        self.mac_key = aes_cmac(secrets[1], b"\1" + uid + festival)
        word = aes_cmac(secrets[2], b"\1" + uid + festival)
        self.password, self.pack = word[:4], word[4:6]
        if len(secrets) > 3:
            self.data_key = aes_cmac(secrets[3], b"\1" + uid + festival)
            self.uid_key = aes_cmac(secrets[3], b"\1" + uid + festival + b"U")

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
            message = b"festival.credit.v1\0" + self.festival + self.wallet + b"\1" + data[:12]
            if key_id(public) == found["key_id"] and ed25519_verify(public, message, data[12:]):
                return found
        return None

    def header(self, data, profile):
        need(data == b"FB\1" + bytes([profile]) + self.festival[:4] + bytes([self.epoch, 0, 0, 0]), "header")

    def purse(self, pages, keys):
        """What is in force on an NTAG215/216 with these pages (page: 4 bytes)."""
        return self._in_force(pages, keys, 2, (8, 13), (18, 37), lambda record: True)

    def counted_purse(self, pages, counter, keys):
        """The same on an Ultralight AES whose counter 2 says `counter`."""
        return self._in_force(pages, keys, 3, (7, 12), (17,), lambda record: record["spent"] == counter)

    def _in_force(self, pages, keys, profile, spent_at, credit_at, counts):
        run = lambda first, last: b"".join(pages[page] for page in range(first, last + 1))
        self.header(run(4, 6), profile)
        spent = [s for s in (self.spent(run(at, at + 4)) for at in spent_at) if s and counts(s)]
        credit = [c for c in (self.credit(run(at, at + 18), keys) for at in credit_at) if c]
        need(spent and credit, "unusable")
        need(spent[0] == spent[-1] or spent[0]["tap_counter"] != spent[-1]["tap_counter"], "tampered")
        need(credit[0] == credit[-1] or credit[0]["seq"] != credit[-1]["seq"], "tampered")
        s, c = max(spent, key=lambda s: s["tap_counter"]), max(credit, key=lambda c: c["seq"])
        need(c["seq"] >= s["credit_seq"], "rolled back")
        need(s["spent"] <= c["credits"], "tampered")
        return s, c

    def pointer(self, pages, public):
        run = lambda first, last: b"".join(pages[page] for page in range(first, last + 1))
        self.header(run(4, 6), 4)
        need(run(7, 7) == key_id(public), "key")
        signed(public, b"band", self.festival, [self.prefix, run(4, 6), run(7, 7)], run(8, 23))


CHIPS = {2: ("ntag213", 45, 32), 3: ("ntag215", 135, 32), 4: ("ntag216", 231, 32), 7: ("ultralight_aes", 60, 48)}


def dump(data):
    """A chip's memory and what it counts."""
    fields = Fields(data)
    code = fields.uint(1)
    if code == 1:
        return {"chip": "uid", "uid": fields.rest()}
    need(code in CHIPS, "chip")
    chip, count, signature = CHIPS[code]
    pages = {page: fields.take(4) for page in range(count)}
    uid = pages[0][:3] + pages[1]
    need(pages[0][3] == 0x88 ^ uid[0] ^ uid[1] ^ uid[2] and pages[2][0] == uid[3] ^ uid[4] ^ uid[5] ^ uid[6], "uid")
    found = {"chip": chip, "uid": uid, "pages": pages, "signature": fields.take(signature)}
    if code == 7:
        found |= {"counters": [fields.uint(3) for _ in range(3)], "failed": fields.uint(2)}
        found |= {"seed": fields.take(16), "drawn": fields.uint(4)}
    else:
        found["failed"] = fields.uint(1)
    fields.end()
    return found
