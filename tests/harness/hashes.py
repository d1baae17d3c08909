"""Stored hashes of passwords, as doveadm or an admin would make them."""

import base64
import hashlib
import hmac
import os
import warnings

from .client import b64u

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt


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


def sha512_crypt(password):
    return crypt.crypt(password, "$6$rounds=1000$abcdefgh")


def yescrypt(password):
    return crypt.crypt(password, "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$")
