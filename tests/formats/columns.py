"""Segments (docs/formats.md, section 7): from the columns back to entry bodies."""
import struct

import zstd
from basics import Fields, need

NUMBERS = {"amount": 4, "tap counter": 2, "zone": 2, "operator": 4, "revision": 4}  # with their sizes


def segment(data):
    fields = Fields(data)
    need(fields.uint(1) == 1, "version")
    found = {"device": fields.take(16), "epoch": fields.uint(4), "first": fields.uint(4)}
    found |= {"prev": fields.take(32), "signature": fields.take(64)}
    entries, count = fields.uint(2), fields.uint(2)
    need(1 <= entries <= 500, "entries")
    ids = [fields.take(16) for _ in range(count)]
    apart = Fields(fields.take(fields.uint(2)))
    need(len(set(ids)) == len(ids) and bytes(16) not in ids, "ids")
    length = fields.uint(4)
    need(length <= 786432 + 64 * entries, "columns")
    columns = zstd.unpack(fields.rest())
    need(len(columns) == length, "columns")
    found["bodies"] = bodies(columns, ids, apart, entries, found)
    apart.end()
    return found


def unzigzag(told, base):
    value = base - (told + 1) // 2 if told & 1 else base + told // 2
    need(value >= 0, "difference")
    return value


def bodies(columns, fresh, apart, entries, where):
    fields = Fields(columns)
    forms = fields.take(entries)
    rows = [{"at": at} for at, form in enumerate(forms) if form == 0]
    by_place = {row["at"]: row for row in rows}
    varints = lambda of=rows: [fields.varint() for _ in of]
    octets = lambda of=rows: [fields.uint(1) for _ in of]
    for name, values in zip(("flags", "kind", "effect", "currency", "back"), (octets(), varints(), octets(), varints(), varints())):
        for row, value in zip(rows, values):
            row[name] = value
    for row in rows:
        row["near"] = by_place.get(row["at"] - (row["back"] - 1)) if row["back"] > 1 else None
    ordered = [row for row in rows if row["near"] is None] + [row for row in rows if row["near"] is not None]
    for name in ("time", "counter", "told subject", "told other", *NUMBERS):
        for row in ordered:
            row[name] = fields.varint()
    fresh, recent, ms = iter(fresh), [], 0
    for row in rows:
        if row["near"] is None:
            row["time"] = row["time"] << 8 | apart.uint(1)
        ms = unzigzag(row["time"], ms)
        row["hlc"] = ms << 16 | row["counter"]
        row["subject"], row["other"] = heard(row["told subject"], fresh, recent), heard(row["told other"], fresh, recent)
    need(next(fresh, None) is None, "ids left over")
    told_parts(rows, varints, octets, fields)
    plain_parts(rows, apart)
    full = [fields.take(24) if row["back"] == 1 else None for row in rows]
    before = [0] * 5
    for row, reference in zip(rows, full):
        row["reference"] = reference or bytes(24)
        if row["back"] > 1:
            named = where["first"] + row["at"] - (row["back"] - 1)
            need(named >= 0, "reference")
            row["reference"] = where["device"] + struct.pack("<II", where["epoch"], named)
        base = row["near"]["numbers"] if row["near"] else [spoken_of(row), 0] + before[2:]
        row["numbers"] = before = [unzigzag(row[name], start) for name, start in zip(NUMBERS, base)]
    raw = [fields.varint() for form in forms if form]
    out = []
    for at, form in enumerate(forms):
        out.append(fields.take(raw.pop(0)) if form else body(by_place[at]))
    fields.end()
    return out


def told_parts(rows, varints, octets, fields):
    """Part forms, the numbers of intents, and what is left of each part."""
    for row, form in zip(rows, varints()):
        row["form"], row["rest"] = form, bytearray()
    intents = [row for row in rows if row["form"] >= 2]
    columns = (octets(intents), octets(intents), varints(intents), varints(intents), varints(intents))
    for row, told in zip(intents, zip(*columns)):
        row["told"] = told
    plain = [row for row in rows if row["form"] != 1]
    for row, length in zip(plain, varints(plain)):
        row["rest"] = bytearray(length)
    for kind, length in sorted({(row["kind"], len(row["rest"])) for row in rows}):
        group = [row for row in rows if (row["kind"], len(row["rest"])) == (kind, length)]
        for at in range(length):
            for row in group:
                row["rest"][at] = fields.uint(1)


def heard(told, fresh, recent):
    if told == 0:
        return bytes(16)
    one = next(fresh) if told == 1 else recent.pop(len(recent) - (told - 1))
    recent.append(one)
    return one


def body(row):
    numbers = b"".join(n.to_bytes(size, "little") for n, size in zip(row["numbers"], NUMBERS.values()))
    head = struct.pack("<BBHBBHQ", 1, row["flags"], row["kind"], row["effect"], 0, row["currency"], row["hlc"])
    return head + row["subject"] + row["other"] + numbers + row["reference"] + bytes(row["part"])


def is_intent(row, part):
    return row["kind"] == 11 and len(part) > 9 and part[9] < 2 and len(part) > 28 + 4 * part[9]


def sale_of(rest):
    """The sale behind an intent's C records, and where it begins."""
    at = 1 + 76 * rest[0]
    return at, rest[at:]


def spoken_of(row):
    part = row["part"]
    if is_intent(row, part):
        return price(sale_of(part[28 + 4 * part[9] :])[1])
    return price(part) if row["kind"] in (4, 5) else 0


def price(data):
    fields = Fields(bytes(data))
    try:
        out, back, lines = fields.varint(), fields.varint(), fields.varint()
        total = max(out - back, 0)
        for _ in range(min(lines, 200)):
            fields.varint()
            total += fields.varint() * fields.varint()
        fields.end()
    except Exception:
        return 0
    return total if total < 2**32 else 0


def plain_parts(rows, apart):
    chips, prices = {}, {}
    for row in rows:
        rest = row["rest"]
        if row["form"] == 1:
            rest = foretold(row["near"])
            need(rest is not None, "nothing foretells this part")
        elif row["form"] == 0 and row["kind"] == 4:
            rest[:] = plain_prices(rest, prices)
        elif row["form"] > 1:
            need(row["kind"] == 11 and len(rest) > 0, "no intent")
            at, sale = sale_of(rest)
            if at <= len(rest):
                rest[at:] = plain_prices(sale, prices)
            row["part"] = intent(row, chips, apart)
            continue
        intended = row["form"] != 1 and foretold(row["near"]) == rest
        need(not intended and not is_intent(row, rest), "a part told in another way than its own")
        row["part"] = bytes(rest)


def foretold(intent):
    """The part of the commit after an intent for a sale: its deposits and no lines."""
    if intent is None or not is_intent(intent, intent["part"]):
        return None
    sale = sale_of(intent["part"][28 + 4 * intent["part"][9] :])[1]
    ends = [at + 1 for at, byte in enumerate(sale) if byte < 128][:2]
    return bytes(sale[: ends[1]]) + bytes(1) if len(ends) == 2 else None


def intent(row, chips, apart):
    left = chips.get(row["subject"], {"records": [], "credit": [], "credits": 0, "spent": 0})
    shape = row["form"] - 2
    shape, base = divmod(shape, 6)
    shape, before = divmod(shape, 6)
    credit, before2 = divmod(shape, 7)
    base, before = name(base, left["records"], apart), name(before, left["records"], apart)
    before2 = None if before2 == 6 else name(before2, left["records"], apart)
    credit, own = name(credit, left["credit"], apart), apart.take(4)
    purpose, sequence, credits, spent, after = row["told"]
    credits, spent = unzigzag(credits, left["credits"]), unzigzag(spent, left["spent"])
    after = unzigzag(after, spent + price(sale_of(row["rest"])[1]))
    need(max(credits, spent, after) < 2**24, "a number of three bytes")
    records = [own, base, before] + ([before2] if before2 is not None else [])
    chips[row["subject"]] = {"records": records, "credit": [credit], "credits": credits, "spent": after}
    u24 = lambda n: n.to_bytes(3, "little")
    linked = bytes(1) if before2 is None else bytes([1]) + before2
    seen = base + before + linked + bytes([sequence]) + credit + u24(credits) + u24(spent)
    return bytes([purpose]) + seen + own + u24(after) + bytes(row["rest"])


def name(told, known, apart):
    """The name of a record on a chip."""
    found = apart.take(4) if told == 0 else bytes(4) if told == 1 else known[told - 2]
    first = 1 if found == bytes(4) else known.index(found) + 2 if found in known else 0
    need(told == first, "a name told in another way than its own")
    return found


def plain_prices(part, prices):
    ends = [at + 1 for at, byte in enumerate(part) if byte < 128]

    def varint(at):
        end = next((end for end in ends if end > at), None)
        return None if end is None else (at, end)

    spans, at = [], 0
    for _ in range(2):
        span = varint(at)
        if span is None:
            return part
        at = span[1]
    if at >= len(part):
        return part
    count, at = part[at], at + 1
    for _ in range(3 * count):
        span = varint(at)
        if span is None:
            return part
        spans.append(span)
        at = span[1]
    if at != len(part):
        return part
    for product, price in zip(spans[::3], spans[2::3]):
        name, (start, end) = bytes(part[slice(*product)]), price
        last = prices.get(name)
        if last and len(last) == end - start:
            part[start:end] = bytes(b ^ l & 127 for b, l in zip(part[start:end], last))
        prices[name] = bytes(part[start:end])
    return part
