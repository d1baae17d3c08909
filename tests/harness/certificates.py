# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Certificates of our own making."""

import os
import subprocess

from .wait import LIMIT


# Of 2001, for tests alone: openssl(1) makes none that has expired already.
EXPIRED = """\
-----BEGIN CERTIFICATE-----
MIIBFzCBvgIUQwuPvFYMMoMkfFf/6j2DdCjpRrAwCgYIKoZIzj0EAwIwDTELMAkG
A1UEAwwCY2EwHhcNMDEwMTAxMDAwMDAwWhcNMDIwMTAxMDAwMDAwWjAQMQ4wDAYD
VQQDDAVub2RlMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFcpH7n814y6RyLl
TZdWhnpOwSIsLKJTbuP3glny+fBWkRemW6MTrk+VY75vogL4qTjrwlUD5YE3IASh
84RZ3WgwCgYIKoZIzj0EAwIDSAAwRQIhAO7JFfrwWZAuS+efrJ1A3h2K6Cps/CaF
+3g4KmANdc02AiBo/Kj5l9tvTeC+aZ9pht9c03XqDhIS2f5r/Tbci+NfRQ==
-----END CERTIFICATE-----
"""
EXPIRED_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgpWCvyKDJWBv6qs7P
cg12BL55MV/3iTvtByy8KqZxTjehRANCAARXKR+5/NeMukci5U2XVoZ6TsEiLCyi
U27j94JZ8vnwVpEXplujE65PlWO+b6IC+Kk468JVA+WBNyAEofOEWd1o
-----END PRIVATE KEY-----
"""


def make_expired(folder, name):
    """NAME.pem and NAME.key in folder."""
    for end, text in ("pem", EXPIRED), ("key", EXPIRED_KEY):
        with open(os.path.join(folder, f"{name}.{end}"), "w", encoding="ascii") as f:
            f.write(text)
    os.chmod(os.path.join(folder, name + ".key"), 0o600)


def make(folder, name, days=2, alternative=None):
    """NAME.pem and NAME.key in folder; alternative: a subjectAltName."""
    certificate, key = (os.path.join(folder, f"{name}.{end}") for end in ("pem", "key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", "/CN=" + name,
                    *(["-addext", "subjectAltName=" + alternative] if alternative else []), "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=LIMIT)
    os.chmod(key, 0o600)
    return certificate, key
