# SPDX-License-Identifier: BSD-2-Clause
"""The lives of each end of each connection, as the kernel tells them.

The tracepoint gives every change of a full socket. Three things are no full sockets: a request (SYN_RCVD; known by the SYN-ACK
that left the host), TIME_WAIT and the FIN_WAIT_2 of an orphan (known by the listings)."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

from journal import ARRIVED, FIN, LOST_BEHIND, RST, SEEN, SENT

NEVER = float("inf")
AROUND_S = 0.001  # between a change and what the relay read of it
JUST_BEFORE_S = 0.02  # a segment that arrived this long before a change may be its reason

# How a life ended.
ALIVE = "alive"
BY_RST = "reset"          # a RST arrived
BY_ACK = "acknowledged"   # the last acknowledgement arrived
BY_ABORT = "aborted"      # it sent a RST itself
SILENTLY = "silently"     # without a segment


@dataclass
class Life:
    start: float
    states: list
    end_time: float = NEVER
    ended: str = ALIVE
    changes: list = field(default_factory=list)  # [(time, state)]

    def enter(self, time, state):
        if not self.states or self.states[-1] != state:
            self.states.append(state)
            self.changes.append((time, state))

    def finish(self, time, how):
        self.end_time = time
        self.ended = how


class EndHistory:
    """One end of one tuple: its lives, and the segments of the tuple."""

    def __init__(self, end, entries):
        self.end = end
        self.entries = entries
        self.unseen = set()  # ids of segments that passed a tap that did not see them
        self._times = [entry.time for entry in entries]
        self._sent = {entry.id: entry.time for entry in entries if entry.fate == SENT}
        self.lives = []

    def between(self, start, stop):
        """Entries with start <= time <= stop."""
        first = bisect_right(self._times, start - 1e-9)
        for entry in self.entries[first:]:
            if entry.time > stop:
                return
            yield entry

    def rst_arrived(self, time):
        return any(entry.fate == ARRIVED and entry.end != self.end and entry.flags & RST
                   for entry in self.between(time - JUST_BEFORE_S, time))

    def fin_arrived(self, life, time):
        return any(entry.fate == ARRIVED and entry.end != self.end and entry.flags & FIN
                   for entry in self.between(life.start, time + AROUND_S))

    def rst_sent(self, time):
        return any(entry.fate == SENT and entry.end == self.end and entry.flags & RST
                   for entry in self.between(time - 0.002, time + JUST_BEFORE_S))

    def seen_own(self, life, until, flag=None):
        """Segments of this end that the tap saw in this life, until then."""
        following = self.lives.index(life) + 1
        last = self.lives[following].start if following < len(self.lives) else NEVER
        return [entry for entry in self.between(life.start - AROUND_S, until)
                if entry.fate == SEEN and entry.end == self.end and (flag is None or entry.flags & flag)
                and life.start - AROUND_S <= self._sent[entry.id] < min(life.end_time + AROUND_S, last - AROUND_S)]

    def seen_by(self, frames):
        """The same for a tap that saw only those frames."""
        seen = EndHistory(self.end, [entry for entry in self.entries if entry.fate != SEEN or entry.frame in frames])
        seen.lives = self.lives
        seen.unseen = {entry.id for entry in self.entries if entry.fate == SEEN and entry.frame not in frames}
        return seen

    def got_unseen(self, life, until):
        """Since the last segment of this end that was seen, another one reached it that was not."""
        own = self.seen_own(life, until)
        last = self._sent[own[-1].id] if own else life.start
        return any(entry.fate == ARRIVED and entry.end != self.end and entry.id in self.unseen
                   for entry in self.between(last, until))

    def fin_waited(self, life):
        """It closed, and its FIN waited in the sender until the other one had come: on the wire it closed second."""
        closed = next((time for time, state in life.changes if state == "FIN_WAIT_1"), None)
        if closed is None:
            return False
        for entry in self.between(closed, NEVER):
            if entry.end == self.end and entry.fate == SENT and entry.flags & FIN:
                return False
            if entry.end != self.end and entry.fate == ARRIVED and entry.flags & FIN:
                return True
        return False

    def rst_lost_on_its_way(self, life, until):
        """A RST to this end passed the tap, was lost behind it, and nothing from this end passed since."""
        lost = False
        for entry in self.between(life.start - 0.002, until):
            if entry.end != self.end and entry.flags & RST and entry.fate == LOST_BEHIND:
                lost = True
            elif entry.end == self.end and entry.fate == SEEN:
                lost = False
        return lost

    def life_at(self, time):
        current = None
        for life in self.lives:
            if life.start <= time:
                current = life
        return current


def _death(history, old, time):
    if history.rst_arrived(time):
        return BY_RST
    if history.rst_sent(time):
        return BY_ABORT
    return BY_ACK if old == "LAST_ACK" else SILENTLY


def _requests(history):
    """(time, "SYN_RCVD") for SYN-ACKs that left this host, the first of each sequence number."""
    known = set()
    for entry in history.entries:
        if entry.fate == SENT and entry.end == history.end and entry.is_synack and entry.seq not in known:
            known.add(entry.seq)
            yield entry.time


def _build(history, changes, listings):
    """changes: [(time, old, new)] of full sockets; listings: [(time, state or None)]."""
    events = [(time, 0, old, new) for time, old, new in changes]
    events += [(time, 1, None, "SYN_RCVD") for time in _requests(history)]
    events += [(time, 2, None, state) for time, state in listings]
    events.sort(key=lambda event: (event[0], event[1]))
    life, full = None, False
    for time, source, old, new in events:
        if source == 0:
            life, full = _full_socket(history, life, full, time, old, new)
        elif source == 1:
            if not full:
                life = _begin(history, life, time, "SYN_RCVD")
        elif life is not None and not full:
            _listed(history, life, time, new)


def _begin(history, life, time, state):
    if life is not None and life.end_time == NEVER:
        life.finish(time, SILENTLY)
    life = Life(time, [])
    life.enter(time, state)
    history.lives.append(life)
    return life


def _full_socket(history, life, full, time, old, new):
    if new == "SYN_SENT":
        return _begin(history, life, time, new), True
    if old == "LISTEN":
        # The request became a socket; or, with a fast open, the socket came at once.
        if life is None or life.end_time != NEVER or life.states != ["SYN_RCVD"]:
            life = _begin(history, life, time, new)
        return life, True
    if new != "CLOSED":
        life.enter(time, new)
        return life, True
    # A RST that it sends right behind that answers something that came late.
    aborted = history.rst_sent(time) and not history.fin_arrived(life, time)
    if old in ("FIN_WAIT_2", "CLOSING") and not history.rst_arrived(time) and not aborted:
        # A small socket took over: for TIME_WAIT, or while the FIN has not come, for the FIN_WAIT_2 of an orphan.
        if old == "CLOSING" or history.fin_arrived(life, time):
            life.enter(time, "TIME_WAIT")
        return life, False
    life.finish(time, _death(history, old, time))
    return life, False


def _listed(history, life, time, state):
    if life.end_time != NEVER:
        return
    if state is not None:
        life.enter(time, state)
        return
    reset = next((entry for entry in history.between(life.changes[-1][0], time)
                  if entry.fate == ARRIVED and entry.end != history.end and entry.flags & RST), None)
    if reset is None:
        life.finish(time, SILENTLY)
    else:
        # Nobody looked in between: an orphan in FIN_WAIT_2 was in TIME_WAIT, if the FIN came before the RST.
        if life.states[-1] == "FIN_WAIT_2" and history.fin_arrived(life, reset.time):
            life.enter(reset.time, "TIME_WAIT")
        life.finish(reset.time, BY_RST)


def build_histories(truth, journal):
    """{(client's port, server's port): {"client": EndHistory, "server": EndHistory}}"""
    first = truth["settings"]["first_port"]
    changes = defaultdict(list)
    for time, _, old, new, sport, dport in truth["trace"]:
        from_server = first <= sport < first + 100
        key = (dport, sport) if from_server else (sport, dport)
        changes[key, "server" if from_server else "client"].append((time, old, new))
    listed = {end: [({(s[1], s[3]) if end == "client" else (s[3], s[1]): s[4] for s in shot[end]}, shot["time"])
                    for shot in truth["snapshots"]] for end in ("client", "server")}
    histories = {}
    for key, entries in journal.items():
        histories[key] = {}
        for end in ("client", "server"):
            history = EndHistory(end, entries)
            _build(history, changes[key, end], [(time, states.get(key)) for states, time in listed[end]])
            histories[key][end] = history
    return histories

