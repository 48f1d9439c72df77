#!/usr/bin/env python3
"""A second verifier of Holdfast's receipts, statements, promises and public logs.

Written from docs/formats/{ledger,entry,statement,promise,instruction}.md and the C2SP and
RFC documents that these name, and from nothing else: it shares no line with the product, and
needs Python 3.11 and no package. It is slow and plain, to be read beside those documents.

    python3 holdfast_verify.py --trust trust.json FILE...
    python3 holdfast_verify.py --log DIR --vkey VKEY [--chain-key HEX]
    python3 holdfast_verify.py --json-lines     one question a line on stdin, one answer a line

Exit 0: everything verified; 1: something did not, and every fault is printed; 2: wrong usage.
"""
import argparse
import base64
import collections
import datetime
import functools
import hashlib
import hmac
import json
import os
import re
import sys

MAX_SAFE = 2**53 - 1
MAX_PAYLOAD = 1 << 20
MAX_LINE = 2 << 20
MAX_DEPTH = 64
MAX_SIGNATURES = 64

# Client data of 4096 bytes can be nested 2048 deep.
sys.setrecursionlimit(8192)


class Fault(Exception):
    """What is wrong with a document, in words."""


def need(condition, fault):
    if not condition:
        raise Fault(fault)


def sha256(data):
    return hashlib.sha256(data).digest()


# --- Ed25519 (RFC 8032, section 5.1.7), strict: canonical points, S below the order ------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
IDENTITY = (0, 1, 1, 0)


def point_add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_double_multiply(s, p, t, q):
    """[s]P + [t]Q"""
    both, result = point_add(p, q), IDENTITY
    for bit in range(max(s.bit_length(), t.bit_length()) - 1, -1, -1):
        result = point_add(result, result)
        which = (s >> bit & 1, t >> bit & 1)
        if which != (0, 0):
            result = point_add(result, {(1, 0): p, (0, 1): q, (1, 1): both}[which])
    return result


def point_decode(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def point_encode(p):
    z = pow(p[2], P - 2, P)
    x, y = p[0] * z % P, p[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = point_decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


@functools.lru_cache(maxsize=65536)
def ed25519(public_key, message, signature):
    if len(signature) != 64 or len(public_key) != 32:
        return False
    key = point_decode(public_key)
    s = int.from_bytes(signature[32:], "little")
    if key is None or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % ORDER
    minus = (P - key[0], key[1], key[2], P - key[3])
    # The encoded point is compared, so another encoding of R is refused with it.
    return point_encode(point_double_multiply(s, BASE, k, minus)) == signature[:32]


# --- ECDSA on P-256 (FIPS 186-5, SP 800-186) and RSASSA-PSS (RFC 8017), with SHA-256 ---------------

P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256_BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def to_int(data):
    return int.from_bytes(data, "big")


def p256_add(p, q):
    """Of points (x, y); None is the one at infinity."""
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % P256 == 0:
            return None
        slope = 3 * (p[0] * p[0] - 1) * pow(2 * p[1], -1, P256)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P256)
    x = (slope * slope - p[0] - q[0]) % P256
    return x, (slope * (p[0] - x) - p[1]) % P256


def p256_multiply(n, p):
    result = None
    for bit in bin(n)[2:]:
        result = p256_add(result, result)
        if bit == "1":
            result = p256_add(result, p)
    return result


def p256_point(data):
    """(x, y) of 0x04 and two coordinates of 32 bytes; None when that is no point on the curve."""
    if len(data) != 65 or data[0] != 4:
        return None
    x, y = to_int(data[1:33]), to_int(data[33:])
    on_curve = (y * y - (x**3 - 3 * x + P256_B)) % P256 == 0
    return (x, y) if x < P256 and y < P256 and on_curve else None


def der(tag, *content):
    body = b"".join(content)
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([len(body)]) if len(body) < 128 else bytes([128 | len(size)]) + size) + body


def der_integer(n):
    return der(2, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def der_content(data, at):
    """(start, end) of what stands in the element at `at`, or an empty place when there is none. What
    was read is always written again and compared, which finds every other spelling."""
    head = data[at : at + 2]
    if len(head) < 2:
        return at, at
    start = at + 2 + (head[1] & 127 if head[1] >= 128 else 0)
    return start, start + (to_int(data[at + 2 : start]) if head[1] >= 128 else head[1])


@functools.lru_cache(maxsize=65536)
def ecdsa_p256(public_key, message, signature):
    key = p256_point(public_key)
    if key is None or len(signature) > 72:
        return False
    first = der_content(signature, der_content(signature, 0)[0])
    second = der_content(signature, first[1])
    r, s = to_int(signature[slice(*first)]), to_int(signature[slice(*second)])
    if der(0x30, der_integer(r), der_integer(s)) != signature:
        return False
    if not (0 < r < P256_ORDER and 0 < s < P256_ORDER):
        return False
    w = pow(s, -1, P256_ORDER)
    u, v = to_int(sha256(message)) * w % P256_ORDER, r * w % P256_ORDER
    point = p256_add(p256_multiply(u, P256_BASE), p256_multiply(v, key))
    return point is not None and point[0] % P256_ORDER == r


RSA_ENCRYPTION = bytes.fromhex("300d06092a864886f70d0101010500")


def rsa_key(spki):
    """(modulus, exponent); None when it is no key that an approver may have."""
    if len(spki) > 1200:
        return None
    algorithm = der_content(spki, der_content(spki, 0)[0])
    modulus = der_content(spki, der_content(spki, der_content(spki, algorithm[1])[0] + 1)[0])
    exponent = der_content(spki, modulus[1])
    n, e = to_int(spki[slice(*modulus)]), to_int(spki[slice(*exponent)])
    key = der(0x30, der_integer(n), der_integer(e))
    if der(0x30, RSA_ENCRYPTION, der(3, b"\0", key)) != spki:
        return None
    return (n, e) if 2048 <= n.bit_length() <= 8192 and n & e & 1 and 65537 <= e < 2**64 else None


@functools.lru_cache(maxsize=65536)
def rsa_pss(public_key, message, signature):
    """RSASSA-PSS-VERIFY (8.1.2) and EMSA-PSS-VERIFY (9.1.2), with a salt of 32 bytes."""
    key = rsa_key(public_key)
    if key is None:
        return False
    n, e = key
    bits = n.bit_length() - 1
    size = (bits + 7) // 8
    if len(signature) != (bits + 8) // 8 or to_int(signature) >= n:
        return False
    opened = pow(to_int(signature), e, n)
    if opened >> bits:
        return False
    encoded = opened.to_bytes(size, "big")
    masked, hashed, trailer = encoded[:-33], encoded[-33:-1], encoded[-1:]
    mask = b"".join(sha256(hashed + counter.to_bytes(4, "big")) for counter in range(len(masked) // 32 + 1))
    block = (to_int(masked) ^ to_int(mask[: len(masked)])) & (1 << bits - 8 * 33) - 1
    if trailer != b"\xbc" or block >> 256 != 1:
        return False
    salt = (block & (1 << 256) - 1).to_bytes(32, "big")
    return sha256(bytes(8) + sha256(message) + salt) == hashed


# --- JSON: RFC 8785 with whole numbers only, read without recursion -----------------------------

NUMBER = re.compile(r"0|-?[1-9][0-9]*")
PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
SHORT = {'"': '"', "\\": "\\", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def utf16(text):
    return text.encode("utf-16-be", "surrogatepass")


def decode_utf8(data, what):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault(what + " is not UTF-8") from None


def read_string(text, at):
    need(text[at : at + 1] == '"', "a string is missing")
    at, pieces = at + 1, []
    while True:
        plain = PLAIN.match(text, at)
        pieces.append(plain.group())
        at = plain.end()
        need(at < len(text), "a string does not end")
        if text[at] == '"':
            return "".join(pieces), at + 1
        need(text[at] == "\\", "a control character stands in a string")
        kind = text[at + 1 : at + 2]
        if kind in SHORT and kind:
            pieces.append(SHORT[kind])
            at += 2
            continue
        digits = text[at + 2 : at + 6]
        need(kind == "u" and re.fullmatch("00[01][0-9a-f]", digits), "an escape is not the canonical one")
        need(int(digits, 16) not in (8, 9, 10, 12, 13), "an escape is not the canonical one")
        pieces.append(chr(int(digits, 16)))
        at += 6


def canonical(data, what):
    """The value of canonical JSON, or a Fault. Only the one spelling is read, so nothing is written
    again to compare: no white space, members ascending by UTF-16 code units (so none twice)."""
    try:
        return canonical_value(decode_utf8(data, what) if isinstance(data, bytes) else data)
    except Fault as fault:
        raise Fault(f"{what} is not canonical JSON: {fault}") from None


def canonical_value(text):
    at, stack = 0, []  # of containers that are open: [container, last key]
    value = None
    while True:
        opened = text[at : at + 1]
        need(opened not in ("{", "[") or len(stack) < MAX_DEPTH, "it is nested too deep")
        if opened == "{" and text[at + 1 : at + 2] != "}":
            key, at = read_string(text, at + 1)
            need(text[at : at + 1] == ":", "a colon is missing")
            at += 1
            stack.append([{}, key])
            continue
        if opened == "[" and text[at + 1 : at + 2] != "]":
            at += 1
            stack.append([[], None])
            continue
        if opened in ("{", "["):
            value, at = ({} if opened == "{" else []), at + 2
        elif opened == '"':
            value, at = read_string(text, at)
        else:
            for word, meaning in (("null", None), ("true", True), ("false", False)):
                if text.startswith(word, at):
                    value, at = meaning, at + len(word)
                    break
            else:
                number = NUMBER.match(text, at)
                need(number and len(number.group()) <= 17, "a value is missing")
                value, at = int(number.group()), number.end()
                need(abs(value) <= MAX_SAFE, "a number is past 2^53 - 1")
        # A value stands; put it into its container, and close what ends here.
        while stack:
            container, key = stack[-1]
            if key is None:
                container.append(value)
            else:
                container[key] = value
            mark, at = text[at : at + 1], at + 1
            if mark == ",":
                if key is not None:
                    following, at = read_string(text, at)
                    need(utf16(following) > utf16(key), "members are not in order")
                    need(text[at : at + 1] == ":", "a colon is missing")
                    at += 1
                    stack[-1][1] = following
                break
            need(mark == ("]" if key is None else "}"), "a list or an object does not end")
            value = container
            stack.pop()
        if not stack:
            need(at == len(text), "something follows the value")
            return value


def plain_json(text, what):
    """JSON in any spelling, for what nobody signed."""

    def refused(_):
        raise ValueError

    try:
        return json.loads(text, parse_int=float, parse_constant=refused)
    except (ValueError, RecursionError):
        raise Fault(what + " is not JSON") from None


def fields(value, names, what):
    need(isinstance(value, dict), what + " is not an object")
    need(set(value) == set(names.split()), f"{what} has not exactly the fields {names}")
    return value


def is_text(value):
    return isinstance(value, str)


def is_one(value):
    return type(value) is int and value == 1  # True is 1 in Python, and not in JSON


def is_count(value):
    return type(value) is int and 0 <= value <= MAX_SAFE


def is_hex(value, digits):
    return is_text(value) and re.fullmatch("[0-9a-f]{%d}" % digits, value) is not None


def b64(value, size=None):
    """Standard base64 with padding and no stray bits; None when it is anything else."""
    if not is_text(value) or not value.isascii():
        return None
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    if base64.b64encode(data).decode() != value or (size is not None and len(data) != size):
        return None
    return data


def to_b64(data):
    return base64.b64encode(data).decode()


TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII)
EPOCH = datetime.datetime(1970, 1, 1)
DAY = 24 * 60 * 60 * 1000


def millis(value):
    """Milliseconds since 1970 of YYYY-MM-DDTHH:MM:SS.mmmZ; None when it is no such time."""
    parts = TIME.fullmatch(value) if is_text(value) else None
    if parts is None:
        return None
    y, mo, d, h, mi, s, ms = (int(part) for part in parts.groups())
    before = 400 if y < 400 else 0  # Python has no year 0; the calendar repeats after 400 years
    try:
        time = datetime.datetime(y + before, mo, d, h, mi, s, ms * 1000)
    except ValueError:
        return None
    return (time - EPOCH) // datetime.timedelta(milliseconds=1) - (146_097 * DAY if before else 0)


def is_entry_id(value):
    return is_text(value) and re.fullmatch("[0-9a-hjkmnp-tv-z]{26}", value) is not None


# --- Merkle trees (RFC 6962) ---------------------------------------------------------------------

EMPTY_ROOT = sha256(b"")


def leaf_hash(leaf):
    return sha256(b"\0" + leaf)


def node(left, right):
    return sha256(b"\1" + left + right)


def root_from_path(index, size, hashed, path):
    """The root that an audit path leads to; a Fault when it is too long or too short."""
    need(index < size, "the index is not in the tree")
    start, width, sides = 0, size, []
    while width > 1:
        left = 1 << (width - 1).bit_length() - 1
        if index - start < left:
            sides.append("right")
            width = left
        else:
            sides.append("left")
            start, width = start + left, width - left
    need(len(sides) == len(path), "the proof has too many hashes or too few")
    for side, sibling in zip(reversed(sides), path):
        hashed = node(hashed, sibling) if side == "right" else node(sibling, hashed)
    return hashed


class Walk:
    """The multi-proof of a statement, from left to right (statement.md)."""

    def __init__(self, size):
        self.size, self.at, self.stack = size, 0, []

    def push(self, end, hashed):
        start = self.at
        while self.stack and end - start == start - self.stack[-1][0] and self.stack[-1][0] % (2 * (end - start)) == 0:
            start, left = self.stack.pop()
            hashed = node(left, hashed)
        self.stack.append((start, hashed))
        self.at = end

    def skip(self, until, hashes):
        hashes = list(hashes)
        while self.at != until:
            need(hashes, "the proof has too few hashes")
            a, n = self.at, self.size
            if until == n and a % (1 << (n - a - 1).bit_length()) == 0:
                end = n
            else:
                width = a & -a if a else 1 << until.bit_length()
                while a + width > until:
                    width >>= 1
                end = a + width
            self.push(end, hashes.pop(0))
        need(not hashes, "the proof has too many hashes")

    def row(self, index, hashes, leaf):
        self.skip(index, hashes)
        self.push(index + 1, leaf_hash(leaf))

    def root(self, rest):
        self.skip(self.size, rest)
        if not self.stack:
            return EMPTY_ROOT
        hashed = self.stack[-1][1]
        for _, left in reversed(self.stack[:-1]):
            hashed = node(left, hashed)
        return hashed


# --- signed notes, checkpoints, keys of a log ----------------------------------------------------


def is_key_name(name):
    return name != "" and "+" not in name and not any(character.isspace() for character in name)


def read_note(note):
    """(text with its final newline, [(name, key id, signature)])"""
    need(is_text(note), "a note is missing")
    need(not any(character < " " and character != "\n" for character in note), "a note has a control character")
    try:
        note.encode("utf-8")
    except UnicodeEncodeError:
        raise Fault("a note is not UTF-8") from None
    split = note.rfind("\n\n")
    need(split >= 0 and note.endswith("\n"), "a note has no signature")
    text, lines = note[: split + 1], note[split + 2 :].split("\n")[:-1]
    need(1 <= len(lines) <= MAX_SIGNATURES, "a note has no signature, or too many")
    signatures = []
    for line in lines:
        parts = line.split(" ")
        need(len(parts) == 3 and parts[0] == "\u2014" and is_key_name(parts[1]), "a signature line is malformed")
        data = b64(parts[2])
        need(data is not None and len(data) > 4, "a signature line is malformed")
        signatures.append((parts[1], data[:4], data[4:]))
    return text, signatures


def key_id(name, public_key):
    return sha256(name.encode() + b"\n\x01" + public_key)[:4]


def read_vkey(vkey):
    """(name, key id, public key) of a verifier key of type 0x01: <name>+<key id, 8 hex>+<base64>"""
    parts = vkey.split("+", 2) if is_text(vkey) else []
    need(len(parts) == 3 and is_key_name(parts[0]) and is_hex(parts[1], 8), "a verifier key is malformed")
    data = b64(parts[2], 33)
    need(data is not None and data[0] == 1, "a verifier key is not of type Ed25519")
    need(key_id(parts[0], data[1:]).hex() == parts[1], "the id of a verifier key is wrong")
    return parts[0], bytes.fromhex(parts[1]), data[1:]


def signed_by(text, signatures, keys):
    """Those of the keys that signed. A line of one of them that does not verify spoils the note."""
    signers = set()
    for name, keyid, signature in signatures:
        for key in keys:
            if (name, keyid) == key[:2]:
                need(ed25519(key[2], text.encode(), signature), "a signature is wrong")
                signers.add(key)
    return signers


def read_size(line):
    need(re.fullmatch("0|[1-9][0-9]{0,15}", line, re.ASCII) and int(line) <= MAX_SAFE, "a tree's size is malformed")
    return int(line)


def read_hash(line, what="a hash"):
    data = b64(line, 32)
    need(data is not None, what + " is not the base64 of 32 bytes")
    return data


class LogKeys:
    """The keys of one log, each with the sizes of the trees that it signs (ledger.md)."""

    def __init__(self, origin, vkey, rotations):
        self.origin = origin
        first = read_vkey(vkey)
        need(first[0] == origin, "the origin is not the name of the key")
        self.keys = [[first, 0, None]]
        need(isinstance(rotations, list), "the rotations are not a list")
        for note in rotations:
            text, signatures = read_note(note)
            lines = text.split("\n")
            need(len(lines) == 6 and lines[0] == "holdfast/log-key/v1", "a rotation is malformed")
            need(lines[1] == origin, "a rotation is of another log")
            new, size = read_vkey(lines[2]), read_size(lines[3])
            read_hash(lines[4], "the root of a rotation")
            need(new[0] == origin, "a rotation is to a key of another name")
            need(all(new[2] != old[0][2] for old in self.keys), "a rotation is to a key that was there before")
            before = self.keys[-1]
            need(size >= before[1], "a rotation is at a smaller size than the one before")
            need(signed_by(text, signatures, [before[0], new]) == {before[0], new}, "a rotation is not signed by both keys")
            before[2] = size
            self.keys.append([new, size, None])

    def signed(self, text, signatures, size):
        signers = signed_by(text, signatures, self.every())
        of_size = {key for key, start, end in self.keys if start <= size and (end is None or size <= end)}
        need(signers & of_size, f"it is not signed by a key of the log for a tree of {size}")

    def every(self):
        return [key for key, _, _ in self.keys]

    def checkpoint(self, note):
        """(size, root) of a checkpoint that a key of this log signed."""
        text, signatures = read_note(note)
        lines = text.split("\n")
        need(len(lines) >= 4 and "" not in lines[:-1], "the checkpoint has not three lines")
        need(lines[0] == self.origin, "the checkpoint is of another log")
        size, root = read_size(lines[1]), read_hash(lines[2], "the checkpoint's root")
        self.signed(text, signatures, size)
        return size, root


# --- approvers and what they sign (instruction.md; WebAuthn Level 2 and 3, section 7.2) ------------

Approver = collections.namedtuple("Approver", "algorithm key rp_id origins")

HOST = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
ORIGIN = re.compile(r"(https?)://(%s)(?::([1-9][0-9]{0,4}))?" % HOST)


def is_host(value):
    return is_text(value) and len(value) <= 253 and re.fullmatch(HOST, value) is not None


def is_origin(value):
    match = ORIGIN.fullmatch(value) if is_text(value) else None
    if match is None or len(match[2]) > 253 or int(match[3] or 1) > 65535:
        return False
    return match[3] != {"https": "443", "http": "80"}[match[1]] and (match[1] == "https" or match[2] == "localhost")


def read_approver(value):
    passkey = isinstance(value, dict) and value.get("algorithm") == "webauthn-es256"
    fields(value, "algorithm publicKey" + (" origins rpId" if passkey else ""), "an approver")
    algorithm, text = value["algorithm"], value["publicKey"]
    need(is_text(text) and re.fullmatch("(?:[0-9a-f]{2})*", text), "a public key is not hex")
    key = bytes.fromhex(text)
    if algorithm == "ed25519":
        need(len(key) == 32, "an Ed25519 key is malformed")
    elif algorithm == "rsa-pss-sha256":
        need(rsa_key(key), "an RSA key is malformed")
    else:
        need(passkey or algorithm == "ecdsa-p256-sha256", "an approver has an unknown algorithm")
        need(p256_point(key), "a P-256 key is malformed")
    if not passkey:
        return Approver(algorithm, key, None, None)
    origins = value["origins"]
    need(is_host(value["rpId"]), "an rpId is malformed")
    need(isinstance(origins, list) and 1 <= len(origins) <= 8, "an approver has no origins, or too many")
    need(all(is_origin(origin) for origin in origins), "an origin is malformed")
    need(all(a < b for a, b in zip(origins, origins[1:])), "origins do not ascend")
    return Approver(algorithm, key, value["rpId"], tuple(origins))


def signed_by_approver(approver, message, signature):
    """The approver's algorithm and key decide, whatever the envelope says."""
    if approver.algorithm == "webauthn-es256":
        try:
            return assertion(approver, message, signature)
        except Fault:
            return False
    verify = {"ed25519": ed25519, "ecdsa-p256-sha256": ecdsa_p256, "rsa-pss-sha256": rsa_pss}
    return verify[approver.algorithm](approver.key, message, signature)


class Members(list):
    """Of a JSON object, (name, value) as often as they stand there."""


def client_data(data):
    need(len(data) <= 4096, "the client data is too long")

    def refused(_):
        raise ValueError

    try:
        text = decode_utf8(data, "the client data")
        members = json.loads(text, parse_int=float, parse_constant=refused, object_pairs_hook=Members)
    except ValueError:
        raise Fault("the client data is not JSON") from None
    need(isinstance(members, Members), "the client data is no object")
    names = [name for name, _ in members]
    need(len(set(names)) == len(names), "a field of the client data stands there twice")
    return dict(members)


def assertion(approver, message, signature):
    value = canonical(signature, "the assertion")
    fields(value, "authenticatorData clientDataJSON signature", "the assertion")
    data, client_json, ecdsa = (b64(value[name]) for name in ("authenticatorData", "clientDataJSON", "signature"))
    need(None not in (data, client_json, ecdsa), "the assertion is not base64")
    client = client_data(client_json)
    challenge = base64.urlsafe_b64encode(sha256(message)).decode().rstrip("=")
    need(client.get("type") == "webauthn.get", "it is no assertion")
    need(client.get("challenge") == challenge, "it is for something else")
    need(is_text(client.get("origin")) and client["origin"] in approver.origins, "it is from another site")
    need(client.get("crossOrigin", False) is False and "topOrigin" not in client, "it is from within another page")
    need(len(data) >= 37 and data[:32] == sha256(approver.rp_id.encode()), "it is for another domain")
    flags = data[32]
    need(flags & 0x01 and flags & 0x04, "nobody was present, or verified")
    need(flags & 0x08 or not flags & 0x10, "it is backed up and not eligible for it")
    need(not flags & 0x40, "there is a credential in it")
    need((len(data) > 37) == (flags & 0x80 != 0), "there are extensions, or none, against what is said")
    return ecdsa_p256(approver.key, data + sha256(client_json), ecdsa)


# --- DSSE, sets of approvers, genesis ------------------------------------------------------------

KIND = "application/vnd.holdfast.%s+json"


def dsse_bytes(value, what):
    need(is_text(value), what + " is not base64")
    need(not (set("-_") & set(value) and set("+/") & set(value)), what + " mixes two alphabets")
    data = b64(value.replace("-", "+").replace("_", "/"))
    need(data is not None, what + " is not base64")
    return data


Envelope = collections.namedtuple("Envelope", "type payload signatures")


def open_envelope(value):
    need(isinstance(value, dict) and is_text(value.get("payloadType")) and value["payloadType"], "it is not an envelope")
    need(isinstance(value.get("signatures"), list), "an envelope has no list of signatures")
    sigs = []
    for signature in value["signatures"]:
        need(isinstance(signature, dict) and is_text(signature.get("keyid", "")), "a signature is malformed")
        sigs.append(dsse_bytes(signature.get("sig"), "a signature"))
    return Envelope(value["payloadType"], dsse_bytes(value.get("payload"), "a payload"), sigs)


def pae_of(envelope):
    payload_type = envelope.type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type, len(envelope.payload), envelope.payload)


def id_of(envelope):
    return sha256(pae_of(envelope)).hex()


def read_document(envelope, kind, names):
    need(envelope.type == KIND % kind, f"{kind} is of another type")
    document = canonical(envelope.payload, kind)
    fields(document, names, kind)
    need(is_one(document["v"]), f"{kind} is of another version")
    return document


def is_reason(value):
    """At most 1,000 UTF-16 code units."""
    return is_text(value) and len(utf16(value)) <= 2000


def read_approvers(value, least):
    need(isinstance(value["approvers"], list) and type(value["quorum"]) is int, "the approvers are malformed")
    approvers = [read_approver(each) for each in value["approvers"]]
    # One key under two algorithms would be one person counted as two.
    need(len({each.key for each in approvers}) == len(approvers) >= least, "the approvers are malformed")
    need((1 if approvers else 0) <= value["quorum"] <= len(approvers), "the quorum is not one of these approvers")
    return approvers, value["quorum"]


KINDS = "access approvers class disclose erase key residency standing-transfer transfer".split()
Rules = collections.namedtuple("Rules", "abroad drafters quorums separate_duties policy")
KEPT = object()
HIDDEN = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff]")
ApproverSet = collections.namedtuple("ApproverSet", "tenant number id approvers quorum spare spare_quorum rules")


def read_policy(value):
    """At most 16,384 UTF-16 code units, all of which show. What it forbids is not for whoever verifies."""
    if "policy" not in value:
        return None
    if value["policy"] is None:
        return KEPT
    need(is_text(value["policy"]) and 0 < len(utf16(value["policy"])) <= 2 * 16384, "the policy is no text, or too long")
    need(HIDDEN.search(value["policy"]) is None, "the policy has characters that do not show")
    return value["policy"]


def read_rules(value, approvers, quorum):
    need(isinstance(value, dict), "the rules are no object")
    fields(value, "abroad drafters quorums separateDuties" + (" policy" if "policy" in value else ""), "the rules")
    need(type(value["abroad"]) is int and 0 <= value["abroad"] <= len(approvers), "abroad is not from 0 to the number of approvers")
    need(type(value["separateDuties"]) is bool, "separateDuties is not true or false")
    need(not value["separateDuties"] or len(approvers) > 1, "separate duties take two approvers")
    need(isinstance(value["quorums"], dict), "the quorums are no object")
    for kind, count in value["quorums"].items():
        need(kind in KINDS, "a quorum is for no kind of instruction")
        least = quorum if kind == "approvers" else 1
        need(type(count) is int and least <= count <= len(approvers), "a quorum by kind is out of bounds")
    need(isinstance(value["drafters"], list), "the drafters are no list")
    drafters, _ = read_approvers({"approvers": value["drafters"], "quorum": 1 if value["drafters"] else 0}, 0)
    need(not {each.key for each in drafters} & {each.key for each in approvers}, "a drafter is an approver")
    return Rules(value["abroad"], drafters, value["quorums"], value["separateDuties"], read_policy(value))


def read_set(value, tenant, number, identity):
    """Of a genesis or of the `set` of a change."""
    approvers, quorum = read_approvers(value, 1)
    spare = read_approvers(fields(value["recovery"], "approvers quorum", "the recovery set"), 0)
    # A genesis may leave them out.
    rules = read_rules(value["rules"], approvers, quorum) if "rules" in value else Rules(0, [], {}, False, None)
    return ApproverSet(tenant, number, identity, approvers, quorum, *spare, rules)


def read_genesis(value):
    """The set that the tenant begins with. Its id is the tenant's."""
    envelope = open_envelope(value)
    need(envelope.type == KIND % "genesis", "genesis is of another type")
    genesis = canonical(envelope.payload, "genesis")
    need(isinstance(genesis, dict), "genesis is not an object")
    rules = " rules" if "rules" in genesis else ""
    read_document(envelope, "genesis", "approvers created name nonce quorum recovery v" + rules)
    need(millis(genesis["created"]) is not None, "genesis has no time")
    need(is_text(genesis["name"]) and is_hex(genesis["nonce"], 32), "genesis is malformed")
    own = read_set(genesis, id_of(envelope), 0, id_of(envelope))
    need(own.rules.policy is not KEPT, "genesis keeps a policy, and there is none")
    for approver in own.approvers:
        signed = any(signed_by_approver(approver, pae_of(envelope), sig) for sig in envelope.signatures)
        need(signed, "genesis is not signed by each of its approvers")
    return own


def approver_id(approver):
    data = b"holdfast/approver/v1\0" + approver.algorithm.encode() + b"\0" + approver.key
    if approver.rp_id is not None:
        data += b"\0" + canonical_write({"origins": list(approver.origins), "rpId": approver.rp_id})
    return sha256(data).hex()


def signer_among(envelope, approvers):
    """Whose the one signature is; None: nobody's of these."""
    need(len(envelope.signatures) == 1, "it has not exactly one signature")
    return next((each for each in approvers if signed_by_approver(each, pae_of(envelope), envelope.signatures[0])), None)


# --- verdicts and delegations ------------------------------------------------------------------------

# For whom it counts and by whose key it was signed (both keys), when, and by which delegation.
Approval = collections.namedtuple("Approval", "instruction seat voter signer time delegation kinds")
MONTH = 31 * DAY


def read_delegation(envelope, own):
    """(giver, delegate, from, until, kinds)"""
    names = "approver delegate expires kinds nonce notBefore reason tenant v"
    document = read_document(envelope, "delegation", names)
    need(document["tenant"] == own.tenant, "a delegation is another tenant's")
    need(is_hex(document["nonce"], 32) and is_reason(document["reason"]), "a delegation is malformed")
    start, end = millis(document["notBefore"]), millis(document["expires"])
    need(start is not None and end is not None and start < end <= start + MONTH, "a delegation is for no time, or for too long")
    kinds = document["kinds"]
    if kinds is not None:
        need(isinstance(kinds, list) and kinds, "a delegation is for no kind")
        need(all(is_text(kind) and kind in KINDS and kind != "approvers" for kind in kinds), "a delegation is for a kind that cannot be passed on")
    delegate = read_approver(document["delegate"])
    need(all(each.key != delegate.key for each in own.approvers), "a delegate is an approver")
    giver = signer_among(envelope, own.approvers)
    need(giver is not None and approver_id(giver) == document["approver"], "a delegation is not signed by who gives it")
    return giver, delegate, start, end, kinds


def read_approval(envelope, own):
    """An approval by somebody who may speak for the tenant. What it counts for is seen later."""
    need(envelope.type == KIND % "approval", "it is no approval")
    document = canonical(envelope.payload, "approval")
    delegated = isinstance(document, dict) and "delegation" in document
    read_document(envelope, "approval", "instruction reason tenant time v" + (" delegation" if delegated else ""))
    time = millis(document["time"])
    need(is_hex(document["instruction"], 64) and is_reason(document["reason"]) and time is not None, "an approval is malformed")
    need(document["tenant"] == own.tenant, "an approval is another tenant's")
    if delegated:
        inner = open_envelope(document["delegation"])
        giver, delegate, start, end, kinds = read_delegation(inner, own)
        need(signer_among(envelope, [delegate]) is not None, "an approval is not signed by the delegate")
        need(start <= time < end, "an approval is outside the time of its delegation")
        return Approval(document["instruction"], "approver", giver.key, delegate.key, time, id_of(inner), kinds)
    for seat, approvers in (("approver", own.approvers), ("recovery", own.spare)):
        signer = signer_among(envelope, approvers)
        if signer is not None:
            return Approval(document["instruction"], seat, signer.key, signer.key, time, None, None)
    raise Fault("an approval is signed by no approver")


def read_approvals(envelopes, own):
    """Those that are some; what is none is passed over."""
    found = []
    for value in envelopes:
        try:
            found.append(read_approval(open_envelope(value), own))
        except Fault:
            pass
    return found


def most_votes(approvals):
    """The most approvals of which no two are of one approver, and no two by one key."""
    edges = {}
    for approval in approvals:
        edges.setdefault(approval.voter, set()).add(approval.signer)
    taken = {}  # key: whose vote it gives

    def place(voter, tried):
        for signer in edges[voter] - tried:
            tried.add(signer)
            if signer not in taken or place(taken[signer], tried):
                taken[signer] = voter
                return True
        return False

    return sum(place(voter, set()) for voter in edges)


def drafter_key(envelope, document, own):
    """The key of who drafted it, if it is named, may draft, and its one signature is there."""
    known = next((each for each in own.approvers + own.rules.drafters if approver_id(each) == document.get("drafter")), None)
    if known is None or len(envelope.signatures) != 1 or signer_among(envelope, [known]) is None:
        return None
    return known.key


YEAR = 366 * DAY
ORDERS = {
    "approvers": "after by expires kind ledger nonce notBefore number purpose set tenant v",
    "erase": "expires kind ledger nonce notBefore purpose region scope tenant v",
}


def read_order(envelope, kind, own):
    document = canonical(envelope.payload, "instruction")
    need(isinstance(document, dict) and document.get("kind") == kind, "the instruction is of another kind")
    read_document(envelope, "instruction", ORDERS[kind] + (" drafter" if "drafter" in document else ""))
    need(document["tenant"] == own.tenant, "the instruction is another tenant's")
    start, end = millis(document["notBefore"]), millis(document["expires"])
    need(start is not None and end is not None and start < end <= start + YEAR, "the instruction is for no time, or for too long")
    return document


def need_approved(envelope, document, envelopes, own, withdrawn):
    kind, by_recovery = document["kind"], document.get("by") == "recovery"
    counting = []
    for approval in read_approvals(envelopes, own):
        lent = approval.delegation is not None
        if approval.instruction != id_of(envelope) or approval.time >= millis(document["expires"]):
            continue
        if approval.seat != ("recovery" if by_recovery else "approver"):
            continue
        if lent and (kind == "approvers" or approval.delegation in withdrawn):
            continue
        if lent and approval.kinds is not None and kind not in approval.kinds:
            continue
        counting.append(approval)
    quorum = max(1, own.spare_quorum) if by_recovery else own.rules.quorums.get(kind, own.quorum)
    need(most_votes(counting) >= quorum, "the instruction is not approved by the quorum")
    if own.rules.separate_duties and not by_recovery:
        drafter = drafter_key(envelope, document, own)
        others = [each for each in counting if drafter not in (each.voter, each.signer)]
        need(drafter is not None and others, "nobody but who drafted it has approved the instruction")


# --- changes of the approvers ------------------------------------------------------------------------


def follow_change(own, link):
    need(isinstance(link, dict) and isinstance(link.get("approvals"), list), "a change is malformed")
    envelope = open_envelope(link.get("envelope"))
    for approval in link["approvals"]:
        open_envelope(approval)
    change = read_order(envelope, "approvers", own)
    need(change["by"] in ("approvers", "recovery"), "a change is by nobody")
    need(type(change["number"]) is int and change["number"] == own.number + 1, "a change has another number")
    need(change["after"] == own.id, "a change comes after another")
    fields(change["set"], "approvers quorum recovery rules", "the set")
    following = read_set(change["set"], own.tenant, change["number"], id_of(envelope))
    if following.rules.policy is KEPT:
        need(own.rules.policy is not None, "a change keeps a policy, and there is none")
        following = following._replace(rules=following.rules._replace(policy=own.rules.policy))
    # No delegation counts here, so none can have been taken back.
    need_approved(envelope, change, link["approvals"], own, ())
    return following


def follow_chain(genesis, chain):
    need(isinstance(chain, list), "a chain is no list")
    own = genesis
    for link in chain:
        own = follow_change(own, link)
    return own


class ApproverBook:
    """What the entries of a statement say of who may sign, in their order."""

    WAIT = 72 * 60 * 60 * 1000

    def __init__(self, genesis, whole):
        self.genesis, self.whole = genesis, whole
        self.chain = [] if whole else None  # in force; None: not told yet
        self.approved, self.stopped, self.withdrawn = {}, set(), set()

    def in_force(self, chain):
        return self.chain is None or canonical_write(chain) == canonical_write(self.chain)

    def read(self, payload):
        kind, body = payload["type"], payload["body"]
        instruction, time = body.get("instruction"), millis(payload["time"])
        if kind == "tenant.joined" and payload["seq"] == 0 and "chain" in body:
            follow_chain(self.genesis, body["chain"])
            self.chain = body["chain"]
        if kind == "delegation.withdrawn" and is_text(body.get("delegation")):
            self.withdrawn.add(body["delegation"])
        if kind == "approvers.changed":
            self.changed(body, instruction, time)
        if not is_text(instruction):
            return
        state = body.get("state") if kind == "instruction.state" else None
        if kind == "instruction.revoked" or state in ("expired", "failed", "rejected", "revoked"):
            self.stopped.add(instruction)
        if state == "approved":
            self.approved[instruction] = time

    def changed(self, body, instruction, time):
        chain = body.get("chain")
        need(isinstance(chain, list) and chain, "the change holds no chain")
        need(type(body.get("number")) is int and body["number"] == len(chain), "the change has another number than its chain")
        own = follow_chain(self.genesis, chain)
        need(own.id == instruction, "the change names another instruction")
        need(self.in_force(chain[:-1]), "the change does not follow the one before")
        self.chain = chain
        need(instruction not in self.stopped, "the change had been stopped")
        need(instruction in self.approved or not self.whole, "nothing says that the change was approved")
        need(time - self.approved.get(instruction, time - self.WAIT) >= self.WAIT, "the change did not wait for 72 hours")


# --- erasures ----------------------------------------------------------------------------------------


def read_pairs(value):
    need(isinstance(value, list), "a list of entries is missing")
    for pair in value:
        need(isinstance(pair, list) and len(pair) == 2, "a list of entries is malformed")
        need(type(pair[0]) is int and is_text(pair[1]), "a list of entries is malformed")
    return value


def covered(body, trust, region, book):
    """The pairs of number and id whose erasure this `entries.erased` shows to be ordered."""
    envelope = open_envelope(body.get("envelope"))
    document = read_order(envelope, "erase", trust.genesis)
    need(document["ledger"] == region.keys.origin, "the instruction is of another ledger")
    need(isinstance(document["scope"], dict), "the instruction has no scope")
    scope = read_pairs(document["scope"].get("entries"))
    if "entries" in body:
        need(canonical_write(body["entries"]) == canonical_write(scope), "entries.erased lists other entries")
    own = follow_chain(trust.genesis, body.get("chain", []))
    need(book.in_force(body.get("chain", [])), "the erasure is judged by other approvers than were in force")
    approvals = body.get("approvals")
    need_approved(envelope, document, approvals if isinstance(approvals, list) else [], own, book.withdrawn)
    return scope


# --- trust file ------------------------------------------------------------------------------------


class Region:
    def __init__(self, value):
        need(isinstance(value, dict) and is_text(value.get("origin")), "a region is malformed")
        need(is_hex(value.get("chainKey"), 64), "a chain key is malformed")
        country = value.get("country")
        need(is_text(country) and re.fullmatch("[A-Z]{2}", country), "a country is not two capitals")
        self.chain_key = bytes.fromhex(value["chainKey"])
        self.keys = LogKeys(value["origin"], value.get("vkey"), value.get("rotations", []))

    def label(self, number):
        return label(self.chain_key, number)


class Trust:
    def __init__(self, text):
        value = plain_json(text, "the trust file")
        need(isinstance(value, dict) and value.get("format") == "holdfast/trust/v1", "this is no trust file")
        self.genesis = read_genesis(value.get("genesis"))
        self.tenant = self.genesis.tenant
        need(value.get("tenant") == self.tenant, "the tenant is not that of the genesis")
        need(isinstance(value.get("regions"), dict), "the trust file has no regions")
        self.regions = {name: Region(region) for name, region in value["regions"].items()}

    def region(self, name):
        need(is_text(name) and name in self.regions, "not anchored: the region is not in the trust file")
        return self.regions[name]


def label(chain_key, number):
    return hmac.digest(chain_key, b"holdfast/label/v1\0" + number.to_bytes(8, "big"), "sha256")


# --- entries -----------------------------------------------------------------------------------------


def read_payload(data):
    need(len(data) <= MAX_PAYLOAD, "the payload is too long")
    payload = canonical(data, "the payload")
    fields(payload, "body id prev region seq tenant time type v", "the payload")
    need(is_one(payload["v"]), "the payload is of another version")
    need(is_entry_id(payload["id"]), "the entry's id is malformed")
    need(is_text(payload["type"]) and payload["type"] != "", "the payload has no type")
    need(is_text(payload["region"]) and payload["region"] != "", "the payload has no region")
    need(isinstance(payload["body"], dict) and is_hex(payload["tenant"], 64), "the payload is malformed")
    time = millis(payload["time"])
    need(time is not None and time >= 0, "the entry's time is malformed")
    need(is_count(payload["seq"]) and is_hex(payload["prev"], 64), "the payload is malformed")
    return payload


def read_leaf(leaf):
    """(time, label, commitment)"""
    need(len(leaf) == 73 and leaf[0] == 1, "a leaf is malformed")
    need(int.from_bytes(leaf[1:9], "big") <= MAX_SAFE, "a leaf's time is too large")
    return int.from_bytes(leaf[1:9], "big"), leaf[9:41], leaf[41:]


def make_leaf(payload, commitment, region):
    return b"\1" + millis(payload["time"]).to_bytes(8, "big") + region.label(payload["seq"]) + commitment


def check_joined(payload, trust, region):
    body = payload["body"]
    need(payload["type"] == "tenant.joined", "entry 0 is not tenant.joined")
    need(body.get("genesis") == trust.tenant, "tenant.joined names another genesis")
    own = sha256(b"holdfast/chain-key/v1\0" + region.chain_key).hex()
    need(body.get("chainKeyCommitment") == own, "tenant.joined commits to another chain key")


def canonical_write(value):
    """Canonical JSON of a value that was read from canonical JSON."""
    # Reading kept the members in order, and taking some away leaves them in order.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def digest(payload):
    return sha256(canonical_write({k: v for k, v in payload.items() if k not in ("seq", "prev")})).hex()


# --- receipt -----------------------------------------------------------------------------------------


def check_receipt(data, trust):
    text = decode_utf8(data, "the receipt")
    proof, found, checkpoint = text.partition("\n\n")
    need(found, "the receipt has no checkpoint")
    lines = proof.split("\n")
    need(len(lines) >= 3 and lines[0] == "c2sp.org/tlog-proof@v1", "this is no tlog-proof")
    need(lines[1].startswith("extra "), "the receipt has no extra line")
    need(lines[2].startswith("index "), "the receipt has no index line")
    index = read_size(lines[2][6:])
    path = [read_hash(line, "a hash of the proof") for line in lines[3:]]
    extra = b64(lines[1][6:])
    need(extra is not None, "the extra line is not base64")
    extra = fields(canonical(extra, "the extra line"), "payload salt", "the extra line")
    need(is_text(extra["payload"]) and is_hex(extra["salt"], 64), "the extra line is malformed")
    raw = extra["payload"].encode()
    payload = read_payload(raw)
    need(payload["tenant"] == trust.tenant, "not anchored: the entry is another tenant's")
    region = trust.region(payload["region"])
    size, root = region.keys.checkpoint(checkpoint)
    leaf = make_leaf(payload, sha256(bytes.fromhex(extra["salt"]) + raw), region)
    need(root_from_path(index, size, leaf_hash(leaf), path) == root, "the entry is not in the tree of the checkpoint")
    return payload


# --- statement ---------------------------------------------------------------------------------------


class Statement:
    """Checks a statement; `faults` is empty when it verified."""

    def __init__(self, data, trust):
        self.faults, self.digests, self.erased, self.time = [], {}, {}, 0
        self.whole = False
        self.covering, self.blank, self.standing = {}, set(), {}
        try:
            self.check(data, trust)
        except Fault as fault:
            self.faults.append(str(fault))

    def check(self, data, trust):
        need(data.endswith(b"\n"), "the document does not end with a newline")
        lines = data[:-1].split(b"\n")
        need(len(lines) >= 2, "the document has not a first and a last line")
        need(all(len(line) + 1 <= MAX_LINE for line in lines), "a line is too long")
        header = self.header(lines[0])
        need(lines[-1].startswith(b"],"), "the last line is malformed")
        tail = fields(canonical(b"{" + lines[-1][2:], "the last line"), "rest signature", "the last line")
        need(isinstance(tail["rest"], list), "the rest is not a list")
        rest = [read_hash(item, "a hash of the rest") for item in tail["rest"]]

        need(header["tenant"] == trust.tenant, "not anchored: the statement is another tenant's")
        self.region_name, self.trust = header["region"], trust
        self.region = trust.region(header["region"])
        size, root = self.region.keys.checkpoint(header["checkpoint"])
        before = data[: len(data) - len(lines[-1]) - 1]
        self.signature(tail, size, before)
        rows = lines[1:-1]
        need(header["count"] == len(rows), "the count is not the number of rows")
        need(header["first"] + header["count"] <= header["entered"], "there are more rows than entries were entered")
        need(header["first"] > 0 or header["prev"] == "0" * 64, "the first entry follows another")
        self.time = millis(header["time"])
        self.whole = header["first"] == 0 and header["count"] == header["entered"]

        self.prev, self.walk, self.last_index = header["prev"], Walk(size), -1
        self.book = ApproverBook(trust.genesis, header["first"] == 0)
        for number, line in enumerate(rows):
            if number < len(rows) - 1:
                need(line.endswith(b","), f"row {number}: no comma follows")
                line = line[:-1]
            try:
                self.row(line, header["first"] + number, size)
            except Fault as fault:
                raise Fault(f"row {number}: {fault}") from None
        need(self.walk.root(rest) == root, "the rows are not in the tree of the checkpoint")
        for number in sorted(self.blank - set(self.covering)):
            self.faults.append(f"entry {number} is blank, and no approved instruction erased it")
        for number in sorted(set(self.standing) & set(self.covering)):
            self.faults.append(f"entry {number} was said to be erased and is still there")

    def header(self, line):
        end = b',"rows":['
        need(line.endswith(end), "the first line is malformed")
        header = canonical(line[: -len(end)] + b"}", "the first line")
        fields(header, "checkpoint count entered first format prev region tenant time", "the first line")
        need(header["format"] == "holdfast/statement/v2", "the statement is of another format")
        need(all(is_count(header[name]) for name in ("count", "entered", "first")), "a count is malformed")
        need(is_hex(header["prev"], 64) and is_text(header["region"]) and is_text(header["checkpoint"]), "the first line is malformed")
        need(millis(header["time"]) is not None, "the first line has no time")
        return header

    def signature(self, tail, size, before):
        text, signatures = read_note(tail["signature"])
        need(len(signatures) == 1, "the statement has not exactly one signature")
        rest = to_b64(sha256(canonical_write(tail["rest"])))
        expected = f"holdfast/statement/v2\n{self.region.keys.origin}\n{sha256(before).hex()}\n{rest}\n"
        need(text == expected, "the signature is over another document")
        self.region.keys.signed(text, signatures, size)

    def row(self, line, number, size):
        row = canonical(line, "the row")
        need(isinstance(row, dict), "it is not an object")
        fields(row, "h i leaf" if "leaf" in row else "h i p s", "it")
        need(isinstance(row["h"], list) and is_count(row["i"]), "it is malformed")
        hashes = [read_hash(item) for item in row["h"]]
        need(self.last_index < row["i"] < size, "its leaf is out of order, or not in the tree")
        if "leaf" in row:
            need(is_hex(row["leaf"], 146), "its leaf is malformed")
            leaf = bytes.fromhex(row["leaf"])
            _, its_label, commitment = read_leaf(leaf)
            need(its_label == self.region.label(number), "its label is not that of its number")
            need(number > 0, "entry 0 is not tenant.joined")
            self.blank.add(number)
        else:
            need(is_hex(row["s"], 64), "its salt is malformed")
            # Hashes and numbers hold no such bytes, so the first ones begin the payload.
            raw = line[line.index(b'"p":') + 4 : -72]
            payload = read_payload(raw)
            need(payload["tenant"] == self.trust.tenant, "it is another tenant's")
            need(payload["region"] == self.region_name, "it is another region's")
            need(payload["seq"] == number, "its number is not the next one")
            need(payload["prev"] == self.prev, "it does not follow the row before")
            commitment = sha256(bytes.fromhex(row["s"]) + raw)
            leaf = make_leaf(payload, commitment, self.region)
            if number == 0:
                check_joined(payload, self.trust, self.region)
            self.standing[number] = payload["id"]
            self.digests[payload["id"]] = digest(payload)
            self.book.read(payload)
            if payload["type"] == "entries.erased":
                self.erasure(payload)
        self.walk.row(row["i"], hashes, leaf)
        self.prev, self.last_index = commitment.hex(), row["i"]

    def erasure(self, payload):
        for number, entry in covered(payload["body"], self.trust, self.region, self.book):
            self.covering[number] = entry
            self.erased[entry] = number


# --- promise -----------------------------------------------------------------------------------------


def check_promise(text, trust):
    match = re.fullmatch(r"hfp1\.([0-9A-Za-z_-]+)", text)
    need(match, "this is no promise")
    standard = match.group(1).replace("-", "+").replace("_", "/")
    data = b64(standard + "=" * (-len(standard) % 4))
    need(data is not None, "the promise is not base64url")
    promise = canonical(data, "the promise")
    fields(promise, "entries index path region signature size time v within", "the promise")
    need(is_one(promise["v"]), "the promise is of another version")
    entries = promise["entries"]
    need(isinstance(entries, list) and entries, "the promise has no entries")
    for pair in entries:
        need(isinstance(pair, list) and len(pair) == 2 and is_entry_id(pair[0]) and is_hex(pair[1], 64), "an entry of the promise is malformed")
    need(all(is_count(promise[name]) for name in ("index", "size", "within")), "the promise is malformed")
    need(millis(promise["time"]) is not None, "the promise has no time")
    need(isinstance(promise["path"], list), "the promise has no path")
    path = [read_hash(item, "a hash of the path") for item in promise["path"]]
    signature = b64(promise["signature"], 68)
    need(signature is not None, "the promise's signature is malformed")
    root = root_from_path(promise["index"], promise["size"], leaf_hash(canonical_write(entries)), path)
    keys = trust.region(promise["region"]).keys
    signed = f"holdfast/promise/v1\n{keys.origin}\n{promise['time']}\n{promise['within']}\n{promise['size']}\n{to_b64(root)}\n"
    need(signed_by(signed, [(keys.origin, signature[:4], signature[4:])], keys.every()), "the promise is not signed by the log")
    return promise


def promise_state(promise, entry, wanted, statements):
    """kept, broken or open, by the verified statements beside the promise"""
    state = "open"
    for statement in statements:
        if statement.faults or statement.region_name != promise["region"]:
            continue
        if entry in statement.digests:
            return "kept" if statement.digests[entry] == wanted else "broken"
        if entry in statement.erased:
            return "kept"
        if statement.whole and statement.time > millis(promise["time"]) + promise["within"] * 1000:
            state = "broken"
    return state


# --- a folder copy of a public log -------------------------------------------------------------------


def tile_path(number):
    parts = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        parts.insert(0, f"x{number % 1000:03}")
    return "/".join(parts)


def read_file(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def read_resource(folder, kind, number, width, take):
    """`width` items of a tile or a bundle: of the partial one, or the front of the full one."""
    path = os.path.join(folder, "tile", kind, tile_path(number))
    data = read_file(f"{path}.p/{width}") if width < 256 else None
    exact = data is not None or width == 256
    data = read_file(path) if data is None else data
    need(data is not None, f"tile/{kind}/{tile_path(number)} of width {width} is missing")
    items = take(data)
    need(len(items) == (width if exact else 256), f"tile/{kind}/{tile_path(number)} has another width")
    return items[:width]


def take_hashes(data):
    need(len(data) % 32 == 0, "a tile is cut")
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def take_leaves(data):
    need(len(data) % 75 == 0, "an entry bundle is cut, or its leaves are not of 73 bytes")
    leaves = []
    for at in range(0, len(data), 75):
        need(data[at : at + 2] == b"\0\x49", "a leaf is not of 73 bytes")
        leaves.append(data[at + 2 : at + 75])
    return leaves


def check_log(folder, vkey, chain_key=None):
    """What the log holds: its size, and of a chain key the leaf index of each number."""
    name = read_vkey(vkey)[0]
    rotations = []
    keys_file = read_file(os.path.join(folder, "keys"))
    if keys_file is not None:
        keys = plain_json(decode_utf8(keys_file, "keys"), "keys")
        need(isinstance(keys, dict) and keys.get("format") == "holdfast/log-keys/v1", "keys is malformed")
        need(keys.get("vkey") == vkey, "keys begins with another key")
        rotations = keys.get("rotations")
    note = read_file(os.path.join(folder, "checkpoint"))
    need(note is not None, "there is no checkpoint")
    size, root = LogKeys(name, vkey, rotations).checkpoint(decode_utf8(note, "the checkpoint"))
    leaves = []
    for start in range(0, size, 256):
        leaves += read_resource(folder, "entries", start // 256, min(256, size - start), take_leaves)
    for leaf in leaves:
        read_leaf(leaf)
    walk = Walk(size)
    for index, leaf in enumerate(leaves):
        walk.row(index, [], leaf)
    need(walk.root([]) == root, "the leaves do not give the checkpoint's root")
    # The tiles of every level: the nodes at multiples of eight levels.
    level, hashes = 0, [leaf_hash(leaf) for leaf in leaves]
    while hashes:
        for start in range(0, len(hashes), 256):
            own = hashes[start : start + 256]
            tile = read_resource(folder, str(level), start // 256, len(own), take_hashes)
            need(tile == own, f"tile/{level}/{tile_path(start // 256)} is not of these leaves")
        above = []
        for start in range(0, len(hashes) - 255, 256):
            subtree = hashes[start : start + 256]
            while len(subtree) > 1:
                subtree = [node(subtree[at], subtree[at + 1]) for at in range(0, len(subtree), 2)]
            above += subtree
        level, hashes = level + 1, above
    answer = {"size": size}
    if chain_key is not None:
        answer["indices"] = find_labels(bytes.fromhex(chain_key), leaves)
    return answer


def find_labels(chain_key, leaves):
    """The leaf index of each number of the chain key's owner."""
    where, indices = {}, []
    for index, leaf in enumerate(leaves):
        where.setdefault(leaf[9:41], []).append(index)
    while (found := where.get(label(chain_key, len(indices)))) is not None:
        need(len(found) == 1, f"the label of number {len(indices)} stands there more than once")
        indices.append(found[0])
    need(indices == sorted(indices), "the labels are not in order")
    return indices


# --- files, in any mix ---------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def read_trust(text):
    try:
        return Trust(text)
    except Fault as fault:
        return str(fault)


def check_files(trust_text, files):
    """[(name, bytes)] → [(name, what, faults)]"""
    trust = read_trust(trust_text)
    if isinstance(trust, str):
        return [("trust", "trust", [trust])]
    results, statements, promises = [], [], []
    for name, data in files:
        try:
            if data.startswith(b"{"):
                statement = Statement(data, trust)
                statements.append(statement)
                results.append((name, "statement", statement.faults))
            elif data.startswith(b"hfp1."):
                faults = []
                results.append((name, "promise", faults))
                for line in filter(None, re.split("[\n,]", decode_utf8(data, "the promise"))):
                    promises.append((check_promise(line, trust), faults, results[-1]))
            elif data.startswith(b"c2sp.org/tlog-proof@v1\n"):
                results.append((name, "receipt", []))
                check_receipt(data, trust)
            else:
                results.append((name, "checkpoint", []))
                text = decode_utf8(data, "the checkpoint")
                regions = [r for r in trust.regions.values() if r.keys.origin == text.split("\n")[0]]
                need(regions, "it is no document of a log in the trust file")
                regions[0].keys.checkpoint(text)
        except Fault as fault:
            results[-1][2].append(str(fault))
    promised = {}
    for promise, faults, _ in promises:
        for entry, wanted in promise["entries"]:
            state = promise_state(promise, entry, wanted, statements)
            if promised.setdefault((promise["region"], entry), wanted) != wanted:
                state = "broken"
            if state == "broken":
                faults.append(f"broken: {entry}")
    return results


def answer(question):
    """One question of the JSON-lines mode: {"trust", "files": [[name, base64], …]} or {"log", "vkey"}"""
    try:
        if "log" in question:
            return {"verified": True, **check_log(question["log"], question["vkey"], question.get("chainKey"))}
        files = [(name, base64.b64decode(data)) for name, data in question["files"]]
        results = check_files(question["trust"], files)
        faults = [f"{name}: {fault}" for name, _, found in results for fault in found]
        return {"verified": not faults, "faults": faults}
    except Fault as fault:
        return {"verified": False, "faults": [str(fault)]}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--trust")
    arguments.add_argument("--log")
    arguments.add_argument("--vkey")
    arguments.add_argument("--chain-key")
    arguments.add_argument("--json-lines", action="store_true")
    arguments.add_argument("files", nargs="*")
    given = arguments.parse_args()
    if given.json_lines:
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))), flush=True)
        return 0
    faults = []
    if given.log:
        if not given.vkey:
            arguments.error("--log needs --vkey")
        found = answer({"log": given.log, "vkey": given.vkey, "chainKey": given.chain_key})
        faults += found.get("faults", [])
    if given.files:
        if not given.trust:
            arguments.error("files need --trust")
        with open(given.trust, "rb") as file:
            trust = file.read().decode()
        files = []
        for name in given.files:
            with open(name, "rb") as file:
                files.append((name, file.read()))
        for name, what, found in check_files(trust, files):
            faults += [f"{name}: {what}: {fault}" for fault in found]
    if not given.log and not given.files:
        arguments.error("nothing to verify")
    print("\n".join(faults) or "verified")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
