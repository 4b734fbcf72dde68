# SPDX-License-Identifier: BSD-2-Clause
"""The same capture as a poorer tap would have made it: only one direction, only the later part, with gaps of its own. What the
program says of those may be less, but what it says is proved must be so."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab.pcapfile import PcapWriter, read_frames  # pylint: disable=wrong-import-position
from lab.segment import Segment  # pylint: disable=wrong-import-position


def views(folder, truth):
    """Yields (name, path of the capture, numbers that its frames have in the whole one)."""
    frames = list(read_frames(os.path.join(folder, "tap.pcap")))
    senders = [Segment(raw).src for _, raw, _ in frames]
    dice = random.Random(truth["settings"]["seed"])
    missed = [dice.random() < 0.02 for _ in frames]
    kept = {
        "client only": lambda i: senders[i] == truth["client"],
        "server only": lambda i: senders[i] == truth["server"],
        "begins late": lambda i: i >= len(frames) // 3,
        "misses 2 %": lambda i: not missed[i],
    }
    for name, keeps in kept.items():
        tap = PcapWriter(nanoseconds=True)
        numbers = [i + 1 for i in range(len(frames)) if keeps(i)]
        for number in numbers:
            when, raw, _ = frames[number - 1]
            tap.add(when, raw, None)
        path = os.path.join(folder, "view.pcap")
        tap.save(path)
        yield name, path, numbers
