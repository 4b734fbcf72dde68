#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""mandoc finds nothing to say about the manual pages, and pages that they refer to as ours exist."""

import re
import subprocess

import tree

OURS = re.compile(r"^\.(?:Xr|Nm) (tcpwitness[\w-]*) (\d)", re.MULTILINE)


def main():
    mandoc = tree.need("mandoc")
    pages = tree.files("doc", suffixes=[".1", ".5", ".8"])
    problems = []
    for page in pages:
        # STYLE messages count too, but for those on pages that are not installed here and on our longer lines.
        result = subprocess.run(
            [mandoc, "-T", "lint", "-W", "style", str(page)], cwd=tree.ROOT, capture_output=True, text=True, check=False
        )
        problems.extend(
            line
            for line in result.stdout.splitlines()
            if "referenced manual not found" not in line and "line longer than 80 bytes" not in line
        )
        problems.extend(
            f"{page}: refers to {name}({section}), which does not exist"
            for name, section in OURS.findall(tree.text(page))
            if not (tree.ROOT / "doc" / f"{name}.{section}").exists()
        )
    tree.finish("manual pages", problems, len(pages))


main()
