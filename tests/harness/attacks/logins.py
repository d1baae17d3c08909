# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Names, tokens and challenges that are not what they should be. The daemon's accounts are openchange and, to begin
logins of, any other name: known and unknown are one answer."""

import base64
from xml.sax.saxutils import escape

from . import Row, Target
from ..client import ACCOUNT, PASSWORD, b64u, document, notification, ssha_answer, unb64
from ..hammer import head

INVALID, WRONG, LOCKED = (422, "INVALID_PARAMETER"), (401, "INVALID_CREDENTIALS"), (429, "TOO_MANY_ATTEMPTS")
NO_TOKEN, EXPIRED, SESSION = (401, "TOKEN_INVALID"), (401, "TOKEN_EXPIRED"), (403, "INVALID_SESSION")
MISSING = (422, "MISSING_PARAMETER")
LARGE = (413, "CONTENT_TOO_LARGE")
REFUSED = (INVALID, WRONG, LOCKED)

NAMES = {
    "path characters": ("../../etc/passwd", "/etc/shadow", "..", "openchange/../root", "a\\b", "~root", "%2e%2e"),
    "meaning to LDAP": ("*", "openchange)(uid=*", "*)(|(uid=*", "openchange\\2a", "cn=openchange,dc=x", "(&)", "a,b",
                        "a+b=c",
                        "#openchange", "openchange\\00", " openchange", "openchange "),
    "meaning to a shell, to SQL or to a format": ("$(id)", "`id`", "a;b", "' OR '1'='1", "%s%n%s%n", "{0}", "${x}",
                                                  "|id", "&"),
    "look-alikes": ("оpenchange", "openchangе", "ｏｐｅｎｃｈａｎｇｅ", "openchange\u200b", "\u202eegnahcnepo", "openchangé",
                    "ⓞpenchange", "openchange\u0301", "OPENCHANGE\u017f"),
    "line ends": ("openchange\n", "openchange\r\nX-Y: z", "\nopenchange", "open\u2028change", "open\u0085change",
                  "a\tb"),
    "nothing and too much": ("", " ", "x" * 129, "x" * 50000, "é" * 128, "." * 128 + "x"),
}
# What a name has around it in SCRAM's first message.
FIRST = ("n,,n={name},r=abc", "n,a={name},n=openchange,r=abc", "y,,n={name},r=abc", "p=tls-exporter,,n={name},r=abc",
         "n,,m=x,n={name},r=abc")


def posts(path, insides, **headers):
    def attack(target):
        yield from target.series(head("POST", path, document(i).encode(), Content_Type="text/xml", **headers)
                                 for i in (insides(target) if callable(insides) else insides))
    return attack


def begun(outcomes):
    """A first step is no login: it is answered for any name alike."""
    return ("begun" if outcome == 200 else outcome for outcome in outcomes)


def sasl(message, mechanism="PLAIN"):
    data = message if isinstance(message, bytes) else message.encode()
    return f'<sasl mechanism="{mechanism}">{b64u(data)}</sasl>'


def as_names(names):
    """Each name by each way to log in, with the password of openchange."""
    def attack(target):
        firsts = [f"<login>{escape(n)}</login>" for n in names]
        firsts += [sasl(f.format(name=n), "SCRAM-SHA-256") for n in names for f in FIRST]
        yield from begun(posts("/authenticate/token", firsts)(target))
        yield from posts("/authenticate/login", [sasl(f"\0{n}\0{PASSWORD}") for n in names])(target)
    return attack


PLAIN = (b"", b"\0", b"\0\0", b"\0\0\0", b"openchange", b"\0openchange", b"openchange\0test", b"\0openchange\0test\0",
         b"\0openchange\0\0test", b"\0openchange\0te\0st", b"other\0openchange\0test", b"\0open\0change\0test",
         b"\0openchange\0",
         b"\0openchange\0\xff\xfe", b"\0\xff\xfe\0test", b"\0openchange\0" + b"x" * 40000, b"x" * 40000,
         b"\0openchange\0te\nst", "\0openchange\0te\u202est".encode())
SCRAM = ("", ",", "n", "n,,", "n,,n=", "n,,n=openchange", "n,,r=abc", "n,,n=openchange,r=", "n,,r=abc,n=openchange",
         "x,,n=a,r=b",
         "n,,n=open=2Cchange,r=abc", "n,,n=open=00change,r=abc", "n,,n=open=change,r=abc",
         "n,,n=openchange,r=a,b=c" + "d" * 9000,
         "n,,n=openchange,r=" + "a" * 40000, "n,,n=openchange,r=\x01\x02", "n,,n=openchange,r=é", "n,," * 5000,
         "\0" * 100)


def token_flipped(target):
    """Each bit of it."""
    raw = unb64(target.token)
    return [f"<token>{b64u(bytes(raw[:n // 8]) + bytes([raw[n // 8] ^ 1 << n % 8]) + bytes(raw[n // 8 + 1:]))}</token>"
            for n in range(8 * len(raw))]


def token_cut(target):
    return [f"<token>{target.token[:n]}</token>" for n in range(len(target.token.rstrip("=")) - 1)]


def token_more(target):
    t = target.token
    return [f"<token>{more}</token>" for more in (t + t, t + "A", "A" + t, t + " " + t, t[:20] + "\n" + t[20:], t[::-1],
                                                  t.swapcase(), t + "\u200b", "Bearer " + t)]


def reports(tokens):
    """tokens(target): what stands before a notification."""
    def attack(target):
        yield from target.series(head("PUT", "/notification", document(t + notification("modified")).encode(),
                                      Content_Type="text/xml") for t in tokens(target))
    return attack


def headers(target):
    """As Authorization, for which nobody decides what it means."""
    values = (f"Basic {target.token}", f"Bearer {target.token} {target.token}", f"Bearer, Bearer {target.token}",
              f"Bearer={target.token}", "Bearer", f"Token {target.token}", f"Bearer {'A' * 15000}",
              "Basic " + base64.b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode(), "Negotiate AAAA")
    body = document(notification("modified")).encode()
    yield from target.series(head("PUT", "/notification", body, Content_Type="text/xml",
                                  Authorization=v) for v in values)
    yield from target.series([head("PUT", f"/notification?token={target.token}", body, Content_Type="text/xml"),
                              head("PUT", "/notification", body, Content_Type="text/xml",
                                   Cookie=f"token={target.token}")])


def challenge(target, name=ACCOUNT):
    """(salt, what is to be hashed with it, cookies) of a login that was begun."""
    from ..client import Client
    with Client(target.daemon, source=target.source) as client:
        answer, salt, token_salt, cookie = client.challenge(name)
        assert answer.status == 200, answer
        return salt, token_salt, cookie


def answers(target, cookie, *insides):
    return posts("/authenticate/login", insides, Cookie=cookie)(target)


def of_another_account(target):
    """The answer that openchange could give, to the challenge of somebody else, and of one challenge to another."""
    salt, token_salt, cookie = challenge(target, "somebody")
    yield from answers(target, cookie, f"<token>{ssha_answer(ACCOUNT, PASSWORD, salt, token_salt)}</token>")
    salt, token_salt, _ = challenge(target)
    yield from answers(target, challenge(target)[2],
                       f"<token>{ssha_answer(ACCOUNT, PASSWORD, salt, token_salt)}</token>")


def by_another_mechanism(target):
    """An old client's challenge answered by SCRAM, one of SCRAM by an old client."""
    _, _, cookie = challenge(target)
    yield from answers(target, cookie, f"<sasl>{b64u(b'c=biws,r=abc,p=AAAA')}</sasl>")
    with target.raw() as raw:
        raw.send(head("POST", "/authenticate/token", document(
            sasl(f"n,,n={ACCOUNT},r=abcdefghijkl", "SCRAM-SHA-256")).encode(), Content_Type="text/xml"))
        _, fields, _ = raw.response()
        # both cookies come in lines of one name, of which this client keeps the last: it lacks one
        yield from answers(target, fields.get("set-cookie", "").split(";")[0], f"<token>{'0' * 40}</token>")


def cookies(target):
    _, _, cookie = challenge(target)
    session, token = (part.split("=", 1)[1] for part in cookie.split("; "))
    made_up = (f"ocsmanager={session}; token={token[:-4]}AAAA", f"ocsmanager={token}; token={session}",
               f"ocsmanager={session}x; token={token}", f"ocsmanager={'A' * 8000}; token={'A' * 8000}",
               "ocsmanager=; token=", "ocsmanager; token", 'ocsmanager="; token="',
               f"ocsmanager={session}, token={token}",
               f"ocsmanager={session}\u00e9; token={token}")
    for value in made_up:
        yield from answers(target, value, f"<token>{'0' * 40}</token>")


HEX = ("", "0" * 39, "0" * 41, "g" * 40, "0" * 40000, "é" * 20, "-" + "0" * 39, "0x" + "0" * 38)

ROWS = [
    *(Row(f"names: {kind}", as_names(names), "begun", *REFUSED, MISSING, LARGE) for kind, names in NAMES.items()),
    Row("names of a megabyte", lambda target: (target.post(path, document(inside).encode()) for path, inside in (
        ("/authenticate/token", f"<login>{'x' * (1 << 20)}</login>"),
        ("/authenticate/login", sasl(b"\0" + b"x" * (1 << 20) + b"\0test")))), LARGE),
    Row("PLAIN that is none", posts("/authenticate/login", [sasl(m) for m in PLAIN]), *REFUSED, MISSING),
    Row("SCRAM that is none", lambda target: begun(posts("/authenticate/token", [
        sasl(m, "SCRAM-SHA-256") for m in SCRAM])(target)), "begun", *REFUSED, MISSING),
    Row("base64 that is none", posts("/authenticate/login", [f'<sasl mechanism="PLAIN">{m}</sasl>' for m in (
        "AG9wZW5jaGFuZ2UAdGVzdA===", "AG9wZW5jaGFuZ2UAdGVzd", "A", "====", "AG9w ZW5j", "AG9w+_-/", "é", "\u202e",
        "AA=AA")]),
        *REFUSED, MISSING),
    Row("mechanisms that there are not", posts("/authenticate/token", [sasl("n,,n=a,r=b", m) for m in (
        "", "ANONYMOUS", "EXTERNAL", "SCRAM-SHA-1", "scram-sha-256 ", "SCRAM-SHA-256-PLUS", "x" * 20000, "LOGIN",
        "GSSAPI")]),
        INVALID, MISSING, (403, "ACCESS_FORBIDDEN"), (401, "INVALID_CREDENTIALS")),
    Row("a token with a bit flipped", reports(token_flipped), NO_TOKEN, EXPIRED, times=1),
    Row("a token cut short", reports(token_cut), NO_TOKEN, times=1),
    Row("a token with more", reports(token_more), NO_TOKEN),
    Row("tokens in other places", headers, NO_TOKEN),
    Row("two tokens", reports(lambda target: [f"<token>{target.token}</token><token>x</token>",
                                              f"<token>x</token><token>{target.token}</token>"]), NO_TOKEN, INVALID,
                                              400),
    Row("the challenge of another account", of_another_account, WRONG, LOCKED),
    Row("a challenge answered by another mechanism", by_another_mechanism, SESSION, *REFUSED),
    Row("cookies that are made up", cookies, SESSION, 400),
    Row("answers that are none", lambda target: (outcome for text in HEX for outcome in answers(
        target, challenge(target)[2], f"<token>{text}</token>")), *REFUSED, MISSING),
]
