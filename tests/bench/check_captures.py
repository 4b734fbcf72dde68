#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
What is measured is only worth something if it is what it is said to be: tcpwitness's own word for small captures of
each workload, cut and whole. Nothing may look lost, reordered or wrong in them; the flood is one, and connections that
all complete are none; and the same seed gives the same bytes.

    tests/bench/check_captures.py BENCH_GENERATE TCPWITNESS
"""

import collections
import filecmp
import json
import os
import subprocess
import sys
import tempfile

PACKETS = 24000
# Counters of flow records that are 0 where nothing was lost or wrong. mix sends some segments again.
COUNTERS = ("out_of_order", "lost_before_tap", "lost_after_tap", "zero_windows", "duplicate_acks")


# What the workloads have in them on purpose: ends by RST, refusals, and segments and SYNs that are sent again.
ON_PURPOSE = {"rst_exact", "abortive_close", "rst_refuses_syn", "retransmission", "syn_retransmit"}


def generate(generator, workload, path, snaplen, seed=1):
    """Writes a capture; returns how many connections it has."""
    made = subprocess.run([generator, "--workload", workload, "--packets", str(PACKETS), "--snaplen", str(snaplen),
                           "--seed", str(seed), "--output", path], check=True, capture_output=True, text=True)
    said = json.loads(made.stdout)
    assert said["packets"] == PACKETS, said
    return said["connections"]


def read(tcpwitness, path):
    """Events by their types."""
    done = subprocess.run([tcpwitness, "-r", path, "--memory", "1G", "--set", "flow.attempt_sample=1",
                           "--events", "alert,anomaly,flow,summary"],
                          check=True, capture_output=True, text=True)
    events = collections.defaultdict(list)
    for line in done.stdout.splitlines():
        event = json.loads(line)
        events[event["event_type"]].append(event)
    return events


def outcomes_of(flows):
    """How many connections ended how."""
    return collections.Counter(flow["witness"]["outcome"] for flow in flows)


def wrong_with_flow(flow):
    """What of a record does not fit correct TCP seen in full."""
    witness = flow["witness"]
    for side in ("client", "server"):
        for counter in COUNTERS:
            # What is sent again was lost behind the tap, as far as anyone can tell.
            if witness[side].get(counter) and not (counter == "lost_after_tap" and witness[side]["retransmissions"]):
                yield f"{counter} of the {side}: {witness[side][counter]}"
    unexpected = set(witness["anomalies"]) - ON_PURPOSE
    if unexpected:
        yield f"{sorted(unexpected)}"
    if witness["origin"] != "syn":
        yield f"it began with {witness['origin']}"


def check(workload, events, connections):
    """Yields what is wrong with what was said of a capture."""
    summary = events["summary"][0]["summary"]
    if summary["packets"] != PACKETS or summary["tcp_segments"] != PACKETS or summary["bad_checksum"]:
        yield f"not all segments counted: {summary}"
    if summary["connections"] != connections:
        yield f"{summary['connections']} connections found, and {connections} made"
    for event in events["anomaly"][:3]:
        yield f"anomaly: {event['anomaly']}"
    for event in events["flow"]:
        yield from (f"flow {event['flow_id']}: {wrong}" for wrong in wrong_with_flow(event))
    alarms = {event["detection"]["detector"] for event in events["alert"]}
    expected = {"syn_flood"} if workload == "synflood" else set()
    if alarms != expected:
        yield f"alarms: {sorted(alarms)}, expected: {sorted(expected)}"
    yield from check_shape(workload, events["flow"])


def check_shape(workload, flows):
    """Each workload has in it what it is for."""
    outcomes = outcomes_of(flows)
    ipv6 = sum(flow["src_ip"].count(":") > 1 for flow in flows) / len(flows)
    if workload != "synflood" and not 0.17 < ipv6 < 0.23:
        yield f"{ipv6:.0%} IPv6"
    if workload == "synflood" and not 0.94 < outcomes["never_answered"] / PACKETS + outcomes["in_progress"] / PACKETS:
        yield f"no flood: {outcomes}"
    if workload == "churn" and outcomes["completed_normal"] < 0.95 * len(flows):
        yield f"connections that do not complete: {outcomes}"
    if workload == "manyflows" and outcomes["in_progress"] != len(flows):
        yield f"connections that do not stay: {outcomes}"
    if workload == "mix" and len(outcomes) < 5:
        yield f"not all outcomes: {outcomes}"


def main():
    """Exit code 1 when anything is wrong."""
    generator, tcpwitness = sys.argv[1:3]
    problems = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        paths = [os.path.join(folder, name) for name in ("cut.pcap", "whole.pcap", "again.pcap", "other.pcap")]
        for workload in ("mix", "synflood", "manyflows", "churn"):
            for path, snaplen in zip(paths, (96, 0)):
                connections = generate(generator, workload, path, snaplen)
                found = list(check(workload, read(tcpwitness, path), connections))
                problems += [f"{workload}, snaplen {snaplen}: {problem}" for problem in found[:10]]
            generate(generator, workload, paths[2], 0)
            generate(generator, workload, paths[3], 0, seed=2)
            if not filecmp.cmp(paths[1], paths[2], shallow=False):
                problems.append(f"{workload}: the same seed gave other bytes")
            if filecmp.cmp(paths[1], paths[3], shallow=False):
                problems.append(f"{workload}: another seed gave the same bytes")
    for problem in problems:
        print(problem)
    print(f"captures for benchmarks: {len(problems)} problem(s)")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
