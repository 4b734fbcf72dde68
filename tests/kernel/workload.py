# SPDX-License-Identifier: BSD-2-Clause
"""Many connections at a time, each a script: a generator that yields what it waits for.

A script goes on until it yields HOLD: there it stands until every other script stands too (or has ended, or its patience is
at its end), the path is quiet and the kernels' states have been read. So what is read is a cross-section of everything
that the scripts do."""

import errno
import heapq
import random
import selectors
import socket
import struct
import time

HOLD = ("hold",)

TCP_REPAIR = 19
TCP_SYNCNT = 7
MSG_FASTOPEN = 0x20000000


class GaveUp(Exception):
    """The script waited longer than anything on this path should take."""


class Scheduler:
    """Runs generators. They yield ("read", socket), ("write", socket), ("sleep", seconds), ("until", function) or HOLD."""

    PATIENCE_S = 25

    def __init__(self):
        self._selector = selectors.DefaultSelector()
        self._ready = []
        self._sleeping = []  # heap of (time, order, task)
        self._held = []
        self._polled = []  # (function, task, deadline)
        self._waiting = {}  # socket -> [(event, task, deadline)]
        self._order = 0
        self.gave_up = 0

    def add(self, task):
        self._ready.append((task, None))

    def _step(self, task, failure):
        try:
            wanted = task.throw(failure) if failure else next(task)
        except StopIteration:
            return
        except GaveUp:
            self.gave_up += 1
            return
        kind = wanted[0]
        if kind == "hold":
            self._held.append(task)
        elif kind == "sleep":
            self._order += 1
            heapq.heappush(self._sleeping, (time.monotonic() + wanted[1], self._order, task))
        elif kind == "until":
            self._polled.append((wanted[1], task, time.monotonic() + self.PATIENCE_S))
        else:
            event = selectors.EVENT_READ if kind == "read" else selectors.EVENT_WRITE
            self._watch(wanted[1], event, task)

    def _watch(self, made, event, task):
        waiting = self._waiting.setdefault(made, [])
        waiting.append((event, task, time.monotonic() + self.PATIENCE_S))
        self._register(made)

    def _register(self, made):
        waiting = self._waiting[made]
        events = 0
        for event, _, _ in waiting:
            events |= event
        registered = made in self._selector.get_map()
        if not events:
            del self._waiting[made]
            if registered:
                self._selector.unregister(made)
        elif registered:
            self._selector.modify(made, events)
        else:
            self._selector.register(made, events)

    def forget(self, made):
        """Before a socket is closed: nobody waits for it any more."""
        for _, task, _ in self._waiting.pop(made, []):
            self._ready.append((task, GaveUp()))
        if made in self._selector.get_map():
            self._selector.unregister(made)

    def _collect(self, timeout_s):
        for key, happened in self._selector.select(timeout_s):
            waiting = self._waiting[key.fileobj]
            self._ready += [(task, None) for event, task, _ in waiting if event & happened]
            self._waiting[key.fileobj] = [one for one in waiting if not one[0] & happened]
            self._register(key.fileobj)
        now = time.monotonic()
        while self._sleeping and self._sleeping[0][0] <= now:
            self._ready.append((heapq.heappop(self._sleeping)[2], None))
        polled, self._polled = self._polled, []
        for function, task, deadline in polled:
            if function():
                self._ready.append((task, None))
            elif now > deadline:
                self._ready.append((task, GaveUp()))
            else:
                self._polled.append((function, task, deadline))

    def _drop_overdue(self):
        now = time.monotonic()
        for made, waiting in list(self._waiting.items()):
            overdue = [task for _, task, deadline in waiting if now > deadline]
            if overdue:
                self._waiting[made] = [one for one in waiting if now <= one[2]]
                self._register(made)
                self._ready += [(task, GaveUp()) for task in overdue]

    def run_until_held(self):
        """Until all scripts that are not over stand still."""
        while self._ready or self._sleeping or self._polled or self._waiting:
            ready, self._ready = self._ready, []
            for task, failure in ready:
                self._step(task, failure)
            if not self._ready and (self._sleeping or self._polled or self._waiting):
                self._collect(0.01)
                self._drop_overdue()

    def release(self):
        """Lets all go on from where they stand. False when none stands."""
        held, self._held = self._held, []
        self._ready += [(task, None) for task in held]
        return bool(held)


class World:
    """What scripts use: both hosts, the listeners and where accepted connections go."""

    SERVICE, CLOSED, FAST_OPEN, CROSSING, SILENT = range(5)  # server ports, from the first one on

    def __init__(self, client, server, silent_address, first_port, seed):
        self.client, self.server = client, server
        self.silent_address = silent_address
        self.first_port = first_port
        self.scheduler = Scheduler()
        self.random = random.Random(seed)
        self.accepted = {}  # the client's port -> socket
        self._kept = []  # a socket that nobody refers to would be closed
        self._next_port = 30000
        self.listeners = []
        self._listen(self.SERVICE)
        self._listen(self.FAST_OPEN, fastopen=64)

    def _listen(self, which, **options):
        listener = self.server.listen(self.port(which), backlog=1024, **options)
        listener.setblocking(False)
        self.listeners.append(listener)

    def port(self, which):
        return self.first_port + which

    def accept_all(self):
        for listener in self.listeners:
            while True:
                try:
                    made, peer = listener.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    break
                made.setblocking(False)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.accepted[peer[1]] = made
                self._kept.append(made)

    def client_socket(self, port=None, **options):
        if port is None:
            port = self._next_port
            self._next_port += 1
        made = self.client.socket(**options)
        made.setblocking(False)
        made.bind((self.client.address, port))
        return made, port

    def connect(self, which=SERVICE, port=None, address=None, **options):
        """Begins a connection; yields until it is there. Returns (socket, port)."""
        made, port = self.client_socket(port, **options)
        error = made.connect_ex((address or self.server.address, self.port(which)))
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, "connect")
        yield ("write", made)
        return made, port

    def open(self, which=SERVICE, **options):
        """A connection that both ends have: (client's socket, server's socket)."""
        made, port = yield from self.connect(which, **options)
        if made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise GaveUp
        yield ("until", lambda: self.has_accepted(port))
        return made, self.accepted.pop(port)

    def has_accepted(self, port):
        self.accept_all()
        return port in self.accepted

    def close(self, made):
        self.scheduler.forget(made)
        made.close()

    def abort(self, made):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close(made)

    def vanish(self, made):
        """The host forgets the connection without a word, as if it had lost its power."""
        made.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        self.close(made)

    def pause(self, longest_s=0.05):
        return ("sleep", self.random.uniform(0, longest_s))


def send(made, size):
    data = memoryview(bytes(size))
    while data:
        try:
            data = data[made.send(data):]
        except BlockingIOError:
            yield ("write", made)
        except OSError:
            return


def receive(made, size):
    """size bytes, or fewer when the other end closes or resets. Returns how many came."""
    got = 0
    while got < size:
        try:
            part = made.recv(min(65536, size - got))
        except BlockingIOError:
            yield ("read", made)
            continue
        except OSError:
            break
        if not part:
            break
        got += len(part)
    return got


def until_end(made):
    yield from receive(made, 1 << 40)
