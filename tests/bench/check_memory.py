#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
--memory is what the whole program takes, its code and buffers included, within one twentieth: no more of it when more
connections come than fit, and all of it from the start with "prefault".

    tests/bench/check_memory.py BENCH_GENERATE TCPWITNESS
"""

import json
import os
import subprocess
import sys
import tempfile

MIB = 1 << 20
WITHIN = 0.05
FULL_PACKETS = 1500000  # manyflows: 250000 connections, where 64M hold 150000


def generate(generator, workload, packets, path):
    subprocess.run([generator, "--workload", workload, "--packets", str(packets), "--output", path], check=True,
                   capture_output=True)


def run(tcpwitness, path, memory_mib, *options):
    """The summary, and VmHWM in bytes, which wait4(2) tells of a process that has ended."""
    process = subprocess.Popen([tcpwitness, "-q", "-r", path, "--memory", f"{memory_mib}M", "--events", "flow,summary",
                                *options], stdout=subprocess.PIPE, text=True)
    with process.stdout as lines:
        last = None
        for last in lines:  # a line at a time: they are many
            pass
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    return json.loads(last), usage.ru_maxrss * 1024


def main():
    generator, tcpwitness = sys.argv[1:3]
    wrong = []

    def judge(what, bytes_taken, memory_mib, at_least):
        share = bytes_taken / (memory_mib * MIB)
        print(f"{what}: {bytes_taken / MIB:.1f} MB of {memory_mib}M ({100 * share:.1f} %)")
        if not at_least <= share <= 1 + WITHIN:
            wrong.append(what)

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "full.pcap")
        generate(generator, "manyflows", FULL_PACKETS, path)
        summary, taken = run(tcpwitness, path, 64)
        assert summary["summary"]["evicted"]["established"] > 0, "the table was not full"
        # The stores of attempts and closed connections, and what detectors keep, are not full here.
        judge("more connections than fit", taken, 64, 0.8)
        path = os.path.join(folder, "few.pcap")
        generate(generator, "mix", 5000, path)
        for memory_mib in (64, 256, 1024):
            _, taken = run(tcpwitness, path, memory_mib, "--set", "prefault=true")
            judge("prefault", taken, memory_mib, 1 - WITHIN)
    return f"not within {100 * WITHIN:.0f} %: {', '.join(wrong)}" if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
