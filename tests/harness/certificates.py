# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Certificates of our own making."""

import os
import subprocess
import tempfile

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


CA_CONFIG = """\
[ca]
default_ca = ours
[ours]
new_certs_dir = {0}
database = {0}/issued
rand_serial = yes
default_md = sha256
policy = names
unique_subject = no
default_crl_days = 2
[names]
commonName = supplied
"""


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=LIMIT)


PAST = "20010101000000Z", "20020101000000Z"


def revoke(folder, issuer, *revoked, expired=False):
    """A list of these certificates, as the issuer (certificate, key) would make it: its path."""
    place = tempfile.mkdtemp(dir=folder)
    config, crl = os.path.join(place, "conf"), os.path.join(place, "crl")
    times = ["-crl_lastupdate", PAST[0], "-crl_nextupdate", PAST[1]] if expired else []
    with open(config, "w", encoding="ascii") as f:
        f.write(CA_CONFIG.format(place))
    with open(os.path.join(place, "issued"), "w", encoding="ascii"):
        pass
    ca = "ca", "-config", config, "-cert", issuer[0], "-keyfile", issuer[1]
    for certificate in revoked:
        openssl(*ca, "-revoke", certificate)
    openssl(*ca, "-gencrl", *times, "-out", crl)
    return crl


def sign(folder, issuer, name, alternatives=None, expired=False, authority=False):
    """NAME.pem and NAME.key of a client in folder, issued by (certificate, key); alternatives: subjectAltName;
    authority: it may issue others."""
    certificate, key, request, more, config = (os.path.join(folder, f"{name}.{end}")
                                               for end in ("pem", "key", "csr", "ext", "conf"))
    times = ["-startdate", PAST[0], "-enddate", PAST[1]] if expired else ["-days", "2"]
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            "/CN=" + name, "-keyout", key, "-out", request)
    with open(more, "w", encoding="ascii") as f:
        f.write("basicConstraints=critical,CA:TRUE\n" if authority else "extendedKeyUsage=clientAuth\n")
        if alternatives:
            f.write(f"subjectAltName={alternatives}\n")
    with open(config, "w", encoding="ascii") as f:
        f.write(CA_CONFIG.format(folder))
    with open(os.path.join(folder, "issued"), "a", encoding="ascii"):
        pass
    openssl("ca", "-batch", "-notext", "-config", config, "-in", request, "-cert", issuer[0], "-keyfile", issuer[1],
            *times, "-extfile", more, "-out", certificate)
    os.chmod(key, 0o600)
    return certificate, key


def make(folder, name, days=2, alternative=None):
    """NAME.pem and NAME.key in folder; alternative: a subjectAltName."""
    certificate, key = (os.path.join(folder, f"{name}.{end}") for end in ("pem", "key"))
    names = ["-addext", "subjectAltName=" + alternative] if alternative else []
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", "/CN=" + name,
                    *names, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=LIMIT)
    os.chmod(key, 0o600)
    return certificate, key
