# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Dovecot's configuration for tests, in the two languages there are: 2.3 and 2.4.

VERSION is that of the installed Dovecot, (2, 3) or (2, 4). Who configures more than rig.py does asks
settings(), service() and variable(), which write what that version reads."""

import os
import re
import subprocess

DOVECOT = "/usr/sbin/dovecot"


def _version():
    try:
        said = subprocess.run([DOVECOT, "--version"], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        return (2, 3)  # the tests that need it will say so
    return tuple(int(n) for n in re.match(r"(\d+)\.(\d+)", said).groups())


VERSION = _version()
NEW = VERSION >= (2, 4)


def variable(name):
    """A variable of 2.3 in the words of this version."""
    return {"%u": "%{user}", "%n": "%{user | username}", "%d": "%{user | domain}",
            "%Ln": "%{user | username | lower}", "%Lu": "%{user | lower}"}[name] if NEW else name


def settings(values):
    """Settings of plugins: of plugin { } in 2.3, like any other in 2.4."""
    lines = [f"{key} = {value}" for key, value in values.items()]
    return "\n".join(lines if NEW else ["plugin {", *lines, "}"]) + "\n"


def service(name, requests):
    """How many connections a process of a service handles in its life; 0: no limit."""
    key, value = ("restart_request_count", requests or "unlimited") if NEW else ("service_count", requests)
    return f"service {name} {{\n {key} = {value}\n}}\n"


def location(path, layout=None, private_index=None, driver="maildir"):
    """Where a namespace, or everybody, has its mail. %%h and %%u: the owner's, in a shared one."""
    if NEW:
        lines = [f"mail_driver = {driver}", f"mail_path = {path}"]
        lines += [f"mailbox_list_layout = {layout}"] if layout else []
        lines += [f"mail_index_private_path = {private_index}"] if private_index else []
        return "\n".join(lines).replace("%%h", "%{owner_home}").replace("%%u", "%{owner_user}")
    text_ = f"{driver}:{path}" + (f":LAYOUT={layout}" if layout else "")
    return text_ + (f":INDEXPVT={private_index}" if private_index else "")


def mail_location(*args, **more):
    """location() of everybody."""
    return location(*args, **more) if NEW else "mail_location = " + location(*args, **more)


def namespace(name, path=None, private_index=None, **values):
    """A namespace; prefix may hold %%u, its owner, in a shared one."""
    if NEW and "prefix" in values:
        values["prefix"] = values["prefix"].replace("%%u", "$user")
    lines = [f"{key} = {value}" for key, value in values.items()]
    if path:
        text_ = location(path, private_index=private_index)
        lines.append(text_ if NEW else "location = " + text_)
    return f"namespace {name} {{\n" + "\n".join(lines) + "\n}\n"


def alias(name, prefix):
    """Of a namespace for another one: 2.4 asks for its name."""
    return f"alias_for = {name if NEW else prefix}"


# Letters of a folder's name that separate are escaped: a plugin, or a setting.
ESCAPES = {"extra": 'mailbox_list_storage_escape_char = "~"\n'} if NEW else {
    "mail_plugins": "notify listescape ocsmanager"}

COMPRESS_PLUGINS = "notify mail_compress ocsmanager" if NEW else "notify zlib ocsmanager"
COMPRESS = {"mail_compress_write_method" if NEW else "zlib_save": "gz"}


def acl(rules, shared):
    """The acl plugin: a file with rules for all, and one that knows who shares with whom."""
    if NEW:
        return (f"acl_driver = vfile\nacl_global_path = {rules}\n"
                f"acl_sharing_map {{\n dict file {{\n path = {shared}\n }}\n}}\n")
    return settings({"acl": f"vfile:{rules}", "acl_shared_dict": f"file:{shared}"})


def imapsieve(script):
    """A script that runs for what IMAP clients append and copy to any folder."""
    if NEW:
        return ("sieve_plugins = sieve_imapsieve\nprotocol imap {\n sieve_script all {\n type = before\n"
                f" cause = append copy\n driver = file\n path = {script}\n }}\n}}\n")
    return settings({"sieve_plugins": "sieve_imapsieve", "imapsieve_mailbox1_name": "*",
                     "imapsieve_mailbox1_causes": "APPEND COPY",
                     "imapsieve_mailbox1_before": f"file:{script}"})


def _listener(service_name, listener, port):
    address = "listen" if NEW else "address"
    return [f"service {service_name} {{", f" inet_listener {listener} {{", f"  {address} = 127.0.0.1",
            f"  port = {port}", " }", "}"]


def _users(path, mail_user, mail_group, home):
    if NEW:
        return ["passdb passwd-file {", f" passwd_file_path = {path}", "}",
                "userdb static {", " fields {", f"  uid = {mail_user}", f"  gid = {mail_group}",
                f"  home = {home}", " }", "}"]
    return ["passdb {", " driver = passwd-file", f" args = {path}", "}",
            "userdb {", " driver = static", f" args = uid={mail_user} gid={mail_group} home={home}", "}"]


def _sieve(script, mail_plugins):
    more = [f"protocol lmtp {{\n mail_plugins = {mail_plugins} sieve\n}}"]
    if NEW:
        return more + ["sieve_script personal {", " driver = file", f" path = {script}", "}"]
    return more + [settings({"sieve": script})]


def text(folder, *, internal, group, login, mail_user, mail_group, modules, mail_plugins, imap_port,
         lmtp_port, lmtp_requests, root, sieve):
    """The whole file, without the settings of our plugin."""
    def path(name):
        return os.path.join(folder, name)

    home = f"{path('mail')}/{variable('%u')}"
    lines = []
    if NEW:
        lines += ["dovecot_config_version = 2.4.1", "dovecot_storage_version = 2.4.1",
                  "auth_allow_cleartext = yes", "mail_driver = maildir", "mail_path = ~/Maildir"]
    else:
        lines += ["disable_plaintext_auth = no", "mail_location = maildir:~/Maildir"]
    lines += [
        f"base_dir = {path('run')}", f"state_dir = {path('state')}", f"log_path = {path('log')}",
        "protocols = imap lmtp", "listen = 127.0.0.1", "ssl = no", "first_valid_uid = 1",
        "first_valid_gid = 1", f"default_internal_user = {internal}",
        f"default_internal_group = {group}", f"default_login_user = {login}",
        f"mail_uid = {mail_user}", f"mail_gid = {mail_group}", f"mail_home = {home}",
        "mail_fsync = never", f"mail_plugin_dir = {modules}", f"mail_plugins = {mail_plugins}",
        *_users(path("users"), mail_user, mail_group, home),
        "namespace inbox {", " inbox = yes", " separator = /", "}",
        *_listener("imap-login", "imap", imap_port),
        "service imap-login {", " inet_listener imaps {", "  port = 0", " }", "}",
        *_listener("lmtp", "lmtp", lmtp_port),
        service("lmtp", lmtp_requests),
    ]
    if not root:
        for name in ("anvil", "stats", "imap-login") + (() if NEW else ("ipc",)):
            lines += [f"service {name} {{", " chroot =", "}"]
    if sieve is not None:
        lines += _sieve(sieve, mail_plugins)
    return "\n".join(lines) + "\n"
