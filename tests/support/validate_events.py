#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Validates tcpwitness's events: validate_events.py FILE... ("-" is standard input). Every line is held against
doc/events.schema.json and against what a schema cannot say: sums, order, references between lines, and that the states
of both ends, rebuilt from the tcp_state events alone, are those of the flow records. Before the files, --all-states says
that the run wrote all tcp_state events: then a flow without any is held to where every flow begins.
Ends with 0, with 1 and "FILE:LINE: reason" lines, or with 77 when python3-jsonschema is not installed.
"""

import base64
import datetime
import hashlib
import ipaddress
import json
import math
import pathlib
import re
import sys

try:
    import jsonschema
except ImportError:
    print("SKIPPED: python3-jsonschema is not installed (scripts/setup installs it)")
    raise SystemExit(77) from None

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "doc" / "events.schema.json"
MAX_PROBLEMS = 20
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
FLAGS = {"fin": 0x01, "syn": 0x02, "rst": 0x04, "psh": 0x08, "ack": 0x10, "urg": 0x20, "ecn": 0x40, "cwr": 0x80}
SAME_INCIDENT_S = 300  # trouble that comes back within this after its alarm was cleared is the same alarm
MAX_ALARM_EVENTS = 16  # of one alarm within a minute
ALWAYS_INFORMATIONAL = ("backscatter", "flash_crowd")
CLOCK = slice(0, 26)  # of a timestamp: all but the zone, which is always the same, so that texts compare as times do


def inlined(node, schema):
    """The schema with every $ref replaced by what it names: validation is several times faster without looking them up."""
    if isinstance(node, list):
        return [inlined(item, schema) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return inlined(schema["$defs"][node["$ref"].rsplit("/", 1)[1]], schema)
    return {key: inlined(value, schema) for key, value in node.items() if key != "$defs"}


def make_validators():
    """event_type -> validator of that type alone"""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return {
        name: jsonschema.Draft202012Validator(inlined(schema["$defs"][name + "_event"], schema))
        for name in schema["properties"]["event_type"]["enum"]
    }


def unique_keys(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def community_id(event):
    """Version 1, seed 0, computed from the specification."""
    ends = sorted((ipaddress.ip_address(event[f"{end}_ip"]).packed, event[f"{end}_port"]) for end in ("src", "dest"))
    (low, low_port), (high, high_port) = ends
    ports = low_port.to_bytes(2, "big") + high_port.to_bytes(2, "big")
    digest = hashlib.sha1(b"\0\0" + low + high + b"\x06\0" + ports).digest()
    return "1:" + base64.b64encode(digest).decode()


def addresses(node):
    """Every address in an event, wherever it stands."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("src_ip", "dest_ip", "ip") or (key == "client" and isinstance(value, str)):
                yield value
            else:
                yield from addresses(value)
    elif isinstance(node, list):
        for item in node:
            yield from addresses(item)


def check_ends(event):
    for text in addresses(event):
        if str(ipaddress.ip_address(text)) != text and "." not in text:
            yield f"{text} is not the form of RFC 5952"
    for key in ("src_ip", "dest_ip"):
        if key in event and ipaddress.ip_address(event[key]).version != event["ip_v"]:
            yield f"ip_v is {event['ip_v']}, but {key} is {event[key]}"
    if "src_port" in event and "dest_port" in event:
        if event.get("community_id") != community_id(event):
            yield f"community_id is {event.get('community_id')}, but must be {community_id(event)}"
    if "tunnel" in event and event["tunnel"]["depth"] < len(event["tunnel"]["kinds"]):
        yield "tunnel.kinds has more entries than tunnel.depth says"


def whole_seconds(start, end):
    """From one timestamp to another, rounded down."""
    difference = datetime.datetime.fromisoformat(end[CLOCK]) - datetime.datetime.fromisoformat(start[CLOCK])
    return difference.days * 86400 + difference.seconds


def check_flow_counts(flow, tcp):
    if flow["end"] < flow["start"]:
        yield "flow.end is before flow.start"
    elif flow["age"] - whole_seconds(flow["start"], flow["end"]) not in (0, 1):  # nanoseconds may carry
        yield f"flow.age is {flow['age']}, but start and end say {whole_seconds(flow['start'], flow['end'])}"
    for side in ("toserver", "toclient"):
        if flow[f"bytes_{side}"] < 40 * flow[f"pkts_{side}"]:
            yield f"flow.bytes_{side} is less than the headers of flow.pkts_{side}"
    flags, to_server, to_client = (int(tcp[key], 16) for key in ("tcp_flags", "tcp_flags_ts", "tcp_flags_tc"))
    if flags != to_server | to_client:
        yield "tcp.tcp_flags is not what tcp_flags_ts and tcp_flags_tc give"
    for name, bit in FLAGS.items():
        if (name in tcp) != bool(flags & bit):
            yield f"tcp.{name} contradicts tcp.tcp_flags"


def check_flow(event):
    flow, tcp, witness = event["flow"], event["tcp"], event["witness"]
    yield from check_flow_counts(flow, tcp)
    heard = [side for side in ("client", "server") if witness[side]["heard"]]
    if witness["visibility"] != ("both" if len(heard) == 2 else f"{heard[0]}_only" if heard else None):
        yield f"witness.visibility is {witness['visibility']}, but heard were: {' '.join(heard) or 'none'}"
    if witness.get("previous_flow_id", 0) >= event["flow_id"]:
        yield "witness.previous_flow_id is not before flow_id"
    if witness["outcome"] in ("never_answered", "unreachable") and witness["server"]["payload_bytes"]:
        yield f"witness.outcome is {witness['outcome']}, but the server sent data"


def check_detection(event):
    detection = event["detection"]
    if detection["updated"] < detection["started"]:
        yield "detection.updated is before detection.started"
    if (detection["ended"] is not None) != (detection["phase"] == "cleared"):
        yield f"detection.ended is {detection['ended']} in the phase {detection['phase']}"
    if detection["ended"] is not None and detection["ended"] < detection["started"]:
        yield "detection.ended is before detection.started"
    if detection["peak"] < detection["rate"]:
        yield "detection.peak is below detection.rate"
    if detection.get("runner_up", {}).get("detector") == detection["detector"]:
        yield "detection.runner_up is the class itself"
    if detection["detector"] in ALWAYS_INFORMATIONAL and event["alert"]["severity"] != 3:
        yield f"{detection['detector']} has the severity {event['alert']['severity']}, but is informational"
    if "listener" in detection and detection["listener"]["half_open_peak"] < detection["listener"]["half_open"]:
        yield "detection.listener.half_open_peak is below half_open"
    if not detection.get("command", "").endswith(f"| grep {detection['alert_id']}") and "tcpdump" not in detection.get(
        "command", "tcpdump"
    ):
        yield "detection.command does not show this alarm"
    if sum(source["share"] for source in detection["sources"]["top"]) > 1.001:
        yield "the shares of detection.sources.top are more than a whole"
    if "prefix" in detection["target"]:
        ipaddress.ip_network(detection["target"]["prefix"])  # host bits set: ValueError


class Run:
    """What lines of one run say of one another."""

    def __init__(self, all_states=False):
        self.alarms = {}  # alert_id -> detection of its last event
        self.alarm_times = {}  # alert_id -> when its last events were
        self.rules = {}  # detector -> what its rule says of itself
        self.all_states = all_states
        self.ends = {}  # (flow_id, endpoint) -> what the tcp_state events say of it: see told()
        self.told_until = {}  # flow_id -> pcap_cnt of its last tcp_state event
        self.recorded = set()  # flow_id of flow events
        self.n_raised = 0
        self.ended = False

    def check_alarm(self, event):
        """raised, then update any number of times, then cleared, then perhaps raised again: one line in self.alarms."""
        detection = event["detection"]
        key, phase = detection["alert_id"], detection["phase"]
        before = self.alarms.get(key)
        self.n_raised += phase == "raised"
        yield from self.check_rule(event)
        if (before is None or before["phase"] == "cleared") != (phase == "raised"):
            yield f"alarm {key} is {phase} " + (f"after {before['phase']}" if before else "and was never raised")
        if before is None:
            self.alarms[key] = detection
            self.alarm_times[key] = [event["timestamp"]]
            if phase == "raised" and detection["reopened"] != 0:
                yield f"alarm {key} is raised for the first time, but says it was reopened"
            return
        self.alarms[key] = detection
        yield from self.check_next(key, before, detection)
        times = self.alarm_times[key] = [*self.alarm_times[key], event["timestamp"]][-MAX_ALARM_EVENTS - 1 :]
        if len(times) > MAX_ALARM_EVENTS and whole_seconds(times[0], times[-1]) < 60:
            yield f"alarm {key} has more than {MAX_ALARM_EVENTS} events within a minute"

    def check_next(self, key, before, detection):
        """What one event of an alarm says against the one before it."""
        phase = detection["phase"]
        if (before["target"], before["started"]) != (detection["target"], detection["started"]):
            yield f"alarm {key} changed its target or start"
        if phase == "cleared" and before["detector"] != detection["detector"]:
            yield f"alarm {key} changed its detector without an update"
        if detection["reopened"] - before["reopened"] != (phase == "raised"):
            yield f"alarm {key} was reopened {before['reopened']} times before it is {phase}, and now says {detection['reopened']}"
        if phase == "raised" and before["ended"] and whole_seconds(before["ended"], detection["updated"]) > SAME_INCIDENT_S:
            yield f"alarm {key} is raised again after more than {SAME_INCIDENT_S} s"
        for figure in ("updated", "duration"):
            if detection[figure] < before[figure]:
                yield f"alarm {key}: {figure} went back"
        # The class decides what the level is.
        if before["detector"] == detection["detector"] and detection["peak"] < before["peak"]:
            yield f"alarm {key}: the peak went back"

    def check_rule(self, event):
        """A detector has one rule in a run, and an open alarm is the only one of its detector about its target."""
        alert, detection = event["alert"], event["detection"]
        rule = (alert["signature_id"], alert["rev"], alert["signature"], alert["category"])
        if self.rules.setdefault(detection["detector"], rule) != rule:
            yield f"{detection['detector']} has the rule {rule}, but had {self.rules[detection['detector']]}"
        if detection["phase"] != "raised":
            return
        for key, other in self.alarms.items():
            twin = (other["detector"], other["target"]) == (detection["detector"], detection["target"])
            if twin and other["phase"] != "cleared" and key != detection["alert_id"]:
                yield f"alarm {key} about the same is still open"

    def told(self, flow_id, side):
        """(state, certainty, state_pcap_cnt, caused_by) of an end, rebuilt from the tcp_state events so far."""
        beginning = ("CLOSED" if side == "client" else "LISTEN", "presumed", None, None)
        return self.ends.get((flow_id, side), beginning)

    def check_transition(self, event):
        flow_id, change = event["flow_id"], event["tcp_state"]
        number = event.get("pcap_cnt")
        side, who = change["endpoint"], f"the {change['endpoint']} of flow {flow_id}"
        state, certainty = self.told(flow_id, side)[:2]
        first = (flow_id, side) not in self.ends
        picked_up = first and change["inferred"] and change["from"] == change["to"]
        if first and not self.all_states:  # lines of a run whose earlier ones are elsewhere
            state, certainty = change["from"], None
        if change["from"] != state and not picked_up:
            yield f"{who} leaves {change['from']}, but was in {state}"
        elif (change["to"], change["certainty"]) == (state, certainty):
            yield f"{who} changes neither its state nor its certainty"
        if "caused_by" in change and number is not None and change["caused_by"] > number:
            yield f"{who} was brought into {change['to']} by a packet after {number}"
        if number is not None and number < self.told_until.get(flow_id, 0):
            yield f"{who} changes at packet {number}, told after {self.told_until[flow_id]}"
        if change.get("previous_flow_id", 0) >= flow_id:
            yield "tcp_state.previous_flow_id is not before flow_id"
        if flow_id in self.recorded:
            yield f"{who} changes after the flow's last record"
        proof = None if change["cause"] == "timeout" else number
        self.ends[flow_id, side] = (change["to"], change["certainty"], proof, change.get("caused_by"))
        self.told_until[flow_id] = max(number or 0, self.told_until.get(flow_id, 0))

    def check_record(self, event):
        if event["flow_id"] in self.recorded:
            yield f"flow {event['flow_id']} has a record after its last one"
        if event["witness"]["end_reason"] != "interim":
            self.recorded.add(event["flow_id"])
        if not self.all_states and event["flow_id"] not in self.told_until:
            return
        for side in ("client", "server"):
            end = event["witness"][side]
            recorded = (end["state"], end["certainty"], end.get("state_pcap_cnt"), end.get("caused_by"))
            told = self.told(event["flow_id"], side)
            if recorded != told:
                yield f"the record says of the {side} {recorded}, the tcp_state events {told}"

    def check_summary(self, summary):
        self.ended = True
        if self.alarms and summary["alerts"]["raised"] != self.n_raised:
            yield f"summary.alerts.raised is {summary['alerts']['raised']}, but {self.n_raised} were raised"
        n_open = sum(alarm["phase"] != "cleared" for alarm in self.alarms.values())
        if self.alarms and summary["alerts"]["open"] != n_open:
            yield f"summary.alerts.open is {summary['alerts']['open']}, but {n_open} were not cleared"

    def check(self, event):
        kind = event["event_type"]
        if self.ended:
            yield "an event after the summary"
        if kind == "alert":
            yield from check_detection(event)
            yield from self.check_alarm(event)
        elif kind == "flow":
            yield from check_flow(event)
            yield from self.check_record(event)
        elif kind == "tcp_state":
            yield from self.check_transition(event)
        elif kind == "summary":
            yield from self.check_summary(event["summary"])
        yield from check_ends(event)


def check_line(line, validators, run, hold_to_schema):
    if not line.endswith(b"\n"):
        yield "the line has no end"
    text = line.rstrip(b"\n").decode("utf-8")
    if CONTROL.search(text):
        yield "a raw control character"
    event = json.loads(text, object_pairs_hook=unique_keys)
    validator = validators.get(event.get("event_type")) if isinstance(event, dict) else None
    if validator is None:
        yield "no event_type that is known"
        return
    errors = validator.iter_errors(event) if hold_to_schema else ()
    errors = sorted(errors, key=lambda error: list(map(str, error.absolute_path)))
    for error in errors:
        yield f"{'.'.join(map(str, error.absolute_path)) or 'event'}: {error.message}"
    if not errors:
        yield from run.check(event)


def check_file(name, file, validators, all_states=False, max_schema_lines=math.inf):
    """max_schema_lines: lines behind that many are held only against one another (the schema takes most of the time)."""
    run = Run(all_states)
    for number, line in enumerate(file, 1):
        try:
            for problem in check_line(line, validators, run, number <= max_schema_lines):
                yield f"{name}:{number}: {problem}"
        except ValueError as error:  # of JSON, of UTF-8, of an address
            yield f"{name}:{number}: {error}"


def main(names):
    all_states = names[:1] == ["--all-states"]
    names = names[all_states:]
    if not names:
        raise SystemExit(__doc__)
    validators = make_validators()
    n_problems = 0
    for name in names:
        file = sys.stdin.buffer if name == "-" else open(name, "rb")
        with file:
            for problem in check_file(name, file, validators, all_states):
                print(problem)
                n_problems += 1
                if n_problems == MAX_PROBLEMS:
                    print("more was not looked at")
                    raise SystemExit(1)
    raise SystemExit(1 if n_problems else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
