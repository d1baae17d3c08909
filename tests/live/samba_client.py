# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""EMSMDB by python3-impacket: its DCERPC, NTLM and NDR engine, the calls declared from MS-OXCRPC."""

import socket
import struct
import sys
import threading

from impacket.dcerpc.v5 import epm, rpcrt, transport
from impacket.dcerpc.v5.dtypes import GUID, LPSTR, STR, ULONG, USHORT
from impacket.dcerpc.v5.ndr import (NDRCALL, NDRSTRUCT, NDRUniConformantArray,
                                    NDRUniConformantVaryingArray, NDRUniFixedArray)
from impacket.uuid import uuidtup_to_bin

from harness import ropnotify
from samba_rig import ASYNC, DOMAIN, EMSMDB, PASSWORD

PRIVACY = rpcrt.RPC_C_AUTHN_LEVEL_PKT_PRIVACY
LIMIT = 15
WHOLE_STORE, NO_LINK = 1, 0xFFFFFFFF


class HANDLE(NDRSTRUCT):
    structure = (("Attributes", ULONG), ("Uuid", GUID))

    def null(self):
        return self["Attributes"] == 0 and not any(self["Uuid"])


class BYTES(NDRUniConformantArray):
    item = "c"


class VARYING(NDRUniConformantVaryingArray):
    item = "c"


class THREE(NDRUniFixedArray):
    align = 2

    def getDataLen(self, data, offset=0):
        return 6


class EcDoDisconnect(NDRCALL):
    opnum = 1
    structure = (("pcxh", HANDLE),)


class EcDoDisconnectResponse(NDRCALL):
    structure = (("pcxh", HANDLE), ("ErrorCode", ULONG))


class EcRRegisterPushNotification(NDRCALL):
    opnum = 4
    structure = (("pcxh", HANDLE), ("iRpc", ULONG), ("rgbContext", BYTES), ("cbContext", USHORT),
                 ("grbitAdviseBits", ULONG), ("rgbCallbackAddress", BYTES),
                 ("cbCallbackAddress", USHORT))


class EcRRegisterPushNotificationResponse(NDRCALL):
    structure = (("pcxh", HANDLE), ("hNotification", ULONG), ("ErrorCode", ULONG))


class EcDoConnectEx(NDRCALL):
    opnum = 10
    structure = (("szUserDN", STR), ("ulFlags", ULONG), ("ulConMod", ULONG), ("cbLimit", ULONG),
                 ("ulCpid", ULONG), ("ulLcidString", ULONG), ("ulLcidSort", ULONG),
                 ("ulIcxrLink", ULONG), ("usFCanConvertCodePages", USHORT),
                 ("rgwClientVersion", THREE), ("pulTimeStamp", ULONG), ("rgbAuxIn", BYTES),
                 ("cbAuxIn", ULONG), ("pcbAuxOut", ULONG))


class EcDoConnectExResponse(NDRCALL):
    structure = (("pcxh", HANDLE), ("pcmsPollsMax", ULONG), ("pcRetry", ULONG),
                 ("pcmsRetryDelay", ULONG), ("picxr", USHORT), ("szDNPrefix", LPSTR),
                 ("szDisplayName", LPSTR), ("rgwServerVersion", THREE), ("rgwBestVersion", THREE),
                 ("pulTimeStamp", ULONG), ("rgbAuxOut", VARYING), ("pcbAuxOut", ULONG),
                 ("ErrorCode", ULONG))


class EcDoRpcExt2(NDRCALL):
    opnum = 11
    structure = (("pcxh", HANDLE), ("pulFlags", ULONG), ("rgbIn", BYTES), ("cbIn", ULONG),
                 ("pcbOut", ULONG), ("rgbAuxIn", BYTES), ("cbAuxIn", ULONG), ("pcbAuxOut", ULONG))


class EcDoRpcExt2Response(NDRCALL):
    structure = (("pcxh", HANDLE), ("pulFlags", ULONG), ("rgbOut", VARYING), ("pcbOut", ULONG),
                 ("rgbAuxOut", VARYING), ("pcbAuxOut", ULONG), ("pulTransTime", ULONG),
                 ("ErrorCode", ULONG))


class EcDoAsyncConnectEx(NDRCALL):
    opnum = 14
    structure = (("cxh", HANDLE),)


class EcDoAsyncConnectExResponse(NDRCALL):
    structure = (("pacxh", HANDLE), ("ErrorCode", ULONG))


class EcDoAsyncWaitEx(NDRCALL):
    opnum = 0
    structure = (("acxh", HANDLE), ("ulFlagsIn", ULONG))


class EcDoAsyncWaitExResponse(NDRCALL):
    structure = (("pulFlagsOut", ULONG), ("ErrorCode", ULONG))


class Fault(Exception):
    """A DCERPC fault, with impacket's words for the status."""


class Connection:
    """One TCP connection bound to one interface. user None: anonymous, without any security."""

    def __init__(self, dc, interface, user, level=PRIVACY, mapped=False):
        binding = epm.hept_map("127.0.0.1", uuidtup_to_bin(interface), protocol="ncacn_ip_tcp") \
            if mapped else f"ncacn_ip_tcp:127.0.0.1[{dc.port}]"
        way = transport.DCERPCTransportFactory(binding)
        way.set_connect_timeout(LIMIT)
        way.recv = self._recv  # impacket's own turns for ever when the server has closed
        if user is not None:
            way.set_credentials(user, PASSWORD, DOMAIN)
        self.rpc = way.get_dce_rpc()
        if user is not None:
            self.rpc.set_auth_level(level)
        self.rpc.connect()
        self.socket = way.get_socket()
        self.socket.settimeout(LIMIT)
        try:
            self.rpc.bind(uuidtup_to_bin(interface))
        except BaseException:
            self.close()
            raise

    def _recv(self, force=0, count=0):
        data = b""
        while len(data) < count or not data:
            more = self.socket.recv((count - len(data)) or 8192)
            if not more:
                raise ConnectionError("the server has closed the connection")
            data += more
        return data

    def call(self, request):
        self.send(request)
        return self.receive(request)

    def send(self, request):
        self.rpc.call(request.opnum, request)

    def receive(self, request):
        try:
            answer = self.rpc.recv()
        except rpcrt.DCERPCException as why:
            raise Fault(str(why)) from None
        response = getattr(sys.modules[__name__], type(request).__name__ + "Response")(answer)
        # what impacket's engine writes back is what it has read: nothing was left over or misread
        assert len(response.getData()) == len(answer), (answer.hex(), response.getData().hex())
        return response

    def close(self):
        try:  # a thread that still reads would keep the connection open
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


def connect_request(dn="/o=EX/cn=recipients/cn=user", link=NO_LINK):
    request = EcDoConnectEx()
    request["szUserDN"] = dn + "\0"
    for name, value in (("ulFlags", 0), ("ulConMod", 0), ("cbLimit", 0), ("ulCpid", 1252),
                        ("ulLcidString", 0x409), ("ulLcidSort", 0x409), ("ulIcxrLink", link),
                        ("usFCanConvertCodePages", 1), ("pulTimeStamp", 0), ("cbAuxIn", 0),
                        ("pcbAuxOut", 0x1008)):
        request[name] = value
    request["rgwClientVersion"] = struct.pack("<3H", 12, 4518, 1014)
    request["rgbAuxIn"] = b""
    return request


def rop_buffer(rops=b"", handles=()):
    payload = struct.pack("<H", 2 + len(rops)) + rops + b"".join(struct.pack("<I", h) for h in handles)
    return struct.pack("<4H", 0, 4, len(payload), len(payload)) + payload


def rop_payload(buffer):
    """(RopsList, handles) of a response."""
    version, flags, size, actual = struct.unpack_from("<4H", buffer)
    assert (version, flags, size) == (0, 4, actual) and len(buffer) == 8 + size, buffer.hex()
    rops = struct.unpack_from("<H", buffer, 8)[0]
    handles = buffer[8 + rops:]
    return buffer[10:8 + rops], struct.unpack(f"<{len(handles) // 4}I", handles)


class Client:
    """A user's session: a connection with its context handle, and a second one for waits."""

    def __init__(self, dc, user, connect=True, **more):
        self.dc, self.user = dc, user
        self.waits = None
        self.acxh = self.cxh = None
        self.emsmdb = Connection(dc, EMSMDB, user, **more)
        try:
            assert not connect or self.connect()["ErrorCode"] == 0
        except BaseException:
            self.close()
            raise

    def close(self):
        for connection in (self.emsmdb, self.waits):
            if connection:
                connection.close()

    def connect(self, **more):
        answer = self.emsmdb.call(connect_request(**more))
        self.cxh = answer["pcxh"]
        return answer

    def disconnect(self):
        request = EcDoDisconnect()
        request["pcxh"] = self.cxh
        return self.emsmdb.call(request)

    def execute_raw(self, buffer, cxh=None, room=0x8008, connection=None):
        request = EcDoRpcExt2()
        request["pcxh"] = cxh or self.cxh
        request["pulFlags"] = 0
        request["rgbIn"] = buffer
        request["cbIn"] = len(buffer)
        request["pcbOut"] = room
        request["rgbAuxIn"] = b""
        request["cbAuxIn"] = 0
        request["pcbAuxOut"] = 0x1008
        return (connection or self.emsmdb).call(request)

    def execute(self, rops=b"", handles=()):
        answer = self.execute_raw(rop_buffer(rops, handles))
        assert answer["ErrorCode"] == 0, hex(answer["ErrorCode"])
        return rop_payload(b"".join(answer["rgbOut"]))

    def subscribe(self, types=0x0002):
        """RopLogon, RopRegisterNotification on the whole store; its handle."""
        logon = struct.pack("<BBBBIIH", 0xFE, 0, 0, 1, 0x01000000, 0, 10) + b"/o=EX/cn=a"[:9] + b"\0"
        register = struct.pack("<BBBBHB", 0x29, 0, 0, 1, types, WHOLE_STORE)
        rops, handles = self.execute(logon + register, (0xFFFFFFFF, 0xFFFFFFFF))
        assert rops[0] == 0xFE and rops[2:6] == bytes(4), rops.hex()
        assert rops[-6:] == b"\x29\x01" + bytes(4), rops.hex()
        return handles[1]

    def idle(self):
        """The events that an EcDoRpcExt2 without a ROP brings."""
        return ropnotify.decode_all(self.execute()[0])

    def register_push(self, address, context=b"context!"):
        request = EcRRegisterPushNotification()
        request["pcxh"] = self.cxh
        request["iRpc"] = 0
        request["rgbContext"] = context
        request["cbContext"] = len(context)
        request["grbitAdviseBits"] = 0xFFFFFFFF
        request["rgbCallbackAddress"] = address
        request["cbCallbackAddress"] = len(address)
        return self.emsmdb.call(request)

    def async_connect(self):
        request = EcDoAsyncConnectEx()
        request["cxh"] = self.cxh
        answer = self.emsmdb.call(request)
        self.acxh = answer["pacxh"]
        return answer

    def wait(self, connection=None):
        """Sends EcDoAsyncWaitEx, on a connection of its own, and returns the Wait."""
        if connection is None:
            if self.acxh is None:
                assert self.async_connect()["ErrorCode"] == 0
            self.waits = self.waits or Connection(self.dc, ASYNC, self.user)
            connection = self.waits
        return Wait(connection, self.acxh)


class Wait:
    """A call of EcDoAsyncWaitEx on its way; a thread waits for the answer."""

    def __init__(self, connection, acxh):
        self.request = EcDoAsyncWaitEx()
        self.request["acxh"] = acxh
        self.request["ulFlagsIn"] = 0
        self.connection, self.answer, self.error = connection, None, None
        self.thread = threading.Thread(target=self._run, daemon=True)
        connection.send(self.request)
        self.thread.start()

    def _run(self):
        try:
            response = self.connection.receive(self.request)
            self.answer = (response["pulFlagsOut"], response["ErrorCode"])
        except Exception as why:  # the test that asks for the result gets it
            self.error = why

    def result(self, limit=LIMIT):
        """(pulFlagsOut, return value)"""
        self.thread.join(limit)
        if self.error is not None:
            raise self.error
        assert self.answer is not None, f"the wait has not ended within {limit} s"
        return self.answer

    @property
    def parked(self):
        return self.thread.is_alive()
