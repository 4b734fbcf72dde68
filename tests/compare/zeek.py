#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
conn_state, history and numbers of packets of every connection are what Zeek's own tests expect of Zeek (truth/zeek.jsonl), but for those listed in
KNOWN_ZEEK. Rows without addresses are compared as a bag: nothing in them says which connection is which.
Usage: zeek.py BINARY
"""

import collections
import pathlib
import sys

import comparison

HERE = pathlib.Path(__file__).resolve().parent
# Of tests that change what Zeek sees or keeps, Zeek's connections are no expectation.
COMPARED = ("conn_state", "history")
PACKETS = {"orig_pkts": "pkts_toserver", "resp_pkts": "pkts_toclient"}


def ignores_checksums(row):
    words = row["cmd"].split()
    return "-C" in words or any(word.startswith("-") and not word.startswith("--") and "C" in word for word in words)


def value_of(flow, what):
    """Zeek notes with ^ that it had to think again which end is the originator; who that is, is compared as well."""
    return flow["witness"][what]


def client_of(flow):
    return comparison.end(flow["src_ip"], flow["src_port"])


def compare_named(differences, row, flows):
    """Connections with addresses: the nth of a tuple with Zeek's nth."""
    ours = comparison.by_tuple(flows)
    theirs = collections.defaultdict(list)
    for conn in row["conns"]:
        ends = (comparison.end(conn["orig_h"], conn["orig_p"]), comparison.end(conn["resp_h"], conn["resp_p"]))
        theirs[tuple(sorted(ends))].append(conn)
    for ends, conns in theirs.items():
        for number, conn in enumerate(conns, 1):
            client = comparison.end(conn["orig_h"], conn["orig_p"])
            server = next((e for e in ends if e != client), client)
            name = f"{client}>{server}#{number}"
            mine = ours[ends][number - 1] if number <= len(ours[ends]) else None
            if mine is None:
                differences.compare(row["file"], name, "connection", "none", "one")
                continue
            differences.compare(row["file"], name, "client", client_of(mine), client)
            for what in COMPARED:
                if conn[what] is not None:
                    differences.compare(row["file"], name, what, value_of(mine, what), conn[what])
            for what, ours_as in PACKETS.items():
                if conn[what] is not None:
                    differences.compare(row["file"], name, what, mine["flow"][ours_as], conn[what])
        name = f"{ends[0]}>{ends[1]}"
        differences.compare(row["file"], name, "connections", len(ours[ends]), len(conns))


def compare_unnamed(differences, row, flows):
    """Rows cut to some columns."""
    for what in COMPARED:
        theirs = sorted(conn[what] for conn in row["conns"] if conn[what] is not None)
        if theirs:
            ours = sorted(value_of(flow, what) for flow in flows)
            differences.compare(row["file"], "all", what, ",".join(ours), ",".join(theirs))


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    folder = comparison.corpus()
    rows = [row for row in comparison.truth(folder, "zeek") if row.get("conns") and "caveat" not in row]
    differences = comparison.Differences(HERE / "KNOWN_ZEEK")
    for mode in ("on", "off"):
        chosen = [row for row in rows if ignores_checksums(row) == (mode == "off")]
        found = comparison.events_of_all(
            binary, folder, sorted({row["file"] for row in chosen}), options=("--set", f"checksum.mode={mode}")
        )
        for row in chosen:
            named = all(conn["orig_h"] is not None for conn in row["conns"])
            (compare_named if named else compare_unnamed)(differences, row, found[row["file"]])
    differences.finish("Zeek")


if __name__ == "__main__":
    main()
