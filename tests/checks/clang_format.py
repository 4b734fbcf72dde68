#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every C file is as clang-format writes it."""

import subprocess

import tree


def main():
    tool = tree.need("clang-format")
    sources = [str(p) for p in tree.files("src", "include", "tests", suffixes=[".c", ".h"])]
    result = subprocess.run(
        [tool, "--dry-run", "--Werror", *sources], cwd=tree.ROOT, stderr=subprocess.PIPE, text=True, check=False
    )
    misshapen = sorted({line.split(":")[0] for line in result.stderr.splitlines() if ": error: " in line})
    problems = [f"{path}: run clang-format -i on it" for path in misshapen]
    if result.returncode and not problems:
        problems.append(result.stderr)
    tree.finish("clang-format", problems, len(sources))


main()
