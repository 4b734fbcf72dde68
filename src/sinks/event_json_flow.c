/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flow record: EVE's flow and tcp objects as Suricata writes them, so that its readers work unchanged, and the
 * object witness with what they have no place for (design section 3).
 */
#include "event_json_internal.h"

#include <string.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/decode/packet.h"
#include "tcpwitness/flow/flow.h"

/*
 * EVE has one state for the connection. Suricata takes the server's view (a FIN of the client makes it close_wait), so
 * ours is the server's state. A server in LISTEN is still awaited, unless it listens again after a reset.
 */
static enum tcp_state server_state(const struct event_flow *flow)
{
	const struct event_flow_end *server = &flow->end[SIDE_SERVER];

	if (server->state == TCPS_LISTEN && (server->heard || flow->end[SIDE_CLIENT].rsts > 0))
		return TCPS_CLOSED;
	return (enum tcp_state)server->state;
}

static const char *eve_tcp_state(enum tcp_state server)
{
	switch (server) {
	case TCPS_LISTEN:
	case TCPS_SYN_SENT:
		return "syn_sent";
	case TCPS_SYN_RCVD:
		return "syn_recv";
	case TCPS_ESTABLISHED:
		return "established";
	case TCPS_FIN_WAIT_1:
		return "fin_wait1";
	case TCPS_FIN_WAIT_2:
		return "fin_wait2";
	case TCPS_CLOSE_WAIT:
		return "close_wait";
	case TCPS_CLOSING:
		return "closing";
	case TCPS_LAST_ACK:
		return "last_ack";
	case TCPS_TIME_WAIT:
		return "time_wait";
	case TCPS_CLOSED:
	case TCPS_COUNT:
		break;
	}
	return "closed";
}

/* Suricata's flow state follows from its TCP state. */
static const char *eve_flow_state(enum tcp_state server)
{
	switch (server) {
	case TCPS_LISTEN:
	case TCPS_SYN_SENT:
	case TCPS_SYN_RCVD:
		return "new";
	case TCPS_ESTABLISHED:
	case TCPS_FIN_WAIT_1:
	case TCPS_FIN_WAIT_2:
	case TCPS_CLOSE_WAIT:
	case TCPS_CLOSING:
		return "established";
	case TCPS_CLOSED:
	case TCPS_LAST_ACK:
	case TCPS_TIME_WAIT:
	case TCPS_COUNT:
		break;
	}
	return "closed";
}

/* In EVE a closed flow's record comes when its timer ends, under the reason "timeout". */
static const char *eve_reason(enum flow_end_reason reason)
{
	switch (reason) {
	case FLOW_END_TIMEOUT:
	case FLOW_END_CLOSED:
		return "timeout";
	case FLOW_END_EVICTED:
		return "forced";
	case FLOW_END_REUSED:
		return "tcp_reuse";
	case FLOW_END_SHUTDOWN:
		return "shutdown";
	case FLOW_END_INTERIM:
		break; /* EVE knows no records of flows that go on */
	}
	return "unknown";
}

static void put_eve_flow(struct json_writer *json, const struct event_flow *flow)
{
	const struct event_flow_end *client = &flow->end[SIDE_CLIENT];
	const struct event_flow_end *server = &flow->end[SIDE_SERVER];
	begin_object(json, "flow");
	put_count(json, "pkts_toserver", client->packets);
	put_count(json, "pkts_toclient", server->packets);
	put_count(json, "bytes_toserver", client->bytes);
	put_count(json, "bytes_toclient", server->bytes);
	put_time(json, "start", flow->start_ns);
	put_time(json, "end", flow->end_ns);
	put_count(json, "age", ns_since(flow->end_ns, flow->start_ns) / NS_PER_SEC);
	put_name(json, "state", eve_flow_state(server_state(flow)));
	put_name(json, "reason", eve_reason((enum flow_end_reason)flow->reason));
	put_flag(json, "alerted", flow->alerted);
	end_object(json);
}

ALWAYS_INLINE void put_flags_byte(struct json_writer *json, const char *key, unsigned flags)
{
	static const char digits[] = "0123456789abcdef";
	const char text[2] = { digits[flags >> 4 & 15], digits[flags & 15] };

	put_name_n(json, key, text, sizeof(text));
}

static void put_eve_tcp(struct json_writer *json, const struct event_flow *flow)
{
	static const struct {
		unsigned flag;
		const char *key;
	} rows[] = {
		{ SEG_SYN, "syn" }, { SEG_FIN, "fin" }, { SEG_RST, "rst" }, { SEG_PSH, "psh" },
		{ SEG_ACK, "ack" }, { SEG_URG, "urg" }, { SEG_ECE, "ecn" }, { SEG_CWR, "cwr" },
	};
	unsigned to_server = flow->end[SIDE_CLIENT].flags;
	unsigned to_client = flow->end[SIDE_SERVER].flags;
	begin_object(json, "tcp");
	put_flags_byte(json, "tcp_flags", to_server | to_client);
	put_flags_byte(json, "tcp_flags_ts", to_server);
	put_flags_byte(json, "tcp_flags_tc", to_client);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if ((to_server | to_client) & rows[i].flag)
			put_flag(json, rows[i].key, true);
	}
	put_name(json, "state", eve_tcp_state(server_state(flow)));
	end_object(json);
}

static void put_end(struct json_writer *json, enum conn_side side, const struct event_flow_end *end)
{
	begin_object(json, conn_side_name(side));
	put_name(json, "state", tcp_state_name((enum tcp_state)end->state));
	put_name(json, "certainty", tcp_certainty_name((enum tcp_certainty)end->certainty));
	if (end->state_packet != 0)
		put_count(json, "state_pcap_cnt", end->state_packet);
	if (end->caused_by != 0)
		put_count(json, "caused_by", end->caused_by);
	put_flag(json, "heard", end->heard);
	if (end->isn_known)
		put_count(json, "isn", end->isn);
	if (end->mss != 0)
		put_count(json, "mss", end->mss);
	if (end->wscale_ok)
		put_count(json, "wscale", end->wscale);
	put_flag(json, "sack_ok", end->sack_ok);
	put_flag(json, "timestamps", end->timestamps);
	if (end->mptcp != CONN_MPTCP_NONE)
		put_name(json, "mptcp", conn_mptcp_name((enum conn_mptcp)end->mptcp));
	put_count(json, "payload_bytes", end->payload_bytes);
	put_count(json, "retransmissions", end->retransmissions);
	put_count(json, "lost_before_tap", end->lost_before_tap);
	put_count(json, "lost_after_tap", end->lost_after_tap);
	put_count(json, "out_of_order", end->out_of_order);
	put_count(json, "duplicate_acks", end->duplicate_acks);
	put_count(json, "zero_windows", end->zero_windows);
	put_count(json, "fins", end->fins);
	put_count(json, "rsts", end->rsts);
	end_object(json);
}

static void put_rtt(struct json_writer *json, const char *key, uint32_t rtt_us)
{
	if (rtt_us != UINT32_MAX)
		put_real(json, key, rtt_us / 1000.0, 3);
}

static void put_handshake(struct json_writer *json, const struct event_flow *flow)
{
	uint32_t syns = flow->end[SIDE_CLIENT].syns;
	uint32_t synacks = flow->end[SIDE_SERVER].syns;
	begin_object(json, "handshake");
	put_count(json, "syn_retries", syns > 1 ? syns - 1 : 0);
	put_count(json, "synack_retries", synacks > 1 ? synacks - 1 : 0);
	put_rtt(json, "rtt_client_ms", flow->rtt_client_us);
	put_rtt(json, "rtt_server_ms", flow->rtt_server_us);
	if (flow->ecn != CONN_ECN_NONE)
		put_name(json, "ecn", conn_ecn_name((enum conn_ecn)flow->ecn));
	end_object(json);
}

/* Nearly all are zero, and four of them are seen at a glance. */
static bool none_of_four(const uint16_t counts[static 4])
{
	uint64_t all;

	memcpy(&all, counts, sizeof(all));
	return all == 0;
}

static void put_anomalies(struct json_writer *json, const struct event_flow *flow)
{
	begin_object(json, "anomalies");
	for (unsigned i = 0; i < ANOMALY_COUNT;) {
		if (i + 4 <= ANOMALY_COUNT && none_of_four(flow->anomalies + i)) {
			i += 4;
			continue;
		}
		if (flow->anomalies[i] != 0)
			put_count(json, anomaly_info((enum anomaly)i)->name, flow->anomalies[i]);
		i++;
	}
	end_object(json);
}

/* Which directions the tap saw. A flow begins with a segment, so at least one end was heard. */
static const char *visibility(const struct event_flow *flow)
{
	if (!flow->end[SIDE_SERVER].heard)
		return "client_only";
	return flow->end[SIDE_CLIENT].heard ? "both" : "server_only";
}

static void put_witness(struct json_writer *json, const struct event_flow *flow)
{
	begin_object(json, "witness");
	put_name(json, "outcome", conn_outcome_name((enum conn_outcome)flow->outcome));
	put_name(json, "origin", conn_origin_name((enum conn_origin)flow->origin));
	put_name(json, "direction", flow->direction_certain ? "certain" : "guessed");
	if (flow->closed_by_known)
		put_name(json, "closed_by", conn_side_name((enum conn_side)flow->closed_by));
	if (flow->rst_cause != CONN_RST_CAUSE_NONE)
		put_name(json, "rst_cause", conn_rst_cause_name((enum conn_rst_cause)flow->rst_cause));
	put_name(json, "end_reason", flow_end_reason_name((enum flow_end_reason)flow->reason));
	if (flow->n_interim != 0)
		put_count(json, "interim", flow->n_interim);
	put_end(json, SIDE_CLIENT, &flow->end[SIDE_CLIENT]);
	put_end(json, SIDE_SERVER, &flow->end[SIDE_SERVER]);
	put_handshake(json, flow);
	put_name(json, "conn_state", flow->conn_state);
	put_name(json, "history", flow->history);
	put_anomalies(json, flow);
	if (flow->previous_flow_id != 0)
		put_count(json, "previous_flow_id", flow->previous_flow_id);
	if (flow->stands_for != 0)
		put_count(json, "stands_for", flow->stands_for);
	put_name(json, "visibility", visibility(flow));
	end_object(json);
}

void event_json_put_flow(struct json_writer *json, const struct event_flow *flow)
{
	put_eve_flow(json, flow);
	put_eve_tcp(json, flow);
	put_witness(json, flow);
}
