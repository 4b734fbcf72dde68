#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Golden tests: what tcpwitness says about each capture of pcaps/, byte for byte, and against the kernels' own word.

For each line of TESTLIST: the output equals <name>.ndjson, it is the same with another hash seed and three threads, every event fits the
schema, the tcp_state events alone tell what the flow records say, and the states of both ends agree with those that the
recording kernels reported (pcaps/<capture>.json), but for the lines of KNOWN_DIFFERENCES. A listed difference that does not occur is a failure too. A test of many connections
gives --events of its own, to keep its expected file small; the states are compared all the same.
"""

import argparse
import difflib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict

HERE = os.path.dirname(os.path.abspath(__file__))
PCAPS = os.path.join(HERE, "..", "..", "pcaps")
VALIDATOR = os.path.join(HERE, "..", "support", "validate_events.py")
RULES = "../rules"  # from pcaps/, where every run starts: not those that this machine may have installed
EVENTS = "alert,flow,anomaly,tcp_state,summary"
DIFF_LINES = 40
LINE_WIDTH = 300
NO_SOCKET = ("CLOSED", "LISTEN")  # a kernel lists nothing; which of the two it is no segment can tell


def read_testlist():
    """[(name, capture, options)]"""
    tests = []
    with open(os.path.join(HERE, "TESTLIST")) as file:
        for number, line in enumerate(file, 1):
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if len(words) < 2:
                raise SystemExit(f"TESTLIST:{number}: expected a name, a capture and options")
            tests.append((words[0], words[1], words[2:]))
    doubled = [name for name, count in Counter(name for name, _, _ in tests).items() if count > 1]
    if doubled:
        raise SystemExit(f"TESTLIST: listed twice: {' '.join(doubled)}")
    return tests


def read_known_differences():
    """{(test, what, tcpwitness, kernel): reason}"""
    known = {}
    with open(os.path.join(HERE, "KNOWN_DIFFERENCES")) as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            words = line.split(None, 4)
            if len(words) < 5:
                raise SystemExit(f"KNOWN_DIFFERENCES:{number}: expected test, what, tcpwitness, kernel and a reason")
            known[tuple(words[:4])] = words[4]
    return known


def run(binary, capture, options, seed):
    """(standard output, what went wrong or "")"""
    events = [] if "--events" in options else ["--events", EVENTS]
    rules = [] if "--rules" in options else ["--rules", RULES]
    command = [binary, "-q", "-r", capture, "--set", f"hash.seed={seed}", *events, *rules, *options, "-o", "-"]
    done = subprocess.run(command, cwd=PCAPS, capture_output=True, timeout=120)
    if done.returncode != 0:
        return done.stdout, f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()}"
    return done.stdout, ""


def show_difference(wanted, got, wanted_name, got_name):
    """A unified diff in which an event that changed is shown by its changed fields only."""
    wanted, got = wanted.decode().splitlines(), got.decode().splitlines()
    shown = [f"--- {wanted_name}", f"+++ {got_name}"]
    for kind, i, i_end, j, j_end in difflib.SequenceMatcher(None, wanted, got, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        shown.append(f"@@ -{i + 1},{i_end - i} +{j + 1},{j_end - j} @@")
        if i_end - i == j_end - j:
            for number, (before, after) in enumerate(zip(wanted[i:i_end], got[j:j_end]), i + 1):
                shown += changed_fields(number, before, after)
        else:
            shown += ["-" + line[:LINE_WIDTH] for line in wanted[i:i_end]]
            shown += ["+" + line[:LINE_WIDTH] for line in got[j:j_end]]
    more = len(shown) - DIFF_LINES
    return "\n".join(shown[:DIFF_LINES] + ([f"... and {more} more lines"] if more > 0 else []))


def changed_fields(number, before, after):
    try:
        before, after = flatten(json.loads(before)), flatten(json.loads(after))
    except ValueError:
        return ["-" + before[:LINE_WIDTH], "+" + after[:LINE_WIDTH]]
    what = f"line {number}, {after.get('event_type')} at packet {after.get('pcap_cnt', '-')}"
    changed = [f"  {key}: {json.dumps(before.get(key))} -> {json.dumps(after.get(key))}"
               for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    return [what + ":"] + (sorted(changed) or ["  only the order of fields or the white space"])


def flatten(value, prefix=""):
    if not isinstance(value, dict):
        return {prefix: value}
    return {key: leaf for name, part in value.items()
            for key, leaf in flatten(part, f"{prefix}.{name}" if prefix else name).items()}


# --- the kernels' word ------------------------------------------------------------------------------------------


def states_by_flow(events):
    """{flow_id: {end: path}} from the tcp_state events. What was rolled back is taken out of the path."""
    paths = defaultdict(dict)
    for event in events:
        if event["event_type"] != "tcp_state":
            continue
        change = event["tcp_state"]
        path = paths[event["flow_id"]].setdefault(change["endpoint"], [change["from"]])
        if change["certainty"] == "contradicted" and change["to"] in path:
            while path[-1] != change["to"]:
                path.pop()
        elif change["to"] != path[-1]:
            path.append(change["to"])
    return paths


def flows_by_tuple(events):
    """{(client, server)}: flow records in order of their start, each end as (ip, port)."""
    flows = defaultdict(list)
    for event in events:
        if event["event_type"] == "flow":
            key = (event["src_ip"], event["src_port"]), (event["dest_ip"], event["dest_port"])
            flows[key].append(event)
    for records in flows.values():
        records.sort(key=lambda event: (event["flow"]["start"], event.get("pcap_cnt", 0)))
    return flows


def as_listed(state):
    return "CLOSED" if state in NO_SOCKET else state


def differences_of_connections(events, provenance):
    """(what, tcpwitness, kernel) where the two do not agree."""
    flows, paths = flows_by_tuple(events), states_by_flow(events)
    used = Counter()
    found = []
    for number, connection in enumerate(provenance["truth"]["connections"], 1):
        ends = [(connection[end]["ip"], connection[end]["port"]) for end in ("client", "server")]
        names = ("client", "server")
        key = (ends[0], ends[1])
        if key not in flows and (ends[1], ends[0]) in flows:
            key, names = (ends[1], ends[0]), ("server", "client")
        records = flows.get(key, [])
        if used[key] >= len(records):
            found.append((f"{number}.flow", "none", "connection"))
            continue
        record = records[used[key]]
        used[key] += 1
        for kernel_end, our_end in zip(("client", "server"), names):
            truth = connection[kernel_end]
            if "final" not in truth:
                continue
            ours = record["witness"][our_end]
            if as_listed(ours["state"]) != as_listed(truth["final"]):
                found.append((f"{number}.{kernel_end}.final", f"{ours['state']}/{ours['certainty']}", truth["final"]))
            path = paths[record["flow_id"]].get(our_end)
            # What happened before a sensor's start it cannot know.
            if "derived_from" not in provenance and path and list(map(as_listed, path)) != list(
                    map(as_listed, truth["path"])):
                found.append((f"{number}.{kernel_end}.path", ">".join(path), ">".join(truth["path"])))
    for key, records in flows.items():
        for record in records[used[key]:] if used[key] else []:
            found.append((f"{key[0][1]}.flow", record["witness"]["outcome"], "none"))
    return found


def differences_of_counts(events, provenance):
    """For captures of many sockets: how many there are in each state when the recording ends."""
    ours = {end: Counter() for end in ("client", "server")}
    for event in events:
        if event["event_type"] == "flow":
            for end, counter in ours.items():
                state = event["witness"][end]["state"]
                if state not in NO_SOCKET:
                    counter[state] += 1
    found = []
    for end, counter in ours.items():
        truth = provenance["truth"]["sockets_at_end"][end]
        for state in sorted(set(counter) | set(truth)):
            if counter[state] != truth.get(state, 0):
                found.append((f"{end}.{state}", str(counter[state]), str(truth.get(state, 0))))
    return found


def check_truth(name, capture, output, known, met):
    """Lines about differences that nobody has explained."""
    base = capture.split(".pcap")[0]
    path = os.path.join(PCAPS, base + ".json")
    if not os.path.exists(path):
        return []
    with open(path) as file:
        provenance = json.load(file)
    events = [json.loads(line) for line in output.splitlines()]
    compare = differences_of_connections if "connections" in provenance["truth"] else differences_of_counts
    lines = []
    for what, ours, kernel in compare(events, provenance):
        key = (name, what, ours, kernel)
        if key in known:
            met.add(key)
        else:
            lines.append(" ".join(key))
    return lines


# --- one test ---------------------------------------------------------------------------------------------------


def check_one(binary, test, update, known, met, outputs):
    """What is wrong with one test, as text; empty when it passes."""
    name, capture, options = test
    expected = os.path.join(HERE, name + ".ndjson")
    output, failure = run(binary, capture, options, 1)
    if failure:
        return failure
    again, failure = run(binary, capture, [*options, "--threads", "3"], 0x5EED)
    if failure:
        return failure
    problems = []
    if output != again:
        problems.append("the output depends on the hash seed or the number of threads:\n" +
                        show_difference(output, again, "seed 1", "seed 2, three threads"))
    all_events = output
    if "--events" in options:
        at = options.index("--events")
        all_events, failure = run(binary, capture, options[:at] + options[at + 2:], 1)
        if failure:
            return failure
    outputs[name] = all_events
    if update:
        with open(expected, "wb") as file:
            file.write(output)
    elif not os.path.exists(expected):
        problems.append(f"{name}.ndjson does not exist: review the output and run with --update {name}")
    else:
        with open(expected, "rb") as file:
            wanted = file.read()
        if wanted != output:
            problems.append(show_difference(wanted, output, f"{name}.ndjson", "tcpwitness"))
    unexplained = check_truth(name, capture, all_events, known, met)
    if unexplained:
        problems.append("not as the kernels say (test, what, tcpwitness, kernel):\n" + "\n".join(unexplained))
    return "\n".join(problems)


def validate(outputs):
    """{name: complaint} of the events that do not fit the schema."""
    complaints = {}
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        paths = {name: os.path.join(folder, name + ".ndjson") for name in outputs}
        for name, path in paths.items():
            with open(path, "wb") as file:
                file.write(outputs[name])
        if not outputs or call_validator(*paths.values()) is None:
            return {}
        for name, path in paths.items():
            complaint = call_validator(path)
            if complaint:
                complaints[name] = complaint.replace(path, name)
    return complaints


def call_validator(*paths):
    done = subprocess.run((sys.executable, VALIDATOR, "--all-states", *paths), capture_output=True, text=True)
    return (done.stdout + done.stderr).strip() or "invalid" if done.returncode else None


def main():
    parser = argparse.ArgumentParser(description="Runs the golden tests.")
    parser.add_argument("binary", help="the tcpwitness program")
    parser.add_argument("names", nargs="*", help="tests to run (default: all)")
    parser.add_argument("--update", action="store_true", help="write the expected files anew; review the diff")
    options = parser.parse_args()
    tests, known, met = read_testlist(), read_known_differences(), set()
    unknown = set(options.names) - {name for name, _, _ in tests}
    if unknown:
        parser.error(f"not in TESTLIST: {' '.join(sorted(unknown))}")
    tests = [test for test in tests if not options.names or test[0] in options.names]
    outputs, problems = {}, {}
    for test in tests:
        problem = check_one(os.path.abspath(options.binary), test, options.update, known, met, outputs)
        if problem:
            problems[test[0]] = problem
    for name, complaint in validate(outputs).items():
        problems[name] = "\n".join(filter(None, (problems.get(name), "against the schema: " + complaint)))
    for key in known:
        if key not in met and key[0] in outputs:
            problems[key[0]] = "\n".join(filter(None, (problems.get(key[0]),
                                                       "listed in KNOWN_DIFFERENCES, but not so: " + " ".join(key))))
    for name, problem in problems.items():
        print(f"FAILED {name}\n{problem}\n")
    print(f"{len(tests) - len(problems)} passed, {len(problems)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
