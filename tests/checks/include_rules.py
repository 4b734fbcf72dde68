#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who may include whom: the table in ARCHITECTURE.md, read from there and held against every #include."""

import re

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
TABLE = re.compile(r"<!-- include rules begin -->(.*?)<!-- include rules end -->", re.DOTALL)

# Headers of libraries, by how their names begin, and the names that the table uses for them. Everything else in <> is the C library.
LIBRARIES = {
    "pcap": "pcap",
    "zlib.h": "zlib",
    "zstd": "zstd",
    "jansson": "jansson",
    "event2/": "libevent",
    "yaml.h": "yaml",
    "cap-ng.h": "cap-ng",
    "systemd/": "systemd",
    "md5.h": "libmd",
    "sha": "libmd",
    "pthread.h": "pthread",
}
# These define names that collide with ours, or would make the decoder depend on the system's idea of a header.
NEVER = ("netinet/", "linux/tcp.h", "linux/ip.h", "linux/if_ether.h", "net/ethernet.h")


def read_table():
    """layer -> (layers it may include, libraries it may include)"""
    match = TABLE.search(tree.text("ARCHITECTURE.md"))
    rules = {}
    for line in match.group(1).splitlines() if match else []:
        cells = [cell.strip(" `") for cell in line.strip("|").split("|")]
        if len(cells) < 3 or cells[0] == "layer" or set(cells[0]) == {"-"}:
            continue
        split = lambda cell: {word for word in re.findall(r"[a-z_0-9-]+", cell) if word != "-"}
        rules[cells[0]] = (split(cells[1]), split(cells[2]))
    return rules


def problem_of(layer, quote, name, allowed_layers, allowed_libraries):
    """What is wrong with one #include of a file of layer, or None."""
    if name.startswith(NEVER):
        return f"{name} is not to be included anywhere"
    if name.startswith("tcpwitness/"):
        other = name.split("/")[1]
        if other != layer and other not in allowed_layers:
            return f"{layer} may not include {other}"
        return None
    if quote == '"':
        if "/" in name:
            return f'"{name}": a private header belongs to its own folder and is included by its bare name'
        return None if (tree.ROOT / "src" / layer / name).exists() else f'"{name}" is not in src/{layer}'
    for prefix, library in LIBRARIES.items():
        if name.startswith(prefix) and library not in allowed_libraries:
            return f"{layer} may not include {library}"
    return None


def main():
    rules = read_table()
    problems, n_includes = [], 0
    for path in tree.files("src", "include", suffixes=[".c", ".h"]):
        parts = path.parts
        layer = parts[1] if parts[0] == "src" and len(parts) > 2 else parts[2] if parts[0] == "include" else "main"
        if layer not in rules:
            problems.append(f"{path}: layer {layer} has no row in ARCHITECTURE.md")
            continue
        source = tree.text(path)
        for match in INCLUDE.finditer(source):
            n_includes += 1
            problem = problem_of(layer, match.group(1), match.group(2), *rules[layer])
            if problem:
                problems.append(f"{path}:{source.count(chr(10), 0, match.start(2)) + 1}: {problem}")
    tree.finish("include rules", problems, n_includes)


main()
