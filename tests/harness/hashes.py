# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Stored hashes of passwords, as doveadm or an admin would make them."""

import base64
import hashlib
import hmac
import ctypes
import os

from .client import b64u

# Python 3.13 has no module crypt any more
CRYPT = ctypes.CDLL("libcrypt.so.1").crypt
CRYPT.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
CRYPT.restype = ctypes.c_char_p


def ssha(password, salt=None):
    salt = os.urandom(4) if salt is None else salt
    return "{SSHA}" + b64u(hashlib.sha1(password.encode() + salt).digest() + salt)


def scram(password, iterations=4096):
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(x).decode() for x in (salt, stored, server)]
    return "{SCRAM-SHA-256}" + ",".join([str(iterations), *parts])


def crypt(password, salt):
    return CRYPT(password.encode(), salt.encode()).decode()


def sha512_crypt(password):
    return crypt(password, "$6$rounds=1000$abcdefgh")


def yescrypt(password):
    return crypt(password, "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$")
