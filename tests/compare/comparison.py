# SPDX-License-Identifier: BSD-2-Clause
"""
What the comparisons with other tools share: the corpus and its truth files, our flow records of a capture, and the
list of the differences that are known and explained. Agreement outside of that list must be complete, and a line of it that is no
longer true fails as well.
"""

import collections
import concurrent.futures
import dataclasses
import datetime
import ipaddress
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77  # SKIP_RETURN_CODE in CMakeLists.txt
TIME_LIMIT_S = 120


def corpus():
    """The folder of the developers' captures; without it there is nothing to compare, and the test says so."""
    folder = pathlib.Path(os.environ.get("TCPWITNESS_CORPUS", ROOT / "../shared/corpus"))
    if not folder.is_dir():
        where = os.path.relpath(folder, ROOT)
        print(f"SKIPPED: there is no corpus at {where} ($TCPWITNESS_CORPUS names another)")
        sys.exit(SKIPPED)
    return folder


def truth(folder, tool):
    with open(folder / "truth" / f"{tool}.jsonl", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def events(binary, capture, wanted="flow", options=()):
    """Our events of a capture, in the order of their packets' flows."""
    run = subprocess.run(
        [binary, "-q", "-r", str(capture), "--events", wanted, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def events_of_all(binary, folder, names, wanted="flow", options=()):
    """{capture's name: its events}, read side by side."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda name: events(binary, folder / name, wanted, options), names)
        return dict(zip(names, results))


def end(address, port):
    """One end as text: the same for every way to write an IPv6 address."""
    ip = ipaddress.ip_address(address)
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"


def seconds(timestamp):
    """An event's time as tshark's truth has it."""
    return datetime.datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


def tuple_of(flow):
    """A connection's ends, the same whichever is taken for the client."""
    return tuple(sorted((end(flow["src_ip"], flow["src_port"]), end(flow["dest_ip"], flow["dest_port"]))))


def by_tuple(flows):
    """{tuple: its flows, oldest first}, each once: not the records of what goes on."""
    found = collections.defaultdict(list)
    for flow in sorted(flows, key=lambda f: (f["flow"]["start"], f["flow_id"])):
        if flow["witness"]["end_reason"] != "interim":
            found[tuple_of(flow)].append(flow)
    return found


@dataclasses.dataclass
class KnownLine:
    number: int
    ours: str
    theirs: str
    reason: str
    used: bool = False


class Differences:
    """
    Compares values, and holds those that differ against the list: `file connection what ours theirs reason`. A reason
    that begins with BUG says that we are wrong and know it; the test counts and prints those.
    """

    def __init__(self, path):
        self.path = path
        self.known = {}
        self.agreed = 0
        self.problems = []
        self.unlisted = []
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip() and not line.startswith("#"):
                    self._add(number, line.split(None, 5))

    def _add(self, number, fields):
        if len(fields) < 6:
            self.problems.append(f"{self.path.name}:{number}: a field is missing, or the reason")
        elif tuple(fields[:3]) in self.known:
            self.problems.append(f"{self.path.name}:{number}: {' '.join(fields[:3])} is listed twice")
        else:
            self.known[tuple(fields[:3])] = KnownLine(number, *fields[3:5], fields[5].strip())

    def compare(self, capture, connection, what, ours, theirs):
        """Returns nothing; what differs and is not listed is a problem."""
        ours, theirs = (str(value) if str(value) else "-" for value in (ours, theirs))
        line = self.known.get((capture, connection, what))
        if ours == theirs:
            self.agreed += 1
        elif line and (line.ours, line.theirs) == (ours, theirs):
            line.used = True
        else:
            self.unlisted.append((capture, connection, what, ours, theirs))

    def finish(self, title):
        """Prints the outcome and ends the process."""
        for key, line in self.known.items():
            if not line.used:
                self.problems.append(f"{self.path.name}:{line.number}: no longer true: {' '.join(key)}")
        self.problems += ["differs and is not listed: " + " ".join(fields) for fields in self.unlisted]
        bugs = [(key, line) for key, line in self.known.items() if line.reason.startswith("BUG")]
        explained = len(self.known) - len(bugs)
        print(f"{title}: {self.agreed} values agree, {explained} differ and are explained, {len(bugs)} are known bugs")
        for key, line in bugs:
            print(f"  {' '.join(key)}: ours {line.ours}, theirs {line.theirs}: {line.reason}")
        for problem in self.problems:
            print(problem)
        if self.agreed == 0:
            print("nothing was compared")
        sys.exit(1 if self.problems or self.agreed == 0 else 0)
