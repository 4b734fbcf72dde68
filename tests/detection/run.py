#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Plays cases to the program and compares its alarms with the truth; see README.md.

The exit status is 1 when a figure is missed that EXPECTED does not list.
"""
import argparse
import concurrent.futures
import fnmatch
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import cases
import compared
import figures
import report
import score

HERE = pathlib.Path(__file__).resolve().parent
# Whoever tunes sees the short set and single cases. So the whole set has seeds of its own.
FIRST_TUNING_SEED = 1
FIRST_TEST_SEED = 2001


def command_of(simulate, case, seed, truth):
    values = [f"{name}={value}" for name, value in case.values.items()]
    return [simulate, case.scenario, "--seed", str(seed), "--truth", truth, *values]


def play(arguments, case, seed):
    with tempfile.TemporaryDirectory(prefix="tcpwitness-detection-") as folder:
        truth_path = os.path.join(folder, "truth.jsonl")
        command = command_of(arguments.simulate, case, seed, truth_path)
        if arguments.verbose:
            print("$ " + " ".join(command) + f" | {arguments.tcpwitness} -r - -q --events alert", flush=True)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as simulator:
            witness = subprocess.run([arguments.tcpwitness, "-r", "-", "-q", "--events", "alert", "--rules", str(HERE.parent.parent / "rules")],
                                     stdin=simulator.stdout, stdout=subprocess.PIPE, check=False)
            simulator.stdout.close()
        if simulator.returncode != 0 or witness.returncode != 0:
            raise RuntimeError(f"{case.name} seed {seed}: exit {simulator.returncode}, {witness.returncode}: "
                               + " ".join(command))
        with open(truth_path, encoding="utf-8") as file:
            truth = score.Truth(file)
        return figures.Played(case, seed, truth, score.read_alarms(witness.stdout.decode().splitlines()))


def jobs_of(arguments):
    out = []
    for case in cases.all_cases(arguments.days):
        if arguments.only and not fnmatch.fnmatch(case.name, arguments.only):
            continue
        if not arguments.full and not arguments.only and not case.short:
            continue
        n = case.n_seeds if arguments.full else 1
        first = FIRST_TEST_SEED if arguments.full else FIRST_TUNING_SEED
        seeds = arguments.seeds or range(first, first + n)
        out += [(case, seed) for seed in seeds]
    # The longest first, or the last one keeps the others waiting.
    return sorted(out, key=lambda job: -float(job[0].values.get("hours", 0)) * 100 - float(job[0].values.get("seconds", 60)))


def read_expected():
    """{figure: reason} of those that are known to be missed."""
    expected = {}
    for line in (HERE / "EXPECTED").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition(" | ")
            expected[name.strip()] = reason.strip()
    return expected


def tell_case(p):
    for e in p.events:
        for a in e.right:
            cleared = "open at the end" if a.cleared is None else f"cleared {a.cleared - e.end:+.1f} s"
            print(f"{p.case.name} {p.seed}: found after {a.told(e) - e.start:.2f} s as {score.text_of(a, e.end)}, {cleared}")
        for a in e.other:
            print(f"{p.case.name} {p.seed}: BESIDE IT after {a.raised - e.start:.2f} s: {score.text_of(a)}")
        if not e.right and not e.benign:
            print(f"{p.case.name} {p.seed}: MISSED {e.name}")
    for a in p.false:
        print(f"{p.case.name} {p.seed}: NO SUCH THING: {score.text_of(a)} at {a.said[0][1]['timestamp']}")


def compare(arguments, played):
    """The simpler detectors' table: every case once, of the clean days one."""
    chosen = [p for p in played if p.seed in (FIRST_TEST_SEED, FIRST_TUNING_SEED) and p.case.tags & compared.TAGS]
    chosen = chosen or played
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        said = pool.map(lambda p: compared.alarms(arguments.baselines, command_of(arguments.simulate, p.case, p.seed, "/dev/null")),
                        chosen)
        return compared.table(list(zip(chosen, said)), chosen)


def table(results):
    lines = ["| figure | asked | measured | met | |", "| --- | --- | --- | --- | --- |"]
    for f in results:
        lines.append(f"| {f.name} | {f.asked} | {f.measured} | {'yes' if f.met else '**no**'} | {f.detail} |")
    return lines


def confusion_lines(played):
    lines = ["| what it was | what it was taken for, and how often |", "| --- | --- |"]
    rows = {}
    for (true, said), n in sorted(figures.confusion(played).items()):
        rows.setdefault(true, []).append(f"{said} {n}")
    return lines + [f"| {true} | {', '.join(said)} |" for true, said in rows.items()]


def seeds_of(text):
    out = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        out += range(int(first), int(last or first) + 1)
    return out


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tcpwitness")
    parser.add_argument("simulate")
    parser.add_argument("--full", action="store_true", help="everything, with all seeds: 20 minutes on two cores")
    parser.add_argument("--only", metavar="PATTERN", help="cases whose name matches, in full")
    parser.add_argument("--seeds", type=seeds_of, metavar="LIST", help="such as 1-5,8, instead of those for tests")
    parser.add_argument("--days", type=int, default=30, help="of clean traffic")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", metavar="FILE", help="write the tables as a document too")
    parser.add_argument("--baselines", metavar="PROGRAM", help="play the floods and the clean traffic to simpler detectors too")
    parser.add_argument("--verbose", "-v", action="store_true", help="show each case and its command")
    return parser.parse_args()


def main():
    arguments = parse()
    began = time.monotonic()
    played = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for result in pool.map(lambda job: play(arguments, *job), jobs_of(arguments)):
            played.append(result)
            if arguments.verbose or arguments.only:
                tell_case(result)
                sys.stdout.flush()
    results = figures.all_figures(played)
    wall_s = time.monotonic() - began
    expected = read_expected()
    failed = 0
    for f in results:
        state = "met" if f.met else "known to be missed" if f.name in expected else "MISSED"
        failed += state == "MISSED"
        print(f"{state}: {f.name}: {f.measured} (asked: {f.asked}) {f.detail}")
        if f.met and f.name in expected and not arguments.only:
            print("  EXPECTED lists it as missed: is it time to take that line out?")
    print(f"{len(results)} figures of {len(played)} captures in {wall_s:.0f} s: {failed} missed")
    baselines = compare(arguments, played) if arguments.baselines else []
    print("\n".join(baselines))
    if arguments.output:
        report.write(arguments.output, table(results), confusion_lines(played), baselines, played)
    return 1 if failed and not arguments.only else 0


if __name__ == "__main__":
    sys.exit(main())
