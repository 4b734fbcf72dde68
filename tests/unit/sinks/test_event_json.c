/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each event looks like as a line: the expected lines below are the documentation of the format by example,
 * with ' for " so that they can be read. tcpwitness-events(5) shows the same lines, and the validator of the schema
 * accepts them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <jansson.h>

#include "event_samples.h"
#include "tcpwitness/sinks/event_json.h"

static const char LINE_TCP_STATE[] =
	"{'timestamp':'2026-11-20T02:31:45.039666+0000','flow_id':1008,'pcap_cnt':1009,'in_iface':'eth0',"
	"'event_type':'tcp_state',"
	"'src_ip':'192.0.2.10','src_port':50001,"
	"'dest_ip':'198.51.100.5','dest_port':443,"
	"'proto':'TCP','ip_v':4,"
	"'community_id':'1:/a8l/V+1QxrLbidvvpaMysOb8sU=',"
	"'tcp_state':{'endpoint':'client','from':'SYN_SENT','to':'ESTABLISHED','certainty':'presumed',"
	"'cause':'synack','inferred':false,'caused_by':1009}}";

static const char LINE_FLOW[] =
	"{'timestamp':'2026-11-20T02:32:57.539666+0000','flow_id':1007,'in_iface':'eth0','event_type':'flow',"
	"'src_ip':'192.0.2.10','src_port':50000,"
	"'dest_ip':'198.51.100.5','dest_port':443,"
	"'proto':'TCP','ip_v':4,'vlan':[100],'tunnel':{'depth':1,'kinds':['vxlan']},"
	"'community_id':'1:oRjJpBIVEuPZhRHGGXNKN+7K1Kk=',"
	"'flow':{'pkts_toserver':180,'pkts_toclient':260,'bytes_toserver':10243,'bytes_toclient':366732,"
	"'start':'2026-11-20T02:31:45.039000+0000','end':'2026-11-20T02:31:57.539666+0000','age':12,"
	"'state':'closed','reason':'timeout','alerted':false},"
	"'tcp':{'tcp_flags':'5b','tcp_flags_ts':'1b','tcp_flags_tc':'5b','syn':true,'fin':true,'psh':true,"
	"'ack':true,'ecn':true,'state':'closed'},"
	"'witness':{'outcome':'completed_normal','origin':'syn','direction':'certain','closed_by':'client',"
	"'end_reason':'closed',"
	"'client':{'state':'TIME_WAIT','certainty':'proved','state_pcap_cnt':1465,'caused_by':1464,'heard':true,"
	"'isn':2864434397,'mss':1460,'wscale':7,'sack_ok':true,'timestamps':true,'payload_bytes':517,"
	"'retransmissions':0,'lost_before_tap':0,'lost_after_tap':0,'out_of_order':0,'duplicate_acks':3,"
	"'zero_windows':0,'fins':1,'rsts':0},"
	"'server':{'state':'CLOSED','certainty':'presumed','state_pcap_cnt':1465,'caused_by':1465,'heard':true,'isn':"
	"19088743,"
	"'mss':1400,'wscale':9,'sack_ok':true,'timestamps':true,'payload_bytes':350112,'retransmissions':2,"
	"'lost_before_tap':0,'lost_after_tap':2,'out_of_order':0,'duplicate_acks':0,'zero_windows':0,"
	"'fins':1,'rsts':0},"
	"'handshake':{'syn_retries':1,'synack_retries':0,'rtt_client_ms':0.3,'rtt_server_ms':12.1},"
	"'conn_state':'SF','history':'ShADadFfA','anomalies':{'syn_retransmit':1,'retransmission':2,"
	"'duplicate_ack':3},'previous_flow_id':12,"
	"'visibility':'both'}}";

static const char LINE_FLOW_UNANSWERED[] =
	"{'timestamp':'2026-11-20T02:33:15.000000+0000','flow_id':2001,'event_type':'flow',"
	"'src_ip':'2001:db8::1','src_port':40000,"
	"'dest_ip':'2001:db8::2','dest_port':443,"
	"'proto':'TCP','ip_v':6,"
	"'community_id':'1:RYG3Msb11GthNt1OYXJouPzmrvA=',"
	"'flow':{'pkts_toserver':4,'pkts_toclient':0,'bytes_toserver':240,'bytes_toclient':0,"
	"'start':'2026-11-20T02:31:45.000000+0000','end':'2026-11-20T02:31:52.000000+0000','age':7,"
	"'state':'new','reason':'timeout','alerted':true},"
	"'tcp':{'tcp_flags':'02','tcp_flags_ts':'02','tcp_flags_tc':'00','syn':true,'state':'syn_sent'},"
	"'witness':{'outcome':'never_answered','origin':'syn','direction':'certain','end_reason':'timeout',"
	"'client':{'state':'SYN_SENT','certainty':'proved','state_pcap_cnt':2001,'caused_by':2001,'heard':true,'isn':1,"
	"'sack_ok':false,'timestamps':false,'payload_bytes':0,'retransmissions':0,'lost_before_tap':0,"
	"'lost_after_tap':0,'out_of_order':0,'duplicate_acks':0,'zero_windows':0,'fins':0,'rsts':0},"
	"'server':{'state':'LISTEN','certainty':'presumed','heard':false,'sack_ok':false,'timestamps':false,"
	"'payload_bytes':0,'retransmissions':0,'lost_before_tap':0,'lost_after_tap':0,'out_of_order':0,"
	"'duplicate_acks':0,'zero_windows':0,'fins':0,'rsts':0},"
	"'handshake':{'syn_retries':3,'synack_retries':0},"
	"'conn_state':'S0','history':'S','anomalies':{'syn_retransmit':3},"
	"'visibility':'client_only'}}";

static const char LINE_ANOMALY[] =
	"{'timestamp':'2026-11-20T02:31:46.250000+0000','flow_id':1007,'pcap_cnt':1100,'in_iface':'eth0',"
	"'event_type':'anomaly',"
	"'src_ip':'192.0.2.10','src_port':50000,"
	"'dest_ip':'198.51.100.5','dest_port':443,"
	"'proto':'TCP','ip_v':4,"
	"'community_id':'1:oRjJpBIVEuPZhRHGGXNKN+7K1Kk=',"
	"'anomaly':{'type':'stream','event':'rst_out_of_window','layer':'tcp','count':1}}";

static const char LINE_ANOMALY_DECODE[] =
	"{'timestamp':'2026-11-20T02:31:46.300000+0000','pcap_cnt':1101,'in_iface':'eth0',"
	"'event_type':'anomaly',"
	"'src_ip':'10.0.0.7','src_port':0,"
	"'dest_ip':'10.0.0.7','dest_port':80,"
	"'proto':'TCP','ip_v':4,"
	"'community_id':'1:cQe4UX9ZjSgOB7YkdXVlzhD44U0=',"
	"'anomaly':{'type':'decode','event':'land_packet','layer':'ip','count':1}}";

static const char LINE_ALERT[] =
	"{'timestamp':'2026-11-20T02:31:47.000000+0000','pcap_cnt':5120,'in_iface':'eth0',"
	"'event_type':'alert',"
	"'dest_ip':'198.51.100.5','dest_port':443,"
	"'proto':'TCP','ip_v':4,"
	"'alert':{'action':'allowed','gid':1,'signature_id':4100001,'rev':1,"
	"'signature':'SYN flood: connection attempts far above normal stay unanswered',"
	"'category':'Attempted Denial of Service','severity':1,"
	"'metadata':{'mitre_technique_id':['T1499.001'],'mitre_tactic_id':['TA0040'],"
	"'mitre_tactic_name':['Impact']}},"
	"'detection':{'detector':'syn_flood','class':'spoofed_syn_flood','class_score':0.91,"
	"'runner_up':{'detector':'half_open_surge','score':0.62},'alert_id':'00c0ffee12345678','phase':'raised','"
	"target':{"
	"'ip':'198.51.100.5','port':443},"
	"'started':'2026-11-20T02:31:46.000000+0000','updated':'2026-11-20T02:31:47.000000+0000',"
	"'ended':null,'duration':1.0,'reopened':0,"
	"'rate':2411.333,'baseline':12.5,'threshold':200.0,'peak':2411.333,"
	"'counts':{'syn':4096,'synack':1020,'completed':20,'unanswered':3076,'half_open':1000,'refused':0,"
	"'syn_repeated':0,'synack_repeated':513,'client_reset':0,'unreachable':0,'stray':0},"
	"'completion':{'now':0.0049,'baseline':0.987},"
	"'listener':{'half_open':1000,'half_open_peak':1024,'backlog':1024,'cookies':'no',"
	"'cookies_why':'its SYN-ACKs are repeated, and SYNs beyond its backlog stay unanswered'},"
	"'sources':{'distinct':4031,'error':0.0325,'baseline':31.5,'top':[{'ip':'203.0.113.77','share':0.0117},{'ip':'"
	"203.0.113.4',"
	"'share':0.0002}],'spoofed_likelihood':0.94},"
	"'fingerprint':{'entropy_bits':0.998,'ttl':244,'window':0,'options':'none','share':0.5312,"
	"'isn_low_bits_zero':false,'one_source_port':false},"
	"'confidence':0.97,"
	"'visibility':{'one_way':false,'kernel_dropped':0,'flows_evicted':0,'flows_refused':0,"
	"'lost_share':0.0012,'one_way_share':0.0,'started_late':false},"
	"'flows':[1024,4711],"
	"'parameters':{'floor':20.0,'window':10.0,'whole_host':true},"
	"'filter':'tcp and dst host 198.51.100.5 and dst port 443 and tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn',"
	"'command':'tcpwitness -q -r flood.pcap --events alert | grep 00c0ffee12345678',"
	"'explanation':'198.51.100.5:443 gets 2411 connection attempts a second (normal: 12.5) and 99.5 % of "
	"them do not complete; filter or enable SYN cookies there.'}}";

static const char LINE_ALERT_TIME_WAIT[] =
	"{'timestamp':'2026-11-20T02:32:15.000000+0000','in_iface':'eth0','event_type':'alert',"
	"'src_ip':'10.0.0.5',"
	"'dest_ip':'10.0.0.9','dest_port':443,"
	"'proto':'TCP','ip_v':4,"
	"'alert':{'action':'allowed','gid':1,'signature_id':4100003,'rev':2,"
	"'signature':'TIME_WAIT exhausts the ports of a client','category':'Misc activity','severity':2,"
	"'metadata':{}},"
	"'detection':{'detector':'time_wait_exhaustion','class':'time_wait_exhaustion','alert_id':'fedcba9876543210','"
	"phase':'cleared',"
	"'target':{"
	"'client':'10.0.0.5','ip':'10.0.0.9','port':443},"
	"'started':'2026-11-20T02:31:45.000000+0000','updated':'2026-11-20T02:32:15.000000+0000',"
	"'ended':'2026-11-20T02:32:15.000000+0000','duration':12.5,'reopened':0,"
	"'clear_reason':'recovered',"
	"'rate':14640.0,'baseline':0.0,'threshold':14116.0,'peak':27001.0,"
	"'counts':{'syn':0,'synack':0,'completed':0,'unanswered':0,'half_open':0,'refused':0,"
	"'syn_repeated':0,'synack_repeated':0,'client_reset':0,'unreachable':0,'stray':0},"
	"'sources':{'distinct':0,'top':[]},"
	"'confidence':0.9,"
	"'forecast':{'occupancy':0.5186,'capacity':28232,'exhaustion_at':'2026-11-20T02:32:42.100000+0000',"
	"'seconds_left':27.1},"
	"'visibility':{'one_way':true,'kernel_dropped':12,'flows_evicted':0,'flows_refused':0,'started_late':true},"
	"'command':'tcpwitness -q -r flood.pcap --events alert | grep fedcba9876543210',"
	"'explanation':'10.0.0.5 no longer runs out of ports towards 10.0.0.9:443.'}}";

static const char LINE_STATS[] =
	"{'timestamp':'2026-11-20T02:32:45.000000+0000','in_iface':'eth0','event_type':'stats',"
	"'stats':{'uptime':60,"
	"'capture':{'frames':1048576,'bytes':734003200,'kernel_received':1048600,'kernel_dropped':24,"
	"'interface_dropped':0,'time_backwards':0},'decode':{"
	"'tcp':1000000,'icmp_quote':12,'not_tcp':48560,'fragment_held':2,'fragments_reassembled':1,"
	"'fragments_timed_out':0,'checksum_bad':5,'checksum_offloaded':0,'checksum_unchecked':120},"
	"'decode_refused':{'truncated_ipv4':2},"
	"'tcp':{'segments':1000000,'payload_bytes':650117120,'duplicates':0,'late_segments':40,'out_of_state':310,"
	"'backscatter':{'synack':0,'rst':300},"
	"'bad_checksum':5,'untracked':0,'icmp_matched':12,'icmp_unmatched':0},"
	"'flow':{'created':5120,'records':4100,'records_left_out':0,'refused':0,'capacity':262144,"
	"'memory_bytes':268435456,'in_use':{'established':1000,'time_wait':3},'expired':{'unanswered':4100},"
	"'evicted':{'closed':17}},'syn_store':{'created':4900,'promoted':800,'refused':0,'entries_in_use':0,"
	"'capacity':440000,'memory_bytes':29360128},'tombstones':{'created':3200,'evicted':0,'capacity':400000,"
	"'memory_bytes':14680064},'detect':{'alarms_raised':1,'alarms_updated':6,'alarms_cleared':0,"
	"'alarms_open':1,'alarms_silenced':0,'alarms_suppressed':0,'targets_evicted':0,'memory_bytes':16777216},'"
	"events':{"
	"'dropped':0},'output':{'events_dropped':0,'lines_dropped':0,'reconnects':1}}}";

static const char LINE_SUMMARY[] =
	"{'timestamp':'2026-11-20T02:33:20.000000+0000','event_type':'summary',"
	"'summary':{'packets':6120,'bytes':591234,'tcp_segments':6000,'connections':4129,'flow_records':4129,"
	"'late_segments':4,'out_of_state':12,'backscatter':{'synack':0,'rst':12},'bad_checksum':0,'untracked':0,'"
	"kernel_dropped':0,"
	"'alerts':{'raised':2,'open':1},"
	"'decode_refused':{'truncated_ipv4':2,'bad_tcp_data_offset':1},'evicted':{},'truncated':true}}";

static const struct {
	struct sensor_event (*sample)(void);
	const char *line;
} rows[] = {
	{ sample_tcp_state, LINE_TCP_STATE },
	{ sample_flow, LINE_FLOW },
	{ sample_flow_unanswered, LINE_FLOW_UNANSWERED },
	{ sample_anomaly, LINE_ANOMALY },
	{ sample_anomaly_decode, LINE_ANOMALY_DECODE },
	{ sample_alert, LINE_ALERT },
	{ sample_alert_time_wait, LINE_ALERT_TIME_WAIT },
	{ sample_stats, LINE_STATS },
	{ sample_summary, LINE_SUMMARY },
};

enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

static int make_encoder(void **state)
{
	static const struct event_json_replay replay = {
		.capture = "",
		.command = "tcpwitness -q -r flood.pcap --events alert",
	};

	*state = event_json_create();
	if (*state == NULL)
		return -1;
	event_json_set_replay(*state, &replay);
	return 0;
}

static int drop_encoder(void **state)
{
	event_json_destroy(*state);
	return 0;
}

/* The line, with ' for ", without its newline. Valid until the next call. */
static const char *encode(void **state, const struct sensor_event *event)
{
	static char line[1 << 16];
	size_t length;
	const char *text = event_json_encode(*state, event, &length);

	assert_non_null(text);
	assert_in_range(length, 2, sizeof(line));
	assert_int_equal(text[length - 1], '\n');
	assert_null(memchr(text, '\n', length - 1));
	memcpy(line, text, length);
	line[length - 1] = '\0';
	for (char *at = line; *at != '\0'; at++) {
		if (*at == '"')
			*at = '\'';
	}
	return line;
}

static void assert_has(const char *line, const char *part)
{
	if (strstr(line, part) == NULL)
		fail_msg("%s\nhas no %s", line, part);
}

static void assert_has_not(const char *line, const char *part)
{
	if (strstr(line, part) != NULL)
		fail_msg("%s\nhas %s", line, part);
}

static void every_type_becomes_its_line(void **state)
{
	for (unsigned i = 0; i < N_ROWS; i++) {
		struct sensor_event event = rows[i].sample();

		assert_string_equal(encode(state, &event), rows[i].line);
	}
}

/* Reals are printed with a point wherever the user lives. */
static void the_locale_changes_nothing(void **state)
{
	static const char *const locales[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "cs_CZ.UTF-8" };
	struct sensor_event event = sample_alert();
	bool found = false;

	for (unsigned i = 0; i < sizeof(locales) / sizeof(locales[0]) && !found; i++)
		found = setlocale(LC_ALL, locales[i]) != NULL;
	if (!found) {
		print_message("SKIPPED: no locale with a decimal comma is installed\n");
		skip();
	}
	assert_string_equal(encode(state, &event), LINE_ALERT);
	setlocale(LC_ALL, "C");
}

/* --- texts --- */

static void names_that_are_no_text_become_valid(void **state)
{
	struct sensor_event event = sample_tcp_state();
	static const char *const names[][2] = {
		{ "evil\"name\\.pcap", "'in_iface':'evil\\'name\\\\.pcap'" },
		{ "line\nbreak\x1b[31m", "'in_iface':'line\\nbreak\\u001B[31m'" },
		{ "latin-1 \xfc.pcap", "'in_iface':'latin-1 \xEF\xBF\xBD.pcap'" },
		{ "c1 \xc2\x9b"
		  "31m",
		  "'in_iface':'c1 \xEF\xBF\xBD"
		  "31m'" },
		{ "Zürich.pcap", "'in_iface':'Zürich.pcap'" },
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		event.in_iface = names[i][0];
		assert_has(encode(state, &event), names[i][1]);
	}
}

/* Every byte that a file name may hold, alone and in pairs, gives a line that a JSON reader takes. */
static void any_name_gives_a_line_that_can_be_read(void **state)
{
	struct sensor_event event = sample_tcp_state();
	char name[3] = { 0 };

	event.in_iface = name;
	for (unsigned i = 1; i < 256 * 256; i += i < 256 ? 1 : 37) {
		size_t length;

		name[0] = (char)(i & 255);
		name[1] = (char)(i >> 8);
		if (name[0] == '\0')
			continue;
		const char *line = event_json_encode(*state, &event, &length);
		assert_non_null(line);
		json_t *read = json_loadb(line, length, 0, NULL);
		assert_non_null(read);
		json_decref(read);
	}
}

/* --- numbers --- */

static void numbers_have_bounded_precision(void **state)
{
	struct sensor_event event = sample_alert();

	event.alert.rate = 1.0 / 3;
	event.alert.baseline = -0.0001;
	event.alert.threshold = 123456789.9996;
	event.alert.confidence = 2.0 / 3;
	const char *line = encode(state, &event);
	assert_has(line, "'rate':0.333,'baseline':0.0,'threshold':123456790.0,");
	assert_has(line, "'confidence':0.6667,");
}

/* A detector that divides by zero is wrong, but the line stays JSON; the schema then refuses the null. */
static void what_is_no_number_is_null(void **state)
{
	struct sensor_event event = sample_alert();

	event.alert.rate = (double)NAN;
	event.alert.peak = (double)INFINITY;
	const char *line = encode(state, &event);
	assert_has(line, "'rate':null,");
	assert_has(line, "'peak':null,");
}

static void numbers_beyond_what_json_readers_take_are_cut(void **state)
{
	struct sensor_event event = sample_stats();

	event.stats.counters[0].value = UINT64_MAX;
	assert_has(encode(state, &event), "'frames':9223372036854775807");
}

static void times_are_utc_with_microseconds_cut_off(void **state)
{
	struct sensor_event event = sample_tcp_state();

	event.time_ns = 0;
	assert_has(encode(state, &event), "'timestamp':'1970-01-01T00:00:00.000000+0000'");
	event.time_ns = UINT64_C(951825599999999999); /* a leap day */
	assert_has(encode(state, &event), "'timestamp':'2000-02-29T11:59:59.999999+0000'");
	event.time_ns = UINT64_MAX;
	assert_has(encode(state, &event), "'timestamp':'2554-07-21T23:34:33.709551+0000'");
}

/* --- flow: what EVE readers see --- */

static void eve_state_is_the_servers(void **state)
{
	static const struct {
		enum tcp_state server;
		bool heard;
		const char *tcp;
		const char *flow;
	} states[] = {
		{ TCPS_LISTEN, false, "syn_sent", "new" },
		{ TCPS_LISTEN, true, "closed", "closed" }, /* it was reset out of SYN_RCVD and listens again */
		{ TCPS_SYN_SENT, true, "syn_sent", "new" },
		{ TCPS_SYN_RCVD, true, "syn_recv", "new" },
		{ TCPS_ESTABLISHED, true, "established", "established" },
		{ TCPS_FIN_WAIT_1, true, "fin_wait1", "established" },
		{ TCPS_FIN_WAIT_2, true, "fin_wait2", "established" },
		{ TCPS_CLOSE_WAIT, true, "close_wait", "established" },
		{ TCPS_CLOSING, true, "closing", "established" },
		{ TCPS_LAST_ACK, true, "last_ack", "closed" },
		{ TCPS_TIME_WAIT, true, "time_wait", "closed" },
		{ TCPS_CLOSED, true, "closed", "closed" },
	};

	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		struct sensor_event event = sample_flow();
		char flow_part[64];
		char tcp_part[64];

		event.flow.end[SIDE_SERVER].state = (uint8_t)states[i].server;
		event.flow.end[SIDE_SERVER].heard = states[i].heard;
		snprintf(flow_part, sizeof(flow_part), "'age':12,'state':'%s',", states[i].flow);
		snprintf(tcp_part, sizeof(tcp_part), "'ecn':true,'state':'%s'}", states[i].tcp);
		const char *line = encode(state, &event);
		assert_has(line, flow_part);
		assert_has(line, tcp_part);
	}
}

static void eve_reason_is_one_that_eve_knows_and_ours_is_finer(void **state)
{
	static const struct {
		enum flow_end_reason reason;
		const char *eve;
		const char *ours;
	} reasons[] = {
		{ FLOW_END_TIMEOUT, "timeout", "timeout" },    { FLOW_END_CLOSED, "timeout", "closed" },
		{ FLOW_END_EVICTED, "forced", "forced" },      { FLOW_END_REUSED, "tcp_reuse", "tcp_reuse" },
		{ FLOW_END_SHUTDOWN, "shutdown", "shutdown" }, { FLOW_END_INTERIM, "unknown", "interim" },
	};

	for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		struct sensor_event event = sample_flow();
		char part[64];

		event.flow.reason = (uint8_t)reasons[i].reason;
		const char *line = encode(state, &event);
		snprintf(part, sizeof(part), "'reason':'%s','alerted'", reasons[i].eve);
		assert_has(line, part);
		snprintf(part, sizeof(part), "'end_reason':'%s'", reasons[i].ours);
		assert_has(line, part);
	}
}

static void flags_are_given_only_when_they_were_seen(void **state)
{
	struct sensor_event event = sample_flow();

	event.flow.end[SIDE_CLIENT].flags = SEG_SYN | SEG_AE;
	event.flow.end[SIDE_SERVER].flags = SEG_RST | SEG_URG | SEG_CWR;
	assert_has(encode(state, &event), "'tcp':{'tcp_flags':'a6','tcp_flags_ts':'02','tcp_flags_tc':'a4',"
					  "'syn':true,'rst':true,'urg':true,'cwr':true,'state':");
}

static void a_reset_says_why_it_was_sent(void **state)
{
	struct sensor_event event = sample_flow();

	assert_has_not(encode(state, &event), "rst_cause");
	event.flow.rst_cause = CONN_RST_CAUSE_LATE_DATA;
	assert_has(encode(state, &event), "'rst_cause':'late_data','end_reason'");
}

static void ecn_and_multipath_are_noted_when_they_were_spoken_of(void **state)
{
	struct sensor_event event = sample_flow();

	assert_has_not(encode(state, &event), "ecn':'");
	assert_has_not(encode(state, &event), "mptcp");
	event.flow.ecn = CONN_ECN_ACCURATE;
	event.flow.end[SIDE_CLIENT].mptcp = CONN_MPTCP_CAPABLE;
	event.flow.end[SIDE_SERVER].mptcp = CONN_MPTCP_JOIN;
	assert_has(encode(state, &event), "'rtt_server_ms':12.1,'ecn':'accurate'}");
	assert_has(encode(state, &event), "'timestamps':true,'mptcp':'capable','payload_bytes':517");
	assert_has(encode(state, &event), "'timestamps':true,'mptcp':'join','payload_bytes':350112");
}

static void a_record_says_how_many_attempts_it_stands_for(void **state)
{
	struct sensor_event event = sample_flow();

	assert_has_not(encode(state, &event), "stands_for");
	event.flow.stands_for = 64;
	assert_has(encode(state, &event), "'previous_flow_id':12,'stands_for':64,");
}

static void what_is_not_known_is_absent(void **state)
{
	struct sensor_event event = sample_flow();

	event.flow.closed_by_known = false;
	event.flow.previous_flow_id = 0;
	event.flow.rtt_client_us = UINT32_MAX;
	event.flow.end[SIDE_SERVER].isn_known = false;
	event.flow.end[SIDE_SERVER].mss = 0;
	event.flow.end[SIDE_SERVER].wscale_ok = false;
	event.ends.n_vlans = 0;
	event.ends.n_tunnels = 0;
	const char *line = encode(state, &event);
	assert_has_not(line, "closed_by");
	assert_has_not(line, "previous_flow_id");
	assert_has_not(line, "rtt_client_ms");
	assert_has_not(line, "vlan");
	assert_has_not(line, "tunnel");
	assert_has(
		line,
		"'server':{'state':'CLOSED','certainty':'presumed','state_pcap_cnt':1465,'caused_by':1465,'heard':true,"
		"'sack_ok':true,");
}

static void visibility_says_which_direction_was_heard(void **state)
{
	struct sensor_event event = sample_flow();

	event.flow.end[SIDE_CLIENT].heard = false;
	assert_has(encode(state, &event), "'visibility':'server_only'");
	event = sample_flow();
	event.flow.end[SIDE_SERVER].heard = false;
	assert_has(encode(state, &event), "'visibility':'client_only'");
}

static void the_path_is_listed_outermost_first(void **state)
{
	struct sensor_event event = sample_flow();

	event.ends.n_vlans = 2;
	event.ends.vlans[1] = 4095;
	event.ends.n_tunnels = 3;
	event.ends.tunnels[1] = TUNNEL_GTPU;
	event.ends.tunnels[2] = TUNNEL_6IN4;
	assert_has(encode(state, &event),
		   "'vlan':[100,4095],'tunnel':{'depth':3,'kinds':['vxlan','gtpu','6in4']},'community_id'");
}

/* --- alarms: who they are about --- */

static void a_prefix_stands_for_no_one_host(void **state)
{
	struct sensor_event event = sample_alert();

	event.alert.target = (struct alert_target){ .ip = sample_addr("203.0.113.0"), .prefix_bits = 24 };
	const char *line = encode(state, &event);
	assert_has(line, "'target':{'prefix':'203.0.113.0/24'}");
	assert_has(line, "'event_type':'alert','proto':'TCP','alert'");
}

static void a_source_is_the_client(void **state)
{
	struct sensor_event event = sample_alert();

	event.alert.target = (struct alert_target){ .ip = sample_addr("2001:db8::bad"), .is_source = true };
	const char *line = encode(state, &event);
	assert_has(line, "'target':{'ip':'2001:db8::bad','role':'source'}");
	assert_has(line, "'event_type':'alert','src_ip':'2001:db8::bad','proto':'TCP','ip_v':6,'alert'");
}

static void ends_that_a_detector_named_are_kept(void **state)
{
	struct sensor_event event = sample_alert();

	event.ends = sample_ends("192.0.2.10", 50000, "198.51.100.5", 443);
	assert_has(encode(state, &event), "'src_ip':'192.0.2.10','src_port':50000,'dest_ip':'198.51.100.5','dest_port':"
					  "443,'proto':'TCP','ip_v':4,"
					  "'community_id':'1:oRjJpBIVEuPZhRHGGXNKN+7K1Kk=','alert'");
}

static void of_an_alarm_too_what_is_not_known_is_absent(void **state)
{
	static const char *const keys[] = { "class_score", "runner_up", "completion", "listener",     "error",
					    "fingerprint", "spoofed",   "forecast",   "clear_reason", "lost_share",
					    "one_way_s",   "flows'",    "parameters", "'filter'",     "tactic_id" };
	struct sensor_event event = sample_alert_time_wait();

	event.alert.has_forecast = false;
	event.alert.clear_reason = NULL;
	event.alert.mitre_tactic = "Some Other Framework's";
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_has_not(encode(state, &event), keys[i]);
	event.alert.completion = 0;
	assert_has(encode(state, &event), "'completion':{'now':0.0},");
	event.alert.has_listener = true;
	assert_has(encode(state, &event), "'listener':{'half_open':0,'half_open_peak':0,'cookies':'unknown'},");
}

static void an_alarm_says_how_it_can_be_had_again(void **state)
{
	struct event_json_replay replay = { .capture = "tcpdump -i eth0 -w alarm.pcap",
					    .command = "tcpwitness -q -r alarm.pcap --events alert" };
	struct sensor_event event = sample_alert();

	assert_has(encode(state, &event),
		   "'command':'tcpwitness -q -r flood.pcap --events alert | grep 00c0ffee12345678',");
	strcpy(event.alert.capture, "host 198.51.100.5");
	event_json_set_replay(*state, &replay);
	/* Taken later, it holds another alarm. */
	assert_has(encode(state, &event), "'command':'tcpdump -i eth0 -w alarm.pcap 'host 198.51.100.5'; "
					  "tcpwitness -q -r alarm.pcap --events alert',");

	/* A part of a command is none. */
	static char long_command[9000];
	memset(long_command, 'x', sizeof(long_command) - 1);
	replay = (struct event_json_replay){ .capture = "", .command = long_command };
	event_json_set_replay(*state, &replay);
	assert_has_not(encode(state, &event), "'command'");
	replay.command = NULL;
	event_json_set_replay(*state, &replay);
	assert_has_not(encode(state, &event), "'command'");
}

static void phases_have_their_names(void **state)
{
	struct sensor_event event = sample_alert();

	event.alert.phase = ALERT_UPDATE;
	assert_has(encode(state, &event), "'phase':'update'");
	event.alert.phase = ALERT_CLEARED;
	assert_has(encode(state, &event), "'phase':'cleared'");
}

static void an_alarm_that_is_told_in_another_says_in_which(void **state)
{
	struct sensor_event event = sample_alert();

	assert_has_not(encode(state, &event), "folded");
	event.alert.phase = ALERT_CLEARED;
	event.alert.clear_reason = "folded";
	event.alert.folded_into = 0xabc;
	assert_has(encode(state, &event), "'clear_reason':'folded','folded_into':'0000000000000abc'");
}

static void sources_that_are_told_here_alone_are_counted(void **state)
{
	struct sensor_event event = sample_alert();

	event.alert.sources_folded = 58;
	assert_has(encode(state, &event), "'folded':58,'top':");
}

static void a_forecast_without_an_end_says_none(void **state)
{
	struct sensor_event event = sample_alert_time_wait();

	event.alert.forecast.exhaustion_at_ns = 0;
	event.alert.forecast.seconds_left = -1;
	assert_has(encode(state, &event), "'forecast':{'occupancy':0.5186,'capacity':28232},");
}

/* --- counters --- */

static void a_counter_below_a_number_keeps_its_dots(void **state)
{
	struct sensor_event event = sample_stats();

	event.stats.n_counters = 3;
	event.stats.counters[0] = (struct event_counter){ "flow", 1 };
	event.stats.counters[1] = (struct event_counter){ "flow.created.now", 2 };
	event.stats.counters[2] = (struct event_counter){ "a.b.c", 3 };
	assert_has(encode(state, &event), "'stats':{'uptime':60,'flow':1,'flow.created.now':2,'a':{'b':{'c':3}}}");

	/* Also where the number comes later. */
	event.stats.counters[0] = (struct event_counter){ "a.b.x", 1 };
	event.stats.counters[1] = (struct event_counter){ "a.b", 2 };
	assert_has(encode(state, &event), "'stats':{'uptime':60,'a':{'b.x':1,'b':2,'b.c':3}}");
}

/* In one object, where the first of them stands, in whatever order they come. */
static void counters_of_a_group_are_together(void **state)
{
	static const char *const names[] = { "a.b.c", "x", "a.d", "ab.c", "a.b.e", "y.z", "a.bc.d", "a.b.f" };
	struct sensor_event event = sample_stats();

	event.stats.n_counters = sizeof(names) / sizeof(names[0]);
	for (unsigned i = 0; i < event.stats.n_counters; i++)
		event.stats.counters[i] = (struct event_counter){ names[i], i };
	assert_has(encode(state, &event), "'stats':{'uptime':60,'a':{'b':{'c':0,'e':4,'f':7},'d':2,'bc':{'d':6}},"
					  "'x':1,'ab':{'c':3},'y':{'z':5}}}");
}

static void the_longest_event_fits(void **state)
{
	static char names[EVENT_MAX_COUNTERS][64];
	struct sensor_event event = sample_stats();

	event.stats.n_counters = EVENT_MAX_COUNTERS;
	for (unsigned i = 0; i < EVENT_MAX_COUNTERS; i++) {
		snprintf(names[i], sizeof(names[i]), "a_rather_long_group_name_%u.a_counter_with_a_long_name_%u", i, i);
		event.stats.counters[i] = (struct event_counter){ names[i], UINT64_MAX };
	}
	const char *line = encode(state, &event);
	assert_in_range(strlen(line), 16384, 65536);
	assert_has(line, "a_counter_with_a_long_name_191");
}

/* --- shortage of memory --- */

/* What the program under test calls for malloc and realloc (the linker's --wrap). */
void *__real_malloc(size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);

static unsigned allocations_left = UINT_MAX;
static unsigned n_allocations;

static bool may_allocate(void)
{
	n_allocations++;
	if (allocations_left == 0)
		return false;
	allocations_left--;
	return true;
}

void *__wrap_malloc(size_t bytes)
{
	return may_allocate() ? __real_malloc(bytes) : NULL;
}

void *__wrap_realloc(void *memory, size_t bytes)
{
	return may_allocate() ? __real_realloc(memory, bytes) : NULL;
}

static void no_event_of_usual_length_allocates(void **state)
{
	n_allocations = 0;
	for (unsigned i = 0; i < N_ROWS; i++) {
		struct sensor_event event = rows[i].sample();
		size_t length;

		assert_non_null(event_json_encode(*state, &event, &length));
	}
	assert_int_equal(n_allocations, 0);
}

/* Wherever memory ends, the answer is null and nothing leaks (the sanitizers' runs look for that). */
static void shortage_of_memory_is_no_line_and_no_crash(void **state)
{
	static char name[100000];
	struct sensor_event event = sample_tcp_state();
	const char *line;
	size_t length;

	for (unsigned allowed = 0; allowed < 2; allowed++) {
		allocations_left = allowed;
		assert_null(event_json_create());
	}
	memset(name, '\x01', sizeof(name) - 1);
	event.in_iface = name;
	for (unsigned allowed = 0;; allowed++) {
		allocations_left = allowed;
		line = event_json_encode(*state, &event, &length);
		allocations_left = UINT_MAX;
		if (line != NULL)
			break;
		assert_int_equal(length, 0);
		assert_true(allowed < 20);
		event.in_iface = "eth0";
		assert_string_equal(encode(state, &event), LINE_TCP_STATE);
		event.in_iface = name;
	}
	assert_in_range(length, 6 * (sizeof(name) - 1), 6 * (sizeof(name) - 1) + 1000);

	/* The line is long enough from then on. */
	n_allocations = 0;
	assert_non_null(event_json_encode(*state, &event, &length));
	assert_int_equal(n_allocations, 0);
}

/* --- the schema and the manual page --- */

/* Exit code of the validator, given the text on its standard input. */
static int validate(const char *text)
{
	FILE *validator = popen("/usr/bin/python3 " TESTS_DIR "/support/validate_events.py - 2>&1", "w");

	assert_non_null(validator);
	fputs(text, validator);
	return WEXITSTATUS(pclose(validator));
}

static void add_line(char *text, const char *line)
{
	char *at = text + strlen(text);

	for (; *line != '\0'; line++)
		*at++ = *line == '\'' ? '"' : *line;
	strcpy(at, "\n");
}

static void the_lines_satisfy_the_schema(void **state)
{
	static char text[1 << 16];
	int code;

	(void)state;
	/* The alarm that is cleared was raised before: the validator asks for that. */
	text[0] = '\0';
	for (unsigned i = 0; i < N_ROWS; i++) {
		if (rows[i].line == LINE_ALERT_TIME_WAIT) {
			struct sensor_event raised = sample_alert_time_wait();

			raised.alert.phase = ALERT_RAISED;
			raised.alert.ended_ns = 0;
			raised.alert.duration_s = 0;
			raised.alert.clear_reason = NULL;
			raised.time_ns = raised.alert.updated_ns = raised.alert.started_ns;
			add_line(text, encode(state, &raised));
		}
		add_line(text, rows[i].line);
	}
	code = validate(text);
	if (code == 77) {
		print_message("SKIPPED: python3-jsonschema is not installed\n");
		skip();
	}
	assert_int_equal(code, 0);
}

/* A validator that accepts everything would accept the lines above too. */
static void the_validator_refuses_what_is_wrong(void **state)
{
	static const char *const changes[][2] = {
		{ "'proto':'TCP'", "'proto':'UDP'" },                           /* a value */
		{ "'ip_v':4", "'ip_v':6" },                                     /* other than the addresses */
		{ "'community_id':'1:o", "'community_id':'1:p" },               /* not computed so */
		{ "'witness':{", "'witness':{'surplus':1," },                   /* an unknown key */
		{ "'end':'2026-11-20T02:31:57", "'end':'2026-11-20T02:31:44" }, /* before its start */
		{ "'end':'2026-11-20T02:31:57.539666+0000'", "'end':'2026-11-20 02:31:57'" }, /* a form */
		{ "'visibility':'both'", "'visibility':'client_only'" },                      /* but both were heard */
		{ "'tcp_flags':'5b'", "'tcp_flags':'1b'" },                                   /* the sum is wrong */
		{ "'retransmission':2", "'retransmision':2" },                                /* no such anomaly */
		{ "'handshake':{'syn_retries':1,", "'handshake':{" },                         /* a key is missing */
		{ "'flow_id':1007,", "'flow_id':1007,'flow_id':1007," },                      /* twice */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		char text[4096] = "";
		char changed[4096];
		const char *at = strstr(LINE_FLOW, changes[i][0]);

		assert_non_null(at);
		snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - LINE_FLOW), LINE_FLOW, changes[i][1],
			 at + strlen(changes[i][0]));
		add_line(text, changed);
		int code = validate(text);
		if (code == 77)
			skip();
		if (code != 1)
			fail_msg("accepted: %s", changes[i][1]);
	}
}

/* A record that says another state than the connection's tcp_state events: one of the two is wrong. */
static void the_validator_refuses_a_record_that_the_story_denies(void **state)
{
	struct sensor_event step = sample_tcp_state();
	char text[8192] = "";

	step.flow_id = sample_flow().flow_id;
	add_line(text, encode(state, &step));
	add_line(text, LINE_FLOW);
	int code = validate(text);
	if (code == 77)
		skip();
	assert_int_equal(code, 1);
}

/* The file without blanks, and without what mdoc needs of backslashes. */
static char *read_without_blanks(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 18);
	size_t length = 0;
	int c;

	assert_non_null(file);
	assert_non_null(text);
	while ((c = fgetc(file)) != EOF && length < (1 << 18) - 1) {
		if (c != ' ' && c != '\n')
			text[length++] = (char)c;
	}
	fclose(file);
	return text;
}

static void the_manual_page_shows_these_lines(void **state)
{
	char *page = read_without_blanks(PROJECT_DIR "/doc/tcpwitness-events.5");

	(void)state;
	for (unsigned i = 0; i < N_ROWS; i++) {
		char line[8192];
		size_t length = 0;

		for (const char *at = rows[i].line; *at != '\0'; at++) {
			if (*at != ' ')
				line[length++] = *at == '\'' ? '"' : *at;
		}
		line[length] = '\0';
		if (strstr(page, line) == NULL)
			fail_msg("tcpwitness-events.5 does not show %s", rows[i].line);
	}
	free(page);
}

#define encoder_test(test) cmocka_unit_test_setup_teardown(test, make_encoder, drop_encoder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		encoder_test(every_type_becomes_its_line),
		encoder_test(the_locale_changes_nothing),
		encoder_test(names_that_are_no_text_become_valid),
		encoder_test(any_name_gives_a_line_that_can_be_read),
		encoder_test(numbers_have_bounded_precision),
		encoder_test(what_is_no_number_is_null),
		encoder_test(numbers_beyond_what_json_readers_take_are_cut),
		encoder_test(times_are_utc_with_microseconds_cut_off),
		encoder_test(eve_state_is_the_servers),
		encoder_test(eve_reason_is_one_that_eve_knows_and_ours_is_finer),
		encoder_test(flags_are_given_only_when_they_were_seen),
		encoder_test(a_reset_says_why_it_was_sent),
		encoder_test(ecn_and_multipath_are_noted_when_they_were_spoken_of),
		encoder_test(what_is_not_known_is_absent),
		encoder_test(a_record_says_how_many_attempts_it_stands_for),
		encoder_test(visibility_says_which_direction_was_heard),
		encoder_test(the_path_is_listed_outermost_first),
		encoder_test(a_prefix_stands_for_no_one_host),
		encoder_test(a_source_is_the_client),
		encoder_test(ends_that_a_detector_named_are_kept),
		encoder_test(phases_have_their_names),
		encoder_test(of_an_alarm_too_what_is_not_known_is_absent),
		encoder_test(an_alarm_says_how_it_can_be_had_again),
		encoder_test(an_alarm_that_is_told_in_another_says_in_which),
		encoder_test(sources_that_are_told_here_alone_are_counted),
		encoder_test(a_forecast_without_an_end_says_none),
		encoder_test(a_counter_below_a_number_keeps_its_dots),
		encoder_test(counters_of_a_group_are_together),
		encoder_test(the_longest_event_fits),
		encoder_test(no_event_of_usual_length_allocates),
		encoder_test(shortage_of_memory_is_no_line_and_no_crash),
		encoder_test(the_lines_satisfy_the_schema),
		encoder_test(the_validator_refuses_what_is_wrong),
		encoder_test(the_validator_refuses_a_record_that_the_story_denies),
		encoder_test(the_manual_page_shows_these_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
