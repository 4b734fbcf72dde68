# SPDX-License-Identifier: BSD-2-Clause
"""Writes the figures as a document."""

BEGIN = """# How good the detectors are

Measured on traffic that is played, with the seeds that are kept for this: `tests/detection/README.md` says how, and how to make this
page again. What counts as right is strict: an alarm has to name the right target and class, from the trouble's first packet to 5 s after
its end.

"""


def write(path, table, confusion, baselines, played):
    packets = len(played)
    with open(path, "w", encoding="utf-8") as file:
        file.write(BEGIN)
        file.write(f"{packets} captures were played.\n\n## Figures\n\n" + "\n".join(table) + "\n")
        file.write("\n## What troubles were taken for\n\n" + "\n".join(confusion) + "\n")
        if baselines:
            file.write("\n## Simpler detectors on the same traffic\n\nMany of these floods last 8 s, less than the periods of the last two.\n\n" + "\n".join(baselines) + "\n")
