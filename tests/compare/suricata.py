#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
What Suricata's own tests expect of connections and stream events (truth/suricata.jsonl) holds for ours, but for the expectations listed in
KNOWN_SURICATA. Flow records have the same shape, so a check is applied to ours as it stands, as far as its fields are about
connections; stream events go by the table below.
Usage: suricata.py BINARY
"""

import ipaddress
import pathlib
import sys

import comparison

HERE = pathlib.Path(__file__).resolve().parent

# Fields of a flow record that mean the same. Others are of applications, rules and inspection; bytes are not of the same
# layer (theirs count frames, ours IP packets).
ENDS = {"src_ip", "src_port", "dest_ip", "dest_port"}
FIELDS = (
    ENDS
    | {"proto", "community_id"}
    | {f"flow.{name}" for name in ("pkts_toserver", "pkts_toclient", "start", "end", "age", "state")}
    | {f"tcp.{name}" for name in ("tcp_flags", "tcp_flags_ts", "tcp_flags_tc", "state")}
    | {f"tcp.{name}" for name in ("syn", "fin", "rst", "psh", "ack", "ecn", "cwr", "urg")}
)
# Without one of these a check says nothing of the connection.
TELLING = {name for name in FIELDS if name.startswith(("flow.", "tcp."))}

# What an inline engine does to the traffic, or a rule to the flow, a passive sensor does not see.
NOT_PASSIVE = ({"flow.action": "drop"}, {"flow.state": "bypassed"})

# stream-event keyword: which of our anomalies say the same of the segment (any of them).
STREAM_EVENTS = {
    "3whs_ack_in_wrong_dir": {"third_ack_missing"},
    "3whs_right_seq_wrong_ack_evasion": {"third_ack_wrong_ack"},
    "3whs_synack_in_wrong_direction": {"synack_wrong_direction"},
    "3whs_synack_resend_with_different_ack": {"synack_wrong_ack"},
    "3whs_synack_resend_with_diff_seq": {"synack_different_isn"},
    "3whs_synack_toserver_on_syn_recv": {"synack_wrong_direction"},
    "3whs_synack_with_wrong_ack": {"synack_wrong_ack"},
    "3whs_synack_flood": {"synack_different_isn", "synack_retransmit"},
    "3whs_synack_tfo_data_ignored": {"tfo_data_ignored"},
    "3whs_syn_flood": {"syn_different_isn", "syn_retransmit"},
    "3whs_wrong_seq_wrong_ack": {"third_ack_wrong_ack", "seq_out_of_window"},
    "4whs_synack_with_wrong_ack": {"synack_wrong_ack"},
    "4whs_synack_with_wrong_syn": {"synack_different_isn"},
    "closewait_fin_out_of_window": {"seq_out_of_window", "fin_moved"},
    "closewait_pkt_before_last_ack": {"spurious_retransmission"},
    "est_invalid_ack": {"invalid_ack", "ack_unseen_data"},
    "est_packet_out_of_window": {"seq_out_of_window"},
    "est_pkt_before_last_ack": {"spurious_retransmission"},
    "est_syn_resend": {"syn_retransmit", "syn_in_synchronized"},
    "est_syn_resend_diff_seq": {"syn_in_synchronized", "tuple_reuse_live"},
    "est_syn_toclient": {"syn_in_synchronized"},
    "est_synack_resend": {"synack_after_established"},
    "est_synack_resend_with_diff_seq": {"synack_different_isn"},
    "est_synack_toserver": {"synack_wrong_direction"},
    "fin1_fin_wrong_seq": {"fin_moved"},
    "fin2_fin_wrong_seq": {"fin_moved"},
    "fin_but_no_session": {"no_session_segment"},
    "fin_invalid_ack": {"invalid_ack", "ack_unseen_data"},
    "fin_out_of_window": {"seq_out_of_window"},
    "fin_syn": {"flags_syn_fin"},
    "pkt_bad_window_update": {"window_shrink"},
    "pkt_broken_ack": {"ack_field_without_flag"},
    "pkt_invalid_ack": {"invalid_ack", "ack_unseen_data"},
    "pkt_invalid_timestamp": {"paws_reject", "timestamp_unexpected"},
    "pkt_retransmission": {"retransmission"},
    "pkt_spurious_retransmission": {"spurious_retransmission"},
    "reassembly_segment_before_base_seq": {"spurious_retransmission"},
    "reassembly_seq_gap": {"unseen_segment"},
    "rst_but_no_session": {"no_session_segment"},
    "rst_invalid_ack": {"rst_out_of_window", "invalid_ack"},
    "rst_with_data": {"rst_with_data"},
    "shutdown_syn_resend": {"time_wait_reuse_ok", "time_wait_reuse_refused"},
    "suspected_rst_inject": {"rst_contradicted"},
}


def field(record, path):
    """A value by its dotted name, as checks write it. An address in Suricata's spelling is the same as in ours."""
    for key in path.split("."):
        record = record.get(key) if isinstance(record, dict) else None
    return record


def same(name, ours, expected):
    if name.endswith("_ip"):
        return ours is not None and ipaddress.ip_address(ours) == ipaddress.ip_address(expected)
    return ours == expected


def matches(record, wanted):
    return all(same(name, field(record, name), value) for name, value in wanted.items())


def is_passive(check):
    return not any(unseen.items() <= check["match"].items() for unseen in NOT_PASSIVE)


def text(wanted):
    return ",".join(f"{name}={value}" for name, value in sorted(wanted.items()))


def compare_flows(differences, row, check, events):
    """As many records as expected have the fields; of one connection that is named, each field is one comparison."""
    wanted = {name: value for name, value in check["match"].items() if name in FIELDS}
    if not TELLING & set(wanted) or not is_passive(check) or wanted.get("proto", "TCP") != "TCP":
        return
    flows = [event for event in events if event["event_type"] == "flow"]
    if check["count"] == 1 and ENDS <= set(wanted):
        ends = {name: wanted[name] for name in ENDS}
        named = [flow for flow in flows if matches(flow, ends)]
        connection = f"{row['test']}:{wanted['src_port']}>{wanted['dest_port']}"
        differences.compare(row["file"], connection, "records", len(named), 1)
        for name in sorted(set(wanted) - ENDS if named else ()):
            differences.compare(row["file"], connection, name, field(named[0], name), wanted[name])
    else:
        ours = sum(matches(flow, wanted) for flow in flows)
        differences.compare(row["file"], row["test"], text(wanted), ours, check["count"])


def compare_stream_events(differences, row, check, events):
    """The connection of the event shows an anomaly of ours that says the same."""
    seen = {name for event in events if event["event_type"] == "flow" for name in event["witness"]["anomalies"]}
    for keyword in check["rule"]["events"]:
        kind, _, name = keyword.partition(":")
        if kind == "stream-event":
            ours = bool(STREAM_EVENTS[name] & seen)
            what = f"{name}@{check['match'].get('pcap_cnt', 'any')}"
            differences.compare(row["file"], row["test"], what, ours, check["count"] > 0)


def compare_stats(differences, row, check, events):
    summary = events[-1]["summary"]
    for theirs, ours in (("stats.flow.total", "connections"), ("stats.decoder.pkts", "packets")):
        if theirs in check["match"]:
            differences.compare(row["file"], row["test"], theirs, summary[ours], check["match"][theirs])


def compare_row(differences, row, events):
    inline_drops = any(not is_passive(check) for check in row["checks"] if "match" in check)
    for check in row["checks"]:
        kind = check.get("match", {}).get("event_type")
        if kind == "flow":
            compare_flows(differences, row, check, events)
        elif kind == "alert" and check.get("rule"):
            compare_stream_events(differences, row, check, events)
        elif kind == "stats" and not inline_drops:
            compare_stats(differences, row, check, events)


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    folder = comparison.corpus()
    rows = comparison.truth(folder, "suricata")
    differences = comparison.Differences(HERE / "KNOWN_SURICATA")
    for mode in ("auto", "off"):
        chosen = [row for row in rows if any("-k none" in words for words in row["args"]) == (mode == "off")]
        found = comparison.events_of_all(
            binary,
            folder,
            sorted({row["file"] for row in chosen}),
            wanted="flow,summary",
            options=("--set", f"checksum.mode={mode}"),
        )
        for row in chosen:
            compare_row(differences, row, found[row["file"]])
    differences.finish("Suricata")


if __name__ == "__main__":
    main()
