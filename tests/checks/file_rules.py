#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Rules for every text file: an SPDX line where code is, no trailing blanks, a newline at the end, tabs or spaces as
.editorconfig says, nothing left to be done, and nothing that is only true on one person's machine.
"""

import re

import tree

CODE = (".c", ".h", ".py", ".sh")
BINARY = (".pcap", ".pcapng", ".gz", ".zst", ".png", ".bin")
# Text that tests compare byte for byte, and seeds of fuzzers.
DATA_FOLDERS = ("tests/golden/", "tests/fuzz/corpus", "pcaps/")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|work|root|Users|mnt)/\w|(?<![\w/])~/\w")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK|W" r"IP)\b")


def is_code(path, text):
    return path.suffix in CODE or text.startswith("#!")


def problems_of(path, text):
    lines = text.split("\n")
    if is_code(path, text) and "SPDX-License-Identifier: BSD-2-Clause" not in "\n".join(lines[:2]):
        yield "1: no SPDX line at the top"
    if text and lines[-1] != "":
        yield f"{len(lines)}: no newline at the end"
    for number, line in enumerate(lines, 1):
        if line != line.rstrip() and path.suffix != ".md":
            yield f"{number}: blanks at the end of the line"
        if path.suffix in (".c", ".h") and re.match(r"\t* {8}", line):
            yield f"{number}: spaces where a tab should be"
        if path.suffix in (".py", ".yaml", ".json") and line.startswith("\t"):
            yield f"{number}: a tab where spaces should be"
        if len(line.expandtabs(8)) > 120 and path.suffix in (".c", ".h"):
            yield f"{number}: longer than 120 columns"
        if MACHINE_PATH.search(line):
            yield f"{number}: a path of one machine"
        if UNFINISHED.search(line):
            yield f"{number}: unfinished work is not marked in files"


def main():
    problems, n_files = [], 0
    for path in tree.files():
        if path.suffix in BINARY or str(path).startswith(DATA_FOLDERS):
            continue
        try:
            text = tree.text(path)
        except UnicodeDecodeError:
            problems.append(f"{path}: not UTF-8")
            continue
        n_files += 1
        problems.extend(f"{path}:{problem}" for problem in problems_of(path, text))
    tree.finish("file rules", problems, n_files)


main()
