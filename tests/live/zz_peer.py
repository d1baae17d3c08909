"""A client made of python3-samba, as a program.

    samba_peer.py PORT CONFIG USER PASSWORD SECURITY

SECURITY is what Samba's binding strings take, "spnego,seal".

Reads lines `emsmdb OPNUM HEX` or `async OPNUM HEX` and answers each with the response's stub in hex,
or with `error TEXT`.
"""

import sys

from samba.credentials import DONT_USE_KERBEROS, Credentials
from samba.dcerpc import mgmt
from samba.dcerpc.base import ClientConnection
from samba.param import LoadParm

INTERFACES = {"emsmdb": ("a4f1db00-ca47-1067-b31f-00dd010662da", 0x00510000),
              "async": ("5261574a-4572-206e-b268-6b199213b4e4", 0x00010000)}


def main():
    port, config, user, password, security = sys.argv[1:]
    lp = LoadParm()
    lp.load(config)
    credentials = Credentials()
    credentials.guess(lp)
    credentials.set_username(user)
    credentials.set_password(password)
    credentials.set_kerberos_state(DONT_USE_KERBEROS)
    binding = f"ncacn_ip_tcp:127.0.0.1[{port},{security}]"
    # an interface that the module does not know needs a connection of one that it knows
    known = mgmt.mgmt(binding, lp, credentials)
    connections = {name: ClientConnection(binding, syntax, lp_ctx=lp, credentials=credentials)
                   for name, syntax in INTERFACES.items()}
    for line in sys.stdin:
        name, opnum, stub = line.split()
        try:
            print(connections[name].request(int(opnum), bytes.fromhex(stub)).hex(), flush=True)
        except Exception as why:  # whatever it is, the test sees it
            print("error", why, flush=True)


if __name__ == "__main__":
    main()
