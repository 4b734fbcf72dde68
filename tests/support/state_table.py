#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The state table in ARCHITECTURE.md is the one in the code.

usage: state_table.py PRINT_STATE_TABLE ARCHITECTURE.md [--update]
"""
import subprocess
import sys

BEGIN = "<!-- state table begin -->"
END = "<!-- state table end -->"


def main():
    program, path = sys.argv[1:3]
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout.strip()
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if BEGIN not in text or END not in text:
        sys.exit(f"{path}: the markers '{BEGIN}' and '{END}' are missing")
    before, rest = text.split(BEGIN, 1)
    shown, after = rest.split(END, 1)
    if shown.strip() == printed:
        return
    if "--update" not in sys.argv[3:]:
        sys.exit(f"{path}: the state table differs from the code's; run this script again with --update")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{printed}\n{END}{after}")


if __name__ == "__main__":
    main()
