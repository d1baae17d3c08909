"""EMSMDB by the plugin for Samba, with clients that nobody here wrote."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import samba_rig
from harness.case import ServiceTest

USERS = ["alice", "bob"]


class SambaTest(ServiceTest):
    options = ()
    model = "single"

    @classmethod
    def setUpClass(cls):
        samba_rig.prepare()

    def setUp(self):
        global samba_client
        import samba_client
        self.d = self.daemon()
        self.dc = samba_rig.Dc(the_domain(), self.d.registry, self.options, self.model)
        self.addCleanup(self.dc.close)
        self.dc.start()
        self.http = self.client(self.d)
        self.mails = 0

    def mapi(self, user="alice", **more):
        client = samba_client.Client(self.dc, user, **more)
        self.addCleanup(client.close)
        return client

    def mail(self, user="alice"):
        self.mails += 1
        self.accepted(self.http.newmail(str(self.mails), user=user))


class TheWay(SambaTest):
    def test_mail_completes_the_wait_and_idle_brings_it(self):
        client = self.mapi()
        handle = client.subscribe()
        wait = client.wait()
        self.assertTrue(wait.parked)
        self.mail()
        self.assertEqual(wait.result(), (1, 0))
        events = client.idle()
        self.assertEqual([e["NotificationFlags"] for e in events], [0x8002])
        self.assertEqual(events[0]["NotificationHandle"], handle)


_domain = None


def the_domain():
    global _domain
    if _domain is None:
        _domain = samba_rig.Domain(USERS)
        unittest.addModuleCleanup(_domain.close)
    return _domain


if __name__ == "__main__":
    samba_rig.become_root()
    unittest.main()
