# SPDX-License-Identifier: BSD-2-Clause
"""What the tcp_state events of a run tell: the state of each end behind each packet."""

from collections import defaultdict

NO_SOCKET = ("CLOSED", "LISTEN")  # no segment tells the two apart


def as_known(state):
    return "CLOSED" if state in NO_SOCKET else state


def ends_of(event):
    return {"client": (event["src_ip"], event["src_port"]), "server": (event["dest_ip"], event["dest_port"])}


class Story:
    """
    behind(end, other, number): (state, certainty, caused_by) of end, an (address, port), in its connection with other
    behind the packet of that number; None where nothing is said of it.
    """

    def __init__(self, events):
        self.changes = defaultdict(list)  # (end, other) -> [(pcap_cnt, state, certainty, caused_by)]
        last = 0
        for event in events:
            if event["event_type"] not in ("tcp_state", "flow"):
                continue
            ends = ends_of(event)
            pairs = {side: (ends[side], ends["server" if side == "client" else "client"]) for side in ends}
            if event["event_type"] == "tcp_state":
                change = event["tcp_state"]
                number = event.get("pcap_cnt", last)
                last = max(last, number)
                told = as_known(change["to"]), change["certainty"], change.get("caused_by")
                self.changes[pairs[change["endpoint"]]].append((number, *told))
            elif event["witness"]["end_reason"] not in ("interim", "shutdown"):
                for pair in pairs.values():
                    self.changes[pair].append((last, None, None, None))

    def behind(self, end, other, number):
        told = None
        for at, *change in self.changes.get((end, other), ()):
            if at <= number:
                told = tuple(change)
        return told if told and told[0] else None
