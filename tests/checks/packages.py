#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""scripts/packages is well formed and is the one place that names Debian packages to install."""

import re

import tree

INSTALL = re.compile(r"\b(?:apt|apt-get|aptitude)\s+(?:-\S+\s+)*install\b")
ALLOWED = ("scripts/setup", "tests/checks/packages.py")


def main():
    problems, names = [], []
    for number, line in enumerate(tree.text("scripts/packages").splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        fields = line.split(None, 2)
        if len(fields) != 3 or fields[1] not in ("build", "demo", "test"):
            problems.append(f"scripts/packages:{number}: expected 'name class reason' with class build, demo or test")
            continue
        if fields[0] in names:
            problems.append(f"scripts/packages:{number}: {fields[0]} stands there twice")
        names.append(fields[0])
    for path in tree.files():
        if path.suffix in (".pcap", ".pcapng", ".gz", ".zst") or str(path).startswith("tests/fuzz/corpus"):
            continue
        text = (tree.ROOT / path).read_text(encoding="utf-8", errors="replace")
        if INSTALL.search(text) and str(path) not in ALLOWED:
            problems.append(f"{path}: installs packages; scripts/setup does that, from scripts/packages")
    # A package that only scripts/packages knows of is a package that nothing needs: its library or tool is looked for.
    libraries = tree.text("cmake/dependencies.cmake").lower()
    for name in names:
        if name.startswith("lib") and name.endswith("-dev") and name not in ("libc6-dev", "libclang-rt-14-dev"):
            word = re.sub(r"^lib|\d*g?-dev$", "", name)
            if word.replace("-", "") not in libraries.replace("-", ""):
                problems.append(f"scripts/packages: {name} is not used in cmake/dependencies.cmake")
    tree.finish("packages", problems, len(names))


main()
