# SPDX-License-Identifier: BSD-2-Clause
"""The laboratory of one scenario: two hosts, the path with its tap, the kernel's word; and the register of
scenarios."""

import contextlib
import os
import random
import socket
import struct
import time
from dataclasses import dataclass, field

from . import segment as seg
from .netns import Host
from .path import HOLD, LOSE_BEFORE, LOSE_BEHIND, Path, Rule
from .pcapfile import PcapWriter
from .truth import StateSampler, StateTrace, collect_connections, count_states

SCENARIOS = {}
MSG_FASTOPEN = 0x20000000


@dataclass
class Scenario:
    """number: names the addresses and the server's port, so that scenarios can run side by side. link: raw, ethernet or
    vlan:ID. shape: the recording in one line, see shape_of(), or a
    tuple of those that may come; None when check() says more. seconds: about how long."""
    name: str
    number: int
    run: object
    link: str = "raw"
    ip: int = 4
    snaplen: int = 65535
    nanoseconds: bool = False
    suffix: str = ".pcap"
    shape: object = None
    check: object = None
    seconds: float = 2
    port: int = 0
    many: bool = False
    source: str = None
    description: str = field(default="")


def scenario(number, **options):
    """Registers a function as a scenario under its own name. many: too many sockets to list one by one; only their
    number by state is recorded as truth."""

    def register(function):
        made = Scenario(function.__name__, number, function, **options)
        made.description = " ".join(function.__doc__.split())
        made.port = made.port or 8000 + number
        if made.name in SCENARIOS or any(other.number == number for other in SCENARIOS.values()):
            raise ValueError(f"scenario {made.name}: name or number {number} is taken")
        SCENARIOS[made.name] = made
        return function

    return register


def derived(number, source, **options):
    """Registers a scenario that is made from the recording of another: function(frames) gives the frames to keep, as
    (time_ns, raw, from_client)."""

    def register(function):
        scenario(number, source=source, seconds=0, **options)(function)
        return function

    return register


def addresses_of(number, ip):
    """The networks of a scenario: (client, server)."""
    if ip == 6:
        return f"2001:db8:7:{number}::1/64", f"2001:db8:7:{number}::2/64"
    return f"10.7.{number}.1/24", f"10.7.{number}.2/24"


class Lab:
    """What a scenario works with. client and server are Hosts, path decides about segments.

    Use as a context manager: hosts and path are gone afterwards, whatever happened."""

    CLIENT_PORT = 40000

    def __init__(self, spec, near_s=0.001, far_s=0.005):
        self.spec = spec
        self.port = spec.port
        self.random = random.Random(spec.number)
        self.notes = []
        self.moments = []
        self.facts = {}
        self.final = None
        self.tap = PcapWriter(spec.link, spec.snaplen, spec.nanoseconds)
        self._parts = contextlib.ExitStack()
        try:
            self._build(near_s, far_s)
        except BaseException:
            self._parts.close()
            raise

    def _build(self, near_s, far_s):
        client, server = addresses_of(self.spec.number, self.spec.ip)
        self.client = self._part(Host("client", [client]))
        self.server = self._part(Host("server", [server]))
        self.path = Path(self.client.tun, self.server.tun, self.tap, near_s, far_s)
        self.path.start()
        self._parts.callback(self.path.close)
        self.trace = self.samplers = None
        if not self.spec.many:
            self.trace = self._part(StateTrace(self.port))
            self.samplers = [self._part(StateSampler(host)) for host in (self.client, self.server)]

    def _part(self, part):
        self._parts.callback(part.close)
        return part

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._parts.close()

    # --- what scenarios do -----------------------------------------------------------------------------------------

    def listen(self, backlog=128, **options):
        return self.server.listen(self.port, backlog, **options)

    def client_socket(self, port=CLIENT_PORT, **options):
        made = self.client.socket(**options)
        made.bind((self.client.address, port))
        return made

    def connect(self, listener=None, port=CLIENT_PORT, **options):
        """A connection of client and server, accepted: (client's socket, server's socket)."""
        listener = listener or self.listen()
        client = self.client_socket(port, **options)
        client.connect((self.server.address, self.port))
        return client, self.server.accept(listener)

    def start_connect(self, made, address=None, port=None):
        """connect() that does not wait."""
        made.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            made.connect((address or self.server.address, port or self.port))
        made.settimeout(30)

    def fast_open(self, made, data):
        """connect() with data (RFC 7413)."""
        made.settimeout(None)
        made.sendto(data, MSG_FASTOPEN, (self.server.address, self.port))
        made.settimeout(30)

    def exchange(self, client, server, request=b"question\n", answer=b"answer\n"):
        """One request and one answer, each received in full before the next step."""
        client.sendall(request)
        receive(server, len(request))
        server.sendall(answer)
        receive(client, len(answer))
        self.path.settle()

    def lose_before(self, matches, times=None, skip=0):
        return self.path.add_rule(Rule(matches, LOSE_BEFORE, times, skip))

    def lose_behind(self, matches, times=None, skip=0):
        return self.path.add_rule(Rule(matches, LOSE_BEHIND, times, skip))

    def hold(self, matches, times=None, skip=0):
        return self.path.add_rule(Rule(matches, HOLD, times, skip))

    def rule(self, matches, fate, times=None, skip=0):
        return self.path.add_rule(Rule(matches, fate, times, skip))

    def wait_held(self, count, timeout=15):
        deadline = time.monotonic() + timeout
        while self.path.held() < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.path.held()} segments are held, {count} were expected")
            time.sleep(0.002)

    def wait_hit(self, rule, count=1, timeout=15):
        """Until rule has applied count times."""
        deadline = time.monotonic() + timeout
        while rule.hits < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the rule applied {rule.hits} times, {count} were expected")
            time.sleep(0.002)

    def inject(self, flags, seq, ack=0, to_server=True, src=None, sport=CLIENT_PORT, seen=True, delivered=True, **rest):
        """A forged segment on the path, by default from the client's address to the server's port."""
        client, server = (src or self.client.address, sport), (self.server.address, self.port)
        (src, sport), (dst, dport) = (client, server) if to_server else (server, client)
        raw = seg.forge(src, dst, sport, dport, flags, seq, ack, **rest)
        self.path.inject(raw, to_server, seen, delivered)

    def vanish(self, made):
        """Its host forgets the socket as if by a power cut: what it sends about it is lost before the tap."""
        sender_is_client = made.getsockname()[0] == self.client.address
        rule = self.lose_before(lambda s: s.from_client == sender_is_client)
        kill_quietly(made)
        self.path.settle(0.05)
        self.path.remove_rule(rule)

    def note(self, text):
        self.notes.append(text)

    def mark(self, label):
        """Writes down the states of both ends now."""
        listed = (lambda host: count_states(host.states())) if self.spec.many else listing
        self.moments.append({"label": label, "packets": len(self.tap.frames), "client": listed(self.client),
                             "server": listed(self.server)})

    def fact(self, name, value):
        """Truth about the scenario as a whole, such as where an attack begins."""
        self.facts[name] = value

    def finish(self, quiet_s=0.3, timeout=30):
        """The end of the recording: once all is quiet, the kernel's final word is taken."""
        self.path.settle(quiet_s, timeout)
        self.path.stop_tap()
        self.final = {"client": count_states(self.client.states()), "server": count_states(self.server.states())}
        if self.samplers:
            for sampler in self.samplers:
                sampler.close()
                sampler.sample()
            self.trace.close()

    def truth(self):
        found = {"sockets_at_end": self.final}
        if self.facts:
            found["facts"] = self.facts
        if self.moments:
            found["moments"] = self.moments
        if self.trace:
            found["connections"] = collect_connections(self.client, self.server, self.trace, *self.samplers)
        return found


def receive(made, size):
    """Exactly size bytes."""
    data = b""
    while len(data) < size:
        part = made.recv(size - len(data))
        if not part:
            raise EOFError(f"{len(data)} bytes of {size} arrived")
        data += part
    return data


def kill_quietly(made):
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.close()


def listing(host):
    return sorted(f"{local} {local_port} {remote} {remote_port} {state}"
                  for (local, local_port, remote, remote_port), state in host.states().items() if remote_port != 0)


def shape_of(segments):
    """A recording in one line: > is from the client, < from the server; S, S., F., R., P. (data) and . are flags as
    tcpdump writes them."""
    return " ".join((">" if s.from_client else "<") + s.text for s in segments)


class Seen:
    """What the tap saw, for the checks."""

    def __init__(self, segments):
        self.segments = segments
        self.shape = shape_of(segments)

    def count(self, word):
        return sum((">" if s.from_client else "<") + s.text == word for s in self.segments)

    def where(self, matches):
        return [s for s in self.segments if s.tcp and matches(s)]

    def seconds(self):
        return (self.segments[-1].time - self.segments[0].time) / 1e9 if self.segments else 0.0


def root_needed():
    if os.geteuid() != 0:
        raise SystemExit("lab: namespaces and TUN devices need root; run as root (or inside a privileged container)")
