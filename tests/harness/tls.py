# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What tests of TLS share: certificates for a daemon, and clients that trust them."""

import os
import shutil
import ssl
import tempfile

from . import certificates

ADDRESS = "127.0.0.1"


def trusting(*paths_of_certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for path in paths_of_certificates:
        context.load_verify_locations(path)
    return context


def der_of(path):
    with open(path, encoding="ascii") as f:
        return ssl.PEM_cert_to_DER_cert(f.read())


def place(pair, cert, key):
    """Where the daemon reads them, as a tool that renews certificates would."""
    for source, target in zip(pair, (cert, key)):
        shutil.copy(source, target + ".new")
        os.chmod(target + ".new", 0o600)
        os.rename(target + ".new", target)


class TlsFiles:
    """Certificates `first` and `second`; those in use are what `cert` and `key` name."""

    @classmethod
    def make(cls):
        folder = tempfile.TemporaryDirectory(prefix="ocstls")
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        cls.folder = folder.name
        cls.first = certificates.make(cls.folder, "first", 100, "IP:" + ADDRESS)
        cls.second = certificates.make(cls.folder, "second", 100, "IP:" + ADDRESS)
        cls.cert, cls.key = os.path.join(cls.folder, "cert"), os.path.join(cls.folder, "key")
        place(cls.first, cls.cert, cls.key)
        cls.context = trusting(cls.first[0], cls.second[0])

    @classmethod
    def keys(cls, **more):
        return {"tls_cert": cls.cert, "tls_key": cls.key, **more}
