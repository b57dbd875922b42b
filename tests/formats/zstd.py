"""Unpacks one zstd frame (RFC 8878). No dictionaries."""


class Bad(Exception):
    pass


class _Back:
    """Bits from the end of a stream to its start; the last byte's highest set bit is the end mark."""

    def __init__(self, data):
        if not data or data[-1] == 0:
            raise Bad("bit stream without an end")
        self.value = int.from_bytes(data, "little")
        self.left = self.value.bit_length() - 1

    def take(self, n):
        self.left -= n
        if self.left >= 0:
            return self.value >> self.left & ((1 << n) - 1)
        # Below the start there are zeros.
        return (self.value << -self.left) & ((1 << n) - 1)


def _fse_counts(data, max_accuracy):
    value, at = int.from_bytes(data, "little"), 4
    accuracy = (value & 15) + 5
    if accuracy > max_accuracy:
        raise Bad("accuracy")
    left, counts = (1 << accuracy) + 1, []
    while left > 1:
        width = left.bit_length()
        low = value >> at & ((1 << width) - 1)
        spare = (1 << width) - 1 - left
        if low & ((1 << width - 1) - 1) < spare:
            count, at = low & ((1 << width - 1) - 1), at + width - 1
        else:
            count, at = (low - spare if low >= 1 << width - 1 else low), at + width
        counts.append(count - 1)
        left -= abs(count - 1)
        if count == 1:
            while True:
                more = value >> at & 3
                at += 2
                counts += [0] * more
                if more < 3:
                    break
    if left != 1 or at > 8 * len(data):
        raise Bad("table")
    return accuracy, counts, (at + 7) // 8


def _fse_table(accuracy, counts):
    size = 1 << accuracy
    symbols, high, next_state = [0] * size, size, list(counts)
    for symbol, count in enumerate(counts):
        if count == -1:
            high -= 1
            symbols[high], next_state[symbol] = symbol, 1
    place = 0
    for symbol, count in enumerate(counts):
        for _ in range(max(count, 0)):
            symbols[place] = symbol
            place = (place + (size >> 1) + (size >> 3) + 3) & (size - 1)
            while place >= high:
                place = (place + (size >> 1) + (size >> 3) + 3) & (size - 1)
    table = []
    for symbol in symbols:
        state = next_state[symbol]
        next_state[symbol] += 1
        bits = accuracy - (state.bit_length() - 1)
        table.append((symbol, bits, (state << bits) - size))
    return accuracy, table


def _huffman(data):
    head = data[0]
    if head >= 128:
        count, size = head - 127, 1 + (head - 126) // 2
        weights = [data[1 + i // 2] >> (0 if i & 1 else 4) & 15 for i in range(count)]
    else:
        size = 1 + head
        accuracy, counts, used = _fse_counts(data[1:size], 6)
        accuracy, table = _fse_table(accuracy, counts)
        bits, weights = _Back(data[1 + used : size]), []
        states = [bits.take(accuracy), bits.take(accuracy)]
        turn = 0
        while True:
            symbol, width, base = table[states[turn]]
            weights.append(symbol)
            if bits.left < width:
                weights.append(table[states[1 - turn]][0])
                break
            states[turn] = base + bits.take(width)
            turn = 1 - turn
    total = sum(1 << w - 1 for w in weights if w)
    most = total.bit_length()
    last = (1 << most) - total
    if last & (last - 1):
        raise Bad("huffman weights")
    weights.append(last.bit_length())
    lookup = []
    for weight in range(1, most + 1):
        for symbol, own in enumerate(weights):
            if own == weight:
                lookup += [(symbol, most + 1 - weight)] * (1 << weight - 1)
    return (most, lookup), size


def _huffman_stream(tree, data, length):
    most, lookup = tree
    bits, out = _Back(data), bytearray()
    for _ in range(length):
        at = bits.take(most)
        symbol, width = lookup[at]
        bits.left += most - width
        out.append(symbol)
    if bits.left != 0:
        raise Bad("huffman stream")
    return out


_LITERALS = [(n, 0) for n in range(16)] + list(
    zip((16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536),
        (1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))
)
_MATCHES = [(n, 0) for n in range(3, 35)] + list(
    zip((35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539),
        (1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))
)
_DEFAULTS = (
    (6, [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1]),
    (5, [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1]),
    (6, [1, 4, 3, 2, 2, 2, 2, 2, 2] + [1] * 37 + [-1] * 7),
)
_MAX_ACCURACY = (9, 8, 9)


class _Frame:
    def __init__(self):
        self.out, self.tree, self.tables, self.recent = bytearray(), None, [None] * 3, [1, 4, 8]

    def literals(self, data):
        kind, form = data[0] & 3, data[0] >> 2 & 3
        if kind < 2:
            width = (1, 2, 1, 3)[form]
            n = int.from_bytes(data[:width], "little") >> (3 if width == 1 else 4)
            return (data[width : width + n], width + n) if kind == 0 else (data[width : width + 1] * n, width + 1)
        width, bits = ((3, 10), (3, 10), (4, 14), (5, 18))[form]
        head = int.from_bytes(data[:width], "little") >> 4
        n, packed = head & ((1 << bits) - 1), head >> bits
        body, end = data[width : width + packed], width + packed
        if kind == 2:
            self.tree, used = _huffman(body)
            body = body[used:]
        if form == 0:
            return _huffman_stream(self.tree, body, n), end
        sizes = [int.from_bytes(body[i : i + 2], "little") for i in (0, 2, 4)]
        out, at, part = bytearray(), 6, (n + 3) // 4
        for i in range(4):
            size = sizes[i] if i < 3 else len(body) - at
            out += _huffman_stream(self.tree, body[at : at + size], part if i < 3 else n - 3 * part)
            at += size
        return out, end

    def block(self, data):
        literals, at = self.literals(data)
        count = data[at]
        at += 1
        if count == 0:
            self.out += literals
            return
        if count == 255:
            count, at = int.from_bytes(data[at : at + 2], "little") + 0x7F00, at + 2
        elif count > 127:
            count, at = (count - 128 << 8) + data[at], at + 1
        modes, at = data[at], at + 1
        for i, shift in enumerate((6, 4, 2)):
            mode = modes >> shift & 3
            if mode == 0:
                self.tables[i] = _fse_table(*_DEFAULTS[i])
            elif mode == 1:
                self.tables[i], at = (0, [(data[at], 0, 0)]), at + 1
            elif mode == 2:
                accuracy, counts, used = _fse_counts(data[at:], _MAX_ACCURACY[i])
                self.tables[i], at = _fse_table(accuracy, counts), at + used
        self.sequences(_Back(data[at:]), count, literals)

    def sequences(self, bits, count, literals):
        states = [bits.take(accuracy) for accuracy, _ in self.tables]
        used = 0
        for n in range(count):
            rows = [table[state] for (_, table), state in zip(self.tables, states)]
            code = rows[1][0]
            offset = (1 << code) + bits.take(code)
            base, more = _MATCHES[rows[2][0]]
            match = base + bits.take(more)
            base, more = _LITERALS[rows[0][0]]
            plain = base + bits.take(more)
            if n + 1 < count:
                for i in (0, 2, 1):
                    states[i] = rows[i][2] + bits.take(rows[i][1])
            self.copy(literals[used : used + plain], self.offset(offset, plain), match)
            used += plain
        if bits.left != 0:
            raise Bad("sequences")
        self.out += literals[used:]

    def offset(self, value, plain):
        if value > 3:
            self.recent = [value - 3] + self.recent[:2]
            return value - 3
        which = value - 1 + (plain == 0)
        if which == 3:
            found = self.recent[0] - 1
            self.recent = [found] + self.recent[:2]
        else:
            found = self.recent.pop(which)
            self.recent.insert(0, found)
        return found

    def copy(self, plain, offset, match):
        self.out += plain
        if not 0 < offset <= len(self.out):
            raise Bad("offset")
        for _ in range(match):
            self.out.append(self.out[-offset])


def unpack(data):
    """The content of the one frame that `data` is."""
    if data[:4] != b"\x28\xb5\x2f\xfd":
        raise Bad("magic")
    head, at = data[4], 5
    single = head >> 5 & 1
    at += 0 if single else 1
    if head & 3:
        raise Bad("dictionary")
    width = (single, 2, 4, 8)[head >> 6]
    size = int.from_bytes(data[at : at + width], "little") + (256 if width == 2 else 0)
    at += width
    frame = _Frame()
    while True:
        block = int.from_bytes(data[at : at + 3], "little")
        last, kind, length, at = block & 1, block >> 1 & 3, block >> 3, at + 3
        if kind == 0:
            frame.out += data[at : at + length]
        elif kind == 1:
            frame.out += data[at : at + 1] * length
            length = 1
        elif kind == 2:
            frame.block(data[at : at + length])
        else:
            raise Bad("block")
        at += length
        if last:
            break
    at += 4 if head & 4 else 0
    if at != len(data) or (width and size != len(frame.out)):
        raise Bad("length")
    return bytes(frame.out)
