# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The rows of the protocol page that refuse: each code and name, in an answer that a client can read."""

import gzip
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import SharedDaemonTest
from harness.client import DECLARATION, b64u, document, notification


class Malformed(SharedDaemonTest):
    """400: what is not XML, not allowed XML, or not our XML."""

    def put(self, body, **more):
        client = self.client(self.shared)
        token = f"<token>{client.token}</token>"
        return client.request("PUT", "/notification", body.replace("@TOKEN@", token), **more)

    def test_an_unclosed_element_is_malformed_xml(self):
        self.refused(self.put("<ocsmanager><notification>"), 400, "MALFORMED_XML")

    def test_text_that_is_no_xml_is_malformed_xml(self):
        self.refused(self.put("{\"json\": true}"), 400, "MALFORMED_XML")

    def test_an_empty_body_is_malformed_xml(self):
        self.refused(self.put(""), 400, "MALFORMED_XML")

    def test_bytes_that_are_no_utf8_are_malformed_xml(self):
        client = self.client(self.shared)
        body = client.body([notification(message="1", folder="X")]).encode().replace(b"X", b"\xff\xfe")
        self.refused(client.request("PUT", "/notification", body), 400, "MALFORMED_XML")

    def test_an_unbound_prefix_is_malformed_xml(self):
        self.refused(self.put("<ocsmanager>@TOKEN@<x:y/></ocsmanager>"), 400, "MALFORMED_XML")

    def test_text_after_the_root_is_malformed_xml(self):
        self.refused(self.put(document("@TOKEN@") + "<more/>"), 400, "MALFORMED_XML")

    def test_a_nul_byte_is_malformed_xml(self):
        self.refused(self.put(document("@TOKEN@<x>\0</x>")), 400, "MALFORMED_XML")

    def test_another_root_is_a_malformed_request(self):
        self.refused(self.put("<outlook>@TOKEN@</outlook>"), 400, "MALFORMED_REQUEST")

    def test_a_root_in_a_namespace_is_a_malformed_request(self):
        self.refused(self.put('<ocsmanager xmlns="urn:x">@TOKEN@</ocsmanager>'), 400,
                     "MALFORMED_REQUEST")

    def test_a_document_type_is_forbidden(self):
        self.refused(self.put("<!DOCTYPE ocsmanager>" + document("@TOKEN@")[len(DECLARATION):]),
                     400, "FORBIDDEN_XML")

    def test_an_entity_bomb_is_forbidden_before_it_grows(self):
        bomb = '<!DOCTYPE b [<!ENTITY a0 "boom">' + "".join(
            f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)) + "]>"
        self.refused(self.put(bomb + "<ocsmanager><token>&a9;</token></ocsmanager>"), 400,
                     "FORBIDDEN_XML")

    def test_an_external_entity_is_forbidden(self):
        self.refused(self.put('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
                              "<ocsmanager><token>&e;</token></ocsmanager>"), 400, "FORBIDDEN_XML")

    def test_an_undeclared_entity_is_refused(self):
        status, code, name = self.put(document("@TOKEN@<x>&what;</x>")).error
        self.assertEqual((status, code), (400, 400))
        self.assertIn(name, ("MALFORMED_XML", "FORBIDDEN_XML"))

    def test_eight_levels_are_allowed_and_nine_are_not(self):
        client = self.client(self.shared)
        deep = lambda n: "<d>" * n + "</d>" * n
        inside = lambda n: notification(message="1", raw=deep(n))  # levels 1 and 2 stand around it
        self.accepted(client.put(inside(6)))
        self.refused(client.put(inside(7)), 400, "FORBIDDEN_XML")

    def test_the_same_rules_hold_for_the_login(self):
        client = self.client(self.shared, login=False)
        for path in ("/authenticate/token", "/authenticate/login"):
            self.refused(client.request("POST", path, "<ocsmanager>"), 400, "MALFORMED_XML")
            self.refused(client.request("POST", path, "<other/>"), 400, "MALFORMED_REQUEST")
            self.refused(client.request("POST", path, "<!DOCTYPE ocsmanager><ocsmanager/>"), 400,
                         "FORBIDDEN_XML")

    def test_unknown_elements_and_attributes_are_ignored(self):
        client = self.client(self.shared)
        self.accepted(client.request("PUT", "/notification", document(
            f'<token>{client.token}</token><new attribute="1">x</new>'
            '<notification category="modified" priority="9"><backend charset="x">sogo</backend>'
            "<username>jdoe</username><folder>INBOX</folder><subject>hi</subject></notification>")),
            "nosubscriber")

    def test_text_split_by_comments_and_cdata_is_one_text(self):
        client = self.client(self.shared)
        self.accepted(client.request("PUT", "/notification", document(
            f"<token>{client.token}</token><notification category='modified'>"
            "<backend>so<!-- a comment -->go</backend><username><![CDATA[jd]]>oe</username>"
            "<folder> INBOX\n</folder></notification>")), "nosubscriber")


class Unauthorized(SharedDaemonTest):
    """401 with WWW-Authenticate: Bearer."""

    overrides = {"main": {"token_ttl": "1"}}

    def refused401(self, answer, name):
        self.refused(answer, 401, name)
        self.assertTrue(answer.headers["WWW-Authenticate"].startswith("Bearer"), answer.headers)

    def test_no_token_is_an_invalid_token(self):
        client = self.client(self.shared, login=False)
        self.refused401(client.put(notification(message="1"), token=None), "TOKEN_INVALID")

    def test_an_invented_token_is_an_invalid_token(self):
        client = self.client(self.shared, login=False)
        for token in ("x", "A" * 200, b64u(b"a" * 40), "%00", "a b"):
            self.refused401(client.put(notification(message="1"), token=token), "TOKEN_INVALID")

    def test_a_changed_token_is_an_invalid_token(self):
        client = self.client(self.shared)
        for at in range(0, len(client.token), 7):
            other = "B" if client.token[at] == "A" else "A"
            changed = client.token[:at] + other + client.token[at + 1:]
            answer = client.put(notification("modified"), token=changed)
            self.assertEqual(answer.status, 401, f"character {at} changed: {answer}")

    def test_an_old_token_is_expired(self):
        client = self.client(self.shared)

        def expired():
            answer = client.put(notification("modified"))
            return answer.status != 200 and answer
        from harness.wait import wait_until
        self.refused401(wait_until(expired, what="the token expires"), "TOKEN_EXPIRED")

    def test_a_wrong_password_is_invalid_credentials_in_each_mechanism(self):
        client = self.client(self.shared, login=False)
        self.refused401(client.login_ssha(password="wrong"), "INVALID_CREDENTIALS")
        self.refused401(client.login_plain(password="wrong"), "INVALID_CREDENTIALS")
        self.refused401(client.login_scram(password="wrong"), "INVALID_CREDENTIALS")

    def test_logging_out_needs_a_token(self):
        client = self.client(self.shared, login=False)
        self.refused401(client.request("POST", "/authenticate/logout", document("")),
                        "TOKEN_INVALID")


class Forbidden(SharedDaemonTest):
    """403 INVALID_SESSION: no cookie, half of them, foreign ones. (ACCESS_FORBIDDEN: test_limits.)"""

    def test_a_login_without_cookies(self):
        client = self.client(self.shared, login=False)
        self.refused(client.answer_challenge(None, "0" * 40), 403, "INVALID_SESSION")

    def test_a_login_with_one_of_the_two_cookies(self):
        client = self.client(self.shared, login=False)
        for name in ("ocsmanager", "token"):
            answer, salt, token_salt, cookie = client.challenge()
            only = f"{name}={answer.cookies[name][0]}"
            self.refused(client.answer_challenge(only, "0" * 40), 403, "INVALID_SESSION")

    def test_a_login_with_invented_cookies(self):
        client = self.client(self.shared, login=False)
        self.refused(client.answer_challenge("ocsmanager=abc; token=def", "0" * 40), 403,
                     "INVALID_SESSION")

    def test_a_login_with_the_cookies_of_two_challenges_mixed(self):
        client = self.client(self.shared, login=False)
        one, two = client.challenge()[0].cookies, client.challenge()[0].cookies
        mixed = f"ocsmanager={one['ocsmanager'][0]}; token={two['token'][0]}"
        self.refused(client.answer_challenge(mixed, "0" * 40), 403, "INVALID_SESSION")


class NotFound(SharedDaemonTest):
    def test_an_unknown_path_is_not_found(self):
        client = self.client(self.shared, login=False)
        for path in ("/", "/nothing", "/notification//", "//notification", "/notification/oldmail", "/authenticate/x",
                     "/healthz", "/metrics", "/status", "/../etc/passwd"):
            self.refused(client.request("GET", path), 404, "NOT_FOUND")

    def test_a_wrong_method_says_which_are_right(self):
        client = self.client(self.shared, login=False)
        for method, path, right in (
                ("GET", "/notification", "PUT"), ("POST", "/notification", "PUT"),
                ("DELETE", "/notification/newmail", "PUT"), ("GET", "/authenticate/token", "POST"),
                ("PUT", "/authenticate/login", "POST"), ("GET", "/authenticate/logout", "POST"),
                ("DELETE", "/authenticate", "GET")):
            with self.subTest(method=method, path=path):
                body = None if method == "GET" else document("")
                answer = self.refused(client.request(method, path, body), 405, "METHOD_NOT_ALLOWED")
                self.assertIn(right, [m.strip() for m in answer.headers["Allow"].split(",")])

    def test_an_unknown_method_is_refused(self):
        raw = self.raw(self.shared)
        raw.send("BREW /notification HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        self.assertIn(raw.response()[0], (405, 501))


class Parameters(SharedDaemonTest):
    """422: what is said of one notification. Alone it is the HTTP status; in a batch it stands with
    its notification and the others stand."""

    overrides = {"server:main": {"max_batch": "4"}}

    def check(self, bad, name, path="/notification"):
        client = self.client(self.shared)
        self.refused(client.put(bad, path=path), 422, name)
        good = notification("newmail", message="p-" + self.id()[-60:])
        answer = self.accepted(client.put(bad, good, path=path))
        self.assertEqual(answer.results[0][1:], ("refused", 0, name))
        element = answer.root.find("notification/error")
        self.assertEqual(element.get("code"), "422")
        self.assertTrue(element.text)
        self.assertIn(answer.results[1][1], ("nosubscriber", "duplicate"))

    def test_each_required_element_missing(self):
        for element in ("backend", "user", "folder"):
            with self.subTest(element):
                self.check(notification(message="1", **{element: None}), "MISSING_PARAMETER")

    def test_each_required_element_empty(self):
        client = self.client(self.shared)
        for element in ("backend", "user", "folder", "message"):
            for text in ("", "  \n"):
                with self.subTest(element=element, text=text):
                    values = {"message": "1", element: text}
                    self.assertEqual(client.put(notification(**values)).status, 422)

    def test_no_category(self):
        self.check(notification(None, message="1"), "MISSING_PARAMETER")

    def test_an_unknown_category(self):
        self.check(notification("exploded", message="1"), "UNKNOWN_CATEGORY")
        self.check(notification("NewMail", message="1"), "UNKNOWN_CATEGORY")

    def test_another_category_than_newmail_at_notification_newmail(self):
        self.check(notification("deleted", message="1"), "UNKNOWN_CATEGORY", "/notification/newmail")

    def test_a_newmail_without_a_message(self):
        self.check(notification("newmail"), "MISSING_PARAMETER")

    def test_moved_and_copied_need_the_old_place(self):
        for category in ("moved", "copied"):
            with self.subTest(category):
                self.check(notification(category, message="1", oldMessageID="0"),
                           "MISSING_PARAMETER")
                self.check(notification(category, message="1", oldFolder="A"), "MISSING_PARAMETER")
                self.check(notification(category), "MISSING_PARAMETER")

    def test_an_unknown_backend(self):
        self.check(notification(backend="sogoo", message="1"), "UNKNOWN_BACKEND")

    def test_texts_past_1024_bytes(self):
        client = self.client(self.shared)
        for element in ("user", "folder", "message"):
            for text, status in (("x" * 1024, 200), ("x" * 1025, 422), ("é" * 513, 422)):
                with self.subTest(element=element, bytes=len(text.encode())):
                    values = {"message": "long", element: text}
                    answer = client.put(notification(**values))
                    self.assertEqual(answer.status, status, answer)
                    if status == 422:
                        self.assertEqual(answer.error[2], "INVALID_PARAMETER")

    def test_control_characters(self):
        for element in ("user", "folder", "message"):
            for character in ("\t", "\n", "\x7f", "\x85"):
                with self.subTest(element=element, character=hex(ord(character))):
                    values = {"message": "1", element: f"a{character}b"}
                    self.check(notification(**values), "INVALID_PARAMETER")

    def test_the_message_class_is_1_to_127_bytes_of_ascii(self):
        client = self.client(self.shared)
        self.accepted(client.put(notification(message="c1", messageClass="I" * 127)))
        for bad in ("I" * 128, "IPM.Nöte", ""):
            with self.subTest(bad):
                self.assertEqual(client.put(notification(message="c2", messageClass=bad)).error[:2],
                                 (422, 422))

    def test_the_id_is_1_to_128_bytes(self):
        client = self.client(self.shared)
        self.accepted(client.put(notification("modified", id="i" * 128)))
        for bad in ("", "i" * 129, "é" * 65):
            with self.subTest(bad):
                self.refused(client.put(notification("modified", id=bad)), 422, "INVALID_PARAMETER")

    def test_numbers_are_decimal_and_32_bits(self):
        client = self.client(self.shared)
        for element in ("uidValidity", "messageFlags", "total", "unread"):
            for good in ("0", "4294967295", " 7 "):
                with self.subTest(element=element, good=good):
                    self.accepted(client.put(notification("modified", folder=f"n {element}{good}",
                                                          **{element: good})))
            for bad in ("-1", "4294967296", "0x10", "ten", "1.5", "+1", "99999999999999999999", "1 2"):
                with self.subTest(element=element, bad=bad):
                    self.check(notification("modified", **{element: bad}), "INVALID_PARAMETER")

    def test_no_notification_at_all(self):
        client = self.client(self.shared)
        self.refused(client.put(), 422, "MISSING_PARAMETER")

    def test_a_batch_past_max_batch(self):
        client = self.client(self.shared)
        note = notification("modified")
        self.accepted(client.put(*[note] * 4))
        self.refused(client.put(*[note] * 5), 422, "BATCH_TOO_LARGE")

    def test_a_refused_batch_of_two_keeps_the_order(self):
        client = self.client(self.shared)
        answer = self.accepted(client.put(
            notification("modified", id="a"), notification("modified", backend="no", id="b"),
            notification("modified", folder=None, id="c"), notification("modified", id="d")))
        self.assertEqual([(r[0], r[1], r[3]) for r in answer.results], [
            ("a", "nosubscriber", None), ("b", "refused", "UNKNOWN_BACKEND"),
            ("c", "refused", "MISSING_PARAMETER"), ("d", "nosubscriber", None)])

    def test_backends_and_inbox_are_compared_without_case_and_nothing_else_is(self):
        client = self.client(self.shared)
        self.accepted(client.newmail("case-1", folder="INBOX/Sub"), "nosubscriber")
        self.accepted(client.newmail("case-1", folder="inbox/Sub", backend="SOGo"), "duplicate")
        self.accepted(client.newmail("case-1", folder="INBOX/sub"), "nosubscriber")
        self.accepted(client.newmail("CASE-1", folder="INBOX/Sub"), "nosubscriber")
        self.accepted(client.newmail("case-1", folder="INBOX/Sub", user="JDoe"), "nosubscriber")

    def test_login_names(self):
        client = self.client(self.shared, login=False)
        for good in ("a", "A.b_c@d-e.9", "x" * 128):
            self.assertEqual(client.challenge(good)[0].status, 200)
        for bad in ("x" * 129, "a b", "a/b", "é", "a:b", "a%00", "a,b"):
            with self.subTest(bad):
                self.refused(client.challenge(bad)[0], 422, "INVALID_PARAMETER")

    def test_a_token_request_without_a_login_and_a_login_without_a_token(self):
        client = self.client(self.shared, login=False)
        self.refused(client.request("POST", "/authenticate/token", document("")), 422,
                     "MISSING_PARAMETER")
        cookie = client.challenge()[3]
        self.refused(client.request("POST", "/authenticate/login", document(""),
                                    {"Cookie": cookie}), 422, "MISSING_PARAMETER")


class UnknownUser(SharedDaemonTest):
    def test_a_user_in_no_line_of_the_map_is_unknown(self):
        daemon = self.daemon({"users": {"map": "users.map"}}, start=False)
        daemon.write("users.map", "sogo\tjdoe\t*\t=\t-\n")
        daemon.start()
        client = self.client(daemon)
        self.accepted(client.put(notification("modified", user="jdoe")), "nosubscriber")
        self.refused(client.put(notification("modified", user="nobody")), 422, "UNKNOWN_USER")
        answer = client.put(notification("modified", user="nobody"), notification("modified"))
        self.assertEqual([r[1:] for r in self.accepted(answer).results],
                         [("refused", 0, "UNKNOWN_USER"), ("nosubscriber", 0, None)])


class TrailingSlash(SharedDaemonTest):
    def test_one_slash_at_the_end_is_as_none(self):
        client = self.client(self.shared, login=False)
        self.assertEqual(client.request("GET", "/authenticate/").status, 200)
        self.assertEqual(client.request("HEAD", "/authenticate/").status, 200)
        self.assertEqual(client.request("POST", "/authenticate/token/",
                                        document("<login>openchange</login>")).status, 200)
        self.refused(client.request("POST", "/authenticate/login/", document("<token>00</token>")),
                     403, "INVALID_SESSION")
        self.refused(client.request("GET", "/notification/"), 405, "METHOD_NOT_ALLOWED")
        client = self.client(self.shared)
        note = notification("newmail", message="slash")
        self.accepted(client.put(note, path="/notification/"), "nosubscriber")
        self.accepted(client.put(note, path="/notification/newmail/"), "duplicate")
        self.assertEqual(client.request("POST", "/authenticate/logout/",
                                        document(f"<token>{client.token}</token>")).status, 200)


class Media(SharedDaemonTest):
    def test_an_encoded_body_is_refused_by_its_name(self):
        client = self.client(self.shared)
        body = gzip.compress(client.body([notification("modified")]).encode())
        for coding in ("gzip", "br", "deflate", "x", "gzip, identity", "identity, gzip"):
            for path, method in (("/notification", "PUT"), ("/authenticate/login", "POST")):
                with self.subTest(coding=coding, path=path):
                    answer = self.refused(client.request(
                        method, path, body, headers={"Content-Encoding": coding}),
                        415, "UNSUPPORTED_MEDIA_TYPE")
                    self.assertIn("Content-Encoding", answer.error_text)
                    self.assertIn(coding, answer.error_text)
        for coding in ("identity", "Identity", ""):
            self.accepted(client.put(notification("modified"), headers={"Content-Encoding": coding}))

    def test_utf_8_and_ascii_may_be_declared(self):
        client = self.client(self.shared)
        body = client.body([notification("modified")])
        body = body[body.index("<ocsmanager"):]
        for name in ("utf8", "UTF8", "us-ascii", "ASCII", "utf-8"):
            self.accepted(client.request("PUT", "/notification",
                                         f"<?xml version='1.0' encoding='{name}'?>{body}"))
        for name in ("iso-8859-1", "utf-16", "cp1252"):
            self.refused(client.request("PUT", "/notification",
                                        f"<?xml version='1.0' encoding='{name}'?>{body}"),
                         400, "MALFORMED_XML")


    def test_another_content_type_is_unsupported(self):
        client = self.client(self.shared)
        for kind in ("application/json", "text/plain", "text/xmlx", "text"):
            with self.subTest(kind):
                self.refused(client.request("PUT", "/notification",
                                            client.body([notification("modified")]),
                                            content_type=kind), 415, "UNSUPPORTED_MEDIA_TYPE")

    def test_both_xml_types_are_taken_with_and_without_parameters(self):
        client = self.client(self.shared)
        for kind in ("text/xml", "application/xml", "text/xml; charset=utf-8", "Text/XML;charset=UTF-8"):
            with self.subTest(kind):
                self.accepted(client.request("PUT", "/notification",
                                             client.body([notification("modified")]),
                                             content_type=kind))


if __name__ == "__main__":
    unittest.main()
