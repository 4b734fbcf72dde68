#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Runs the examples of the documents and compares what they print with what the documents show.

Markdown: fenced blocks whose info string is "sh test". Manual pages: literal displays after a line '.\\" test'.
Displays after '.\\" test rules' or '.\\" test config' are files that "tcpwitness check" must accept.
A line "$ command" is run by the shell in a folder that holds copies of the captures; the lines up to the next command are
its expected output (standard output and standard error), where a line "..." stands for any number of lines and "[...]"
inside a line for any text. A command without output lines need only end well, or with the code that follows "# exit ".

Usage: docs_examples.py BINARY [--update], which writes what Markdown's commands print now into the documents.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import tree

MARKDOWN = re.compile(r"^```sh test\n(.*?)^```", re.MULTILINE | re.DOTALL)
MANUAL = re.compile(r"^\.\\\" test\n\.Bd -literal.*?\n(.*?)^\.Ed", re.MULTILINE | re.DOTALL)
FILES = re.compile(r"^\.\\\" test (rules|config)\n\.Bd -literal.*?\n(.*?)^\.Ed", re.MULTILINE | re.DOTALL)
TIME_LIMIT_S = 60


def blocks():
    """(where, text) of each block that is to be run"""
    for path in tree.files(suffixes=[".md"]):
        source = tree.text(path)
        for match in MARKDOWN.finditer(source):
            yield f"{path}:{source.count(chr(10), 0, match.start(1)) + 1}", match.group(1)
    for path in tree.files("doc", suffixes=[".1", ".5", ".8"]):
        source = tree.text(path)
        for match in MANUAL.finditer(source):
            text = match.group(1).replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\").replace("\\&", "")
            yield f"{path}:{source.count(chr(10), 0, match.start(1)) + 1}", text


def files():
    """(where, option, text) of each example of a rule or configuration file"""
    for path in tree.files("doc", suffixes=[".1", ".5", ".8"]):
        source = tree.text(path)
        for match in FILES.finditer(source):
            where = f"{path}:{source.count(chr(10), 0, match.start(2)) + 1}"
            yield where, "--rules" if match.group(1) == "rules" else "-c", match.group(2)


def commands(block):
    """(command, expected exit code, expected output lines) of each command in a block"""
    found = []
    for line in block.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            command, _, code = line[2:].partition("  # exit ")
            found.append((command, int(code or 0), []))
        elif line.startswith("> ") and found and not found[-1][2]:
            found[-1] = (found[-1][0] + "\n" + line[2:], *found[-1][1:])
        elif found:
            found[-1][2].append(line)
    return found


def matches(expected, actual):
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*"
        else:
            pattern += r".*".join(re.escape(part) for part in line.rstrip().split("[...]")) + r"[ \t]*\n"
    return re.fullmatch(pattern, actual if actual.endswith("\n") or not actual else actual + "\n") is not None


def execute(command, folder, environment):
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )


def run(where, block, folder, environment):
    """What is wrong with the commands of one block."""
    for command, code, expected in commands(block):
        result = execute(command, folder, environment)
        if result.returncode != code:
            yield f"{where}: '{command}' ended with {result.returncode}, not {code}:\n{result.stdout}"
        elif expected and not matches(expected, result.stdout):
            shown = "\n".join(expected)
            yield f"{where}: '{command}' printed\n{result.stdout}---- but the document shows\n{shown}\n----"


def update(folder, environment):
    """Puts what the commands print into Markdown, but for commands without output and output with gaps."""

    def rewritten(match):
        lines = []
        for command, code, expected in commands(match.group(1)):
            suffix = f"  # exit {code}" if code else ""
            lines.append("\n> ".join(f"$ {command}".split("\n")) + suffix)
            if expected and not any(line.strip() == "..." or "[...]" in line for line in expected):
                expected = execute(command, folder, environment).stdout.rstrip("\n").split("\n")
            lines.extend(line.rstrip() for line in expected)
        return "```sh test\n" + "\n".join(lines) + "\n```"

    for path in tree.files(suffixes=[".md"]):
        before = tree.text(path)
        after = MARKDOWN.sub(rewritten, before)
        if after != before:
            (tree.ROOT / path).write_text(after, encoding="utf-8")
            print(f"{path}: updated")


def copy_captures(folder):
    shutil.copytree(tree.ROOT / "pcaps", folder, dirs_exist_ok=True)
    for name in ("rules", "scripts"):
        (pathlib.Path(folder) / name).symlink_to(tree.ROOT / name)


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    environment = dict(os.environ, PATH=f"{binary.parent}:{os.environ['PATH']}", TZ="UTC", LC_ALL="C.UTF-8")
    if sys.argv[2:] == ["--update"]:
        with tempfile.TemporaryDirectory() as folder:
            copy_captures(folder)
            update(folder, environment)
        return
    problems, n_commands = [], 0
    for where, block in blocks():
        with tempfile.TemporaryDirectory() as folder:
            copy_captures(folder)
            n_commands += len(commands(block))
            problems.extend(run(where, block, folder, environment))
    for where, option, content in files():
        n_commands += 1
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(content)
            file.flush()
            block = f"$ tcpwitness check {option} {file.name}"
            problems.extend(run(where, block, tempfile.gettempdir(), environment))
    tree.finish("examples in documents", problems, n_commands)


main()
