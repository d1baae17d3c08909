# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A real RabbitMQ in a temporary folder: one broker, or three that form a cluster; and a small AMQP
client (pika) to publish and read with. Works as root and as any other user; listens on loopback
(or where it is told to), on free ports; everything is ended by its pid.

    broker = rabbit.shared()                  one for all tests of this process, ended at its end
    vhost = broker.vhost()                    a fresh one: its queues are nobody else's
    uri = broker.uri(vhost)                   for [rabbitmq] uri
    with broker.amqp(vhost) as amqp: amqp.publish(body, queue="ocsmanager.ingest")
    broker.kill(); broker.start()             kill -9, and again on the same data

The user of uri() is USER, with all rights on every vhost of vhost(). rabbitmqctl takes a second of CPU
a call: what AMQP can tell (a queue's length) is asked by AMQP, the rest by erl_call(1), which takes
milliseconds.
"""

import atexit
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from urllib.parse import quote

from .ports import reserve_port
from .wait import LIMIT, stop_process, wait_until

try:
    import pika
except ImportError as problem:
    raise ImportError("python3-pika is missing: make deps") from problem

PROGRAMS = "/usr/lib/rabbitmq/bin"
USER, PASSWORD = "ocsnode", "a/secret:of %the@node"  # what must be encoded in a URI is in it
START_LIMIT = LIMIT
QUEUE_AGE = 3.0  # seconds; see kill()

# Rows as rabbitmqctl --formatter json prints them. {rows}: an expression.
AS_JSON = """\
F = fun G({{resource, _, _, Name}}) -> Name;
        G(X) when is_tuple(X) -> G(tuple_to_list(X));
        G(X) when is_list(X) -> [G(Y) || Y <- X];
        G(X) when is_boolean(X) -> X;
        G(X) when is_atom(X) -> atom_to_binary(X);
        G(X) when is_pid(X) -> list_to_binary(pid_to_list(X));
        G(X) -> X end,
io:put_chars(rabbit_json:encode([maps:from_list([{{K, F(V)}} || {{K, V}} <- Row]) || Row <- {rows}])), io:nl().
"""

CONF = """\
listeners.tcp.1 = {address}:{port}
vm_memory_high_watermark.absolute = 512MiB
disk_free_limit.absolute = 10MB
log.console = false
log.file.level = info
loopback_users = none
max_message_size = 134217728
load_definitions = {definitions}
{more}
"""


def password_hash(password):
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def rss(pid):
    """Resident memory in MiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(l.split()[1]) for l in f if l.startswith("VmRSS:")) / 1024


def children_of(pid):
    """All processes below pid."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                    text = f.read()
            except OSError:
                continue
            parents[int(name)] = int(text[text.rindex(")") + 2:].split()[1])
    found, grew = {pid}, True
    while grew:
        more = {p for p, parent in parents.items() if parent in found} - found
        found |= more
        grew = bool(more)
    return found - {pid}


def running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            text = f.read()
        return text[text.rindex(")") + 2] not in "ZX"
    except OSError:
        return False


def set_permissions(vhost, user, configure=".*", write=".*", read=".*"):
    """The Erlang call."""
    words = ", ".join(f'<<"{word}">>' for word in (user, vhost, configure, write, read, "t"))
    return f"rabbit_auth_backend_internal:set_permissions({words})"


class Home:
    """What the brokers of a cluster share: a folder with the cookie, and epmd. Make it in the main
    thread: epmd ends with the thread (or program) that made it, as the broker does by its stdin."""

    def __init__(self, wrapper=()):
        self.wrapper = list(wrapper)
        self.folder = tempfile.mkdtemp(prefix="r")
        cookie = os.path.join(self.folder, ".erlang.cookie")
        with open(os.open(cookie, os.O_WRONLY | os.O_CREAT, 0o400), "w", encoding="ascii") as f:
            f.write(base64.b16encode(os.urandom(16)).decode())
        self._port = reserve_port()
        self.epmd_port = self._port.getsockname()[1]
        self.epmd = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self.wrapper, "epmd", "-port", str(self.epmd_port),
             "-address", "127.0.0.1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        wait_until(self._answers, what="epmd answers")

    def _answers(self):
        return subprocess.run(
            [*self.wrapper, "epmd", "-port", str(self.epmd_port), "-names"], stdin=subprocess.DEVNULL,
            capture_output=True, timeout=LIMIT, check=False).returncode == 0

    def close(self):
        self.epmd.kill()
        self.epmd.wait(LIMIT)
        self._port.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Broker:
    """name: before @localhost; home: of a cluster; seed: name of the node to join at the first
    start; tls: also a TLS listener with a certificate of its own CA (ca_file); address: to listen
    on; wrapper: words before each program's (nsenter ...); config: lines for rabbitmq.conf."""

    def __init__(self, name="n1", home=None, seed=None, tls=False, address="127.0.0.1", wrapper=(),
                 config=""):
        self.name, self.address, self.wrapper = name, address, list(wrapper)
        self._own_home = home is None
        self.home = home or Home(wrapper)
        self.folder = os.path.join(self.home.folder, name)
        os.mkdir(self.folder)
        self._ports = [reserve_port() for _ in range(3)]
        self.port, self.dist_port, self._tls = (held.getsockname()[1] for held in self._ports)
        self.tls_port = self.ca_file = None
        self.process = None
        self._vhosts = 0
        more = [config]
        if tls:
            more += self._make_tls()
        if seed:
            more += ["cluster_formation.peer_discovery_backend = classic_config",
                     f"cluster_formation.classic_config.nodes.1 = {seed}@localhost",
                     f"cluster_formation.classic_config.nodes.2 = {name}@localhost"]
        self._write("definitions.json", json.dumps(self._definitions()))
        self._write("enabled_plugins", "[].\n")
        self._write("rabbitmq.conf", CONF.format(
            address=address, port=self.port, definitions=self._path("definitions.json"),
            more="\n".join(more)))

    # -- files

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write(self, name, text):
        with open(self._path(name), "w", encoding="ascii") as f:
            f.write(text)

    def _definitions(self):
        return {
            "users": [{"name": USER, "password_hash": password_hash(PASSWORD),
                       "hashing_algorithm": "rabbit_password_hashing_sha256",
                       "tags": ["administrator"]}],
            "vhosts": [{"name": "/"}],
            "permissions": [{"user": USER, "vhost": "/", "configure": ".*", "write": ".*",
                             "read": ".*"}],
        }

    def _make_tls(self):
        """A CA, and a certificate for 'localhost' and the address we listen on."""
        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True,
                           timeout=LIMIT)

        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
                "-subj", "/CN=OCSManager test CA")
        openssl("req", *key, "-keyout", "server.key", "-out", "server.csr",
                "-subj", "/CN=localhost")
        self._write("server.ext", f"subjectAltName=DNS:localhost,IP:{self.address}\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "30", "-extfile", "server.ext", "-out", "server.pem")
        self.tls_port = self._tls
        self.ca_file = self._path("ca.pem")
        return [f"listeners.ssl.1 = {self.address}:{self.tls_port}",
                f"ssl_options.cacertfile = {self.ca_file}",
                f"ssl_options.certfile = {self._path('server.pem')}",
                f"ssl_options.keyfile = {self._path('server.key')}",
                "ssl_options.verify = verify_none"]

    def log(self):
        try:
            with open(self._path("rabbit.log"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    # -- life

    @property
    def node(self):
        return f"{self.name}@localhost"

    @property
    def environment(self):
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8",
            "HOME": self.home.folder, "RABBITMQ_NODENAME": self.node,
            "ERL_EPMD_PORT": str(self.home.epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            # else a program that starts while ours ends leaves one behind
            "ERL_FLAGS": "-start_epmd false",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": self._path("rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": self._path("none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": self._path("enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": self._path("mnesia"),
            "RABBITMQ_LOG_BASE": self._path("log"), "RABBITMQ_LOGS": self._path("rabbit.log"),
            "RABBITMQ_PID_FILE": self._path("pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": self._path("config"),
            "RABBITMQ_NODE_PORT": str(self.port), "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_NODE_IP_ADDRESS": self.address,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
            "RABBITMQ_CTL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_ALLOW_INPUT": "1",  # the program becomes the broker: its pid is the broker's
        }

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def spawn(self):
        """Starts it, and does not wait. The same data as before."""
        with open(self._path("output"), "ab") as out:
            self.process = subprocess.Popen(
                [*self.wrapper, f"{PROGRAMS}/rabbitmq-server"], stdin=subprocess.PIPE, stdout=out,
                stderr=subprocess.STDOUT, cwd=self.home.folder, env=self.environment)
        return self

    def ready(self):
        """Whether the user can log in: what await_startup says, without its second."""
        if not self.alive():
            with open(self._path("output"), encoding="utf-8", errors="replace") as f:
                raise AssertionError(f"the broker ended:\n{f.read()[-3000:]}\n{self.log()[-3000:]}")
        if "Server startup complete" not in self.log()[self._log_start:]:
            return False
        try:
            self.amqp("/").close()
            return True
        except (OSError, pika.exceptions.AMQPError):
            return False

    def await_startup(self, limit=START_LIMIT):
        wait_until(self.ready, limit, f"{self.node} is up; its log:\n{self.log()[-1500:]}")
        return self

    def start(self):
        self._log_start = len(self.log())
        return self.spawn().await_startup()

    _log_start = 0

    def stop(self):
        """SIGTERM: a clean end."""
        self._end(signal.SIGTERM)

    def kill(self):
        """kill -9. Waits first until no queue, and what was bound to it right after, is too young to
        survive that: RabbitMQ writes its list of quorum queues after about a second (one that is not
        in it answers nothing after the restart until it is deleted), its bindings within two."""
        self.wait_for_old_queues()
        self._end(signal.SIGKILL)

    def wait_for_old_queues(self):
        folder = self._path(f"mnesia/{self.node}/quorum/{self.node}")
        if self.alive() and os.path.isdir(folder):
            wait_until(lambda: time.time() - os.stat(folder).st_mtime > QUEUE_AGE,
                       what="no quorum queue is new")

    def _end(self, how):
        if self.process is None:
            return
        below = children_of(self.pid)
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how)
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(LIMIT)
        self.process.stdin.close()
        self.process = None
        # its helpers (erl_child_setup, inet_gethost) end when its pipes close
        try:
            wait_until(lambda: not any(running(p) for p in below), what="its helpers end")
        except AssertionError:
            for pid in below:
                if running(pid):
                    os.kill(pid, signal.SIGKILL)

    def restart(self):
        self.stop()
        return self.start()

    def sigstop(self):
        stop_process(self.pid)

    def sigcont(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        try:
            self._end(signal.SIGKILL)
        finally:
            for held in self._ports:
                held.close()
            if self._own_home:
                self.home.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # -- users and vhosts

    def vhost(self):
        """A vhost that nobody used yet; USER may do everything in it. Each costs a tenth of a second
        of CPU at every start: who is done with it deletes it."""
        self._vhosts += 1
        return self.add_vhost(f"v{self._vhosts}")

    def add_vhost(self, name):
        self.eval(f'rabbit_vhost:add(<<"{name}">>, <<"t">>), {set_permissions(name, USER)}.')
        return name

    def delete_vhost(self, name):
        """And what is in it. Nothing where the broker is down."""
        if self.alive():
            self.eval(f'rabbit_vhost:delete(<<"{name}">>, <<"t">>).')

    def uri(self, vhost, user=USER, password=PASSWORD, tls=False, host=None, port=None):
        scheme, own = ("amqps", self.tls_port) if tls else ("amqp", self.port)
        return (f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}"
                f"@{host or self.address}:{port or own}/{quote(vhost, safe='')}")

    def ctl(self, *arguments, program="rabbitmqctl", limit=LIMIT):
        """rabbitmqctl; its output. About a second."""
        done = subprocess.run(
            [*self.wrapper, f"{PROGRAMS}/{program}", "-n", self.node, "-q", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, check=False,
            cwd=self.home.folder, env=self.environment)
        if done.returncode != 0:
            raise AssertionError(f"{program} {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def eval(self, code):
        """Erlang expressions in the broker, the last of which ends with a dot; what they print."""
        with open(os.path.join(self.home.folder, ".erlang.cookie"), encoding="ascii") as f:
            cookie = f.read()
        done = subprocess.run(
            [*self.wrapper, "erl_call", "-address", f"localhost:{self.dist_port}", "-c", cookie, "-R",
             "-fetch_stdout", "-e"],
            input=code + "\n", capture_output=True, text=True, timeout=LIMIT, check=False, env=self.environment)
        # the last line is the result, cut short if it is long; before it what was printed
        printed, _, result = ("\n" + done.stdout).rpartition("\n{ok, ")
        if done.returncode != 0 or not result:
            raise AssertionError(f"{code}: {done.stdout}{done.stderr}")
        return printed[1:]

    def rows(self, code):
        """[{column: value}] of an expression that gives a list of property lists."""
        return json.loads(self.eval(AS_JSON.format(rows=code)))

    def add_user(self, name, password, vhost=None, configure=".*", write=".*", read=".*"):
        self.eval(f'ok = rabbit_auth_backend_internal:add_user(<<"{name}">>, <<"{password}">>, <<"t">>).')
        if vhost is not None:
            self.permissions(name, vhost, configure, write, read)

    def permissions(self, name, vhost, configure=".*", write=".*", read=".*"):
        self.eval(f"ok = {set_permissions(vhost, name, configure, write, read)}.")

    def memory_alarm(self, on):
        """connection.blocked to all who publish; off: connection.unblocked."""
        limit = "0.00001" if on else "{absolute, 512 * 1024 * 1024}"
        self.eval(f"vm_memory_monitor:set_vm_memory_high_watermark({limit}).")

    # -- what is there

    def version(self):
        """The major one: 3 or 4."""
        return int(self.eval("io:put_chars(rabbit_misc:version()), io:nl().").split(".")[0])

    def queues(self, vhost, *columns):
        """[{name, messages, consumers, ...}]"""
        columns = ("name", *(columns or ("messages", "consumers", "type", "arguments")))
        return self.rows(f'rabbit_amqqueue:info_all(<<"{vhost}">>, [{", ".join(columns)}])')

    def bindings(self, vhost, exchange="ocsmanager.users"):
        """[(routing key, queue)] of an exchange, sorted."""
        rows = self.rows(f'rabbit_binding:info_all(<<"{vhost}">>, [source_name, routing_key, destination_name])')
        return sorted((r["routing_key"], r["destination_name"]) for r in rows
                      if r["source_name"] == exchange)

    def connections(self):
        """[{user, client_properties, ...}]"""
        return self.rows("rabbit_networking:connection_info_all([user, vhost, state, client_properties])")

    def amqp(self, vhost, user=USER, password=PASSWORD):
        return Amqp(self.address, self.port, vhost, user, password)


class Cluster:
    """Brokers n1, n2, ... of one cluster."""

    def __init__(self, count=3, **more):
        self.home = Home()
        names = [f"n{number}" for number in range(1, count + 1)]
        self.brokers = [Broker(name, self.home, seed=None if name == "n1" else "n1", **more)
                        for name in names]

    def start(self):
        first, *rest = self.brokers
        first.start()
        for broker in rest:
            broker.spawn()
        for broker in rest:
            broker.await_startup()
        return self

    def close(self):
        for broker in self.brokers:
            broker.close()
        self.home.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def vhost(self):
        return self.brokers[0].vhost()

    def uri(self, vhost, first=0):
        """All brokers, beginning with that one."""
        turned = self.brokers[first:] + self.brokers[:first]
        return ", ".join(broker.uri(vhost) for broker in turned)

    def leader(self, vhost, queue):
        """The broker that leads a quorum queue."""
        alive = next(b for b in self.brokers if b.alive())
        rows = alive.queues(vhost, "leader")
        node = next(row["leader"] for row in rows if row["name"] == queue)
        return next(b for b in self.brokers if b.node == node)

    def online(self, vhost, queue):
        """Names of the nodes on which the queue's members run."""
        alive = next(b for b in self.brokers if b.alive())
        rows = alive.queues(vhost, "online")
        return sorted(next(row["online"] for row in rows if row["name"] == queue))


class Message:
    """One message of a queue: body (bytes), headers (dict), properties (pika's), routing_key,
    redelivered."""

    def __init__(self, method, properties, body):
        self.body, self.properties = body, properties
        self.headers = properties.headers or {}
        self.routing_key, self.redelivered = method.routing_key, method.redelivered
        self.tag = method.delivery_tag

    def __repr__(self):
        return f"{self.routing_key} {self.properties} {self.body!r}"


class Amqp:
    """A connection with one channel, with confirms. Belongs to one thread."""

    def __init__(self, host, port, vhost, user=USER, password=PASSWORD):
        self.connection = pika.BlockingConnection(pika.ConnectionParameters(
            host=host, port=port, virtual_host=vhost, heartbeat=0,
            credentials=pika.PlainCredentials(user, password), blocked_connection_timeout=LIMIT,
            socket_timeout=LIMIT, stack_timeout=LIMIT))
        self._open()

    def _open(self):
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.connection.close()
        except (OSError, pika.exceptions.AMQPError):
            pass

    def publish(self, body, queue="", exchange="", content_type="text/xml; charset=utf-8",
                headers=None, mandatory=True, **properties):
        """queue: the routing key. True: confirmed; False: nacked or returned. properties: user_id,
        message_id, ..."""
        if isinstance(body, str):
            body = body.encode()
        properties.setdefault("delivery_mode", 2)
        try:
            self.channel.basic_publish(exchange, queue, body, pika.BasicProperties(
                content_type=content_type, headers=headers, **properties), mandatory=mandatory)
            return True
        except (pika.exceptions.UnroutableError, pika.exceptions.NackError):
            return False

    def publish_many(self, bodies, queue):
        """Many at a time, persistent, by one transaction: a commit is answered when each is in the
        queue. A quorum queue drops unconfirmed ones without a word: all that come to a busy node
        while a new channel has not made itself known to the queue."""
        channel = self.connection.channel()
        channel.tx_select()
        for body in bodies:
            channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2))
        channel.tx_commit()
        channel.close()

    def get(self, queue, ack=True):
        """The next message, or None. ack=False: it is left unacknowledged on this channel; nack()
        or close() gives it back."""
        method, properties, body = self.channel.basic_get(queue, auto_ack=False)
        if method is None:
            return None
        if ack:
            self.channel.basic_ack(method.delivery_tag)
        return Message(method, properties, body)

    def nack(self, message):
        self.channel.basic_nack(message.tag, requeue=True)

    def wait_get(self, queue, limit=LIMIT):
        return wait_until(lambda: self.get(queue), limit, f"a message in {queue}")

    def get_all(self, queue):
        found = []
        while True:
            message = self.get(queue)
            if message is None:
                return found
            found.append(message)

    def count(self, queue):
        """Messages ready in the queue; None: no such queue."""
        state = self.state(queue)
        return None if state is None else state.message_count

    def state(self, queue):
        """message_count and consumer_count; None: no such queue."""
        try:
            return self.channel.queue_declare(queue, passive=True).method
        except pika.exceptions.ChannelClosedByBroker:
            self._open()
            return None

    def wait_count(self, queue, count, limit=LIMIT):
        wait_until(lambda: self.count(queue) == count, limit, f"{queue} holds {count} messages")

    def declare(self, queue, quorum=True, **arguments):
        """As it is, or with arguments in Python's spelling (x_max_length=5)."""
        table = {"x-queue-type": "quorum"} if quorum else {}
        table.update((name.replace("_", "-"), value) for name, value in arguments.items())
        self.channel.queue_declare(queue, durable=True, arguments=table)

    def declare_exchange(self, exchange, kind="direct"):
        self.channel.exchange_declare(exchange, kind, durable=True)

    def bind(self, queue, exchange, key):
        self.channel.queue_bind(queue, exchange, key)

    def unbind(self, queue, exchange, key):
        self.channel.queue_unbind(queue, exchange, key)

    def purge(self, queue):
        self.channel.queue_purge(queue)

    def delete(self, queue):
        self.channel.queue_delete(queue)


_shared = []


def shared():
    """The broker of this process, with TLS too; started at its first use."""
    if not _shared:
        _shared.append(Broker(tls=True))
        atexit.register(_shared[0].close)
    if not _shared[0].alive():
        _shared[0].start()
    return _shared[0]
