/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flow record: EVE's flow and tcp objects as Suricata writes them, so that its readers work unchanged, and the
 * object witness with what they have no place for (design section 3).
 */
#include "event_json_internal.h"

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

static void put_eve_flow(struct object_builder *build, json_t *object, const struct event_flow *flow)
{
	const struct event_flow_end *client = &flow->end[SIDE_CLIENT];
	const struct event_flow_end *server = &flow->end[SIDE_SERVER];
	json_t *eve = put_object(build, object, "flow");

	put_count(build, eve, "pkts_toserver", client->packets);
	put_count(build, eve, "pkts_toclient", server->packets);
	put_count(build, eve, "bytes_toserver", client->bytes);
	put_count(build, eve, "bytes_toclient", server->bytes);
	put_time(build, eve, "start", flow->start_ns);
	put_time(build, eve, "end", flow->end_ns);
	put_count(build, eve, "age", ns_since(flow->end_ns, flow->start_ns) / NS_PER_SEC);
	put_name(build, eve, "state", eve_flow_state(server_state(flow)));
	put_name(build, eve, "reason", eve_reason((enum flow_end_reason)flow->reason));
	put_flag(build, eve, "alerted", flow->alerted);
}

static void put_flags_byte(struct object_builder *build, json_t *object, const char *key, unsigned flags)
{
	static const char digits[] = "0123456789abcdef";
	const char text[3] = { digits[flags >> 4 & 15], digits[flags & 15], '\0' };

	put_name(build, object, key, text);
}

static void put_eve_tcp(struct object_builder *build, json_t *object, const struct event_flow *flow)
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
	json_t *tcp = put_object(build, object, "tcp");

	put_flags_byte(build, tcp, "tcp_flags", to_server | to_client);
	put_flags_byte(build, tcp, "tcp_flags_ts", to_server);
	put_flags_byte(build, tcp, "tcp_flags_tc", to_client);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if ((to_server | to_client) & rows[i].flag)
			put_flag(build, tcp, rows[i].key, true);
	}
	put_name(build, tcp, "state", eve_tcp_state(server_state(flow)));
}

static void put_end(struct object_builder *build, json_t *witness, enum conn_side side,
		    const struct event_flow_end *end)
{
	json_t *object = put_object(build, witness, conn_side_name(side));

	put_name(build, object, "state", tcp_state_name((enum tcp_state)end->state));
	put_name(build, object, "certainty", tcp_certainty_name((enum tcp_certainty)end->certainty));
	if (end->state_packet != 0)
		put_count(build, object, "state_pcap_cnt", end->state_packet);
	if (end->caused_by != 0)
		put_count(build, object, "caused_by", end->caused_by);
	put_flag(build, object, "heard", end->heard);
	if (end->isn_known)
		put_count(build, object, "isn", end->isn);
	if (end->mss != 0)
		put_count(build, object, "mss", end->mss);
	if (end->wscale_ok)
		put_count(build, object, "wscale", end->wscale);
	put_flag(build, object, "sack_ok", end->sack_ok);
	put_flag(build, object, "timestamps", end->timestamps);
	if (end->mptcp != CONN_MPTCP_NONE)
		put_name(build, object, "mptcp", conn_mptcp_name((enum conn_mptcp)end->mptcp));
	put_count(build, object, "payload_bytes", end->payload_bytes);
	put_count(build, object, "retransmissions", end->retransmissions);
	put_count(build, object, "lost_before_tap", end->lost_before_tap);
	put_count(build, object, "lost_after_tap", end->lost_after_tap);
	put_count(build, object, "out_of_order", end->out_of_order);
	put_count(build, object, "duplicate_acks", end->duplicate_acks);
	put_count(build, object, "zero_windows", end->zero_windows);
	put_count(build, object, "fins", end->fins);
	put_count(build, object, "rsts", end->rsts);
}

static void put_rtt(struct object_builder *build, json_t *object, const char *key, uint32_t rtt_us)
{
	if (rtt_us != UINT32_MAX)
		put_real(build, object, key, rtt_us / 1000.0, 3);
}

static void put_handshake(struct object_builder *build, json_t *witness, const struct event_flow *flow)
{
	uint32_t syns = flow->end[SIDE_CLIENT].syns;
	uint32_t synacks = flow->end[SIDE_SERVER].syns;
	json_t *handshake = put_object(build, witness, "handshake");

	put_count(build, handshake, "syn_retries", syns > 1 ? syns - 1 : 0);
	put_count(build, handshake, "synack_retries", synacks > 1 ? synacks - 1 : 0);
	put_rtt(build, handshake, "rtt_client_ms", flow->rtt_client_us);
	put_rtt(build, handshake, "rtt_server_ms", flow->rtt_server_us);
	if (flow->ecn != CONN_ECN_NONE)
		put_name(build, handshake, "ecn", conn_ecn_name((enum conn_ecn)flow->ecn));
}

static void put_anomalies(struct object_builder *build, json_t *witness, const struct event_flow *flow)
{
	json_t *anomalies = put_object(build, witness, "anomalies");

	for (unsigned i = 0; i < ANOMALY_COUNT; i++) {
		if (flow->anomalies[i] != 0)
			put_count(build, anomalies, anomaly_info((enum anomaly)i)->name, flow->anomalies[i]);
	}
}

/* Which directions the tap saw. A flow begins with a segment, so at least one end was heard. */
static const char *visibility(const struct event_flow *flow)
{
	if (!flow->end[SIDE_SERVER].heard)
		return "client_only";
	return flow->end[SIDE_CLIENT].heard ? "both" : "server_only";
}

static void put_witness(struct object_builder *build, json_t *object, const struct event_flow *flow)
{
	json_t *witness = put_object(build, object, "witness");

	put_name(build, witness, "outcome", conn_outcome_name((enum conn_outcome)flow->outcome));
	put_name(build, witness, "origin", conn_origin_name((enum conn_origin)flow->origin));
	put_name(build, witness, "direction", flow->direction_certain ? "certain" : "guessed");
	if (flow->closed_by_known)
		put_name(build, witness, "closed_by", conn_side_name((enum conn_side)flow->closed_by));
	if (flow->rst_cause != CONN_RST_CAUSE_NONE)
		put_name(build, witness, "rst_cause", conn_rst_cause_name((enum conn_rst_cause)flow->rst_cause));
	put_name(build, witness, "end_reason", flow_end_reason_name((enum flow_end_reason)flow->reason));
	if (flow->n_interim != 0)
		put_count(build, witness, "interim", flow->n_interim);
	put_end(build, witness, SIDE_CLIENT, &flow->end[SIDE_CLIENT]);
	put_end(build, witness, SIDE_SERVER, &flow->end[SIDE_SERVER]);
	put_handshake(build, witness, flow);
	put_name(build, witness, "conn_state", flow->conn_state);
	put_name(build, witness, "history", flow->history);
	put_anomalies(build, witness, flow);
	if (flow->previous_flow_id != 0)
		put_count(build, witness, "previous_flow_id", flow->previous_flow_id);
	put_name(build, witness, "visibility", visibility(flow));
}

void event_json_put_flow(struct object_builder *build, json_t *object, const struct event_flow *flow)
{
	put_eve_flow(build, object, flow);
	put_eve_tcp(build, object, flow);
	put_witness(build, object, flow);
}
