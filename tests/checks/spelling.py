#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""codespell over every text of ours."""

import subprocess

import tree

DATA_FOLDERS = ("tests/golden/", "tests/fuzz/corpus", "pcaps/")
BINARY = (".pcap", ".pcapng", ".gz", ".zst")
# Names of Zeek's conn_state and history, and words of the trade, that codespell takes for mistakes.
KNOWN_WORDS = "fo,ot,te,nd,oth,iff,ser"


def main():
    tool = tree.need("codespell")
    texts = [str(p) for p in tree.files() if p.suffix not in BINARY and not str(p).startswith(DATA_FOLDERS)]
    result = subprocess.run(
        [tool, "--ignore-words-list", KNOWN_WORDS, *texts], cwd=tree.ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    tree.finish("spelling", result.stdout.splitlines(), len(texts))


main()
