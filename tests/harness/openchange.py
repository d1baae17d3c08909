# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""openchange.ldb as OpenChange's last version writes it, of one mailbox with an inbox in SOGo. Makes it with ldb's own
tool."""

import os
import subprocess

from harness.wait import LIMIT

BASE = "CN=First Administrative Group,CN=First Organization,CN=MAILHUB,DC=corp,DC=example"


def mailbox(user, inbox):
    """As LDIF. inbox: its FID."""
    return f"""dn: @ROOTDSE
defaultNamingContext: {BASE}

dn: @INDEXLIST
@IDXATTR: cn

dn: CN={user},{BASE}
objectClass: systemfolder
objectClass: container
cn: {user}
MailboxGUID: 5b1f6c2e-7a40-4c55-9a31-0d2f6c8b1e01
PidTagFolderId: {0x2a00000000000001}

dn: CN={inbox},CN={user},{BASE}
objectClass: systemfolder
cn: {inbox}
PidTagFolderId: {inbox}
PidTagDisplayName: Inbox
MAPIStoreURI: sogo://{user}:{user}@mail/folderINBOX/
SystemIdx: 13

"""


def make(daemon, ldif):
    """In place of the one that was there, if any. Its path."""
    path = daemon.path("openchange.ldb")
    if os.path.exists(path):
        os.unlink(path)
    subprocess.run(["ldbadd", "-H", "tdb://" + path, daemon.write("ldif", ldif)], check=True, capture_output=True,
                   timeout=LIMIT)
    return path
