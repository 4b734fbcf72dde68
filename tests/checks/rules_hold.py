#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
What rules say for some addresses and times holds for the alarms of captures, whatever these are: allow lists, quiet
hours, overrides. Each capture is read once without rules of ours, and then with rules made from the alarms that it gave.

usage: rules_hold.py BINARY
"""

import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

import tree

CAPTURES = ("syn_flood_no_cookies.pcap.zst", "port_scan.pcap.gz", "time_wait_exhaustion.pcap.zst")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERYBODY = '[ 0.0.0.0/0, "::/0" ]'


class Sensor:
    def __init__(self, binary, capture, folder):
        self.command = [str(pathlib.Path(binary).resolve()), "-r", str(tree.ROOT / "pcaps" / capture)]
        self.rules = pathlib.Path(folder) / "rules.yaml"
        self.detectors = [path.stem for path in sorted((tree.ROOT / "rules").glob("*.yaml"))]

    def alerts(self, rule=None):
        """The alarm events, and how many alarms were silenced; rule is what all detectors' rules hold."""
        command = [*self.command, "--events", "alert,stats"]
        if rule is not None:
            documents = [f"detector: {detector}\n{rule}\n" for detector in self.detectors]
            self.rules.write_text("---\n".join(documents), encoding="utf-8")
            command += ["--rules", str(self.rules)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: {run.stderr}\n{rule}")
        events = [json.loads(line) for line in run.stdout.splitlines()]
        stats = [event["stats"]["detect"]["alarms_silenced"] for event in events if event["event_type"] == "stats"]
        return [event for event in events if event["event_type"] == "alert"], max(stats, default=0)


def about(alert):
    """Whom overrides name for this alarm: a client in trouble with a service, or the target; none for the sensor."""
    target = alert["detection"]["target"]
    return target.get("client") or target.get("ip")


def told(alerts):
    """What must not change where rules are about others."""
    return [(a["timestamp"], a["detection"]["phase"], a["detection"]["detector"], about(a)) for a in alerts]


def problems_of(sensor):
    plain, _ = sensor.alerts()
    raised = [a for a in plain if a["detection"]["phase"] == "raised" and about(a)]
    if not raised:
        yield "gives no alarm"
        return
    address = about(raised[0])
    first = datetime.datetime.fromisoformat(raised[0]["timestamp"][:19] + "+00:00")
    today, tomorrow = DAYS[first.weekday()], DAYS[(first.weekday() + 2) % 7]

    def expect(what, rule, holds):
        alerts, silenced = sensor.alerts(rule)
        if not holds([a for a in alerts if about(a)], silenced):
            yield f"{what}: {told(alerts)}, {silenced} silenced, with\n{rule}"

    yield from expect("everybody is allowed", f"allow: {{ targets: {EVERYBODY}, sources: {EVERYBODY} }}",
                      lambda alerts, silenced: not alerts and silenced > 0)
    yield from expect("it is quiet today", f"quiet: [ {{ days: {today} }} ]",
                      lambda alerts, silenced: not alerts and silenced > 0)
    yield from expect("it is quiet another day", f"quiet: [ {{ days: {tomorrow} }} ]",
                      lambda alerts, silenced: told(alerts) == told(a for a in plain if about(a)) and silenced == 0)
    yield from expect("another one is allowed", "allow: { targets: [ 240.0.0.1 ], sources: [ 240.0.0.1 ] }",
                      lambda alerts, silenced: told(alerts) == told(a for a in plain if about(a)) and silenced == 0)
    yield from expect("all is information", f"overrides: [ {{ prefix: {EVERYBODY}, severity: 3 }} ]",
                      lambda alerts, _: alerts and all(a["alert"]["severity"] == 3 for a in alerts))
    yield from expect("off for one", f'overrides: [ {{ address: "{address}", enabled: false }} ]',
                      lambda alerts, silenced: silenced > 0 and all(about(a) != address for a in alerts))
    yield from expect("on for one", f'enabled: false\noverrides: [ {{ address: "{address}", enabled: true }} ]',
                      lambda alerts, _: alerts and all(about(a) == address for a in alerts))


def main():
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for capture in CAPTURES:
            problems += [f"{capture}: {problem}" for problem in problems_of(Sensor(sys.argv[1], capture, folder))]
    tree.finish("rules that hold", problems, len(CAPTURES))


main()
