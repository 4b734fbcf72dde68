#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Real captures of floods, scans, backscatter and of honest bursts: each class has alarms of which one must be raised, and others that
may be. Of severity 1 and 2 nothing else may be raised, on benign ones nothing at all. Captures listed in EXPECTED as
"capture NAME" are known to be judged otherwise.

captures.py TCPWITNESS
"""
import json
import os
import pathlib
import subprocess
import sys

import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77  # SKIP_RETURN_CODE in CMakeLists.txt

FLOOD = {"syn_flood", "half_open_surge"}
SCAN = {"port_scan", "connection_fan_out"}

# class: (one of these must be raised; of severity 1 and 2 these may be besides)
EXPECTATIONS = {
    "syn-flood": (FLOOD, FLOOD | {"sensor_health"}),
    "port-scan": ({"port_scan"}, {"port_scan"}),
    "worm-scan": (SCAN, SCAN),
    # Months of probes: which of them are scans by our measure is for the detectors to say, that they are no floods is known.
    "honeypot-worm-scan": (set(), SCAN | {"sensor_health"}),
    "backscatter": ({"backscatter"}, set()),
    # Reflectors' answers and SYNs in one, in one direction.
    "tcp-amplification": (set(), FLOOD | {"synack_reflection", "out_of_state_flood", "carpet_bombing", "sensor_health"}),
    "one-way-http": (set(), {"sensor_health"}),
    "scan-flags": (set(), {"port_scan"}),
    "nmap-service": (set(), SCAN),
    "flag-matrix": (set(), set()),
    "benign-burst": (set(), set()),
    "benign-p2p": (set(), set()),
}


def raised(binary, capture):
    """[(detector, severity, target)] of all alarms that a capture raises."""
    done = subprocess.run([binary, "-q", "-r", str(capture), "--rules", str(ROOT / "rules"), "--events", "alert"],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=True)
    alarms = [json.loads(line) for line in done.stdout.splitlines()]
    return [(a["detection"]["detector"], a["alert"]["severity"], a["detection"]["target"]) for a in alarms
            if a["detection"]["phase"] == "raised"]


def judge(kind, alarms):
    """What is wrong with these alarms on a capture of that class; empty = nothing."""
    needed, allowed = EXPECTATIONS[kind]
    names = {name for name, _, _ in alarms}
    wrong = [f"{name} (severity {severity}) on {target}" for name, severity, target in alarms
             if severity <= 2 and name not in allowed]
    if needed and not needed & names:
        wrong.append(f"none of {', '.join(sorted(needed))} was raised")
    return wrong


def main(argv):
    if len(argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    folder = pathlib.Path(os.environ.get("TCPWITNESS_CORPUS", ROOT / "../shared/corpus"))
    if not (folder / "truth" / "floods.jsonl").is_file():
        print(f"SKIPPED: there is no corpus at {os.path.relpath(folder, ROOT)} ($TCPWITNESS_CORPUS names another)")
        return SKIPPED
    expected = run.read_expected()
    failed = 0
    for line in (folder / "truth" / "floods.jsonl").read_text(encoding="utf-8").splitlines():
        truth = json.loads(line)
        wrong = judge(truth["class"], raised(argv[1], folder / truth["file"]))
        name = "capture " + pathlib.Path(truth["file"]).name
        if wrong and name not in expected:
            failed += 1
        state = "right" if not wrong else "known" if name in expected else "WRONG"
        print(f"{state}: {truth['class']}: {name}: {'; '.join(wrong[:4])}")
    print(f"{failed} captures are judged wrongly")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
