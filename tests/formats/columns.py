"""Segments (docs/formats.md, section 7): from the columns back to entry bodies."""
import struct

import zstd
from basics import Fields, need

NUMBERS = (4, 2, 2, 4, 4)  # sizes of amount, tap counter, zone, operator, price revision


def segment(data):
    fields = Fields(data)
    need(fields.uint(1) == 1, "version")
    found = {"device": fields.take(16), "epoch": fields.uint(4), "first": fields.uint(4)}
    found |= {"prev": fields.take(32), "signature": fields.take(64)}
    entries, count = fields.uint(2), fields.uint(2)
    need(1 <= entries <= 500, "entries")
    ids = [fields.take(16) for _ in range(count)]
    need(len(set(ids)) == len(ids) and bytes(16) not in ids, "ids")
    length = fields.uint(4)
    need(length <= 786432 + 64 * entries, "columns")
    columns = zstd.unpack(fields.rest())
    need(len(columns) == length, "columns")
    return found | {"bodies": bodies(columns, ids, entries, found)}


def unzigzag(told, base):
    value = base - (told + 1) // 2 if told & 1 else base + told // 2
    need(value >= 0, "difference")
    return value


def bodies(columns, fresh, entries, where):
    fields = Fields(columns)
    forms = fields.take(entries)
    rows = [{"at": at} for at, form in enumerate(forms) if form == 0]
    varints = lambda: [fields.varint() for _ in rows]
    octets = lambda: [fields.uint(1) for _ in rows]
    flags, kinds, effects, currencies = octets(), varints(), octets(), varints()
    times, counters, subjects, others, backs = varints(), varints(), varints(), varints(), varints()
    numbers = [varints() for _ in NUMBERS]
    lengths = varints()
    fresh, recent, ms = iter(fresh), [], 0
    for n, row in enumerate(rows):
        ms = unzigzag(times[n], ms)
        row |= {"flags": flags[n], "kind": kinds[n], "effect": effects[n], "currency": currencies[n]}
        row |= {"hlc": ms << 16 | counters[n]}
        row["subject"], row["other"] = heard(subjects[n], fresh, recent), heard(others[n], fresh, recent)
        row["part"] = bytearray(lengths[n])
    need(next(fresh, None) is None, "ids left over")
    for kind, length in sorted({(row["kind"], len(row["part"])) for row in rows}):
        group = [row for row in rows if (row["kind"], len(row["part"])) == (kind, length)]
        for at in range(length):
            for row in group:
                row["part"][at] = fields.uint(1)
    plain_parts(rows)
    full = [fields.take(24) if back == 1 else None for back in backs]
    by_place, before = {row["at"]: row for row in rows}, [0] * 5
    for n, row in enumerate(rows):
        seq = where["first"] + row["at"]
        named = None
        if backs[n] > 1:
            named = seq - (backs[n] - 1)
            need(named >= 0, "reference")
            row["reference"] = where["device"] + struct.pack("<II", where["epoch"], named)
        else:
            row["reference"] = full[n] or bytes(24)
        near = by_place.get(named - where["first"]) if named is not None else None
        base = near["numbers"] if near else [spoken_of(row), 0] + before[2:]
        row["numbers"] = before = [unzigzag(numbers[i][n], base[i]) for i in range(5)]
    raw = [fields.varint() for form in forms if form]
    out = []
    for at, form in enumerate(forms):
        out.append(fields.take(raw.pop(0)) if form else body(by_place[at]))
    fields.end()
    return out


def heard(told, fresh, recent):
    if told == 0:
        return bytes(16)
    one = next(fresh) if told == 1 else recent.pop(len(recent) - (told - 1))
    recent.append(one)
    return one


def body(row):
    numbers = b"".join(n.to_bytes(size, "little") for n, size in zip(row["numbers"], NUMBERS))
    head = struct.pack("<BBHBBHQ", 1, row["flags"], row["kind"], row["effect"], 0, row["currency"], row["hlc"])
    return head + row["subject"] + row["other"] + numbers + row["reference"] + bytes(row["part"])


def intent_layout(row):
    """Length of before2 and place of the sale, for an intent that is long enough."""
    part = row["part"]
    if row["kind"] != 11 or len(part) < 10 or part[9] > 1:
        return None
    more = 4 * part[9]
    return (more, 29 + more + 76 * part[28 + more]) if len(part) > 28 + more else None


def spoken_of(row):
    layout = intent_layout(row)
    if layout and layout[1] <= len(row["part"]):
        data = row["part"][layout[1] :]
    elif row["kind"] in (4, 5):
        data = row["part"]
    else:
        return 0
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


def plain_parts(rows):
    chips, prices = {}, {}
    for row in rows:
        part, layout = row["part"], intent_layout(row)
        if layout is None:
            if row["kind"] == 4:
                part[:] = plain_prices(part, prices)
            continue
        more, at = layout
        seen = slice(1, 21 + more)
        expected = chips.get(row["subject"])
        if expected and len(expected) == 20 + more:
            part[seen] = bytes(b ^ (0 if i == 8 else e) for i, (b, e) in enumerate(zip(part[seen], expected)))
        if at <= len(part):
            part[at:] = plain_prices(part[at:], prices)
        u24 = lambda place: int.from_bytes(part[place : place + 3], "little")
        after = (u24(25 + more) + u24(18 + more) + spoken_of(row)) % 2**24
        part[25 + more : 28 + more] = after.to_bytes(3, "little")
        own, now = part[21 + more : 25 + more], part[seen]
        chips[row["subject"]] = bytes(own + now[:4] + now[8:-3] + part[25 + more : 28 + more])


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
