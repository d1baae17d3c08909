# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Hostile XML: each document to the notifications, with a good token, and to the login, where anybody may send one."""

import os
import select
import socket

from . import Row
from ..client import notification
from ..hammer import head

MALFORMED, FORBIDDEN, REQUEST = (400, "MALFORMED_XML"), (400, "FORBIDDEN_XML"), (400, "MALFORMED_REQUEST")
LARGE = (413, "CONTENT_TOO_LARGE")
# What a login says to a document that it can read.
UNREADABLE, MISSING, SESSION = (422, "INVALID_PARAMETER"), (422, "MISSING_PARAMETER"), (403, "INVALID_SESSION")
READ = (200, UNREADABLE, MISSING, SESSION)
ROOM = 60000  # bytes that fit below max_body


def both(document):
    """An attack that sends document(token) to both; it may return several."""
    def attack(target):
        documents = document(target.token)
        if isinstance(documents, (str, bytes)):
            documents = [documents]
        bodies = [d.encode() if isinstance(d, str) else d for d in documents]
        yield from target.series(head(method, path, body, Content_Type="text/xml") for body in bodies
                                 for method, path in (("PUT", "/notification"), ("POST", "/authenticate/login")))
    return attack


def inside(xml):
    """The usual document with xml in it."""
    return lambda token: f"<ocsmanager><token>{token}</token>{xml}{notification('modified')}</ocsmanager>"


def before(xml):
    return lambda token: xml + inside("")(token)


def listening(document):
    """document(URL): an attack that tells when somebody asks for the URL."""
    def attack(target):
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
            yield from both(lambda token: document(url, token))(target)
            if select.select([server], [], [], 0)[0]:
                yield "somebody asked for " + url
    return attack


def hidden(document, words):
    """An attack that tells when these words, of a file of the host, come back."""
    def attack(target):
        body = document(target.token).encode()
        with target.raw() as raw:
            raw.send(head("PUT", "/notification", body, Content_Type="text/xml"))
            status, _, text = raw.response()
            yield "the file came back" if words in text else status
    return attack


def names(count, length=4):
    """Names that no document had before."""
    return [f"n{os.urandom(length).hex()}" for _ in range(count)]


def truncated(token):
    whole = f"<?xml version='1.0'?><!-- c --><ocsmanager><token>{token}</token><?p i?>" \
            "<notification category='modified'><folder><![CDATA[x]]></folder></notification></ocsmanager>"
    return [whole[:cut] for cut in range(0, len(whole) - 1, 5)]


def entity_uses(token):
    return f'<!DOCTYPE x [<!ENTITY a "{"x" * 30000}">]>' + inside(f"<a>{'&a;' * 5000}</a>")(token)


def encoded(encoding, declared=None, mark=b""):
    text = f"<?xml version='1.0' encoding='{declared}'?>" if declared else ""
    return lambda token: mark + (text + inside("")(token)).encode(encoding)


UTF7 = "<?xml version='1.0' encoding='UTF-7'?>+ADw-ocsmanager+AD4-+ADw-/ocsmanager+AD4-"
CONTROLS = [*range(1, 9), 11, 12, *range(14, 32)]
BAD_BYTES = {
    "overlong": (b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf"),
    "surrogates": (b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80"),
    "beyond the end": (b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff", b"\xfe\xff"),
    "cut": (b"\xc3", b"\xe2\x82", b"\xf0\x9f\x93"),
    "no characters": (b"\xef\xbf\xbe", b"\xef\xbf\xbf"),
}
REFERENCES = ("&#0;", "&#x0;", "&#1;", "&#x1F;", "&#xFFFE;", "&#xD800;", "&#x110000;", "&#99999999999999999999;",
              "&#-1;",
              "&#xg;", "&#;", "&;", "&#x;")
DECLARATIONS = ("<?xml version='2.0'?>", "<?xml version='1.0' encoding=''?>", "<?xml?>", "<?xml version='1.0'",
                "<?xml version='1.0'?><?xml version='1.0'?>", "<?XML version='1.0'?>", " <?xml version='1.0'?>",
                "<?xml version='1.0' encoding='UTF-8' standalone='maybe'?>", "<?xml encoding='UTF-8'?>",
                f"<?xml version='1.0' encoding='{'x' * 50000}'?>")
DECLARED = ("<!ATTLIST notification category CDATA 'deleted'>", "<!NOTATION n SYSTEM 'file:///bin/sh'>",
            "<!ELEMENT a ANY>", "<!ENTITY % a '%a;'> %a;", "<!-- " + "x" * 50000 + " -->")
INCLUDE = '<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
LOOK_ALIKES = ("оcsmanager", "OCSMANAGER", "ocsmanager.", "ocsmanageŕ")
GARBAGE = ("x", "\0", "]]>", "<", "&amp;", "<ocsmanager/>", "<![CDATA[x]]>", "<?xml version='1.0'?>", "\x1b", "\uffff")
UNCLOSED = ("<![CDATA[x", "<!-- x", "<!-- -- -->", "<?p x", "<a b='x", "<a", "</", "<a></b>", "]]>", "<![IGNORE[x]]>")


ROWS = [
    # -- what a DTD can do: nothing, since there may be none
    Row("quadratic blowup", both(entity_uses), FORBIDDEN, LARGE),
    Row("parameter entity of a URL", listening(lambda url, token: before(
        f'<!DOCTYPE x [<!ENTITY % p SYSTEM "{url}"> %p;]>')(token)), FORBIDDEN),
    Row("external entity of a URL", listening(lambda url, token: before(
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "{url}">]>')(token).replace("modified", "&e;")), FORBIDDEN, MALFORMED),
    Row("external subset of a URL", listening(lambda url, token: [before(f'<!DOCTYPE x {how} "{url}">')(token)
                                                                  for how in ("SYSTEM", 'PUBLIC "-//W3C//DTD X//EN"')]),
        FORBIDDEN),
    Row("DTD with defaults and notations", both(lambda token: [before(f"<!DOCTYPE ocsmanager [{what}]>")(token)
                                                               for what in DECLARED]), FORBIDDEN),
    Row("DTD cut short", both(lambda token: ["<!DOCTYPE", "<!DOCTYPE x", "<!DOCTYPE x [", "<!DOCTYPE x [<!ENTITY a 'b"]),
        FORBIDDEN, MALFORMED),
    # -- what else makes a parser read or fetch
    Row("XInclude of a file", hidden(inside(INCLUDE), b"root:"), 200),
    Row("XInclude inside a text", hidden(lambda token: inside("")(token).replace("jdoe", INCLUDE), b"root:"), 422),
    Row("schema and stylesheet of a URL", listening(lambda url, token: [
        f'<?xml-stylesheet type="text/xsl" href="{url}"?>' + inside("")(token),
        inside(f'<a xmlns:s="http://www.w3.org/2001/XMLSchema-instance" s:schemaLocation="{url} {url}" '
               f's:noNamespaceSchemaLocation="{url}" xml:base="{url}"/>')(token)]), *READ),
    # -- structure
    Row("deep nesting", both(lambda token: [inside("<a>" * depth)(token) for depth in (10, 1000, ROOM // 3)]),
        FORBIDDEN),
    Row("many elements", both(inside("<a/>" * (ROOM // 4))), FORBIDDEN, *READ),
    Row("ever new names", both(lambda token: inside("".join(f"<{n} {n}=''/>" for n in names(700)))(token)), FORBIDDEN,
        *READ, times=30),
    Row("a huge attribute", both(inside(f"<a b='{'x' * ROOM}'/>")), *READ),
    Row("a huge name", both(lambda token: [inside(f"<{'x' * n}/>")(token) for n in (5000, ROOM)]), MALFORMED, *READ),
    Row("a huge name of an attribute", both(inside(f"<a {'x' * ROOM}=''/>")), MALFORMED, *READ),
    Row("many attributes", both(inside("<a " + "".join(f" a{n}=''" for n in range(6000)) + "/>")), FORBIDDEN),
    Row("an attribute twice", both(inside("<a b='' b=''/>")), MALFORMED),
    Row("namespaces on one element", both(inside("<a " + "".join(f" xmlns:a{n}='u{n}'" for n in range(2500)) + "/>")),
        FORBIDDEN),
    Row("namespaces on each level", both(lambda token: "".join(
        f"<a xmlns='u{n}' " + "".join(f"xmlns:b{m}='v{n}{m}' " for m in range(300)) + ">" for n in range(9))),
        FORBIDDEN),
    Row("attributes that are one by their namespaces", both(inside("<a xmlns:b='u' xmlns:c='u' b:d='' c:d=''/>")),
        MALFORMED),
    Row("the namespace of XML itself", both(lambda token: [inside(f"<a {what}/>")(token) for what in (
        "xmlns:xml='u'", "xmlns:xmlns='u'", "xmlns='http://www.w3.org/2000/xmlns/'", "xmlns:b=''")]), MALFORMED),
    Row("xml:space that says neither", both(inside("<a xml:space='perhaps'/>")), REQUEST),
    Row("a root that only looks like ours", both(lambda token: [inside("")(token).replace("ocsmanager", name)
                                                                for name in LOOK_ALIKES]), REQUEST),
    # -- what is no element
    Row("comments flood", both(inside("<!---->" * (ROOM // 7))), *READ),
    Row("processing instructions flood", both(inside("<?a b?>" * (ROOM // 7))), *READ),
    Row("CDATA flood", both(lambda token: f"<ocsmanager><token>{'<![CDATA[]]>' * 4900}</token></ocsmanager>"),
        (401, "TOKEN_INVALID"), *READ),
    Row("references flood", both(inside(f"<a>{'&lt;' * (ROOM // 4)}</a>")), *READ),
    Row("what is not closed", both(lambda token: [inside(what)(token) for what in UNCLOSED]), MALFORMED, FORBIDDEN),
    Row("truncated documents", both(truncated), MALFORMED, times=1),
    Row("garbage behind the root", both(lambda token: [inside("")(token) + what for what in GARBAGE]), MALFORMED),
    Row("garbage before the root", both(lambda token: [what + inside("")(token) for what in GARBAGE
                                                         if not what.startswith("<?xml")]), MALFORMED),
    Row("declarations that are none", both(lambda token: [before(what)(token) for what in DECLARATIONS]), MALFORMED,
        *READ),
    Row("a token of 60 KB", both(lambda token: inside("")("x" * ROOM)), (401, "TOKEN_INVALID"), *READ),
    # -- bytes
    Row("UTF-16 with a mark", both(lambda token: [encoded(e, d, m)(token) for e, m in (
        ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")) for d in (None, "UTF-16", "UTF-8")]), MALFORMED),
    Row("UTF-16 and UTF-32 without a mark", both(lambda token: [encoded(e, d)(token) for e in (
        "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be") for d in (None, "UTF-16", "UCS-4", "UTF-8")]), MALFORMED),
    Row("declared to be another encoding than it is", both(lambda token: [encoded("utf-8", name)(token) for name in (
        "UTF-16", "UTF-16LE", "UTF-32", "UCS-2", "UTF-7", "EBCDIC-CP-US", "IBM037", "Shift_JIS", "HTML", "x")]),
        MALFORMED),
    Row("UTF-7", both(lambda token: [UTF7, UTF7.replace("UTF-7", "utf-8"), UTF7[UTF7.index("?>") + 2:]]), MALFORMED),
    Row("Latin-1 bytes", both(lambda token: [inside("<a>Jörg</a>")(token).encode("latin-1"),
                                             before("<?xml version='1.0' encoding='iso-8859-1'?>")(token)]), MALFORMED),
    Row("a mark of UTF-8", both(encoded("utf-8", "UTF-8", b"\xef\xbb\xbf")), *READ),
    Row("two marks", both(encoded("utf-8", None, b"\xef\xbb\xbf" * 2)), MALFORMED),
    Row("control characters", both(lambda token: [inside(f"<a{where}</a>")(token) for c in CONTROLS
                                                  for where in (f">{chr(c)}", f" b='{chr(c)}'>")]), MALFORMED, times=1),
    Row("references to characters that are none",
        both(lambda token: [inside(f"<a>{r}</a>")(token) for r in REFERENCES]),
        MALFORMED, FORBIDDEN),
    *(Row(f"UTF-8 that is none: {name}", both(lambda token, all_bytes=all_bytes: [
        inside("<a>@</a>")(token).encode().replace(b"@", some) for some in all_bytes]), MALFORMED)
      for name, all_bytes in BAD_BYTES.items()),
]
