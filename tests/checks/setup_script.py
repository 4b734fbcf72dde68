#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
scripts/setup on systems that are not this one: Debian's tools are replaced by small scripts that write down how they
were called. Nothing is installed.
"""

import os
import pathlib
import subprocess
import tempfile

import tree

TOOLS = ("awk", "bash", "cat", "dirname", "env", "grep", "mktemp", "rm", "tail")
ALL_INSTALLED = "echo 'ii '"
# Says "ii" of all but these two, until they were installed.
TWO_MISSING = 'for last; do :; done; case $last in mandoc|zlib1g-dev) exit 1;; esac; echo "ii "'


def run(fakes, argument=None, root=True):
    """Runs scripts/setup with the given tools alone; returns (exit code, output, calls of apt-get)."""
    with tempfile.TemporaryDirectory() as folder:
        for tool in TOOLS:
            (pathlib.Path(folder) / tool).symlink_to(tree.need(tool))
        for name, script in fakes.items():
            path = pathlib.Path(folder) / name
            path.write_text(f"#!{folder}/bash\n{script}\n", encoding="utf-8")
            path.chmod(0o755)
        # EUID cannot be set, so that a plain user is played by a copy of the script which believes to be one.
        script = tree.text("scripts/setup").replace("EUID", "FAKE_UID")
        (pathlib.Path(folder) / "setup").write_text(script, encoding="utf-8")
        (pathlib.Path(folder) / "packages").write_text(tree.text("scripts/packages"), encoding="utf-8")
        calls = pathlib.Path(folder) / "calls"
        environment = {"PATH": folder, "CALLS": str(calls), "FAKE_UID": "0" if root else "1000", "TMPDIR": folder}
        command = [f"{folder}/bash", f"{folder}/setup", *([argument] if argument else [])]
        result = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        written = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
        return result.returncode, result.stdout + result.stderr, written


def expect(problems, what, condition, seen):
    if not condition:
        problems.append(f"{what}: {seen}")


def main():
    note = 'echo "$*" >>"$CALLS"'
    problems = []

    seen = run({"dpkg-query": ALL_INSTALLED, "apt-get": note})
    expect(problems, "all there: one line, nothing called", seen[0] == 0 and seen[1].count("\n") == 1 and not seen[2], seen)

    seen = run({"dpkg-query": TWO_MISSING, "apt-get": note})
    expect(
        problems,
        "two missing: one call that names them alone",
        seen[0] == 0 and len(seen[2]) == 1 and seen[2][0].endswith("--no-install-recommends zlib1g-dev mandoc"),
        seen,
    )

    seen = run({"dpkg-query": TWO_MISSING, "apt-get": note}, "demo")
    expect(problems, "demo: no test packages", seen[0] == 0 and "mandoc" not in seen[2][0], seen)

    fails_before_update = f'{note}; [[ $1 != install ]] || grep -q "^update" "$CALLS"'
    seen = run({"dpkg-query": TWO_MISSING, "apt-get": fails_before_update})
    expect(
        problems,
        "no package index: update, then install again",
        seen[0] == 0 and [call.split()[0] for call in seen[2]] == ["install", "update", "install"],
        seen,
    )

    seen = run({"dpkg-query": TWO_MISSING, "apt-get": f"{note}; exit 100"})
    expect(problems, "apt-get fails: said with names", seen[0] == 1 and "could not install zlib1g-dev mandoc" in seen[1], seen)

    seen = run({"dpkg-query": TWO_MISSING, "apt-get": note}, root=False)
    expect(
        problems,
        "neither root nor sudo: names what is missing, calls nothing",
        seen[0] == 1 and "missing packages: zlib1g-dev mandoc" in seen[1] and not seen[2],
        seen,
    )

    seen = run({"dpkg-query": TWO_MISSING, "apt-get": note, "sudo": 'echo "sudo $*" >>"$CALLS"'}, root=False)
    expect(problems, "sudo for a plain user", seen[0] == 0 and seen[2][0].startswith("sudo env DEBIAN_FRONTEND"), seen)

    seen = run({"pkg-config": "exit 1", "cc": ""})
    expect(problems, "no Debian: says what is needed", seen[0] == 1 and "cmake" in seen[1] and "libpcap" in seen[1], seen)

    seen = run({"dpkg-query": ALL_INSTALLED, "apt-get": note}, "nonsense")
    expect(problems, "wrong argument", seen[0] == 2 and "nonsense" in seen[1], seen)

    tree.finish("scripts/setup", problems, 9)


main()
