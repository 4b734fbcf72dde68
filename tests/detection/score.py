#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compares alarms with the truth of a simulated network.

score.py TRUTH ALARMS   prints what was found, missed and false; README.md says what counts as right.
"""
import bisect
import datetime
import ipaddress
import json
import math
import sys

LATE_S = 5.0


def seconds(stamp):
    return datetime.datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


class Event:
    """One thing that was done: an attack, a mishap, or a crowd that means well."""

    def __init__(self, line):
        self.name = line["scenario"]
        self.accept = line["accepted"]
        self.key = line["key"]
        self.start = line["start"]
        self.end = line["end"]
        self.parameters = line["parameters"]
        # No alarm but the accepted may be raised for it, and none has to be.
        self.benign = bool(self.parameters.get("informational"))
        self.right = []  # alarms, by time
        self.other = []  # alarms on the same target that are of another name, or late

    @property
    def is_found(self):
        return bool(self.right)

    @property
    def delay(self):
        return self.right[0].told(self) - self.start if self.right else None


class Truth:
    """All lines that the simulator wrote beside a capture."""

    def __init__(self, lines):
        self.events, self.half_open = [], []
        self.victim = self.opener = None
        self.days = 0.0
        for text in lines:
            line = json.loads(text)
            if line["truth"] == "attack":
                self.events.append(Event(line))
            elif line["truth"] == "half_open":
                self.half_open.append((line["time"], line["value"]))
            elif line["truth"] == "victim":
                self.victim = line
            elif line["truth"] == "clean":
                self.days = line["days"]
            elif line["truth"] == "opener":
                self.opener = line


class Alarm:
    """One alarm with all that was said of it."""

    def __init__(self, event):
        detection = event["detection"]
        self.id = detection["alert_id"]
        self.target = detection["target"]
        self.raised = seconds(event["timestamp"])
        self.detector = detection["detector"]
        self.severity = event["alert"]["severity"]
        self.said = [(self.raised, event)]
        self.cleared = None
        self.event = None

    def add(self, event):
        self.said.append((seconds(event["timestamp"]), event))
        if event["detection"]["phase"] == "cleared" and event["detection"].get("clear_reason") != "shutdown":
            self.cleared = self.said[-1][0]
        elif event["detection"]["phase"] == "update":
            self.cleared = None

    def is_of_itself(self):
        """That it had not room for all connections the program knows better than the simulator."""
        visibility = self.said[0][1]["detection"]["visibility"]
        return self.detector == "sensor_health" and bool(visibility["flows_evicted"] + visibility["flows_refused"])

    def last_class(self, until=math.inf):
        """What it was called last, of what was said until then."""
        said = [event for time, event in self.said if time <= until] or [self.said[0][1]]
        return said[-1]["detection"]["detector"]

    def told(self, event):
        """When it said rightly what event is: when it was raised, or, of an older one, by another class; None = never."""
        last = event.end + LATE_S
        if event.start <= self.raised <= last:
            return self.raised if {said["detection"]["detector"] for _, said in self.said} & set(event.accept) else None
        if self.raised > last or self.last_class(event.start) in event.accept:
            return None
        times = (time for time, said in self.said
                 if event.start <= time <= last and said["detection"]["detector"] in event.accept)
        return next(times, None)


def read_alarms(lines):
    """Every raised alarm in order; a reopened one continues what it was."""
    alarms, by_id = [], {}
    for text in lines:
        event = json.loads(text)
        if event.get("event_type") != "alert":
            continue
        detection = event["detection"]
        known = by_id.get(detection["alert_id"])
        if known is None:
            by_id[detection["alert_id"]] = Alarm(event)
            alarms.append(by_id[detection["alert_id"]])
        else:
            known.add(event)
            if detection["phase"] == "raised":
                known.cleared = None
    return alarms


def network(key):
    return ipaddress.ip_network(key.get("prefix") or key["ip"])


def covers(target, key):
    """The alarm's target is the event's, or holds it; a pair has to be the same pair, a source the same source."""
    if not key:
        return not target.get("ip") and not target.get("prefix")  # the sensor itself
    if not target.get("ip") and not target.get("prefix"):
        return False
    if key.get("role") != target.get("role"):
        return False
    if "client" in key and "client" in target and key["client"] != target["client"]:
        return False
    ours, theirs = network(key), network(target)
    if ours.version != theirs.version or not ours.subnet_of(theirs):
        return False
    return "port" not in target or "port" not in key or target["port"] == key["port"]


def is_near(target, key):
    """On the same host or prefix, whatever the role: one trouble and its shadow."""
    if not key or ("ip" not in target and "prefix" not in target):
        return False
    ours, theirs = network(key), network(target)
    return ours.version == theirs.version and (ours.subnet_of(theirs) or theirs.subnet_of(ours))


def match(events, alarms):
    """Gives each alarm to an event; returns those that belong to none."""
    false = []
    for alarm in alarms:
        if not assign(events, alarm) and not alarm.is_of_itself():
            false.append(alarm)
    return false


def assign(events, alarm):
    # The nearest event first: of two that accept it, the one that began last.
    for event in sorted(events, key=lambda event: -event.start):
        if covers(alarm.target, event.key) and alarm.told(event) is not None:
            event.right.append(alarm)
            alarm.event = event
            return True
    for event in sorted(events, key=lambda event: -event.start):
        lately = event.start <= alarm.raised <= event.end + 70
        if lately and is_near(alarm.target, event.key):
            event.other.append(alarm)
            alarm.event = event
            return True
    return False


def at(series, time):
    """The last value of a series of (time, value) before time; None before the first."""
    i = bisect.bisect_right(series, (time, math.inf))
    return series[i - 1][1] if i else None


def quantile(values, share):
    """The value that so large a share does not exceed; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def poisson_bound(n):
    """The rate that, with 95 %, is not exceeded when n were counted: the chi-squared bound, by bisection."""
    low, high = 0.0, 3.0 + 3.0 * n + 10
    for _ in range(100):
        middle = (low + high) / 2
        below = sum(math.exp(-middle + i * math.log(middle) - math.lgamma(i + 1)) for i in range(n + 1))
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return high


def text_of(alarm, until=0.0):
    """What it was called when it was raised, or until then."""
    where = " ".join(f"{k}={v}" for k, v in alarm.target.items())
    severity = min([event["alert"]["severity"] for time, event in alarm.said if time <= until] + [alarm.severity])
    return f"{alarm.last_class(until)} (severity {severity}) on {where or 'the sensor'}"


def main(argv):
    if len(argv) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    with open(argv[1], encoding="utf-8") as file:
        truth = Truth(file)
    with open(argv[2], encoding="utf-8") as file:
        alarms = read_alarms(file)
    false = match(truth.events, alarms)
    missed = 0
    for event in truth.events:
        where = " ".join(f"{k}={v}" for k, v in event.key.items())
        print(f"{event.name} on {where or 'the sensor'}, {event.end - event.start:.0f} s:")
        for alarm in event.right:
            cleared = "open at the end" if alarm.cleared is None else f"cleared {alarm.cleared - event.end:+.2f} s"
            print(f"  found after {alarm.told(event) - event.start:.3f} s as {text_of(alarm, event.end)}, {cleared}")
        for alarm in event.other:
            print(f"  BESIDE IT after {alarm.raised - event.start:.3f} s: {text_of(alarm)}")
        if not event.right and not event.benign:
            print("  MISSED")
            missed += 1
    for alarm in false:
        print(f"NO SUCH THING: {text_of(alarm)} at {alarm.said[0][1]['timestamp']}")
    return 1 if missed or false else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
