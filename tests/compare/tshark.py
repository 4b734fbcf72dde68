#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The anomalies of the data phase are those that tshark's analysis counts (truth/tshark.jsonl), stream by stream, but for the streams
listed in KNOWN_TSHARK. KINDS says what is held against what; where the definitions of the two leave a range, theirs must lie in it:

- tshark knows no copies: what ours calls capture_duplicate or network_duplicate is a retransmission to it, a duplicate ACK, or
  nothing (a RST, an ACK with payload outstanding). So in a stream with copies theirs may have up to that many more.
- tshark notes an acknowledgement of unseen data only where it has seen the other direction before (ours adds split_routing
  where it has not). It does not take the acknowledged for sent, so the acknowledgement of what comes next counts once more.
- For the same reason it sees nothing in a segment that comes after its own acknowledgement, which was overtaken to us.
- tshark calls only payload a spurious retransmission, ours also a FIN that was acknowledged before.
- A SYN again with the same number after a RST, or after it was given up, is a retransmission to tshark and the next attempt to us. A SYN or
  SYN-ACK with another number is another connection to it, even while the first one is unanswered. Only a SYN begins another stream: of
  SYN-ACKs alone, the first counts as reuse as well once there is a second, and one with a lower number as a retransmission.

Usage: tshark.py BINARY
"""

import collections
import pathlib
import sys

import comparison

HERE = pathlib.Path(__file__).resolve().parent

# what: their counter; our anomalies that it covers; those of which it may count fewer, and more.
Kind = collections.namedtuple("Kind", "theirs ours fewer more")
COPIES = ("capture_duplicate", "network_duplicate")
OTHER_SYNACKS = ("reused_by_synack", "synack_different_isn")
REPEATS = ("retransmission", "spurious_retransmission", "syn_retransmit", "synack_retransmit", "synack_after_established")
KINDS = {
    # Every repeat, of a SYN or FIN too, and the spurious ones among them.
    "retransmission": Kind("retransmission", REPEATS + ("same_syn_again",), (), COPIES + OTHER_SYNACKS),
    "spurious_retransmission": Kind(
        "spurious_retransmission", ("spurious_retransmission",), ("fin_retransmit",), COPIES
    ),
    "out_of_order": Kind("out_of_order", ("out_of_order",), ("ack_unseen_data",), COPIES),
    # An ACK with nothing outstanding is one, too, and so is the same outdated one again.
    "duplicate_ack": Kind("duplicate_ack", ("duplicate_ack", "repeated_ack"), (), COPIES + ("outdated_ack",)),
    "zero_window": Kind("zero_window", ("zero_window",), (), COPIES),
    # A probe of a closed window that sits below the next number is one, too.
    "keepalive": Kind("keep_alive", ("keepalive", "zero_window_probe"), (), COPIES),
    "ack_unseen_data": Kind("ack_lost_segment", ("ack_unseen_data",), ("split_routing",), ("ack_unseen_data",)),
    "reused": Kind("reused_ports", ("reused_by_syn", "syn_different_isn") + OTHER_SYNACKS, (), ("first_of_synacks",)),
}


def counts_of(flow, before):
    """Our anomalies of one flow, and what the flow before it on the same addresses and ports makes of its opening."""
    counts = collections.Counter(flow["witness"]["anomalies"])
    opener = {"syn": "client", "synack": "server"}.get(flow["witness"]["origin"])
    if before is None:
        counts["first_of_synacks"] = opener == "server"
    elif opener and before["flow"]["end"] <= flow["flow"]["start"]:
        numbers = [(record["witness"][opener].get("isn"), record["src_port"]) for record in (before, flow)]
        clients = [record["witness"]["client"].get("isn") for record in (before, flow)]
        answers = before["witness"]["origin"] == "syn" and opener == "server" and clients[0] == clients[1]
        if numbers[0] == numbers[1]:
            counts["same_syn_again"] = 1
        elif not answers:
            counts["reused_by_syn" if opener == "client" else "reused_by_synack"] = 1
    return counts


def by_stream(streams, flows):
    """Our counts for each stream: those of the flows that began in it."""
    found = {stream["stream"]: collections.Counter() for stream in streams}
    theirs = collections.defaultdict(list)
    for stream in streams:
        ends = (comparison.end(stream["a"], stream["ap"]), comparison.end(stream["b"], stream["bp"]))
        theirs[tuple(sorted(ends))].append(stream)
    for ends, mine in comparison.by_tuple(flows).items():
        for before, flow in zip([None] + mine[:-1], mine):
            begun = [s for s in theirs.get(ends, []) if s["first_ts"] <= comparison.seconds(flow["flow"]["start"]) + 1e-5]
            if begun:
                stream = max(begun, key=lambda s: (s["first_ts"], s["stream"]))
                found[stream["stream"]] += counts_of(flow, before)
                found[stream["stream"]]["flows"] += 1
    return found


def compare_stream(differences, capture, stream, ours):
    ends = (comparison.end(stream["a"], stream["ap"]), comparison.end(stream["b"], stream["bp"]))
    name = f"{stream['stream']}:{ends[0]}>{ends[1]}"
    for what, kind in KINDS.items():
        mine, fewer, more = (sum(ours[anomaly] for anomaly in names) for names in (kind.ours, kind.fewer, kind.more))
        theirs = stream["analysis"].get(kind.theirs, 0)
        agrees = mine - fewer <= theirs <= mine + more
        differences.compare(capture, name, what, theirs if agrees else mine, theirs)


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    folder = comparison.corpus()
    rows = comparison.truth(folder, "tshark")
    differences = comparison.Differences(HERE / "KNOWN_TSHARK")
    found = comparison.events_of_all(
        binary, folder, sorted({row["file"] for row in rows}), options=("--set", "checksum.mode=off")
    )
    for row in rows:
        ours = by_stream(row["streams"], found[row["file"]])
        for stream in row["streams"]:
            compare_stream(differences, row["file"], stream, ours[stream["stream"]])
    differences.finish("tshark")


if __name__ == "__main__":
    main()
