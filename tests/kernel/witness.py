# SPDX-License-Identifier: BSD-2-Clause
"""What tcpwitness says of a capture: both ends' states at every packet, and the records."""

import json
import subprocess
from bisect import bisect_right
from collections import defaultdict

OTHER = {"client": "server", "server": "client"}


class Flow:
    """ends are named as the hosts are, whichever of them the program takes for the client."""

    def __init__(self, number, swapped):
        self.number = number
        self.swapped = swapped
        self.steps = {"client": [], "server": []}  # [(packet number, state, certainty)]
        self.record = None

    def name(self, end):
        return OTHER[end] if self.swapped else end

    def at(self, end, packet):
        """(state, certainty) after that packet."""
        steps = self.steps[end]
        index = bisect_right(steps, packet, key=lambda step: step[0])
        return steps[index - 1][1:] if index else ("CLOSED", "presumed")

    def path(self, end):
        """States in order; what was rolled back is taken out."""
        found = []
        for _, state, certainty in self.steps[end]:
            if certainty == "contradicted" and state in found:
                while found[-1] != state:
                    found.pop()
            elif not found or found[-1] != state:
                found.append(state)
        return found

    def proved(self, end):
        """[(packet, state)] for every step that is said to be proved."""
        return [(packet, state) for packet, state, certainty in self.steps[end] if certainty == "proved"]


def read_flows(binary, capture, truth, numbers=None):
    """{(client's port, server's port): [Flow, ...] in the order of their first packets}. numbers: of the capture's packets,
    when it is a part of another one."""
    command = (binary, "-q", "-r", capture, "--events", "tcp_state,flow", "--set", "flow.attempt_sample=1")
    done = subprocess.run(command, check=True, capture_output=True)

    def number_of(packet):
        return packet if numbers is None else numbers[packet - 1]

    flows = defaultdict(dict)
    for line in done.stdout.splitlines():
        event = json.loads(line)
        swapped = event["src_ip"] == truth["server"]
        key = (event["dest_port"], event["src_port"]) if swapped else (event["src_port"], event["dest_port"])
        flow = flows[key].setdefault(event["flow_id"], Flow(number_of(event["flow_id"]), swapped))
        if event["event_type"] == "flow":
            flow.record = event
            continue
        step = event["tcp_state"]
        flow.steps[flow.name(step["endpoint"])].append((number_of(event["pcap_cnt"]), step["to"], step["certainty"]))
    return {key: [found[number] for number in sorted(found)] for key, found in flows.items()}
