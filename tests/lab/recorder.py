# SPDX-License-Identifier: BSD-2-Clause
"""Runs scenarios, checks what the tap saw, and writes captures, truth and the table of pcaps/README.md."""

import argparse
import concurrent.futures
import glob
import importlib
import json
import os
import re
import subprocess
import sys
import time

from .laboratory import SCENARIOS, Lab, Seen, root_needed, shape_of
from .pcapfile import PcapWriter
from .segment import Segment

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PCAPS = os.path.join(REPOSITORY, "pcaps")
README_MARK = "<!-- The table below is written by tests/lab/record. -->"


def load_scenarios():
    folder = os.path.dirname(os.path.abspath(__file__))
    for path in sorted(glob.glob(os.path.join(folder, "scenarios_*.py"))):
        importlib.import_module(f".{os.path.basename(path)[:-3]}", __package__)
    return SCENARIOS


def check(spec, segments):
    """Raises AssertionError when the recording is not what the scenario says."""
    seen = Seen(segments)
    shapes = (spec.shape,) if isinstance(spec.shape, str) else spec.shape
    if shapes is not None and seen.shape not in shapes:
        expected = "\n        or  ".join(shapes)
        raise AssertionError(f"expected  {expected}\n  recorded  {seen.shape}")
    if spec.check is not None:
        spec.check(seen)


def record_live(spec):
    with Lab(spec) as lab:
        try:
            spec.run(lab)
            if lab.final is None:
                lab.finish()
            check(spec, lab.path.seen)
        except BaseException:
            print(f"{spec.name}: the tap saw  {shape_of(lab.path.seen[:100])}", file=sys.stderr)
            raise
        save(spec, lab.tap, lab.truth(), lab.notes)


def record_derived(spec):
    """From the source's recording, as this module wrote it."""
    source = SCENARIOS[spec.source]
    with open(os.path.join(PCAPS, source.name + ".json")) as file:
        provenance = json.load(file)
    frames = list(raw_frames(source))
    tap = PcapWriter(spec.link, spec.snaplen, spec.nanoseconds)
    tap.frames = list(spec.run(frames))
    check(spec, [Segment(raw, from_client, when) for when, raw, from_client in tap.frames])
    save(spec, tap, provenance["truth"], provenance["notes"])


def raw_frames(spec):
    """(time_ns, raw IP packet, from_client) of a recording."""
    from .pcapfile import read_frames
    link_bytes = {"raw": 0, "ethernet": 14}.get(spec.link, 18)
    client = {end["client"]["ip"] for end in read_truth(spec).get("connections", [])}
    for when, frame, _ in read_frames(os.path.join(PCAPS, spec.name + spec.suffix)):
        raw = frame[link_bytes:]
        yield when, raw, Segment(raw).src in client


def read_truth(spec):
    with open(os.path.join(PCAPS, spec.name + ".json")) as file:
        return json.load(file)["truth"]


def save(spec, tap, truth, notes):
    os.makedirs(PCAPS, exist_ok=True)
    path = os.path.join(PCAPS, spec.name + spec.suffix)
    tap.save(path)
    provenance = {"scenario": spec.name, "capture": spec.name + spec.suffix, "description": spec.description,
                  "link": spec.link, "snaplen": spec.snaplen, "packets": len(tap.frames),
                  "kernel": f"Linux {os.uname().release}", "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
                  "notes": notes, "truth": truth}
    if spec.source:
        provenance["derived_from"] = spec.source
    with open(os.path.join(PCAPS, spec.name + ".json"), "w") as file:
        file.write(compact_json(provenance) + "\n")


def record_one(name):
    """In this process, which should be the scenario's own."""
    spec = SCENARIOS[name]
    (record_derived if spec.source else record_live)(spec)


def compact_json(value):
    """Indented, with the innermost lists and objects on one line each."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: "[" + re.sub(r"\s*\n\s*", " ", found[0][1:-1]).strip() + "]", text)


def run_one(name):
    """record_one in a process of its own. Returns (name, seconds, what went wrong or "")."""
    began = time.monotonic()
    done = subprocess.run((sys.executable, "-B", os.path.join(os.path.dirname(os.path.abspath(__file__)), "record"),
                           "--here", name), capture_output=True, text=True)
    return name, time.monotonic() - began, done.stderr if done.returncode else ""


def record(names, jobs):
    """Records all, those that last longest first, derived ones last. Returns the names that failed."""
    failed = []
    for batch in ([n for n in names if not SCENARIOS[n].source], [n for n in names if SCENARIOS[n].source]):
        batch.sort(key=lambda name: -SCENARIOS[name].seconds)
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for done in concurrent.futures.as_completed([pool.submit(run_one, name) for name in batch]):
                name, seconds, failure = done.result()
                print(f"{'FAILED' if failure else 'ok':6} {name} ({seconds:.1f} s)", flush=True)
                if failure:
                    failed.append(name)
                    print(failure, file=sys.stderr, flush=True)
    return failed


def write_readme():
    path = os.path.join(PCAPS, "README.md")
    with open(path) as file:
        head = file.read().split(README_MARK)[0]
    rows = ["| capture | what | packets | bytes | link | kernel | recorded |",
            "| --- | --- | --: | --: | --- | --- | --- |"]
    for name in sorted(SCENARIOS):
        try:
            with open(os.path.join(PCAPS, name + ".json")) as file:
                entry = json.load(file)
            size = os.path.getsize(os.path.join(PCAPS, entry["capture"]))
        except FileNotFoundError:
            continue
        rows.append(f"| {entry['capture']} | {entry['description']} | {entry['packets']} | {size} | {entry['link']} | "
                    f"{entry['kernel']} | {entry['recorded']} |")
    with open(path, "w") as file:
        file.write(head + README_MARK + "\n\n" + "\n".join(rows) + "\n")


def main(argv=None):
    scenarios = load_scenarios()
    longest = max(spec.seconds for spec in scenarios.values())
    parser = argparse.ArgumentParser(description="Records the captures of pcaps/ from real Linux sockets in "
                                     "namespaces. Needs root. All of them together take about "
                                     f"{longest + 30:.0f} seconds.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios to record (default: all)")
    parser.add_argument("--list", action="store_true", help="list the scenarios and how long each takes")
    parser.add_argument("--readme", action="store_true", help="only write the table of pcaps/README.md anew")
    parser.add_argument("--jobs", type=int, default=6, help="scenarios at a time (default %(default)s)")
    parser.add_argument("--here", action="store_true", help="in this process, one after another")
    options = parser.parse_args(argv)
    if options.list:
        for spec in sorted(scenarios.values(), key=lambda spec: spec.number):
            print(f"{spec.number:4} {spec.name:34} {spec.seconds:5.0f} s  {spec.description}")
        return 0
    unknown = [name for name in options.names if name not in scenarios]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)} (see --list)")
    if options.here:
        root_needed()
        for name in options.names:
            record_one(name)
        return 0
    failed = []
    if not options.readme:
        root_needed()
        failed = record(options.names or list(scenarios), options.jobs)
    write_readme()
    if failed:
        print(f"{len(failed)} failed: {' '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0
