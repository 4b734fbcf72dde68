# SPDX-License-Identifier: BSD-2-Clause
"""Simpler detectors on the same floods, crowds and days."""
import collections
import json
import subprocess

import score

NAMES = (("packets", "20,000 packets/s to a host, mean of 5 s"), ("syns", "700 SYNs to a host in 10 s"),
         ("syn_fin", "SYN-FIN CUSUM, periods of 20 s"), ("adaptive", "adaptive threshold, intervals of 10 s"))
TAGS = {"fast", "fifty", "five", "grid", "flash", "clean"}
LATE_S = 20  # their periods are long


def alarms(baselines, command):
    """[(name, time, ip or None)]."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as simulator:
        done = subprocess.run([baselines], stdin=simulator.stdout, stdout=subprocess.PIPE, check=True)
        simulator.stdout.close()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [(line["baseline"], line["time"], line.get("ip")) for line in lines]


class Tally:
    """What one of them found, by rate of the flood, and what it said of nothing."""

    def __init__(self):
        self.found = collections.Counter()
        self.asked = collections.Counter()
        self.delays = []
        self.crowds = self.false = self.before = 0
        self.days = 0.0


def bucket(case):
    rate = case.values.get("rate", 0)
    return "5" if rate <= 5 else "10 to 20" if rate <= 20 else "50 to 200" if rate <= 200 else ">= 500"


def count(tally, p, said):
    used = set()
    for event in p.events:
        if event.benign:
            tally.crowds += len(said)
            continue
        if event.name != "syn_flood":
            continue
        hits = [(time, ip) for time, ip in said if event.start <= time <= event.end + LATE_S and ip in (None, event.key["ip"])]
        used.update(hits)
        tally.asked[bucket(p.case)] += 1
        tally.found[bucket(p.case)] += bool(hits)
        tally.delays.append(hits[0][0] - event.start if hits else float("inf"))
        tally.before += len([time for time, _ in said if time < event.start])
    if "clean" in p.case.tags:
        tally.days += p.truth.days
        tally.false += len(said)


def table(results, ours):
    """results: [(played, alarms of all baselines)]; ours: what the program made of the same."""
    tallies = {name: Tally() for name, _ in NAMES}
    for p, said in results:
        for name, _ in NAMES:
            count(tallies[name], p, [(time, ip) for n, time, ip in said if n == name])
    own = Tally()
    for p in ours:
        count(own, p, [(a.raised, a.target.get("ip")) for e in p.events for a in e.right] +
              [(a.raised, a.target.get("ip")) for a in p.false if "clean" in p.case.tags])
        own.crowds -= sum(len(e.right) for e in p.events if e.benign)
        own.crowds += sum(len(e.other) for e in p.events if e.benign)
    buckets = ("5", "10 to 20", "50 to 200", ">= 500")
    lines = ["| detector | " + " | ".join(f"found at {b} SYN/s" for b in buckets) +
             " | median delay | alarms before the flood | alarms on flash crowds | false alarms per clean day |", "| --- |" + " --- |" * (len(buckets) + 4)]
    for text, tally in [("tcpwitness", own)] + [(text, tallies[name]) for name, text in NAMES]:
        shares = [f"{tally.found[b]} of {tally.asked[b]}" for b in buckets]
        median = score.quantile(tally.delays, 0.5)
        false = f"{tally.false / tally.days:.2f}" if tally.days else "-"
        lines.append(f"| {text} | " + " | ".join(shares) + f" | {'never' if median in (None, float('inf')) else f'{median:.1f} s'}"
                     f" | {tally.before} | {tally.crowds} | {false} |")
    return lines
