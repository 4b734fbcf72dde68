#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The validator of events accepts the lives that alarms can have, and refuses those that they cannot."""

import copy
import json
import pathlib
import sys

import tree

sys.path.insert(0, str(pathlib.Path(tree.ROOT, "tests", "support")))
try:
    import validate_events
except SystemExit:
    print("SKIPPED: python3-jsonschema is not installed (scripts/setup installs it)")
    raise SystemExit(tree.SKIPPED) from None

GOLDEN = pathlib.Path(tree.ROOT, "tests", "golden", "syn_flood.ndjson")


def clock(second):
    return f"2026-11-21T01:{second // 60:02}:{second % 60:02}.000000+0000"


def event(sample, phase, second, **changes):
    """One event of an alarm that began at second 1; changes are of detection, and severity or signature_id of alert."""
    line = copy.deepcopy(sample)
    line["timestamp"] = clock(second)
    detection = line["detection"]
    for key in ("clear_reason", "folded_into", "runner_up"):
        detection.pop(key, None)
    detection.update(phase=phase, started=clock(1), updated=clock(second), ended=None, duration=second - 1, reopened=0)
    detection.update(rate=100.0, peak=100.0)
    if phase == "cleared":
        detection.update(ended=clock(second), clear_reason="recovered")
    for key, value in changes.items():
        (line["alert"] if key in line["alert"] else detection)[key] = value
    return line


def lives(sample):
    """(what it shows, whether it may be, its events)"""

    def life(*steps):
        return [event(sample, phase, second, **changes) for phase, second, changes in steps]

    raised, cleared = ("raised", 2, {}), ("cleared", 40, {})
    yield "a whole life", True, life(raised, ("update", 12, {"peak": 300.0}), ("cleared", 40, {"peak": 300.0}))
    yield "open at the end", True, life(raised)
    yield "the same again", True, life(raised, cleared, ("raised", 100, {"reopened": 1}), ("cleared", 200, {"reopened": 1}))
    other = {"detector": "half_open_surge", "signature_id": 1000002}
    yield "another class", True, life(raised, ("update", 12, other), ("cleared", 40, other))
    folded = {"clear_reason": "folded", "folded_into": "0123456789abcdef"}
    yield "told in another", True, life(raised, ("cleared", 9, folded))
    yield "told nowhere", False, life(raised, ("cleared", 9, {"clear_reason": "folded"}))
    yield "recovered into another", False, life(raised, ("cleared", 9, {**folded, "clear_reason": "recovered"}))
    yield "never raised", False, life(("update", 12, {}))
    yield "raised twice", False, life(raised, ("raised", 3, {}))
    yield "an update after the end", False, life(raised, cleared, ("update", 50, {}))
    yield "reopened at first", False, life(("raised", 2, {"reopened": 1}))
    yield "reopened and not counted", False, life(raised, cleared, ("raised", 100, {}))
    yield "reopened too late", False, life(raised, cleared, ("raised", 400, {"reopened": 1}))
    yield "another class at the end", False, life(raised, ("cleared", 40, other))
    yield "a rule of another detector", False, life(raised, ("update", 12, {"signature_id": 1000002}))
    yield "another start", False, life(raised, ("update", 12, {"started": clock(0)}))
    yield "a peak that shrinks", False, life(raised, ("update", 12, {"rate": 9.0, "peak": 99.0}))
    yield "a peak below the rate", False, life(("raised", 2, {"peak": 99.0}))
    yield "cleared without a reason", False, [{**life(raised, cleared)[1], "detection": without_reason(life(cleared)[0])}]
    yield "a reason while it is open", False, life(("raised", 2, {"clear_reason": "silent"}))
    yield "a crowd to act upon", False, life(("raised", 2, {"detector": "flash_crowd", "severity": 1}))
    yield "runner-up of itself", False, life(("raised", 2, {"runner_up": {"detector": "syn_flood", "score": 0.5}}))
    yield "two about the same", False, life(raised, ("raised", 3, {"alert_id": "0" * 16, "command": "tcpdump"}))
    yield "too many events", False, life(raised, *(("update", 3 + i, {}) for i in range(16)))


def without_reason(line):
    del line["detection"]["clear_reason"]
    return line["detection"]


def main():
    sample = next(json.loads(line) for line in GOLDEN.read_text().splitlines() if '"syn_flood"' in line)
    validators = validate_events.make_validators()
    problems = []
    n = 0
    for name, is_right, events in lives(sample):
        lines = [json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in events]
        found = list(validate_events.check_file(name, lines, validators))
        n += 1
        if is_right:
            problems += found
        elif not found:
            problems.append(f"{name}: accepted")
    tree.finish("lives of alarms", problems, n)


main()
