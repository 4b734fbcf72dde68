#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""shellcheck over every shell script."""

import subprocess

import tree


def is_shell(path):
    with open(tree.ROOT / path, "rb") as file:
        first = file.readline()
    return path.suffix == ".sh" or (first.startswith(b"#!") and first.rstrip().endswith((b"bash", b"/sh")))


def main():
    tool = tree.need("shellcheck")
    scripts = [str(p) for p in tree.files() if is_shell(p)]
    # SC2317 takes functions that are called through another one for dead code.
    result = subprocess.run([tool, "-e", "SC2317", "-f", "gcc", *scripts],
                            cwd=tree.ROOT, stdout=subprocess.PIPE, text=True, check=False)
    tree.finish("shell scripts", result.stdout.splitlines(), len(scripts))


main()
