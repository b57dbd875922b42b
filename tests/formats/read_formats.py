#!/usr/bin/env python3
"""Shows that docs/formats.md is enough: a reader written from it alone reads every golden file.

Plain Python 3, no packages. Prints one line a failure, then `N passed, M failed`; exits 1 if M is not 0.
"""
import json
import pathlib
import struct
import sys
import traceback

sys.dont_write_bytecode = True

import band
import basics
import columns
import documents
import journal
import lan
import ticket
import wire
import zstd
from crypto import aes_cmac, blake3, blake3_derive_key, ed25519_public

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DOMAIN, SYNC = (ROOT / "crates" / crate / "tests/golden" for crate in ("domain", "sync"))
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def golden(name):
    return bytes.fromhex((HERE / "golden" / name).read_text())


def refuses(read, *arguments):
    try:
        read(*arguments)
    except (basics.Refused, zstd.Bad, ValueError, IndexError):
        return True
    return False


def same(found, **wanted):
    for name, value in wanted.items():
        assert found[name] == value, f"{name}: {found[name]!r} is not {value!r}"


def seed(n):
    return bytes([n]) * 32


# The festival of the golden files in crates/domain, and that of those beside this file.
LAKE = b"open air by lake"
UID, OTHER_UID = bytes.fromhex("04782e21801d80"), bytes.fromhex("deadbeef")
FOUND = basics.founding(golden("founding.hex"))
FESTIVAL = FOUND["festival"]
BOX, DESK, BUNDLE_KEY, ENROL = (ed25519_public(seed(n)) for n in (30, 21, 3, 2))
DEVICE = basics.device_id(BOX)
ALL_SECRETS = basics.band_secrets(seed(22), FESTIVAL)
LATER = basics.epoch_secrets(1, seed(23), FESTIVAL)
SECRETS = ALL_SECRETS[:3]  # as they were before there were chips with AES
WALLET, OTHER_WALLET = (basics.wallet_id(SECRETS[0], uid) for uid in (UID, OTHER_UID))
TICKET = ticket.ticket_uid(1, FESTIVAL, b"ticket no 17")


def golden_journal():
    lines = [line.split() for line in (HERE / "golden/journal.txt").read_text().splitlines()]
    return [(int(seq), bytes.fromhex(body), bytes.fromhex(head), None if mark == "-" else bytes.fromhex(mark)) for seq, body, head, mark in lines]


@check
def the_hash_and_the_mac_give_their_published_vectors():
    assert blake3(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    long = bytes(i % 251 for i in range(2049))
    assert blake3(long).hex() == "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    assert aes_cmac(key, bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")).hex() == "070a16b46b4d4144f79bdd9dd04a287c"
    first = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert ed25519_public(first).hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


# --- 2 Trust ---------------------------------------------------------------------------------------------------------


@check
def the_founding_record_makes_the_festivals_id():
    same(FOUND, root=ed25519_public(seed(1)), name="Été au lac", currency=978, founded=1_790_000_000)
    assert refuses(basics.founding, golden("founding.hex") + b"\0")


@check
def a_chain_leads_from_the_box_over_the_enrol_key_to_the_root():
    data = golden("chain.hex")
    leaf = basics.chain(data, FOUND)
    same(leaf, subject=BOX, issuer=ENROL, purpose=6, valid_from=1_790_000_000, valid_until=0)
    same(leaf["scope"], place="Bar 3", roles=7, kinds=2**64 - 1, box_numbers=[12, 19], quota_cents=0)
    assert refuses(basics.chain, data, FOUND | {"root": ENROL})
    for at in range(0, len(data), 40):
        assert refuses(basics.chain, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], FOUND), at


@check
def the_band_secrets_follow_from_the_master():
    assert basics.cbor(golden("bands.hex")) == SECRETS
    assert basics.cbor(golden("bands_aes.hex")) == ALL_SECRETS
    assert basics.cbor(golden("bands_epochs.hex")) == [*ALL_SECRETS, [LATER]]


@check
def a_box_opens_its_own_copy_of_a_later_epochs_masters():
    [[epoch, copies]] = basics.cbor(golden("band_keys.hex"))
    assert epoch == 1 and len(copies) == 2
    [mine] = [copy for copy in copies if copy[0] == DEVICE]
    assert basics.open_sealed(mine, seed(30), BOX, FESTIVAL) == LATER
    assert refuses(basics.open_sealed, mine, seed(30), BOX, LAKE)
    for at in (0, 33, len(mine[1]) - 1):
        changed = mine[1][:at] + bytes([mine[1][at] ^ 1]) + mine[1][at + 1 :]
        assert refuses(basics.open_sealed, [DEVICE, changed], seed(30), BOX, FESTIVAL), at
    [other] = [copy for copy in copies if copy[0] != DEVICE]
    assert refuses(basics.open_sealed, [DEVICE, other[1]], seed(30), BOX, FESTIVAL)


# --- 3 Ticket --------------------------------------------------------------------------------------------------------


@check
def an_own_ticket_reads_and_its_signature_holds():
    text = (DOMAIN / "own_ticket.txt").read_text().removesuffix("\n")
    key = ed25519_public(seed(7))
    found = ticket.own_ticket(text, LAKE, key)
    same(found, ticket_id=b"ticket no 17", category=0x0102, zones=0x80000005)
    same(found, valid_from=1_814_400_000, valid_until=1_814_659_200, holder_check=ticket.holder_check(" ZOE  martin"))
    assert found["uid"].hex() == "89d39f99967a789925335a1a84885246"
    assert refuses(ticket.own_ticket, text, FESTIVAL, key)
    assert refuses(ticket.own_ticket, text[:-1] + ("1" if text[-1] == "0" else "0"), LAKE, key)


@check
def a_holders_name_has_one_value_however_it_is_written():
    value = ticket.holder_check("Hélène Lefèvre-Œuvray")
    assert value == ticket.holder_check("HELENE  LEFEVRE OEUVRAY ") == ticket.holder_check("he\u0301le\u0300ne lefèvre\u2010œuvray")
    plain = blake3(b"ana maria d orsted 3")
    assert ticket.holder_check("  Ana-María d'Ørsted 3 ") == int.from_bytes(plain[:2], "little")
    assert ticket.holder_check(" \t") == 0


@check
def every_genuine_pretix_ticket_reads_and_every_tampered_one_is_refused():
    file = json.loads((HERE.parent / "interop/pretix_tickets.json").read_text())
    keys = [ticket.pretix_key(text) for event in file["events"] for text in event["valid_keys"]["pretix_sig1"]]

    def read(text, keys):
        for key in keys:
            if not refuses(ticket.pretix_ticket, text, key):
                return ticket.pretix_ticket(text, key)
        raise basics.Refused("no key")

    assert len(file["tickets"]) == 25
    for genuine in file["tickets"]:
        found = read(genuine["secret"], keys)
        for name in ("seed", "item", "variation", "subevent", "valid_from", "valid_until"):
            assert found[name] == (genuine[name] or 0), (name, genuine)
    # At the first event's gate. The control, and what its key did sign, read: they are left to the rules on products.
    signed = {"untouched", "validly_signed_unknown_item", "validly_signed_payload_over_255"}
    for tampered in file["tampered"]:
        assert refuses(read, tampered["secret"], keys[:1]) != (tampered["name"] in signed), tampered


# --- 4 Wristband -----------------------------------------------------------------------------------------------------


def page_writes(name):
    lines = (line.split() for line in (DOMAIN / name).read_text().splitlines())
    return [(int(page, 16), bytes.fromhex(data)) for page, data in lines]


LAKE_BAND = band.Band(basics.band_secrets(seed(22), LAKE), LAKE, UID)


@check
def a_new_purse_is_empty_and_its_configuration_is_the_documented_one():
    writes = page_writes("band_ntag215.txt")
    assert [page for page, _ in writes] == [*range(8, 56), 4, 5, 6, 133, 134, 132, 131]
    pages = dict(writes)
    spent, credit = LAKE_BAND.purse(pages, [DESK])
    same(spent, tap_counter=0, spent=0, credit_seq=0, box_number=0, link=bytes(4))
    same(credit, credits=0, seq=0, link=bytes(4))
    assert pages[133] == LAKE_BAND.password and pages[134] == LAKE_BAND.pack + bytes(2)
    assert pages[132].hex() == "00050000" and pages[131].hex() == "04000004"
    assert refuses(LAKE_BAND.purse, pages, [BOX])


@check
def a_purse_after_a_top_up_and_a_sale_holds_what_is_left():
    pages = dict(page_writes("band_ntag215.txt"))
    writes = page_writes("band_top_up_and_sale.txt")
    assert [page for page, _ in writes] == [*range(37, 56), *range(13, 18), *range(8, 13)]
    first = LAKE_BAND.purse(pages, [DESK])
    for page, data in writes[:24]:
        pages[page] = data
    topped_up = LAKE_BAND.purse(pages, [DESK])
    same(topped_up[0], tap_counter=1, spent=0, credit_seq=1, box_number=9, link=first[0]["id"])
    same(topped_up[1], credits=6_000, seq=1, link=first[1]["id"])
    for page, data in writes[24:]:
        pages[page] = data
    spent, credit = LAKE_BAND.purse(pages, [DESK])
    same(spent, tap_counter=2, spent=450, credit_seq=1, box_number=1, link=topped_up[0]["id"])
    assert credit["credits"] - spent["spent"] == 5_550
    # A torn last page leaves the record before; a flipped bit in both is no purse.
    pages[12] = bytes(4)
    assert LAKE_BAND.purse(pages, [DESK])[0] == topped_up[0]
    pages[17] = bytes(4)
    assert refuses(LAKE_BAND.purse, pages, [DESK])
    other = band.Band(basics.band_secrets(seed(22), LAKE), LAKE, UID[:6] + b"\x81")
    assert other.spent(b"".join(data for _, data in writes[19:24])) is None


@check
def a_pointer_is_signed_for_its_band():
    writes = page_writes("band_ntag213.txt")
    assert [page for page, _ in writes] == [*range(7, 24), 4, 5, 6, 43, 44, 42, 41]
    pages = dict(writes)
    LAKE_BAND.pointer(pages, DESK)
    pages[20] = bytes(4)
    assert refuses(LAKE_BAND.pointer, pages, DESK)


def dumped(name):
    found = band.dump(golden(name))
    return found, band.Band(ALL_SECRETS, FESTIVAL, found["uid"])


@check
def a_chip_without_memory_is_its_uid():
    found, _ = dumped("dump_uid.hex")
    same(found, chip="uid", uid=bytes.fromhex("04e70000001180"))


@check
def the_memory_of_a_pointer_proves_itself():
    for name, lock_bytes in (("dump_ntag213.hex", "0000"), ("dump_ntag213_frozen.hex", "0700")):
        found, mine = dumped(name)
        same(found, chip="ntag213", failed=0)
        proves_itself(found["pages"], mine, lock_bytes)


def proves_itself(pages, mine, lock_bytes):
    assert pages[2][2:].hex() == lock_bytes and pages[40][:3] == bytes(3)
    mine.pointer(pages, DESK)
    assert refuses(mine.pointer, pages | {23: bytes(4)}, DESK)
    assert [pages[page].hex() for page in (41, 42)] == ["04000004", "40050000"]
    assert (pages[43], pages[44]) == (mine.password, mine.pack + bytes(2))


@check
def the_memory_of_a_purse_says_what_is_left_though_a_tap_was_torn():
    for name, lock_bytes in (("dump_ntag215.hex", "0000"), ("dump_ntag215_frozen.hex", "0700")):
        found, mine = dumped(name)
        says_what_is_left(found["pages"], mine, lock_bytes)


def says_what_is_left(pages, mine, lock_bytes):
    assert pages[2][2:].hex() == lock_bytes and pages[130][:3] == bytes(3)
    spent, credit = mine.purse(pages, [DESK])
    same(spent, tap_counter=2, spent=450, credit_seq=1, box_number=1)
    same(credit, credits=6_000, seq=1)
    torn = b"".join(pages[page] for page in range(13, 18))
    assert mine.spent(torn) is None and torn[:2] == bytes([3, 0])
    assert [pages[page].hex() for page in (131, 132)] == ["04000004", "40050000"]
    assert (pages[133], pages[134]) == (mine.password, mine.pack + bytes(2))


@check
def a_band_of_a_later_epoch_has_that_ones_keys_and_the_same_wallet():
    found = band.dump(golden("dump_ntag215_epoch.hex"))
    uid, pages = found["uid"], found["pages"]
    later = band.Band([ALL_SECRETS[0], *LATER[1:]], FESTIVAL, uid, epoch=1)
    spent, credit = later.purse(pages, [DESK])
    same(spent, tap_counter=0, spent=0)
    same(credit, credits=0, seq=0)
    assert (pages[133], pages[134]) == (later.password, later.pack + bytes(2)) and pages[6][0] == 1
    first = band.Band(ALL_SECRETS, FESTIVAL, uid)
    assert first.wallet == later.wallet and refuses(first.purse, pages, [DESK])


@check
def the_memory_of_a_chip_with_a_counter_says_what_is_left_though_a_tap_was_torn():
    found, mine = dumped("dump_ultralight_aes.hex")
    same(found, chip="ultralight_aes", failed=0, counters=[0, 0, 450])
    pages = found["pages"]
    spent, credit = mine.counted_purse(pages, 450, [DESK])
    same(spent, tap_counter=2, spent=450, credit_seq=1, box_number=1)
    same(credit, credits=6_000, seq=1)
    assert refuses(mine.counted_purse, pages, 0, [DESK]) and refuses(mine.counted_purse, pages, 451, [DESK])
    assert mine.spent(b"".join(pages[page] for page in range(12, 17))) is None
    assert refuses(mine.counted_purse, pages | {35: bytes(4)}, 450, [DESK]), "the only credit record is torn"
    run = lambda first, last: b"".join(pages[page] for page in range(first, last + 1))
    assert run(48, 51)[::-1] == mine.data_key and run(52, 55)[::-1] == mine.uid_key
    assert [pages[page].hex() for page in (41, 42, 45)] == ["02000002", "44050000", "e0000000"]
    assert run(36, 40) == bytes(20) and pages[2][2:] == bytes(2), "no lock bits"


# --- 5 Journal -------------------------------------------------------------------------------------------------------


@check
def the_chain_recomputes_and_every_commit_is_signed():
    head = bytes(32)
    for seq, body, stored, mark in golden_journal():
        head = journal.link(head, body)
        assert head == stored, seq
        assert (body[1] & 1 == 1) == (mark is not None), seq
        if mark:
            journal.commit(BOX, FESTIVAL, DEVICE, 1, seq, head, mark)
            assert refuses(journal.commit, BOX, FESTIVAL, DEVICE, 1, seq + 1, head, mark), "a commit was relabelled"


@check
def entries_read_with_their_parts():
    rows = [body for _, body, _, _ in golden_journal()]
    entries = [journal.entry(body) if body[0] == 1 else None for body in rows]
    genesis, admission, pairing, intent, top_up = entries[:5]
    same(genesis, kind=0, effect=0, flags=1, currency=978)
    same(genesis["part"], festival=FESTIVAL, public_key=BOX, box_number=12, epoch=1, software="0.1.0")
    assert genesis["part"]["previous"] == {"epoch": 0, "seq": 41, "hash": b"\xab" * 32}
    assert basics.chain(genesis["part"]["chain"], FOUND)["subject"] == BOX
    same(admission, kind=1, effect=6, flags=13, zone=2, subject=TICKET, hlc=1_790_500_001_000 << 16)
    assert admission["part"] == {"scheme": 1, "marks": 1, "product": [0x0102, 0, 0, 0]}
    same(pairing, kind=2, effect=0, subject=WALLET, other=TICKET, part={"profile": 2})
    same(intent, kind=11, effect=10, amount=6_000, tap_counter=1, operator=7)
    same(top_up, kind=3, effect=1, amount=6_000, part={"c_only": 0, "fee": 50, "means": 1})
    assert top_up["refers_to"] == {"device": DEVICE, "epoch": 1, "seq": 3}


@check
def what_a_till_writes_beside_plain_sales_reads_too():
    entries = [journal.entry(body) for _, body, _, _ in golden_journal()[20:27]]
    sale, correction, voucher, staff, cash, shift, closure = (found["part"] for found in entries)
    assert [found["kind"] for found in entries] == [4, 7, 26, 28, 29, 18, 19]
    sold = {"device": DEVICE, "epoch": 1, "seq": 11}
    same(sale, marks=1 | 2 | 8 | 16 | 32, given=(350, 9, b"artist"), corrects=(sold, 0, b"wrong_price"))
    assert sale["vouchers"] == [(b"\x44" * 16, 300, 1, 2)]
    assert correction == {"supervisor": 9, "reason": b"spilled"} and entries[1]["refers_to"] == sold
    assert voucher == {"scheme": 1, "category": 300, "product": 1, "quantity": 2}
    assert staff == {"change": 1} and cash == {"into_drawer": 1, "reason": b"change"}
    assert shift == {"expected": -120, "in_doubt": 300}
    same(closure, number=2, final=1, last=20)
    same(closure["period"], sales=3, sold=2_750, corrected_plus=-5)
    same(closure["perpetual"], sales=6, corrected_plus=-10)
    for kind, part in ((4, b"\0\0\0\0"), (18, b""), (19, b"\1\0\1\2"), (28, b"\5"), (29, b"\2x"), (7, b"\0a b")):
        assert refuses(journal.part, kind, part), part


@check
def the_credit_record_in_an_intent_is_one_of_its_band():
    mine = band.Band(SECRETS, FESTIVAL, UID)
    intent = journal.entry(golden_journal()[3][1])["part"]
    same(intent, purpose=2, spent_after=0, sale=None, fee=50, means=1)
    credit = mine.credit(intent["credits"][0], [DESK])
    same(credit, credits=6_000, seq=1, link=intent["seen"]["credit_id"])
    sale = journal.entry(golden_journal()[5][1])["part"]
    same(sale, purpose=1, spent_after=450, credits=[])
    same(sale["seen"], base=intent["own"], credit_id=credit["id"], credits=6_000, spent=0)
    assert sale["sale"] == {"deposit_out": 100, "deposit_back": 0, "lines": [(1, 1, 350)]}


@check
def sales_voids_and_what_is_newer_read_too():
    entries = [journal.entry(body) if body[0] == 1 else body for _, body, _, _ in golden_journal()]
    same(entries[6], kind=4, effect=2, amount=450, part={"deposit_out": 100, "deposit_back": 0, "lines": []})
    same(entries[10], kind=12, effect=5, amount=800)
    assert entries[10]["part"] == entries[9]["part"]["seen"]
    same(entries[11], flags=0, subject=OTHER_WALLET, amount=1_150)
    same(entries[13], kind=900, effect=200, part=b"newer")
    assert entries[14][:2] == b"\2\1" and entries[14].endswith(b"a body of version 2")
    same(entries[15], part=b"see there", refers_to={"device": b"\x09" * 16, "epoch": 4, "seq": 77})
    head = {"epoch": 1, "seq": 3, "hash": golden_journal()[3][2]}
    assert entries[16]["part"] == head | {"term": 2, "archived": False}
    assert entries[17]["part"] == {"of": 3, "heads": [head], "reason": "lost"}


@check
def a_block_says_what_it_is_about_and_what_lifts_it_too():
    block, lift = (journal.entry(golden_journal()[at][1]) for at in (18, 19))
    same(block, kind=33, effect=8, subject=WALLET, part={"of": 1, "reason": b"band.blocked"})
    same(lift, kind=34, effect=9, subject=WALLET, part={"of": 1, "reason": b""})
    assert lift["refers_to"] == {"device": DEVICE, "epoch": 1, "seq": 18}
    for kind, part in ((33, b""), (33, b"\4code"), (34, b"\1two words"), (35, b"\1\x82\x80\x64lost")):
        assert refuses(journal.part, kind, part), part


@check
def a_fork_proof_shows_two_histories_of_one_box():
    proof = journal.fork_proof(golden("fork_proof.hex"), FOUND)
    same(proof, device=DEVICE, epoch=1, seq=2, prev=golden_journal()[1][2])
    assert proof["a"][0] == [golden_journal()[2][1]]


@check
def a_fork_proof_s_file_is_believed_with_nothing_but_itself():
    def believed(data):
        basics.need(data[:5] == b"FPRF\1", "magic")
        length = struct.unpack("<I", data[5:9])[0]
        founding, proof = data[9 : 9 + length], data[9 + length :]
        return basics.founding(founding), journal.fork_proof(proof, basics.founding(founding))

    data = golden("fork_evidence.hex")
    found, proof = believed(data)
    assert found == FOUND and proof["device"] == DEVICE
    for at in range(0, len(data), 7):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert refuses(believed, changed), at


# --- 11 The venue's LAN ----------------------------------------------------------------------------------------------


@check
def messages_of_the_lan_read_and_are_their_senders():
    lines = [line.split(": ") for line in (HERE / "golden/lan_messages.txt").read_text().splitlines()]
    raw = {name: bytes.fromhex(data) for name, data in lines}
    said = {name: lan.message(data, FOUND, BOX) for name, data in raw.items()}
    assert [said[name]["type"] for name in raw] == [1, 2, 3, 3, 3, 3, 4, 5, 6, 7, 8]
    key = {"what": 1, "subject": b"\x44" * 16, "number": 2}
    claim = {"device": DEVICE, "epoch": 1, "claim": 7}
    same(said["presence"], group=5, sender=DEVICE, epoch=1, box=12, list=3, asks=1)
    same(said["claim"], list=3, key=key, claim=claim)
    same(said["taken"], to=claim, of=claim | {"claim": 6}, key=key)
    assert (said["ahead"]["of"], said["behind"]["of"], said["granted"]["of"]) == (3, 1, None)
    body, head = golden_journal()[2][1], golden_journal()[2][2]
    same(said["taken"]["commits"][0], first=2, bodies=[body], head=head)
    same(said["commit"], device=DEVICE, epoch=1, first=2, bodies=[body], head=head)
    same(said["copy"], device=DEVICE, epoch=1, seq=2, hash=head[:16])
    same(said["release"], key=key, claim=claim)
    same(said["handover"], list=2, whole=lan.whole(b"all"), part=1, parts=2, grants=[(key, claim)])
    for data in raw.values():
        for at in range(20, len(data), 61):
            assert refuses(lan.message, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], FOUND, BOX), at


@check
def groups_of_the_lan_read():
    group = lambda n, votes=1: [bytes([n]) * 16, votes]
    lists = [2, [group(1), group(3)]], [1, [group(1), group(2)]]
    assert basics.cbor(golden("lan_groups.hex")) == [[5, "192.168.8.5:1883", 2, *lists]]


# --- 6 Bundle --------------------------------------------------------------------------------------------------------


@check
def a_bundle_reads_and_leads_to_the_root():
    data = golden("festival_bundle.hex")
    bundle = wire.bundle(data)
    same(bundle, signer=BUNDLE_KEY, number=4, issued=1_790_400_000, policy=[25_000, 2_000, 100, 300, True, 3_600, True, 5_000, 0])
    same(bundle, categories=[[0x0102, "Site", "Site", 9_000, 5, None, 0]], products=[[1, 12, "Pass", 1]], blocked=[])
    same(bundle, catalogue=[[1, "Bière", "Beer", "drinks", 350, True]], places=[[12, "Bar 3"]], sections=[[900, b"\1\2"]])
    same(bundle, revoked=[b"\x33" * 16], events=[[1, "lac26", [ed25519_public(seed(60))]]], price_revision=3)
    for at in range(0, len(data), 90):
        assert refuses(wire.bundle, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]), at


# --- 7 Sync ----------------------------------------------------------------------------------------------------------


@check
def a_segment_gives_the_journals_bodies_back():
    segment = columns.segment(golden("journal_segment.hex"))
    rows = golden_journal()
    same(segment, device=DEVICE, epoch=1, first=0, prev=bytes(32), signature=rows[-1][3])
    assert segment["bodies"] == [body for _, body, _, _ in rows]
    head = segment["prev"]
    for body in segment["bodies"]:
        head = journal.link(head, body)
    journal.commit(BOX, FESTIVAL, DEVICE, 1, len(rows) - 1, head, segment["signature"])
    assert refuses(columns.segment, golden("journal_segment.hex")[:-1])


@check
def a_version_vector_reads_with_branches_and_ranges():
    rows = golden_journal()
    journals = wire.vector(golden("vector.hex"))
    assert [(j["device"], j["epoch"]) for j in journals] == [(DEVICE, 0), (DEVICE, 1)]
    assert journals[0]["branches"] == [{"contiguous": 0, "hash": bytes(16), "ranges": [(40, 41)]}]
    known, other = journals[1]["branches"]
    same(known, contiguous=4, hash=rows[3][2][:16], ranges=[])
    same(other, contiguous=300, hash=b"\x77" * 16, ranges=[(302, 302), (400, 499)])
    assert refuses(wire.vector, golden("vector.hex") + b"\0")


@check
def state_deltas_read_and_only_under_a_bundle_key():
    wallets = wire.delta(golden("delta_wallets.hex"), FESTIVAL, [BUNDLE_KEY])
    same(wallets, section=1, term=2, prev=6, number=7, part=0, parts=1, snapshot=0, hub_time=1_790_500_300_000)
    assert wallets["vector"] == wire.vector(golden("vector.hex"))
    mine, other = wallets["items"]
    same(mine, wallet=WALLET, balance=5_300, spent=700, pending=25, in_doubt=800, head_counter=3)
    same(mine, head_record=b"\1\2\3\4", credit_seq=1, profile=2, flags=2)
    same(other, wallet=OTHER_WALLET, balance=-2_300, profile=1, flags=4 | 16)
    tickets = wire.delta(golden("delta_tickets.hex"), FESTIVAL, [BUNDLE_KEY])
    same(tickets, section=2)
    same(tickets["items"][0], ticket=TICKET, flags=3, uses=1, first_use=1_790_500_001_000 << 16, first_box=12, first_zone=2, wallet=WALLET)
    same(tickets["items"][0], used=4, inside=4, last_zone=2)
    same(tickets["items"][0]["terms"], scheme=1, what=0x0102, zones=2**32 - 1, valid_from=1_790_500_000, valid_until=0)
    same(tickets["items"][1], ticket=b"\x33" * 16, flags=4, uses=0, wallet=bytes(16), terms=None)
    assert refuses(wire.delta, golden("delta_wallets.hex"), FESTIVAL, [BOX])
    assert refuses(wire.delta, golden("delta_wallets.hex"), LAKE, [BUNDLE_KEY])


@check
def shares_of_accounts_read_in_entries_and_in_what_the_hub_says():
    rows = [line.split(": ") for line in (HERE / "golden/shares.txt").read_text().splitlines()]
    said = {name: journal.entry(bytes.fromhex(body)) for name, body in rows}
    grant = {"device": DEVICE, "epoch": 1, "seq": 9}
    same(said["grant"], kind=37, effect=0, subject=DEVICE, other=WALLET, part={"epoch": 1, "granted": 1_200, "places": 500})
    same(said["booked"], kind=37, subject=DEVICE, other=WALLET)
    assert said["booked"]["part"] == {"epoch": 1, "granted": 1_200, "places": 0, "booked": 700}
    same(said["release"], kind=27, effect=0, subject=DEVICE, other=WALLET, refers_to=grant)
    assert said["release"]["part"] == {"term": 2, "granted": 1_200, "released": 300, "places": 300}
    assert said["needs"]["part"] == {"term": 2, "granted": 1_200, "released": 300, "places": 0, "needs": 450}
    same(said["all"], kind=27, subject=DEVICE, other=bytes(16), refers_to=None)
    assert said["all"]["part"] == {"term": 2, "granted": 0, "released": 0, "places": 0}
    same(said["zone"], kind=27, subject=bytes(16), other=bytes(16), zone=3)
    told = wire.delta(golden("delta_shares.hex"), FESTIVAL, [BUNDLE_KEY])
    same(told, section=9, term=2)
    first, second = told["items"]
    same(first, wallet=WALLET, device=DEVICE, epoch=1, granted=1_200, asked=300, booked=0, grant=grant)
    same(second, granted=0, asked=0, booked=700, grant=None)
    rule = basics.cbor(bytes.fromhex("820541") + golden("accounts_section.hex"))
    assert rule == [5, b"\1"]


@check
def states_read_and_make_the_agreement():
    hexadecimal = lambda name: bytes.fromhex((DOMAIN / name).read_text())
    fields = basics.Fields(hexadecimal("wallet_state.txt"))
    wallet = wire.wallet_state(fields)
    fields.end()
    same(wallet, wallet=b"\x11" * 16, balance=-1234, spent=4500, pending=300, in_doubt=250, head_counter=513)
    same(wallet, head_record=b"\xa1\xa2\xa3\xa4", credit_seq=7, profile=2, flags=4 | 8)
    fields = basics.Fields(hexadecimal("ticket_state.txt"))
    used = wire.ticket_state(fields)
    fields.end()
    same(used, ticket=b"\x22" * 16, flags=3, uses=258, first_use=0x0102030405060708, first_box=772, first_zone=5)
    same(used, used=0x80000021, inside=0x20, last_use=0x0102030405060709, last_box=773, last_zone=31)
    same(used["terms"], scheme=2, what=0x0102, item=0x03040506, zones=0x80000021, valid_until=1_814_659_200)
    assert journal.agreement([wallet], [used]) == hexadecimal("agree_digest.txt")
    assert journal.agreement([wallet | {"balance": -1233}], [used]) != hexadecimal("agree_digest.txt")


@check
def a_revocation_item_reads():
    same(wire.revocation(basics.Fields(b"\1\1" + DEVICE)), what=1, holds=1, id=DEVICE)
    assert refuses(wire.revocation, basics.Fields(b"\3\1" + DEVICE))


def frame(name, kind):
    """The payload of a golden frame of the sync crate."""
    (found,) = wire.frames(bytes.fromhex((SYNC / f"{name}.hex").read_text()))
    assert found[0] == kind, f"{name}: type {found[0]}"
    return found[1]


def frame_fields(name, kind):
    return basics.cbor(frame(name, kind), wire.FRAMES[kind])


@check
def the_frames_of_a_session_read():
    root = basics.founding(frame_fields("enrol_begin", 32)["founding"])
    box = ed25519_public(seed(9))
    hello = frame_fields("hello", 1)
    same(hello, version=1, festival=root["festival"], device=basics.device_id(box), epoch=2, roles=3)
    same(hello, sections=[[1, 1, 70_000]], bundle=4, software="0.1.0")
    assert basics.chain(hello["chain"], root)["subject"] == box
    same(basics.chain(hello["further"][0], root), subject=box, purpose=3)
    same(frame_fields("welcome", 2), version=1, term=2, hub_time=1_800_000_000_000)
    device = b"\4" * 16
    (journal_,) = wire.vector(frame("heads", 3))
    same(journal_, device=device, epoch=1)
    same(journal_["branches"][0], contiguous=12, hash=b"\6" * 16, ranges=[])
    same(journal_["branches"][1], contiguous=300, hash=b"\7" * 16, ranges=[(320, 330), (400, 400)])
    same(frame_fields("want_from", 4), device=device, epoch=1, seq=400)
    same(frame_fields("ack", 6), device=device, epoch=1, contiguous=400, hash=b"\5" * 16, term=2)
    same(frame_fields("have_delta", 8), section=2, term=2, number=7, next_part=1)
    same(frame_fields("bundle", 9), number=5, offset=2, total=6, bytes=b"\1\2\3")
    same(frame_fields("have_bundle", 10), number=5)
    same(frame_fields("want_bundle", 11), number=5, offset=2)
    same(frame_fields("refuse", 12), code=6, text="this box is revoked")
    same(frame_fields("renew", 13), chain=hello["chain"])
    assert frame_fields("ping", 14) == frame_fields("pong", 15) == {"token": 3, "time": 4}
    assert frame("bye", 16) == b""
    same(frame_fields("want_blob", 19), hash=b"\6" * 32, offset=70_000)
    same(frame_fields("blob", 20), hash=b"\6" * 32, offset=70_000, bytes=b"\1\2\3")
    same(frame_fields("edit", 17), change=b"\10" * 32, envelope=b"\1\2\3")
    same(frame_fields("edit_answer", 18), change=b"\10" * 32, code=3, entered_again=False)


@check
def an_optional_last_field_is_left_out_and_not_null():
    whole = frame("have_delta", 8)
    assert whole[0] == 0x84 and whole.endswith(b"\1")
    same(basics.cbor(b"\x83" + whole[1:-1], wire.FRAMES[8]), section=2, number=7, next_part=None)


@check
def the_segment_frame_reads_and_its_signature_holds():
    root = basics.founding(frame_fields("enrol_begin", 32)["founding"])
    segment = columns.segment(frame("segment", 5))
    genesis, *notes = (journal.entry(body) for body in segment["bodies"])
    same(segment, device=basics.device_id(genesis["part"]["public_key"]), epoch=2, first=0)
    assert [note["part"] for note in notes] == [b"the first", b"the second"]
    head = segment["prev"]
    for body in segment["bodies"]:
        head = journal.link(head, body)
    place = (root["festival"], segment["device"], 2, 2)
    journal.commit(genesis["part"]["public_key"], *place, head, segment["signature"])


@check
def the_delta_frame_is_signed():
    root = basics.founding(frame_fields("enrol_begin", 32)["founding"])
    payload = frame("delta", 7)
    body = payload[96:]
    basics.signed(ed25519_public(seed(5)), b"delta", root["festival"], [body], payload[32:96])
    assert payload[:32] == ed25519_public(seed(5)) and body[:1] + body[17:18] == b"\1\2"


# --- 10 Shared documents ---------------------------------------------------------------------------------------------


@check
def edits_of_a_document_read_and_are_signed_by_a_manager():
    delta = wire.delta(golden("delta_documents.hex"), FESTIVAL, [BUNDLE_KEY])
    same(delta, section=5)
    first, second = (documents.envelope(item["envelope"], FOUND) for item in delta["items"])
    assert [item["change"] for item in delta["items"]] == [first["hash"], second["hash"]]
    assert delta["items"][1]["envelope"] == golden("edit_envelope.hex")
    same(first, document=1, operator=0, entered_again=None)
    prices = [op for op in first["read"]["operations"] if op["key"] == "product/1/price"]
    assert prices == [{"key": "product/1/price", "value": 350, "replaces": []}]
    same(second, document=1, operator=7, at=1_790_500_200_000, epoch=1)
    assert second["intents"] == [{"path": "product/1/price", "old": 350, "new": 400}, {"path": "product/1/sold_out", "old": False, "new": True}]
    read = second["read"]
    same(read, dependencies=[first["hash"]], seq=1, start_op=first["read"]["start_op"] + len(first["read"]["operations"]))
    place = [op["key"] for op in first["read"]["operations"]].index("product/1/price") + 1
    same(read["operations"][0], value=400, replaces=[(place, first["read"]["actor"])])
    spoilt = bytearray(golden("edit_envelope.hex"))
    spoilt[60] ^= 1
    assert refuses(documents.envelope, bytes(spoilt), FOUND)


# --- 8 Enrolment -----------------------------------------------------------------------------------------------------


@check
def an_enrolment_reads_and_every_signature_in_it_holds():
    found = list(wire.frames(golden("enrolment.hex")))
    assert [kind for kind, _ in found] == [32, 33, 34, 35, 36, 37]
    begin, offer, piece, grant, receipt, refusal = (basics.cbor(payload, wire.FRAMES[kind]) for kind, payload in found)
    same(begin, version=1, founding=golden("founding.hex"), nonce=b"\x11" * 32, re_enrol=False)
    same(offer, public_key=BOX, nonce=b"\x22" * 32, epoch=0, hardware="bench box 1")
    parts = [begin["nonce"], offer["nonce"], offer["public_key"], struct.pack("<I", offer["epoch"]), offer["hardware"].encode()]
    basics.signed(BOX, b"enrol-offer", FESTIVAL, parts, offer["signature"])
    basics.signed(ENROL, b"enrol-grant", FESTIVAL, [grant["body"]], grant["signature"])
    basics.signed(BOX, b"enrol-receipt", FESTIVAL, [blake3(grant["body"])], receipt["signature"])
    body = basics.cbor(grant["body"], "festival public_key nonce epoch chain further config bundle_hash")
    same(body, festival=FESTIVAL, public_key=BOX, nonce=offer["nonce"], epoch=0, bundle_hash=blake3(golden("festival_bundle.hex")))
    assert piece["bytes"] == golden("festival_bundle.hex") and piece["total"] == len(piece["bytes"])
    assert basics.chain(body["further"][0], FOUND)["purpose"] == 3 and refusal["text"] == "no"
    names = "version box_number place roles zone language hubs pairs_bands screen band screen_key listen devices names?"
    config = basics.cbor(body["config"], names)
    same(config, box_number=12, place="Bar 3", roles=6, hubs=["hub.example:4433"], pairs_bands=True, band=SECRETS)
    enrolled = basics.cbor(golden("enrolled.hex"), "version founding epoch chain further config")
    same(enrolled, version=1, founding=begin["founding"], epoch=0, chain=body["chain"], further=body["further"])
    assert basics.record(enrolled["config"], names) == config
    file = golden("enrolled_file.hex")
    body, mark, checksum = file[:-9], file[-9], file[-8:]
    assert body == golden("enrolled.hex") and mark == 0xFF
    assert checksum == blake3_derive_key("festival 2026-11 enrolment file", body)[:8]


# --- the document itself ---------------------------------------------------------------------------------------------


@check
def the_document_names_every_golden_file_and_every_tag_of_the_code():
    text = (ROOT / "docs/formats.md").read_text()
    for file in [*(HERE / "golden").iterdir(), *DOMAIN.iterdir(), *SYNC.iterdir()]:
        assert f"`{file.name}`" in text, f"{file.name} is not in docs/formats.md"
    source = (ROOT / "crates/domain/src/trust/mod.rs").read_text()
    tags = [line.split('b"')[1].split("\\0")[0] for line in source.splitlines() if '=> b"festival.' in line]
    assert len(tags) >= 14
    for tag in tags:
        assert f"`{tag}`" in text, f"{tag} is not in docs/formats.md"


@check
def the_document_names_every_kind_of_the_code():
    text = (ROOT / "docs/formats.md").read_text()
    source = (ROOT / "crates/domain/src/journal/entry.rs").read_text()
    table = text.split("### Kinds")[1].split("### Parts")[0]
    rows = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3 and cells[1][:1].isdigit():
            rows |= {int(n): name for n, name in zip(cells[1].split(", "), cells[2].split(", "))}
    in_code = source.split("impl Kind {")[1].split("/// Bit of this kind")[0]
    for line in in_code.splitlines():
        if "pub const" in line:
            name, number = line.split("pub const ")[1].split(":")[0], int(line.split("Self(")[1].split(")")[0])
            assert rows.get(number, "").replace(" ", "-").upper() == name.replace("_", "-"), f"kind {number} {name}"
            rows.pop(number)
    assert not rows, rows


def main():
    failed = 0
    for function in CHECKS:
        try:
            function()
        except Exception:
            failed += 1
            print(f"FAILED {function.__name__}")
            traceback.print_exc(file=sys.stdout)
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
