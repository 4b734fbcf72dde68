#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The program as installed below a prefix: all files are there, it runs from any folder, finds its rules, and reads a
capture. Usage: installed.py PREFIX
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import tree

FILES = (
    "bin/tcpwitness",
    "share/doc/tcpwitness/tcpwitness.yaml.example",
    "share/man/man1/tcpwitness.1",
    "share/man/man5/tcpwitness-events.5",
    "share/man/man5/tcpwitness-rules.5",
    "share/tcpwitness/events.schema.json",
)


def main():
    prefix = pathlib.Path(sys.argv[1]).resolve()
    problems = [f"{prefix / name} was not installed" for name in FILES if not (prefix / name).is_file()]
    n_rules = len(list(prefix.glob("share/tcpwitness/rules/*.yaml")))
    if n_rules != len(tree.files("rules", suffixes=[".yaml"])) or n_rules == 0:
        problems.append(f"{n_rules} rule files were installed")

    with tempfile.TemporaryDirectory() as folder:

        def run(*arguments):
            command = [prefix / "bin/tcpwitness", *arguments]
            return subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
            )

        example = str(prefix / "share/doc/tcpwitness/tcpwitness.yaml.example")
        for arguments in (["--version"], ["--help"], ["check"], ["check", "-c", example]):
            result = run(*arguments)
            if result.returncode != 0:
                problems.append(f"{arguments} ended with {result.returncode}: {result.stderr}")
        capture = tree.ROOT / tree.files("pcaps", suffixes=[".pcap", ".pcapng", ".zst", ".gz"])[0]
        result = run("-r", str(capture))
        events = [json.loads(line) for line in result.stdout.splitlines()]
        if result.returncode != 0 or not events or events[-1]["event_type"] != "summary":
            problems.append(f"reading {capture} ended with {result.returncode}: {result.stderr}")
    tree.finish("as installed", problems, len(FILES) + 5)


main()
