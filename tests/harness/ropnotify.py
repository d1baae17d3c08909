# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""RopNotify responses (MS-OXCNOTIF 2.2.1.4.1.2), decoded field by field."""

import struct

KINDS = {
    0x8002: "new mail arrived", 0x0004: "folder created", 0x8004: "message created",
    0x0008: "folder deleted", 0x8008: "message deleted", 0x0010: "folder modified",
    0x8010: "message modified", 0x0020: "folder moved", 0x8020: "message moved",
    0x0040: "folder copied", 0x8040: "message copied", 0x0080: "search completed",
    0x0100: "hierarchy table changed", 0x8100: "contents table changed",
}
TABLE_EVENTS = {1: "TableChanged", 3: "TableRowAdded", 4: "TableRowDeleted", 5: "TableRowModified",
                7: "TableRestrictionChanged"}


class Cut(ValueError):
    pass


def decode(data):
    """([(field, bytes, value)], rest) of the first response in data."""
    fields, at = [], 0

    def take(name, size, form=None):
        nonlocal at
        raw = data[at:at + size]
        if len(raw) < size:
            raise Cut(f"{name}: {len(raw)} of {size} bytes")
        at += size
        value = struct.unpack("<" + form, raw)[0] if form else raw
        fields.append((name, raw, value))
        return value

    if take("RopId", 1, "B") != 0x2A:
        raise Cut("not a RopNotify")
    take("NotificationHandle", 4, "I")
    take("LogonId", 1, "B")
    flags = take("NotificationFlags", 2, "H")
    kind, message = flags & 0x0FFF, bool(flags & 0x8000)
    if kind == 0x0100:
        te = take("TableEventType", 2, "H")
        if te in (3, 4, 5):
            take("TableRowFolderID", 8, "Q")
            if message:
                take("TableRowMessageID", 8, "Q")
                take("TableRowInstance", 4, "I")
        if te in (3, 5):
            take("InsertAfterTableRowFolderID", 8, "Q")
            if message:
                take("InsertAfterTableRowID", 8, "Q")
                take("InsertAfterTableRowInstance", 4, "I")
            take("TableRowData", take("TableRowDataSize", 2, "H"))
        return fields, data[at:]
    take("FolderId", 8, "Q")
    if message:
        take("MessageId", 8, "Q")
    if kind in (0x04, 0x08, 0x20, 0x40) and message == bool(flags & 0x4000):
        take("ParentFolderId", 8, "Q")
    if kind in (0x20, 0x40):
        take("OldFolderId", 8, "Q")
        take("OldMessageId" if message else "OldParentFolderId", 8, "Q")
    if kind in (0x04, 0x10):
        count = take("TagCount", 2, "H")
        if count not in (0, 0xFFFF):
            take("Tags", 4 * count)
    if flags & 0x1000:
        take("TotalMessageCount", 4, "I")
    if flags & 0x2000:
        take("UnreadMessageCount", 4, "I")
    if kind == 0x02:
        take("MessageFlags", 4, "I")
        unit = 2 if take("UnicodeFlag", 1, "B") else 1
        end = at
        while data[end:end + unit] != b"\0" * unit:
            if end + unit > len(data):
                raise Cut("MessageClass without an end")
            end += unit
        take("MessageClass", end + unit - at)
    return fields, data[at:]


def decode_all(data):
    """A list of {field: value}, one for each response."""
    found = []
    while data:
        fields, data = decode(data)
        found.append({name: value for name, _, value in fields})
    return found


def printed_id(raw):
    """An identifier as the standard prints it: replica id, then the counter."""
    return f"{struct.unpack('<H', raw[:2])[0]:04x}-{raw[2:].hex()}"
