# SPDX-License-Identifier: BSD-2-Clause
"""The relay's journal, by connection."""

from collections import defaultdict
from dataclasses import dataclass

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
SENT, LOST_BEFORE, SEEN, LOST_BEHIND, ARRIVED = "EBTAD"


@dataclass(frozen=True)
class Entry:
    """What happened to a segment. time: seconds, monotonic. end: "client" or "server", the host that sent it. frame: number of
    frames captured so far, which for SEEN is the segment's own."""
    time: float
    fate: str
    id: int
    end: str
    flags: int
    seq: int
    ack: int
    payload: int
    frame: int

    @property
    def occupies(self):
        return self.payload > 0 or bool(self.flags & (SYN | FIN))

    @property
    def is_synack(self):
        return self.flags & (SYN | ACK) == SYN | ACK


def read_journal(path):
    """{(client's port, server's port): [Entry, ...]}"""
    found = defaultdict(list)
    with open(path) as file:
        for line in file:
            time_ns, fate, number, end, sport, dport, flags, seq, ack, payload, frame = line.split()
            key = (int(sport), int(dport)) if end == "c" else (int(dport), int(sport))
            found[key].append(Entry(int(time_ns) / 1e9, fate, int(number), "client" if end == "c" else "server",
                                    int(flags, 16), int(seq), int(ack), int(payload), int(frame)))
    return found
