# SPDX-License-Identifier: BSD-2-Clause
"""The path between the two hosts, with the tap in it.

    client --near delay--> tap --far delay--> server        (and back, with the delays in reverse)

A rule decides what becomes of a segment when it reaches the tap: whether the tap sees it and whether it goes on. Rules
are tried in order, the first that matches decides; a segment that no rule matches is seen and delivered."""

import heapq
import os
import select
import threading
import time
from dataclasses import dataclass

from .segment import ICMP, ICMP6, TCP, Segment


@dataclass(frozen=True)
class Fate:
    """seen: how often the tap records the segment; delivered: how often it goes on; hold: kept before the tap until
    release(); late: seconds of additional delay before the tap (late_before) or behind it (late_behind)."""
    seen: int = 1
    delivered: int = 1
    hold: bool = False
    late_before: float = 0.0
    late_behind: float = 0.0


PASS = Fate()
LOSE_BEFORE = Fate(seen=0, delivered=0)
LOSE_BEHIND = Fate(delivered=0)
UNSEEN = Fate(seen=0)
HOLD = Fate(hold=True)
DUPLICATE_BEFORE = Fate(seen=2, delivered=2)
DUPLICATE_BEHIND = Fate(delivered=2)


class Rule:
    """Applies fate to the segments that match, as often as times says (None: always). skip: how many to let go
    first."""

    def __init__(self, matches, fate, times=None, skip=0):
        self.matches = matches
        self.fate = fate
        self.left = times
        self.skip = skip
        self.hits = 0

    def decide(self, segment):
        if self.left == 0 or not self.matches(segment):
            return None
        if self.skip > 0:
            self.skip -= 1
            return None
        if self.left is not None:
            self.left -= 1
        self.hits += 1
        return self.fate


class Path:
    """Runs in a thread of its own from start() to close(). tap.add(time_ns, raw, from_client) gets what the tap
    sees."""

    def __init__(self, client_tun, server_tun, tap, near_s=0.001, far_s=0.005):
        self._tun = {True: client_tun, False: server_tun}  # by "from client"
        self._delay = {True: (near_s, far_s), False: (far_s, near_s)}
        self._tap = tap
        self._lock = threading.Condition()
        self._due = []  # heap of (time, order, action)
        self._order = 0
        self._held = []
        self._last_ns = 0
        self._last_activity = time.monotonic()
        self._closing = False
        self._recording = True
        self._wake_read, self._wake_write = os.pipe()
        self.rules = []
        self.seen = []  # Segments, as recorded
        self.write_failures = 0
        self._thread = threading.Thread(target=self._relay, name="path", daemon=True)

    def start(self):
        self._thread.start()

    def close(self):
        with self._lock:
            self._closing = True
        self._wake()
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def set_tap(self, tap):
        with self._lock:
            self._tap = tap

    def stop_tap(self):
        """From now on the tap sees nothing; the path goes on."""
        with self._lock:
            self._recording = False

    def add_rule(self, rule):
        with self._lock:
            self.rules.append(rule)
        return rule

    def remove_rule(self, rule):
        with self._lock:
            self.rules.remove(rule)

    def release(self):
        """Lets held segments go on to the tap, in the order of their arrival there."""
        with self._lock:
            held, self._held = self._held, []
            for segment in held:
                self._at_tap_locked(segment, PASS)
        self._wake()

    def held(self):
        with self._lock:
            return len(self._held)

    def inject(self, raw, to_server, seen=True, delivered=True):
        """Puts a forged packet on the path, at the tap. to_server: in which direction it travels."""
        with self._lock:
            self._at_tap_locked(Segment(raw, to_server), Fate(seen=int(seen), delivered=int(delivered)))
        self._wake()

    def wait_for(self, matches, count=1, timeout=15, after=0):
        """Waits until the tap has seen count segments that match; returns the last of them. after: index into seen."""
        deadline = time.monotonic() + timeout
        with self._lock:
            while True:
                found = [segment for segment in self.seen[after:] if segment.tcp and matches(segment)]
                if len(found) >= count:
                    return found[count - 1]
                if not self._lock.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    raise TimeoutError(f"the tap saw {len(found)} matching segments of {count} in {timeout} s")

    def settle(self, quiet_s=0.3, timeout=20):
        """Waits until nothing is under way and nothing has moved for quiet_s (which begins now)."""
        began = time.monotonic()
        deadline = began + timeout
        while time.monotonic() < deadline:
            with self._lock:
                idle = time.monotonic() - max(began, self._last_activity)
                if not self._due and idle >= quiet_s:
                    return
            time.sleep(0.01)
        raise TimeoutError(f"the path did not settle in {timeout} s")

    def _wake(self):
        os.write(self._wake_write, b"x")

    def _later(self, seconds, action):
        self._order += 1
        heapq.heappush(self._due, (time.monotonic() + seconds, self._order, action))

    def _relay(self):
        poll = select.poll()
        sides = {self._tun[True]: True, self._tun[False]: False}
        for fd in (*sides, self._wake_read):
            poll.register(fd, select.POLLIN)
        while True:
            with self._lock:
                wait_ms = None if not self._due else max(0.0, (self._due[0][0] - time.monotonic()) * 1000)
            ready = poll.poll(wait_ms)
            with self._lock:
                if self._closing:
                    return
                for fd, _ in ready:
                    if fd == self._wake_read:
                        os.read(fd, 65536)
                    else:
                        self._read_locked(fd, sides[fd])
                now = time.monotonic()
                while self._due and self._due[0][0] <= now:
                    heapq.heappop(self._due)[2]()

    def _read_locked(self, fd, from_client):
        for _ in range(64):
            try:
                raw = os.read(fd, 65536)
            except BlockingIOError:
                return
            segment = Segment(raw, from_client)
            if segment.protocol not in (TCP, ICMP, ICMP6) or not relevant(segment):
                continue
            self._last_activity = time.monotonic()
            self._later(self._delay[from_client][0], lambda segment=segment: self._decide_locked(segment))

    def _decide_locked(self, segment):
        fate = PASS
        if segment.tcp:
            decisions = (rule.decide(segment) for rule in self.rules)
            fate = next((decision for decision in decisions if decision is not None), PASS)
        if fate.hold:
            self._held.append(segment)
            self._lock.notify_all()
        elif fate.late_before > 0:
            self._later(fate.late_before, lambda: self._at_tap_locked(segment, fate))
        else:
            self._at_tap_locked(segment, fate)

    def _at_tap_locked(self, segment, fate):
        for _ in range(fate.seen if self._recording else 0):
            now_ns = max(time.time_ns(), self._last_ns + 1000)
            self._last_ns = now_ns
            segment.time = now_ns
            self._tap.add(now_ns, segment.raw, segment.from_client)
            self.seen.append(segment)
        if fate.seen:
            self._lock.notify_all()
        self._last_activity = time.monotonic()
        for _ in range(fate.delivered):
            self._later(self._delay[segment.from_client][1] + fate.late_behind, lambda: self._deliver_locked(segment))

    def _deliver_locked(self, segment):
        self._last_activity = time.monotonic()
        try:
            os.write(self._tun[not segment.from_client], segment.raw)
        except OSError:
            self.write_failures += 1


def relevant(segment):
    """TCP, and the ICMP errors that answer it; the hosts' own chatter (neighbours, multicast groups) is dropped."""
    if segment.protocol == TCP:
        return True
    at = 20 if segment.version == 4 else 40
    kind = segment.raw[at] if len(segment.raw) > at else -1
    return kind in ((3, 11) if segment.version == 4 else (1, 2, 3, 4))
