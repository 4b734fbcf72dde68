#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Every capture of the developers' corpus (../shared/corpus beside the repository, or $TCPWITNESS_CORPUS) is read twice:
the program ends with 0, or with 1 and a reason, never with a crash or a sanitizer's report; both runs write the same
bytes; the events are valid (tests/support/validate_events.py; of long runs only the beginning is held to the schema),
the tcp_state events tell the states of the flow records, the last event is a summary.
Usage: corpus.py BINARY
"""

import concurrent.futures
import io
import json
import os
import pathlib
import subprocess
import sys
import time

import tree

sys.path.insert(0, str(tree.ROOT / "tests" / "support"))
import validate_events  # pylint: disable=wrong-import-position

TIME_LIMIT_S = 60
MAX_SCHEMA_LINES = 1500  # of one run
EVENTS = "alert,flow,anomaly,tcp_state,stats,summary"
VALIDATORS = validate_events.make_validators()


def read(binary, capture):
    return subprocess.run(
        [binary, "-r", capture, "--events", EVENTS],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )


def problem_of_events(output):
    """What is wrong with the events of a run that ended well, or None."""
    lines = output.splitlines(keepends=True)
    if not lines or json.loads(lines[-1])["event_type"] != "summary":
        return "the last event is no summary"
    events = io.BytesIO(output)
    return next(validate_events.check_file("events", events, VALIDATORS, True, MAX_SCHEMA_LINES), None)


def problem_of(binary, capture):
    """What is wrong with one capture's runs, or None."""
    try:
        first, second = read(binary, capture), read(binary, capture)
    except subprocess.TimeoutExpired:
        return f"took more than {TIME_LIMIT_S} s"
    errors = first.stderr.decode(errors="replace")
    if first.returncode not in (0, 1) or "Sanitizer" in errors or "runtime error" in errors:
        return f"ended with {first.returncode}: {errors[-2000:]}"
    if first.returncode == 1 and "tcpwitness: " not in errors:
        return "ended with 1 and said no reason"
    if (first.stdout, first.returncode) != (second.stdout, second.returncode):
        return "two runs wrote different events"
    return problem_of_events(first.stdout) if first.returncode == 0 else None


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    corpus = pathlib.Path(os.environ.get("TCPWITNESS_CORPUS", tree.ROOT / "../shared/corpus"))
    if not corpus.is_dir():
        print(f"SKIPPED: there is no corpus at {os.path.relpath(corpus, tree.ROOT)} ($TCPWITNESS_CORPUS names another)")
        sys.exit(tree.SKIPPED)
    captures = sorted(str(path) for suffix in ("pcap", "pcapng") for path in corpus.rglob(f"*.{suffix}"))
    problems, began = [], time.monotonic()
    with concurrent.futures.ProcessPoolExecutor() as pool:
        jobs = {pool.submit(problem_of, binary, capture): capture for capture in captures}
        for job in concurrent.futures.as_completed(jobs):
            if job.result():
                problems.append(f"{os.path.relpath(jobs[job], corpus)}: {job.result()}")
    print(f"{len(captures)} captures in {time.monotonic() - began:.0f} s")
    tree.finish("real captures", sorted(problems), len(captures))


if __name__ == "__main__":
    main()
