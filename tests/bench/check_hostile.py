#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
What senders do who mean harm, with little memory: every packet is counted, every connection gets its one record, and
what had to go is counted too. Nothing of how long it takes: bench_pauses measures that, and only has to work here.

    tests/bench/check_hostile.py BENCH_GENERATE BENCH_PAUSES TCPWITNESS
"""

import json
import os
import subprocess
import sys
import tempfile

PACKETS = 40000
HELD_AT_MOST = 1024  # datagrams in fragments


def made(generator, name, path):
    """Writes the capture; returns how many tuples it has."""
    done = subprocess.run([generator, "--workload", name, "--packets", str(PACKETS), "--snaplen", "0", "--output", path],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["connections"]


def summary_of(tcpwitness, path):
    """What tcpwitness says of it, with memory for some ten thousand attempts."""
    done = subprocess.run([tcpwitness, "-q", "-r", path, "--memory", "16M", "--events", "summary"], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout)["summary"]


def wrong_with(name, summary, tuples):
    """Yields what is wrong."""
    expected = {"carpet": tuples, "one_tuple": PACKETS // 5, "troubles": None, "silence": tuples + 1,
                "options": tuples, "fragments": 0}[name]
    evicted = sum(summary["evicted"].values())
    if summary["packets"] != PACKETS or summary["tcp_segments"] != (0 if name == "fragments" else PACKETS):
        yield "not all packets counted"
    if expected is not None and summary["connections"] != expected:
        yield f"{summary['connections']} connections instead of {expected}"
    if summary["connections"] != summary["flow_records"] or summary["untracked"]:
        yield "connections without a record"
    if (evicted > 0) != (name == "carpet"):
        yield f"{evicted} evicted"
    refused = sum(summary["decode_refused"].values())
    if name == "fragments" and not tuples - HELD_AT_MOST <= refused <= tuples:
        yield f"{refused} of {tuples} datagrams refused"


def main():
    """Exit code 1 when anything is wrong."""
    generator, pauses, tcpwitness = sys.argv[1:4]
    problems = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = os.path.join(folder, "hostile.pcap")
        for name in ("carpet", "one_tuple", "troubles", "silence", "options", "fragments"):
            tuples = made(generator, name, path)
            summary = summary_of(tcpwitness, path)
            problems += [f"{name}: {problem}: {summary}" for problem in wrong_with(name, summary, tuples)]
            subprocess.run([pauses, path, "16"], check=True, capture_output=True)
    for problem in problems:
        print(problem)
    print(f"hostile captures: {len(problems)} problem(s)")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
