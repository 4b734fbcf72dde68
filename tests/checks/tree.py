# SPDX-License-Identifier: BSD-2-Clause
"""What the checks share: the tree's files, and one way to end."""

import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77  # SKIP_RETURN_CODE in CMakeLists.txt
_IGNORED_FOLDERS = {".git", ".cache", "__pycache__"}


def files(*folders, suffixes=None):
    """Files below the given folders (the whole tree without), in order, as paths relative to the root."""
    found = []
    for folder in folders or (".",):
        for path, names, file_names in os.walk(ROOT / folder):
            at_root = pathlib.Path(path) == ROOT
            names[:] = sorted(
                n for n in names if n not in _IGNORED_FOLDERS and not (at_root and n.split("-")[0] == "build")
            )
            for name in sorted(file_names):
                if at_root and name == ".git":  # of a linked worktree
                    continue
                if suffixes is None or name.endswith(tuple(suffixes)):
                    found.append((pathlib.Path(path) / name).relative_to(ROOT))
    return found


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def need(tool):
    """The path of a tool. Without it the check is skipped, and says so."""
    path = shutil.which(tool)
    if path is None:
        print(f"SKIPPED: {tool} is not installed (scripts/setup installs it)")
        sys.exit(SKIPPED)
    return path


def finish(what, problems, n_checked):
    """Ends the check: each problem on a line, or one line that says what was looked at."""
    if n_checked == 0:
        problems = ["nothing was checked: this check is broken"]
    for problem in problems:
        print(problem)
    if problems:
        print(f"{what}: {len(problems)} problem(s)")
        sys.exit(1)
    print(f"{what}: {n_checked} checked, no problem")
    sys.exit(0)
