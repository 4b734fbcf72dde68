#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""No function is longer than 100 lines, main no longer than 80; those above 60 are named, as a hint."""

import json
import subprocess

import tree

SOFT, HARD, HARD_MAIN = 60, 100, 80


def main():
    sources = [str(p) for p in tree.files("src", "include", "tests", suffixes=[".c", ".h"])]
    ctags = [tree.need("ctags"), "--languages=C", "--map-C=+.h", "--kinds-C=f", "--fields=+ne", "--output-format=json", "-f", "-"]
    output = subprocess.run(ctags + sources, cwd=tree.ROOT, check=True, capture_output=True, text=True).stdout
    problems, n_functions = [], 0
    for line in output.splitlines():
        tag = json.loads(line)
        if "end" not in tag:
            continue
        n_functions += 1
        length = tag["end"] - tag["line"] + 1
        where = f"{tag['path']}:{tag['line']}: {tag['name']} has {length} lines"
        if length > (HARD_MAIN if tag["path"] == "src/main.c" else HARD):
            problems.append(where)
        elif length > SOFT:
            print(f"hint: {where}")
    tree.finish("function length", problems, n_functions)


main()
