#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every detector has a section in tcpwitness-rules(5), with each of its parameters and their defaults."""

import re

import tree

ROW = re.compile(r'\{ "(\w+)", RULE_PARAM_(\w+), offsetof\([^)]*\), [\d.e]+, [\d.e]+, ([\d.e]+),')


def default_text(kind, number):
    if kind == "FLAG":
        return "true" if number else "false"
    if kind == "DURATION":
        if number >= 60 and number % 60 == 0:
            return f"{number / 60:g}m"
        return f"{number:g}s" if number >= 1 else f"{number * 1000:g}ms"
    return f"{number:g}/s" if kind == "RATE" else f"{number:g}"


def main():
    sections = dict(re.findall(r"^\.Ss (\w+)\n(.*?)(?=^\.S[sh] )", tree.text("doc/tcpwitness-rules.5"), re.M | re.S))
    detectors = re.findall(r"&detector_(\w+),", tree.text("src/detect/detectors.c"))
    problems, n_rows = [], 0
    for detector in detectors:
        section = sections.get(detector, "")
        rows = ROW.findall(tree.text(f"src/detect/{detector}.c"))
        n_rows += len(rows)
        if not section:
            problems.append(f"doc/tcpwitness-rules.5: no section '.Ss {detector}'")
        for name, kind, default in rows:
            entry = f".It Cm {name} : No {default_text(kind, float(default))}\n"
            if section and entry not in section:
                problems.append(f"doc/tcpwitness-rules.5: {detector}: no entry '{entry.strip()}'")
    tree.finish("documented rules", problems, n_rows)


main()
