#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Every option and configuration key of the option table is in tcpwitness(1), with the default that stands in
doc/tcpwitness.yaml.example; a unit test holds that file against what the program does.
"""

import re

import tree

ROW = re.compile(r'\{ \.(?:name|key) = "|^\tTIMEOUT\("', re.MULTILINE)
FIELD = re.compile(r'\.(name|key|letter|default_text) = (?:"([^"]*)"|\'(.)\')')
TIMEOUT = re.compile(r'^\tTIMEOUT\("(\w+)"', re.MULTILINE)
DEFAULT_TIMEOUT = re.compile(r"\[FLOW_CLASS_(\w+)\]\s*=\s*(\d+)")


def example_defaults():
    """key with dots -> value, of the example file"""
    defaults, path = {}, []
    for line in tree.text("doc/tcpwitness.yaml.example").splitlines():
        match = re.match(r"( *)(\w+):\s*([^#]*?)\s*(?:#.*)?$", line)
        if match:
            path = [*path[: len(match.group(1)) // 2], match.group(2)]
            if match.group(3):
                defaults[".".join(path)] = match.group(3)
    return defaults


def rows(table):
    starts = [match.start() for match in ROW.finditer(table)] + [len(table)]
    for begin, end in zip(starts, starts[1:]):
        yield {name: text or letter for name, text, letter in FIELD.findall(table[begin:end])}


def main():
    table = tree.text("src/control/option_table.c")
    table = table[table.index("config_options[]") : table.index(".name = NULL")]
    manual = tree.text("doc/tcpwitness.1")
    defaults = example_defaults()
    problems, n_options = [], 0
    for row in rows(table):
        if "name" in row:
            n_options += 1
            option = f"Fl {row['letter']} , Fl -{row['name']}" if "letter" in row else f"Fl -{row['name']}"
            if f".It {option}" not in manual:
                problems.append(f"doc/tcpwitness.1: no entry '.It {option}'")
        elif "key" in row:
            n_options += 1
            default = f" : No {defaults[row['key']]}\n" if row["key"] in defaults else "\n"
            if f".It Cm {row['key']}{default}" not in manual:
                problems.append(f"doc/tcpwitness.1: no entry '.It Cm {row['key']}{default.rstrip()}'")
    seconds = {name.lower(): value for name, value in DEFAULT_TIMEOUT.findall(tree.text("src/flow/flow_table.c"))}
    for name in TIMEOUT.findall(table):
        n_options += 1
        if f".It {name} Ta {seconds.get(name)} Ta " not in manual:
            problems.append(f"doc/tcpwitness.1: timeout '{name}' should have {seconds.get(name)} s")
    tree.finish("documented options", problems, n_options)


main()
