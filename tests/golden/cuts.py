#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The captures of pcaps/ as a sensor sees them that starts late, hears one direction only, or misses the handshake. Of
every cut must hold:
- its events are valid, and tell what its records say (tests/support/validate_events.py)
- no packet is counted twice or forgotten
- who is the client is the same as in the whole capture, wherever both say that it is certain
- no state of an end that was not heard is proved
- what is proved is not denied by the whole capture: where that says proved at the same packet, it is the same state.
  But for what nobody can know: the end moved on with a segment that was left out, and has sent nothing new since
A capture that ends early tells, as far as it goes, the same as the whole; one in which every packet stands twice, as some
mirror ports deliver them, tells and counts the same. When the clock is set back in the middle, nothing is proved that the
whole denies, and no packet is lost.
Usage: cuts.py BINARY [CAPTURE...]
"""

import concurrent.futures
import dataclasses
import glob
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import packets  # pylint: disable=wrong-import-position
import told_states  # pylint: disable=wrong-import-position
import validate_events  # pylint: disable=wrong-import-position

EVENTS = "flow,tcp_state,summary"
MAX_PACKETS = 60  # of a capture: the larger ones repeat what the smaller ones show
MAX_SCHEMA_LINES = 3  # the whole captures' events are held to the schema by run.py
VALIDATORS = validate_events.make_validators()


def run(binary, path):
    done = subprocess.run((binary, "-q", "-r", path, "--events", EVENTS, "-o", "-"), capture_output=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def cuts_of(whole):
    """(name, packets) of every cut."""
    first = next((packet.sender for packet in whole if packet.sender), None)
    for n in range(len(whole)):
        rest = whole[n:]
        yield f"from packet {n + 1}", rest
        yield f"from packet {n + 1}, one direction", [packet for packet in rest if packet.sender == first]
        yield f"from packet {n + 1}, the other direction", [packet for packet in rest if packet.receiver == first]
    yield "without SYNs", [packet for packet in whole if not packet.flags & packets.SYN]
    for left_out in whole:
        yield f"without packet {left_out.number}", [packet for packet in whole if packet is not left_out]


def problem_of_counts(events, cut):
    records = [event for event in events if event["event_type"] == "flow"]
    summary = events[-1]["summary"]
    n = sum(record["flow"]["pkts_toserver"] + record["flow"]["pkts_toclient"] for record in records)
    n += sum(record["witness"]["anomalies"].get("capture_duplicate", 0) for record in records)
    n += summary["out_of_state"] + summary["untracked"]
    n_segments = sum(packet.sender is not None for packet in cut)
    if n != n_segments:
        return f"{n_segments} segments, but {n} are accounted for"
    return None


def certain_clients(events):
    """{both ends: the clients that are certain}"""
    clients = {}
    for event in events:
        if event["event_type"] == "flow" and event["witness"]["direction"] == "certain":
            ends = told_states.ends_of(event)
            clients.setdefault(frozenset(ends.values()), set()).add(ends["client"])
    return clients


def problem_of_direction(events, whole_events, whole):
    known = certain_clients(whole_events)
    for packet in whole:
        ends = frozenset((packet.sender, packet.receiver))
        if packet.flags & (packets.SYN | packets.ACK) == packets.SYN and ends in known:
            known[ends].add(packet.sender)  # where both ends sent a SYN, either may be the client
    for ends, clients in certain_clients(events).items():
        if ends in known and not clients <= known[ends]:
            return f"the client is {clients}, certain, but in the whole capture {known[ends]}"
    return None


def problem_of_states(story, whole_story, cut):
    """At every packet of the cut: is what is proved denied?"""
    heard, said, new = set(), set(), {}
    kept = {packet.number for packet in cut}
    for number, packet in enumerate(cut, 1):
        if packet.sender is None:
            continue
        heard.add((packet.sender, packet.receiver))
        if packet.content not in said:
            new[packet.sender, packet.receiver] = packet.number
        said.add(packet.content)
        for end, other in ((packet.sender, packet.receiver), (packet.receiver, packet.sender)):
            told = story.behind(end, other, number)
            if told is None or told[1] != "proved":
                continue
            where = f"packet {number} ({packet.number} of the whole): {end[0]}:{end[1]} is {told[0]} proved"
            if (end, other) not in heard:
                return f"{where}, but was not heard"
            whole = whole_story.behind(end, other, packet.number)
            if whole is None or whole[1] != "proved" or whole[0] == told[0]:
                continue
            unknowable = whole[2] is not None and whole[2] not in kept and new.get((end, other), 0) < whole[2]
            if not unknowable:
                return f"{where}, but {whole[0]} proved in the whole capture"
    return None


def without_numbers(events):
    """The flow records, but for what the number of packets in the file changes."""
    records = []
    for event in events:
        if event["event_type"] == "flow":
            witness = event["witness"]
            witness["anomalies"].pop("capture_duplicate", None)
            for part in (event, witness, witness["client"], witness["server"]):
                for key in ("flow_id", "previous_flow_id", "state_pcap_cnt", "caused_by"):
                    part.pop(key, None)
            event["flow"].pop("end"), event["flow"].pop("age")
            records.append(event)
    return records


def doubled(whole):
    for packet in whole:
        yield packet
        yield dataclasses.replace(packet, time_ns=packet.time_ns + 1)


def problem_of_double(events, whole_events, whole):
    story, whole_story = told_states.Story(events), told_states.Story(whole_events)
    for packet in whole:
        for end, other in ((packet.sender, packet.receiver), (packet.receiver, packet.sender)):
            told, wanted = story.behind(end, other, 2 * packet.number), whole_story.behind(end, other, packet.number)
            if (told and told[:2]) != (wanted and wanted[:2]):
                return f"packet {packet.number}: {end[0]}:{end[1]} is {told}, but {wanted} when it stands once"
    if without_numbers(events) != without_numbers(whole_events):
        return "the records differ"
    return None


def set_back(whole, n):
    """The clock is set back by five seconds before packet n + 1."""
    return whole[:n] + [dataclasses.replace(packet, time_ns=packet.time_ns - 5 * 10**9) for packet in whole[n:]]


def problems_of(binary, path):
    """(number of cuts, what is wrong)"""
    try:
        capture = packets.Capture(path)
    except ValueError:
        return 0, []
    whole = capture.packets
    if len(whole) > MAX_PACKETS:
        return 0, []
    found, n_cuts = [], 0
    with tempfile.TemporaryDirectory(prefix="cuts-") as folder:
        cut_path = os.path.join(folder, "cut.pcap")
        capture.write(cut_path, whole)
        whole_events = [json.loads(line) for line in run(binary, cut_path).splitlines()]
        if whole_events[-1]["summary"]["tcp_segments"] != sum(packet.sender is not None for packet in whole):
            return 0, []  # segments in tunnels or fragments: packets.py does not read them
        whole_story = told_states.Story(whole_events)
        for name, cut in cuts_of(whole):
            if not cut:
                continue
            n_cuts += 1
            capture.write(cut_path, cut)
            output = run(binary, cut_path)
            events = [json.loads(line) for line in output.splitlines()]
            problem = (
                next(validate_events.check_file("", io.BytesIO(output), VALIDATORS, True, MAX_SCHEMA_LINES), None)
                or problem_of_counts(events, cut)
                or problem_of_direction(events, whole_events, whole)
                or problem_of_states(told_states.Story(events), whole_story, cut)
            )
            if problem:
                found.append(f"{os.path.basename(path)}, {name}: {problem}")
        if all(packet.tellable for packet in whole):
            capture.write(cut_path, doubled(whole))
            events = [json.loads(line) for line in run(binary, cut_path).splitlines()]
            problem = problem_of_double(events, whole_events, whole)
            if problem:
                found.append(f"{os.path.basename(path)}, every packet twice: {problem}")
        for n in range(1, len(whole)):
            capture.write(cut_path, set_back(whole, n))
            events = [json.loads(line) for line in run(binary, cut_path).splitlines()]
            story = told_states.Story(events)
            problem = problem_of_counts(events, whole) or problem_of_states(story, whole_story, whole)
            if problem:
                found.append(f"{os.path.basename(path)}, set back at packet {n + 1}: {problem}")
        for n in range(1, len(whole)):
            n_cuts += 1
            capture.write(cut_path, whole[:n])
            told = [line for line in run(binary, cut_path).splitlines() if b'"event_type":"tcp_state"' in line]
            as_whole = [json.dumps(event) for event in whole_events if event["event_type"] == "tcp_state"]
            if [json.dumps(json.loads(line)) for line in told] != as_whole[:len(told)]:
                found.append(f"{os.path.basename(path)}, up to packet {n}: tells other states than the whole")
    return n_cuts, found


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    paths = sys.argv[2:] or sorted(glob.glob(str(ROOT / "pcaps" / "*.pcap")))
    problems, n_cuts, n_captures = [], 0, 0
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for n, found in pool.map(problems_of, [binary] * len(paths), paths):
            n_cuts, n_captures = n_cuts + n, n_captures + (n > 0)
            problems += found
    for problem in problems:
        print(problem)
    print(f"{n_cuts} cuts of {n_captures} captures, {len(problems)} problem(s)")
    sys.exit(1 if problems or n_cuts == 0 else 0)


if __name__ == "__main__":
    main()
