#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every alarm of the goldens can be had again: alarms.py TCPWITNESS.

Its detection.command, given to a shell, writes the same events of that alarm, byte for byte. Its detection.filter is one
that libpcap takes, and shows some of the packets of the capture. And the capture cut behind the packet with which it was
raised raises it too: a decision uses nothing later.
"""

import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PCAPS = HERE.parents[1] / "pcaps"


def read_alarms():
    """{(golden, alert_id): its lines}"""
    alarms = {}
    for path in sorted(HERE.glob("*.ndjson")):
        for line in path.read_bytes().splitlines(keepends=True):
            event = json.loads(line)
            if event["event_type"] == "alert":
                alarms.setdefault((path.stem, event["detection"]["alert_id"]), []).append(line)
    return alarms


def shell(command, folder):
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=PCAPS, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, timeout=120, check=False
    )
    return done.stdout


def options(command):
    """The command up to what it asks for: tcpwitness, its captures and its rules."""
    return command.split(" --events ")[0]


def count_packets(command, bpf_filter, folder):
    lines = shell(f"{options(command)} --events summary '{bpf_filter}'", folder).splitlines()
    return json.loads(lines[-1])["summary"]["packets"] if lines else None


def problems_of(lines, folder):
    first = json.loads(lines[0])
    detection = first["detection"]
    if shell(detection["command"], folder) != b"".join(lines):
        yield f"this gives another alarm: {detection['command']}"
    if not count_packets(detection["command"], detection["filter"], folder):
        yield f"this shows no packet: {detection['filter']}"
    with tempfile.TemporaryDirectory() as scratch:
        capture = options(detection["command"]).split(" -r ")[1].split()[0]
        cut = pathlib.Path(scratch, "cut.pcap")
        cut.write_bytes(cut_behind(PCAPS / capture, first["pcap_cnt"]))
        again = shell(detection["command"].replace(f"-r {capture}", f"-r {cut}", 1), folder)
    if again.replace(str(cut).encode(), capture.encode()) != lines[0]:
        yield f"the capture cut behind packet {first['pcap_cnt']} does not raise it"


def cut_behind(capture, number):
    """The first packets of a classic pcap file, packed or not."""
    data = capture.read_bytes()
    if capture.suffix == ".zst":
        data = subprocess.run(["zstd", "-dcq", str(capture)], stdout=subprocess.PIPE, check=True).stdout
    elif capture.suffix == ".gz":
        data = gzip.decompress(data)
    order = "little" if data[0] in (0xD4, 0x4D) else "big"
    at = 24
    for _ in range(number):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], order)
    return data[:at]


def main():
    folder = pathlib.Path(sys.argv[1]).resolve().parent
    alarms = read_alarms()
    n_problems = 0
    for (golden, alert_id), lines in alarms.items():
        for problem in problems_of(lines, folder):
            print(f"{golden}, alarm {alert_id}: {problem}")
            n_problems += 1
    print(f"{len(alarms)} alarms, {n_problems} problems")
    raise SystemExit(1 if n_problems or not alarms else 0)


main()
