# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's own word on the states of both ends.

Two sources: the tracepoint sock:inet_sock_set_state gives every change of a full socket, in order; samples of the
socket listing give what is no full socket (embryonic requests, TIME_WAIT and the FIN_WAIT_2 of an orphan)."""

import os
import re
import select
import socket
import subprocess
import tempfile
import threading
import time
from collections import defaultdict

from .netns import SOCK_STATES

_LINE = re.compile(r"\s(?P<time>\d+\.\d+): inet_sock_set_state: skaddr=(?P<socket>0x[0-9a-f]+) .*?"
                   r"oldstate=0x(?P<old>[0-9a-f]+) .*?newstate=0x(?P<new>[0-9a-f]+) .*?"
                   r"sport=0x(?P<sport>[0-9a-f]+) .*?dport=0x(?P<dport>[0-9a-f]+) ")


class StateTrace:
    """State changes of the sockets that use one of the ports from first_port to last_port, on either end: (time, socket,
    old, new, sport, dport)."""

    def __init__(self, first_port, last_port=None):
        self.changes = []
        self.lost = 0
        self._mount = tempfile.mkdtemp(prefix="lab-tracefs-")
        subprocess.run(("mount", "-t", "tracefs", "nodev", self._mount), check=True)
        self._instance = os.path.join(self._mount, "instances", f"tcpwitness-lab-{os.getpid()}")
        os.mkdir(self._instance)
        self._set("trace_clock", "mono")
        self._set("options/fields", 1)
        self._set("buffer_size_kb", 4096)
        # Multipath TCP's own sockets have states too, beside those of their subflows.
        ports = f"({{0}} >= {first_port} && {{0}} <= {last_port or first_port})"
        self._set("events/sock/inet_sock_set_state/filter", f"({ports.format('sport')} || {ports.format('dport')}) && "
                  f"protocol == {socket.IPPROTO_TCP}")
        self._set("events/sock/inet_sock_set_state/enable", 1)
        self._pipe = os.open(os.path.join(self._instance, "trace_pipe"), os.O_RDONLY | os.O_NONBLOCK)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="trace", daemon=True)
        self._thread.start()

    def _set(self, name, value):
        with open(os.path.join(self._instance, name), "w") as file:
            file.write(str(value))

    def _read(self):
        rest = ""
        while True:
            stopping = self._stop.is_set()
            select.select([self._pipe], [], [], 0.05)
            try:
                data = os.read(self._pipe, 1 << 16).decode(errors="replace")
            except BlockingIOError:
                data = ""
            if not data and stopping:
                return
            *lines, rest = (rest + data).split("\n")
            for line in lines:
                if "LOST" in line:
                    self.lost += 1
                match = _LINE.search(line)
                if match:
                    old, new, sport, dport = (int(match[name], 16) for name in ("old", "new", "sport", "dport"))
                    self.changes.append((float(match["time"]), match["socket"], SOCK_STATES[old], SOCK_STATES[new],
                                         sport, dport))

    def close(self):
        if self._instance is None:
            return
        self._set("events/sock/inet_sock_set_state/enable", 0)
        self._stop.set()
        self._thread.join()
        os.close(self._pipe)
        os.rmdir(self._instance)
        subprocess.run(("umount", self._mount), check=True)
        os.rmdir(self._mount)
        self._instance = None
        self.changes.sort(key=lambda change: change[0])


class StateSampler:
    """Socket listings of a host every few milliseconds: [(time, key, state or None when gone)], changes only."""

    def __init__(self, host, period_s=0.004):
        self._host = host
        self._period_s = period_s
        self._known = {}
        self.changes = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name=f"sampler-{host.name}", daemon=True)
        self._thread.start()

    def _sample(self):
        while not self._stop.is_set():
            self.sample()
            self._stop.wait(self._period_s)

    def sample(self):
        states, now = self._host.states(), time.monotonic()
        for key in self._known.keys() | states.keys():
            state = states.get(key)
            if self._known.get(key) != state:
                self.changes.append((now, key, state))
        self._known = states

    def close(self):
        self._stop.set()
        self._thread.join()


def paths_of_end(trace_changes, samples, local, remote):
    """The lives of one end of one connection's tuple, in order: [[state, ...], ...], one list for each incarnation.
    local and remote are (address, port)."""
    events = []  # (time, old state or None, new state)
    sockets = {change[1] for change in trace_changes if change[4] == local[1] and change[5] == remote[1]}
    for when, socket, old, new, sport, dport in trace_changes:
        # A connecting socket has no port of its own yet when it enters SYN_SENT.
        if socket in sockets and dport == remote[1] and sport in (local[1], 0):
            events.append((when, old, new))
    for when, key, state in samples:
        if key == (*local, *remote):
            events.append((when, None, state))
    events.sort(key=lambda event: event[0])
    return _lives(events)


def _lives(events):
    lives, full_socket = [], False
    for _, old, new in events:
        if old is not None:  # a full socket changed
            if new == "SYN_SENT" or old == "LISTEN":
                # A request became a socket: the same life. Anything else begins a new one.
                if not (old == "LISTEN" and lives and lives[-1] == ["LISTEN", "SYN_RCVD"]):
                    lives.append([old])
            full_socket = new != "CLOSED"
            if lives and lives[-1][-1] != new:
                lives[-1].append(new)
        elif not full_socket:  # a mini-socket, seen in the listing
            _apply_sample(lives, new)
    return lives


def _apply_sample(lives, state):
    last = lives[-1] if lives else ["CLOSED"]
    if state == "SYN_RCVD" and last[-1] in ("CLOSED", "LISTEN", "TIME_WAIT"):
        lives.append(["LISTEN", "SYN_RCVD"])
    elif state in ("TIME_WAIT", "FIN_WAIT_2") and lives:
        # The full socket reported CLOSED when the mini-socket took over.
        if last[-1] == "CLOSED" and last[-2] in ("FIN_WAIT_1", "FIN_WAIT_2", "CLOSING"):
            last.pop()
        if last[-1] != state:
            last.append(state)
    elif state is None and last == ["LISTEN", "SYN_RCVD"]:
        last.append("LISTEN")
    elif state is None and last[-1] in ("TIME_WAIT", "FIN_WAIT_2"):
        last.append("CLOSED")


def collect_connections(client, server, trace, client_samples, server_samples):
    """Pairs the lives of both ends of every tuple, those that began first before the others."""
    tuples = {}  # (client's end, server's end) -> when it was first heard of
    for changes, ends_of in ((client_samples.changes, lambda key: (key[:2], key[2:])),
                             (server_samples.changes, lambda key: (key[2:], key[:2]))):
        for when, key, _ in changes:
            if key[3] != 0:
                tuples[ends_of(key)] = min(when, tuples.get(ends_of(key), when))
    sampled_ports = {(ends[0][1], ends[1][1]) for ends in tuples}
    for when, _, _, _, sport, dport in trace.changes:
        # A socket that came and went between two samples: it can only be between the hosts' own addresses.
        if 0 not in (sport, dport) and not {(sport, dport), (dport, sport)} & sampled_ports:
            tuples.setdefault(((client.address, sport), (server.address, dport)), when)
    connections = []
    for ends in sorted(tuples, key=tuples.get):
        connections += _pair(ends, paths_of_end(trace.changes, client_samples.changes, *ends),
                             paths_of_end(trace.changes, server_samples.changes, *reversed(ends)))
    return connections


def _pair(ends, client_lives, server_lives):
    """One connection for each incarnation. When one end had more lives (a SYN that the other end did not send), the
    last of each belong together."""
    count = max(len(client_lives), len(server_lives))
    paired = []
    for i in range(count):
        connection = {}
        for name, end, lives in (("client", ends[0], client_lives), ("server", ends[1], server_lives)):
            connection[name] = {"ip": end[0], "port": end[1]}
            own = i - (count - len(lives))
            if own >= 0:
                connection[name] |= {"path": lives[own], "final": lives[own][-1]}
        paired.append(connection)
    return paired


def count_states(states):
    """How many sockets are in each state, listeners apart."""
    counts = defaultdict(int)
    for key, state in states.items():
        if key[3] != 0:
            counts[state] += 1
    return dict(sorted(counts.items()))
