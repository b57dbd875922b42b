"""BLAKE3, Ed25519 (strict) and AES-CMAC in plain Python: slow, short, and nobody else's code."""
import hashlib
import struct

# --- BLAKE3 (specification of 2020, section 2) -----------------------------------------------------------------------

_IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_CHUNK_START, _CHUNK_END, _PARENT, _ROOT, _KEYED, _CONTEXT, _MATERIAL = 1, 2, 4, 8, 16, 32, 64
_M = 0xFFFFFFFF


def _mix(s, a, b, c, d, x, y):
    s[a] = (s[a] + s[b] + x) & _M
    t = s[d] ^ s[a]
    s[d] = (t >> 16 | t << 16) & _M
    s[c] = (s[c] + s[d]) & _M
    t = s[b] ^ s[c]
    s[b] = (t >> 12 | t << 20) & _M
    s[a] = (s[a] + s[b] + y) & _M
    t = s[d] ^ s[a]
    s[d] = (t >> 8 | t << 24) & _M
    s[c] = (s[c] + s[d]) & _M
    t = s[b] ^ s[c]
    s[b] = (t >> 7 | t << 25) & _M


def _compress(chaining, block, counter, length, flags):
    m = [int.from_bytes(block[i : i + 4], "little") for i in range(0, 64, 4)]
    s = list(chaining) + list(_IV[:4]) + [counter & _M, counter >> 32, length, flags]
    for turn in range(7):
        for at, (a, b, c, d) in enumerate(
            ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
             (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
        ):
            _mix(s, a, b, c, d, m[2 * at], m[2 * at + 1])
        if turn < 6:
            m = [m[i] for i in _PERMUTATION]
    return [s[i] ^ s[i + 8] for i in range(8)]


def _chunk(key, data, counter, flags, root):
    chaining = key
    blocks = [data[i : i + 64] for i in range(0, len(data), 64)] or [b""]
    for at, block in enumerate(blocks):
        marks = flags | (_CHUNK_START if at == 0 else 0)
        if at == len(blocks) - 1:
            marks |= _CHUNK_END | (_ROOT if root else 0)
        chaining = _compress(chaining, block.ljust(64, b"\0"), counter, len(block), marks)
    return chaining


def _words(chaining):
    return b"".join(word.to_bytes(4, "little") for word in chaining)


def _tree(key, data, first, flags, root):
    if len(data) <= 1024:
        return _chunk(key, data, first, flags, root)
    left = 1024
    while left * 2 < len(data):
        left *= 2
    block = _words(_tree(key, data[:left], first, flags, False)) + _words(
        _tree(key, data[left:], first + left // 1024, flags, False)
    )
    return _compress(key, block, 0, 64, flags | _PARENT | (_ROOT if root else 0))


def blake3(data):
    return _words(_tree(_IV, data, 0, 0, True))


def _key_words(key):
    return tuple(int.from_bytes(key[i : i + 4], "little") for i in range(0, 32, 4))


def blake3_keyed(key, data):
    return _words(_tree(_key_words(key), data, 0, _KEYED, True))


def blake3_derive_key(context, data):
    key = _words(_tree(_IV, context.encode(), 0, _CONTEXT, True))
    return _words(_tree(_key_words(key), data, 0, _MATERIAL, True))


# --- Ed25519 (RFC 8032, section 6), verified strictly -------------------------------------------------------------------

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_SQRT_M1 = pow(2, (_P - 1) // 4, _P)
_NEUTRAL = (0, 1, 1, 0)


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(n, p):
    q = _NEUTRAL
    while n:
        if n & 1:
            q = _add(q, p)
        p = _add(p, p)
        n >>= 1
    return q


def _same(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % _P == 0 and (p[1] * q[2] - q[1] * p[2]) % _P == 0


def _point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= _P:
        return None
    x2 = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(x2, (_P + 3) // 8, _P)
    if (x * x - x2) % _P:
        x = x * _SQRT_M1 % _P
    if (x * x - x2) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


_BASE = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))


def _packed(p):
    z = pow(p[2], _P - 2, _P)
    x, y = p[0] * z % _P, p[1] * z % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def ed25519_public(seed):
    h = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return _packed(_times(h & (2**254 - 8) | 2**254, _BASE))


def ed25519_verify(public, message, signature):
    """Strict: s below the group's order, neither key nor R of small order, no cofactor."""
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = _point(public), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= _L or _same(_times(8, a), _NEUTRAL) or _same(_times(8, r), _NEUTRAL):
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _L
    return _same(_times(s, _BASE), _add(r, _times(h, a)))


# --- X25519 (RFC 7748, section 5) of Ed25519 keys, ChaCha20-Poly1305 (RFC 8439, section 2.8) ---------------------------


def _scalar(seed):
    return int.from_bytes(hashlib.sha512(seed).digest()[:32], "little") & (2**254 - 8) | 2**254


def x25519_shared(seed, public):
    """What the owner of an Ed25519 seed and that of an Ed25519 public key come to."""
    y = int.from_bytes(public, "little") & (2**255 - 1)
    u = (1 + y) * pow(1 - y, _P - 2, _P) % _P
    k, x2, z2, x3, z3, swapped = _scalar(seed), 1, 0, u, 1, 0
    for at in reversed(range(255)):
        bit = k >> at & 1
        if swapped != bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a, c * b, a * a, b * b
        x3, z3 = (da + cb) ** 2 % _P, u * (da - cb) ** 2 % _P
        e = aa - bb
        x2, z2 = aa * bb % _P, e * (aa + 121665 * e) % _P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, _P - 2, _P) % _P).to_bytes(32, "little")


def _chacha(key, counter, nonce):
    state = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    state += [counter, *struct.unpack("<3I", nonce)]
    work = state[:]
    turn = lambda x, n: (x << n | x >> 32 - n) & 0xFFFFFFFF

    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            work[x] = work[x] + work[y] & 0xFFFFFFFF
            work[z] = turn(work[z] ^ work[x], n)

    for _ in range(10):
        for at in range(4):
            quarter(at, at + 4, at + 8, at + 12)
        for at in range(4):
            quarter(at, (at + 1) % 4 + 4, (at + 2) % 4 + 8, (at + 3) % 4 + 12)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(state, work)))


def chacha20_poly1305_open(key, nonce, sealed, aad):
    """The plain text, or None where the tag is not that of these bytes."""
    text, tag = sealed[:-16], sealed[-16:]
    once = _chacha(key, 0, nonce)[:32]
    r = int.from_bytes(once[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    pad = lambda data: data + bytes(-len(data) % 16)
    told, sum_ = pad(aad) + pad(text) + struct.pack("<QQ", len(aad), len(text)), 0
    for at in range(0, len(told), 16):
        sum_ = (sum_ + int.from_bytes(told[at : at + 16] + b"\1", "little")) * r % (2**130 - 5)
    if (sum_ + int.from_bytes(once[16:], "little")) % 2**128 != int.from_bytes(tag, "little"):
        return None
    stream = b"".join(_chacha(key, 1 + at, nonce) for at in range((len(text) + 63) // 64))
    return bytes(a ^ b for a, b in zip(text, stream))


# --- AES-128 (FIPS 197) and CMAC (RFC 4493) ------------------------------------------------------------------------------


def _double(byte):
    return byte << 1 ^ (0x11B if byte & 0x80 else 0)


def _sbox():
    box, p, q = [0] * 256, 1, 1
    while True:
        p = p ^ _double(p)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        if q & 0x80:
            q ^= 0x09
        turned = q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^ (q << 4 | q >> 4)
        box[p] = (turned ^ 0x63) & 0xFF
        if p == 1:
            break
    box[0] = 0x63
    return box


_S = _sbox()


def _round_keys(key):
    words = [list(key[i : i + 4]) for i in range(0, 16, 4)]
    constant = 1
    for i in range(4, 44):
        word = words[-1]
        if i % 4 == 0:
            word = [_S[b] for b in word[1:] + word[:1]]
            word[0] ^= constant
            constant = _double(constant)
        words.append([a ^ b for a, b in zip(word, words[i - 4])])
    return [sum(words[i : i + 4], []) for i in range(0, 44, 4)]


def _encrypt(keys, block):
    state = [a ^ b for a, b in zip(block, keys[0])]
    for turn in range(1, 11):
        state = [_S[state[(4 * (c + r) + r) % 16]] for c in range(4) for r in range(4)]
        if turn < 10:
            mixed = []
            for c in range(0, 16, 4):
                col = state[c : c + 4]
                for r in range(4):
                    x, y = col[r], col[(r + 1) % 4]
                    mixed.append(_double(x) ^ _double(y) ^ y ^ col[(r + 2) % 4] ^ col[(r + 3) % 4])
            state = mixed
        state = [a ^ b for a, b in zip(state, keys[turn])]
    return bytes(state)


def aes_cmac(key, message):
    keys = _round_keys(key)

    def doubled(block):
        n = int.from_bytes(block, "big") << 1
        return ((n ^ 0x87 if n >> 128 else n) & 2**128 - 1).to_bytes(16, "big")

    first = doubled(_encrypt(keys, bytes(16)))
    blocks = [message[i : i + 16] for i in range(0, len(message), 16)] or [b""]
    last = blocks.pop()
    if len(last) == 16:
        last = bytes(a ^ b for a, b in zip(last, first))
    else:
        last = bytes(a ^ b for a, b in zip((last + b"\x80").ljust(16, b"\0"), doubled(first)))
    state = bytes(16)
    for block in blocks + [last]:
        state = _encrypt(keys, bytes(a ^ b for a, b in zip(state, block)))
    return state
