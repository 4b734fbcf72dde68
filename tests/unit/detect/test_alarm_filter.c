/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The filters that alarms give: libpcap compiles each of them, and it shows the packets in question and no others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pcap/pcap.h>
#include <string.h>

#include "alarm_filter.h"
#include "packet_builder.h"

/* A segment, and where it goes. */
struct segment {
	const char *from;
	const char *to;
	struct pb_tcp tcp;
};

static struct ip_addr addr(const char *text)
{
	struct ip_addr ip = { .version = 0 };

	if (!ip_addr_parse(text, &ip))
		fail_msg("%s is no address", text);
	return ip;
}

static struct alert_target service(const char *ip, uint16_t port)
{
	return (struct alert_target){ .ip = addr(ip), .has_port = port != 0, .port = port };
}

static bool matches(const char *filter, const struct segment *segment)
{
	static struct packet_builder pb;
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	struct bpf_program program;
	struct pcap_pkthdr header = { .caplen = 0 };

	pb_ethernet(pb_reset(&pb));
	if (strchr(segment->from, ':') != NULL)
		pb_ipv6(&pb, segment->from, segment->to);
	else
		pb_ipv4(&pb, segment->from, segment->to);
	pb_tcp(&pb, &segment->tcp);
	struct frame frame = pb_frame(&pb);
	header.caplen = frame.captured_bytes;
	header.len = frame.captured_bytes;
	assert_non_null(pcap);
	if (pcap_compile(pcap, &program, filter, 1, PCAP_NETMASK_UNKNOWN) != 0)
		fail_msg("%s: %s", filter, pcap_geterr(pcap));
	bool is_match = pcap_offline_filter(&program, &header, frame.data) != 0;
	pcap_freecode(&program);
	pcap_close(pcap);
	return is_match;
}

static struct event_alert alert_of(const char *detector, const char *class_name, struct alert_target target)
{
	struct event_alert alert = { .detector = detector, .class_name = class_name, .target = target };

	alarm_filter_fill(&alert);
	return alert;
}

static void expect(const struct event_alert *alert, bool is_shown, const char *from, uint16_t src_port, const char *to,
		   uint16_t dst_port, const char *flags, uint16_t window)
{
	struct segment segment = { from,
				   to,
				   { .src_port = src_port, .dst_port = dst_port, .flags = flags, .window = window } };

	if (matches(alert->filter, &segment) != is_shown)
		fail_msg("%s: %s [%s] from %s port %u to %s port %u", alert->filter,
			 is_shown ? "does not show" : "shows", flags, from, src_port, to, dst_port);
	/* What is in question must at least be captured. */
	if (is_shown && !matches(alert->capture, &segment))
		fail_msg("%s: does not hold what %s shows", alert->capture, alert->filter);
}

static void test_floods_show_the_syns(void **state)
{
	struct event_alert v4 = alert_of("syn_flood", NULL, service("203.0.113.5", 443));
	struct event_alert v6 = alert_of("syn_flood", "spoofed_syn_flood", service("2001:db8::5", 443));

	(void)state;
	assert_string_equal(v4.filter, "tcp and dst host 203.0.113.5 and dst port 443 and "
				       "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn");
	assert_string_equal(v4.capture, "host 203.0.113.5");
	assert_string_equal(v6.filter, "tcp and dst host 2001:db8::5 and dst port 443 and ip6[53] & 0x12 = 0x02");
	expect(&v4, true, "192.0.2.1", 1000, "203.0.113.5", 443, "S", 0);
	expect(&v4, true, "192.0.2.1", 1000, "203.0.113.5", 443, "SEW", 0);
	expect(&v4, false, "192.0.2.1", 1000, "203.0.113.5", 443, "S.", 0);
	expect(&v4, false, "203.0.113.5", 443, "192.0.2.1", 1000, "S", 0);
	expect(&v4, false, "192.0.2.1", 1000, "203.0.113.5", 80, "S", 0);
	expect(&v4, false, "192.0.2.1", 1000, "203.0.113.6", 443, "S", 0);
	expect(&v6, true, "2001:db8::1", 1000, "2001:db8::5", 443, "S", 0);
	expect(&v6, false, "2001:db8::1", 1000, "2001:db8::5", 443, "S.", 0);
	expect(&v6, false, "2001:db8::5", 443, "2001:db8::1", 1000, "S", 0);
}

static void test_half_open_shows_the_answers_too(void **state)
{
	struct event_alert v4 = alert_of("half_open_surge", NULL, service("203.0.113.5", 443));
	struct event_alert v6 = alert_of("half_open_surge", NULL, service("2001:db8::5", 443));

	(void)state;
	expect(&v4, true, "192.0.2.1", 1000, "203.0.113.5", 443, "S", 0);
	expect(&v4, true, "203.0.113.5", 443, "192.0.2.1", 1000, "S.", 0);
	expect(&v4, false, "192.0.2.1", 1000, "203.0.113.5", 443, ".", 9);
	expect(&v6, true, "2001:db8::5", 443, "2001:db8::1", 1000, "S.", 0);
	expect(&v6, false, "2001:db8::5", 443, "2001:db8::1", 1000, "P.", 0);
}

static void test_prefixes(void **state)
{
	struct event_alert v4 =
		alert_of("carpet_bombing", NULL, (struct alert_target){ .ip = addr("203.0.113.0"), .prefix_bits = 24 });
	struct event_alert v6 = alert_of("carpet_bombing", NULL,
					 (struct alert_target){ .ip = addr("2001:db8:0:1::"), .prefix_bits = 64 });

	(void)state;
	expect(&v4, true, "192.0.2.1", 1000, "203.0.113.77", 80, "S", 0);
	expect(&v4, false, "192.0.2.1", 1000, "203.0.114.77", 80, "S", 0);
	expect(&v6, true, "2001:db8::1", 1000, "2001:db8:0:1::77", 80, "S", 0);
	expect(&v6, false, "2001:db8::1", 1000, "2001:db8:0:2::77", 80, "S", 0);
}

static void test_pairs_are_seen_both_ways(void **state)
{
	struct alert_target target = service("10.0.0.9", 443);

	(void)state;
	target.client = addr("10.0.0.5");
	struct event_alert alert = alert_of("time_wait_exhaustion", NULL, target);
	assert_string_equal(alert.capture, "host 10.0.0.9 and host 10.0.0.5");
	expect(&alert, true, "10.0.0.5", 40000, "10.0.0.9", 443, "S", 0);
	expect(&alert, true, "10.0.0.9", 443, "10.0.0.5", 40000, "F.", 0);
	expect(&alert, false, "10.0.0.6", 40000, "10.0.0.9", 443, "S", 0);
	expect(&alert, false, "10.0.0.5", 40000, "10.0.0.9", 443, "P.", 9);
}

static void test_sources_are_shown_by_what_they_send(void **state)
{
	struct alert_target target = { .ip = addr("192.0.2.66"), .is_source = true };
	struct event_alert scan = alert_of("port_scan", "vertical_scan", target);
	struct event_alert null_scan = alert_of("port_scan", "null_scan", target);
	struct event_alert xmas_scan = alert_of("port_scan", "xmas_scan", target);
	struct event_alert ack_scan = alert_of("port_scan", "stealth_ack_scan", target);
	struct event_alert synack_scan = alert_of("port_scan", "stealth_synack_scan", target);
	struct event_alert worm = alert_of("connection_fan_out", NULL, target);

	(void)state;
	expect(&scan, true, "192.0.2.66", 1000, "10.0.0.1", 22, "S", 1024);
	expect(&scan, false, "10.0.0.1", 22, "192.0.2.66", 1000, "S", 0);
	expect(&null_scan, true, "192.0.2.66", 1000, "10.0.0.1", 22, "", 1024);
	expect(&null_scan, false, "192.0.2.66", 1000, "10.0.0.1", 22, "S", 1024);
	expect(&xmas_scan, true, "192.0.2.66", 1000, "10.0.0.1", 22, "FPU", 1024);
	expect(&xmas_scan, false, "192.0.2.66", 1000, "10.0.0.1", 22, "F.", 1024);
	expect(&ack_scan, true, "192.0.2.66", 1000, "10.0.0.1", 22, ".", 1024);
	expect(&synack_scan, true, "192.0.2.66", 1000, "10.0.0.1", 22, "S.", 1024);
	expect(&synack_scan, false, "192.0.2.66", 1000, "10.0.0.1", 22, ".", 1024);
	expect(&worm, true, "192.0.2.66", 1000, "10.0.0.1", 445, "S", 1024);
}

static void test_what_belongs_to_no_connection(void **state)
{
	struct event_alert reflection = alert_of("synack_reflection", NULL, service("203.0.113.5", 0));
	struct event_alert stray = alert_of("out_of_state_flood", NULL, service("203.0.113.5", 0));
	struct event_alert ack = alert_of("out_of_state_flood", "ack_flood", service("2001:db8::5", 80));
	struct event_alert back = alert_of("backscatter", NULL, service("203.0.113.5", 0));

	(void)state;
	expect(&reflection, true, "192.0.2.1", 443, "203.0.113.5", 5000, "S.", 0);
	expect(&reflection, false, "192.0.2.1", 443, "203.0.113.5", 5000, "S", 0);
	expect(&stray, true, "192.0.2.1", 443, "203.0.113.5", 5000, ".", 0);
	expect(&stray, true, "192.0.2.1", 443, "203.0.113.5", 5000, "", 0);
	expect(&stray, false, "192.0.2.1", 443, "203.0.113.5", 5000, "S.", 0);
	expect(&ack, true, "2001:db8::1", 443, "2001:db8::5", 80, ".", 0);
	expect(&ack, false, "2001:db8::1", 443, "2001:db8::5", 80, "R", 0);
	expect(&back, true, "203.0.113.5", 80, "192.0.2.1", 4000, "S.", 0);
	expect(&back, true, "203.0.113.5", 80, "192.0.2.1", 4000, "R.", 0);
	expect(&back, false, "192.0.2.1", 4000, "203.0.113.5", 80, "S.", 0);
	back.target.is_source = true;
	alarm_filter_fill(&back);
	expect(&back, true, "203.0.113.5", 80, "192.0.2.1", 4000, "S.", 0);
}

static void test_closed_windows(void **state)
{
	struct event_alert v4 = alert_of("zero_window_hold", NULL, service("203.0.113.5", 80));
	struct event_alert v6 = alert_of("zero_window_hold", NULL, service("2001:db8::5", 80));

	(void)state;
	expect(&v4, true, "192.0.2.1", 1000, "203.0.113.5", 80, ".", 0);
	expect(&v4, false, "192.0.2.1", 1000, "203.0.113.5", 80, ".", 1);
	expect(&v4, false, "192.0.2.1", 1000, "203.0.113.5", 80, "R", 0);
	expect(&v6, true, "2001:db8::1", 1000, "2001:db8::5", 80, ".", 0);
	expect(&v6, false, "2001:db8::1", 1000, "2001:db8::5", 80, ".", 1);
}

/* Whatever detector, class and target: what is not empty compiles. Long addresses leave room. */
static void test_all_of_them_compile(void **state)
{
	static const char *const more[] = { "syn_flood",         "half_open_surge",  "time_wait_exhaustion",
					    "time_wait_pileup",  "port_scan",        "connection_fan_out",
					    "synack_reflection", "backscatter",      "out_of_state_flood",
					    "connection_flood",  "zero_window_hold", "state_leak",
					    "service_down",      "carpet_bombing",   "accept_queue_overflow",
					    "rst_injection",     "flash_crowd",      "sensor_health" };
	static const char *const classes[] = { NULL, "fin_scan", "maimon_scan", "rst_flood", "stealth_scan" };
	struct alert_target targets[] = {
		service("203.0.113.255", 65535),
		service("2001:db8:1111:2222:3333:4444:5555:6666", 65535),
		service("2001:db8:1111:2222:3333:4444:5555:6666", 65535),
		{ .ip = addr("2001:db8:1111:2222::"), .prefix_bits = 64 },
		{ .ip = addr("203.0.113.255"), .is_source = true },
		{ .has_port = false },
	};
	const struct segment any = { "192.0.2.1", "192.0.2.2", { .src_port = 1, .dst_port = 2, .flags = "S" } };

	(void)state;
	targets[2].client = addr("2001:db8:1111:2222:3333:4444:5555:7777");
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		for (size_t j = 0; j < sizeof(classes) / sizeof(classes[0]); j++)
			for (size_t k = 0; k < sizeof(targets) / sizeof(targets[0]); k++) {
				struct event_alert alert = alert_of(more[i], classes[j], targets[k]);

				assert_true(alert.filter[0] != '\0');
				assert_true((alert.capture[0] == '\0') == (targets[k].ip.version == 0));
				(void)matches(alert.filter, &any);
				(void)matches(alert.capture, &any);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_floods_show_the_syns),
		cmocka_unit_test(test_half_open_shows_the_answers_too),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_pairs_are_seen_both_ways),
		cmocka_unit_test(test_sources_are_shown_by_what_they_send),
		cmocka_unit_test(test_what_belongs_to_no_connection),
		cmocka_unit_test(test_closed_windows),
		cmocka_unit_test(test_all_of_them_compile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
