#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The kernel differential test: what tcpwitness says of both ends of many connections at a time, against what two real kernels say.
See README.md in this folder.
Usage: run.py BINARY RELAY [--full] [--keep FOLDER] [--seed N]
"""

import argparse
import concurrent.futures
import fcntl
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

sys.dont_write_bytecode = True

from experiment import PORTS_OF_A_RUN, Settings  # pylint: disable=wrong-import-position
from score import Score, score_run  # pylint: disable=wrong-import-position

TUN = "/dev/net/tun"
SKIPPED = 77
CHANCE = 0.001  # that a short run fails although the figure holds


@dataclass
class Condition:
    """name, probabilities for each segment, and the least share of agreement in snapshots and paths."""
    name: str
    path: dict
    least: float


CONDITIONS = [
    Condition("clean", {}, 1.0),
    Condition("2 % + 2 %", {"lost_before": 0.02, "lost_behind": 0.02}, 0.998),
    Condition("5 % + 5 %, 2 % twice, 5 % late",
              {"lost_before": 0.05, "lost_behind": 0.05, "duplicated": 0.02, "reordered": 0.05}, 0.99),
]
LEAST_PROVED = 0.8
# What a tap missed may have been the one segment that denies all before it. Of the lives that were compared.
MOST_WRONG_THROUGH_POORER_TAP = 0.005
# Of what the path dropped. Before the tap some losses leave no trace (README.md).
LOSSES_PLACED = {"before": (0.65, 1.05), "after": (0.95, 1.08)}
DELAYS_US = [(700, 3000), (200, 400), (9000, 15000), (3000, 500)]


def plan(options):
    """(condition, Settings) of all runs."""
    seeds = 6 if options.full else 1
    runs = []
    # The tracepoint tells of all namespaces: another test at the same time must not use the same ports.
    first_port = 10000 + os.getpid() % 30 * 600
    for condition in CONDITIONS:
        for ip in (4, 6):
            for i in range(seeds):
                number = len(runs)
                near_us, far_us = DELAYS_US[i % len(DELAYS_US)]
                runs.append((condition, Settings(
                    condition.name, options.seed + number, ip, first_port + number * 2 * PORTS_OF_A_RUN,
                    250 if options.full else 120, near_us=near_us, far_us=far_us,
                    linear_syn_timeouts=4 if number % 2 else 0, **condition.path)))
    return runs


def make_run(settings, folder, options):
    """In a process of its own: threads and sockets of one run must not wait for those of another."""
    os.makedirs(folder)
    code = f"import experiment; experiment.run(experiment.{settings!r}, {folder!r}, {options.relay!r})"
    done = subprocess.run((sys.executable, "-B", "-c", code), cwd=os.path.dirname(os.path.abspath(__file__)),
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"run {settings}: {done.stderr}")
    with open(os.path.join(folder, "truth.json")) as file:
        return score_run(options.binary, folder, json.load(file))


def most_by_chance(count, share):
    """The number of failures among count, each with probability 1 - share, that is exceeded with probability CHANCE."""
    mean = count * (1 - share)
    term = total = math.exp(-mean)
    most = 0
    while total < 1 - CHANCE:
        most += 1
        term *= mean / most
        total += term
    return most


def complaints(condition, score, full):
    """What is not as it must be. A short run may miss a figure by what chance explains, the full one may not."""
    for what, part, whole in (("snapshots", "instants_agree", "instants"), ("paths", "paths_agree", "paths")):
        wrong = score.counted[whole] - score.counted[part]
        allowed = score.counted[whole] * (1 - condition.least)
        if wrong > (allowed if full else most_by_chance(score.counted[whole], condition.least)):
            yield f"{condition.name}: {what}: {wrong} of {score.counted[whole]} disagree"
    if score.counted["instants"] == 0 or score.counted["paths"] == 0:
        yield f"{condition.name}: nothing was compared"
    if score.share("instants_proved", "instants") < (LEAST_PROVED if full else LEAST_PROVED - 0.05):
        yield f"{condition.name}: only {score.share('instants_proved', 'instants'):.1%} of the instants are proved"
    if score.wrong_proved:
        yield f"{condition.name}: {len(score.wrong_proved)} times proved, and wrong"
    for place, (least, most) in LOSSES_PLACED.items():
        ours, theirs = score.losses[place]
        spread = 3 * math.sqrt(theirs)
        if not least * theirs - spread <= ours <= most * theirs + spread:
            yield f"{condition.name}: lost {place} the tap: {ours}, and {theirs} were"


def print_score(name, score, losses=True):
    line = f"{name:32} snapshots {score.share('instants_agree', 'instants'):8.3%} of {score.counted['instants']:6}, " \
           f"proved {score.share('instants_proved', 'instants'):6.1%}, paths {score.share('paths_agree', 'paths'):8.3%} of " \
           f"{score.counted['paths']:5}, wrong while proved {len(score.wrong_proved)}"
    if losses:
        line += "".join(f", lost {place} the tap {ours}/{theirs}" for place, (ours, theirs) in score.losses.items())
    print(line, flush=True)


def collect(options, folder):
    """{name of a condition: Score}, {(condition, view): Score}"""
    totals, of_views = {}, {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        pending = {pool.submit(make_run, settings, os.path.join(folder, str(number)), options): (condition, settings)
                   for number, (condition, settings) in enumerate(plan(options))}
        for done in concurrent.futures.as_completed(pending):
            condition, settings = pending[done]
            score, views = done.result()
            print_score(f"{condition.name}, IPv{settings.ip}", score)
            totals.setdefault(condition.name, Score()).add(score)
            for view, seen in views.items():
                of_views.setdefault((condition.name, view), Score()).add(seen)
    return totals, of_views


def report(options, totals, of_views):
    problems = []
    print("\nAll runs:")
    for condition in CONDITIONS:
        score = totals[condition.name]
        print_score(condition.name, score)
        left_out = ", ".join(f"{kind} {reason} {count}" for (kind, reason), count in sorted(score.left_out.items()))
        print(f"    left out: {left_out or 'nothing'}")
        problems += complaints(condition, score, options.full)
    print("\nThe same, seen by poorer taps (only what is proved is judged):")
    for (condition, view), score in sorted(of_views.items()):
        print_score(f"{condition}: {view}", score, losses=False)
        if len(score.wrong_proved) > MOST_WRONG_THROUGH_POORER_TAP * score.counted["paths"]:
            problems.append(f"{condition}: {view}: {len(score.wrong_proved)} times proved, and wrong")
    print()
    for score in totals.values():
        for line in score.differences:
            print(f"differs: {line}")
    for score in (*totals.values(), *of_views.values()):
        for line in score.wrong_proved:
            print(f"WRONG WHILE PROVED: {line}")
    for problem in problems:
        print(f"FAILED {problem}")
    return 1 if problems else 0


def wait_for_turn():
    """The tracepoint tells of all sockets of the machine: two tests at a time would take each other's for their own.
    The lock lasts as long as this process."""
    device = os.open(TUN, os.O_RDONLY)
    try:
        fcntl.flock(device, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another kernel test runs on this machine: waiting for its end", file=sys.stderr, flush=True)
        fcntl.flock(device, fcntl.LOCK_EX)


def main():
    parser = argparse.ArgumentParser(description="Compares tcpwitness with two kernels.")
    parser.add_argument("binary", type=os.path.abspath, help="the tcpwitness program")
    parser.add_argument("relay", type=os.path.abspath, help="the relay program")
    parser.add_argument("--full", action="store_true", help="many seeds, and the figures exactly (some ten minutes)")
    parser.add_argument("--keep", metavar="FOLDER", help="leave captures, journals and truth there")
    parser.add_argument("--seed", type=int, default=1, help="of the first run (default 1)")
    parser.add_argument("--jobs", type=int, default=3, help="runs at a time (default 3)")
    options = parser.parse_args()
    if os.geteuid() != 0 or not os.path.exists(TUN):
        print("SKIPPED: network namespaces and TUN devices need root: the states are NOT compared with a kernel's")
        return SKIPPED
    wait_for_turn()
    folder = options.keep or tempfile.mkdtemp(prefix="tcpwitness-kernel-")
    try:
        return report(options, *collect(options, folder))
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
