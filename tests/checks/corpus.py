#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Every capture of the developers' corpus (../shared/corpus beside the repository, or $TCPWITNESS_CORPUS) is read twice:
the program ends with 0, or with 1 and a reason, never with a crash or a sanitizer's report; both runs write the same
bytes; every line is an event, the last one a summary, and a sample of them is valid by the schema.
Usage: corpus.py BINARY
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

import tree

TIME_LIMIT_S = 60
SAMPLE = 2  # events of each type and capture that are held against the schema
ARGUMENTS = ("--events", "alert,flow,anomaly,tcp_state,stats,summary", "--rules", str(tree.ROOT / "rules"))


def read(binary, capture):
    return subprocess.run(
        [binary, "-r", capture, *ARGUMENTS],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )


def sample(lines):
    """A few events of each type, and whether every line is an event."""
    seen, chosen = {}, []
    for line in lines:
        event = json.loads(line)
        kind = event["event_type"]
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= SAMPLE:
            chosen.append(event)
    return chosen


def problem_of(binary, capture, validate):
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
    try:
        lines = first.stdout.decode("utf-8").splitlines()
        chosen = sample(lines)
    except (ValueError, KeyError) as error:
        return f"a line is no event: {error}"
    if first.returncode == 0 and json.loads(lines[-1])["event_type"] != "summary":
        return "the last event is no summary"
    for event in chosen:
        for error in validate(event):
            return f"{event['event_type']} is not valid by the schema: {error.message}"
    return None


def find_validator():
    import jsonschema

    for path in tree.files(suffixes=[".json"]):
        content = tree.text(path)
        if '"$schema"' in content and '"event_type"' in content and not str(path).startswith("tests/"):
            schema = json.loads(content)
            return jsonschema.validators.validator_for(schema)(schema).iter_errors
    raise SystemExit("no schema of events was found: this check is broken")


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    corpus = pathlib.Path(os.environ.get("TCPWITNESS_CORPUS", tree.ROOT / "../shared/corpus"))
    if not corpus.is_dir():
        print(f"SKIPPED: there is no corpus at {os.path.relpath(corpus, tree.ROOT)} ($TCPWITNESS_CORPUS names another)")
        sys.exit(tree.SKIPPED)
    captures = sorted(path for suffix in ("pcap", "pcapng") for path in corpus.rglob(f"*.{suffix}"))
    validate = find_validator()
    problems, began = [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {pool.submit(problem_of, binary, capture, validate): capture for capture in captures}
        for job in concurrent.futures.as_completed(jobs):
            if job.result():
                problems.append(f"{jobs[job].relative_to(corpus)}: {job.result()}")
    print(f"{len(captures)} captures in {time.monotonic() - began:.0f} s")
    tree.finish("real captures", sorted(problems), len(captures))


main()
