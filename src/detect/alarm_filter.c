/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which packets show what an alarm is about. libpcap's tcp[...] reads behind an IPv4 header only, so for IPv6
 * the same bytes are named by their place behind the fixed header (ip6[40 + n]); behind extension headers they are
 * elsewhere, and such packets are not shown.
 */
#include "alarm_filter.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	FIN = 0x01,
	SYN = 0x02,
	RST = 0x04,
	ACK = 0x10,
	FLAGS_OFFSET = 13,
	WINDOW_OFFSET = 14,
	IP6_HEADER_BYTES = 40,
};

/* Of the target: what goes to it, what comes from it, or both. */
enum direction { TO = 0, FROM, BOTH };

enum flag_test {
	ANY = 0, /* whatever flags */
	ONE_OF,  /* at least one of mask */
	NONE_OF, /* none of mask */
	ALL_OF,  /* all of mask */
	SYN_ONLY,
	NO_FLAGS,
	XMAS,
};

struct view {
	const char *detector;
	const char *class_part; /* part of the class's name; null = any */
	enum direction direction;
	enum flag_test test;
	uint8_t mask;
	bool zero_window;
};

/* The first row that fits holds. Of a target that acts itself ("role":"source") TO and FROM are what it sends. */
static const struct view views[] = {
	{ .detector = "syn_flood", .test = SYN_ONLY },
	{ .detector = "flash_crowd", .test = SYN_ONLY },
	{ .detector = "carpet_bombing", .test = SYN_ONLY },
	{ .detector = "half_open_surge", .direction = BOTH, .test = ONE_OF, .mask = SYN },
	{ .detector = "accept_queue_overflow", .direction = BOTH },
	{ .detector = "connection_flood", .direction = BOTH },
	{ .detector = "service_down", .direction = BOTH, .test = ONE_OF, .mask = SYN | RST },
	{ .detector = "time_wait_exhaustion", .direction = BOTH, .test = ONE_OF, .mask = SYN | FIN },
	{ .detector = "time_wait_pileup", .direction = BOTH, .test = ONE_OF, .mask = FIN },
	{ .detector = "state_leak", .direction = BOTH, .test = ONE_OF, .mask = FIN },
	{ .detector = "port_scan", .class_part = "null", .test = NO_FLAGS },
	{ .detector = "port_scan", .class_part = "xmas", .test = XMAS },
	{ .detector = "port_scan", .class_part = "fin", .test = ONE_OF, .mask = FIN },
	{ .detector = "port_scan", .class_part = "maimon", .test = ALL_OF, .mask = FIN | ACK },
	{ .detector = "port_scan", .class_part = "synack", .test = ALL_OF, .mask = SYN | ACK },
	{ .detector = "port_scan", .class_part = "rst", .test = ONE_OF, .mask = RST },
	{ .detector = "port_scan", .class_part = "ack", .test = ONE_OF, .mask = ACK },
	{ .detector = "port_scan", .class_part = "stealth" },
	{ .detector = "port_scan", .test = SYN_ONLY },
	{ .detector = "connection_fan_out", .test = SYN_ONLY },
	{ .detector = "synack_reflection", .test = ALL_OF, .mask = SYN | ACK },
	{ .detector = "backscatter", .direction = FROM, .test = ONE_OF, .mask = SYN | RST },
	{ .detector = "out_of_state_flood", .class_part = "null", .test = NO_FLAGS },
	{ .detector = "out_of_state_flood", .class_part = "xmas", .test = XMAS },
	{ .detector = "out_of_state_flood", .class_part = "rst", .test = ONE_OF, .mask = RST },
	{ .detector = "out_of_state_flood", .class_part = "fin", .test = ONE_OF, .mask = FIN },
	{ .detector = "out_of_state_flood", .class_part = "ack", .test = ONE_OF, .mask = ACK },
	{ .detector = "out_of_state_flood", .test = NONE_OF, .mask = SYN },
	{ .detector = "zero_window_hold", .test = NONE_OF, .mask = RST, .zero_window = true },
	{ .detector = "rst_injection", .direction = BOTH, .test = ONE_OF, .mask = RST },
};

struct text {
	char *at;
	size_t room;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text->at, text->room, format, arguments);
	va_end(arguments);
	/* What does not fit makes the whole useless: see finish. */
	if (length < 0 || (size_t)length >= text->room) {
		text->room = 0;
		return;
	}
	text->at += length;
	text->room -= (size_t)length;
}

static void finish(const struct text *text, char *start)
{
	if (text->room == 0)
		start[0] = '\0';
}

static const struct view *find_view(const struct event_alert *alert)
{
	static const struct view everything = { .direction = BOTH };
	const char *class_name = alert->class_name != NULL ? alert->class_name : "";

	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		const struct view *view = &views[i];

		if (strcmp(view->detector, alert->detector) == 0 &&
		    (view->class_part == NULL || strstr(class_name, view->class_part) != NULL))
			return view;
	}
	return &everything;
}

/* "host 192.0.2.1" or "net 192.0.2.0/24". */
static void put_place(struct text *text, const struct ip_addr *ip, uint8_t prefix_bits)
{
	char name[IP_ADDR_TEXT_BYTES];

	ip_addr_format(ip, name);
	if (prefix_bits == 0)
		put(text, "host %s", name);
	else
		put(text, "net %s/%u", name, prefix_bits);
}

static void put_target(struct text *text, const struct alert_target *target, enum direction direction)
{
	const char *side = "";

	if (target->ip.version == 0)
		return;
	/* With a client both ends are known, and one capture shows both directions. */
	if (direction != BOTH && target->client.version == 0)
		side = direction == TO && !target->is_source ? "dst " : "src ";
	if (target->client.version != 0) {
		put(text, " and ");
		put_place(text, &target->client, 0);
	}
	put(text, " and %s", side);
	put_place(text, &target->ip, target->prefix_bits);
	if (target->has_port)
		put(text, " and %sport %u", side, target->port);
}

/* The TCP header's bytes at offset, as many as n_bytes. */
static void put_field(struct text *text, uint8_t ip_version, unsigned offset, unsigned n_bytes)
{
	const char *header = ip_version == 6 ? "ip6" : "tcp";
	unsigned at = ip_version == 6 ? IP6_HEADER_BYTES + offset : offset;

	if (ip_version != 6 && offset == FLAGS_OFFSET)
		put(text, "tcp[tcpflags]");
	else if (n_bytes == 1)
		put(text, "%s[%u]", header, at);
	else
		put(text, "%s[%u:%u]", header, at, n_bytes);
}

static void put_mask(struct text *text, uint8_t ip_version, uint8_t mask)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = { { FIN, "tcp-fin" }, { SYN, "tcp-syn" }, { RST, "tcp-rst" }, { ACK, "tcp-ack" } };
	bool is_one = (mask & (mask - 1)) == 0;
	const char *between = is_one ? "" : "(";

	if (ip_version == 6) {
		put(text, "0x%02x", mask);
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((mask & names[i].bit) == 0)
			continue;
		put(text, "%s%s", between, names[i].name);
		between = "|";
	}
	put(text, "%s", is_one ? "" : ")");
}

static void put_flags(struct text *text, const struct view *view, uint8_t ip_version)
{
	uint8_t mask = view->test == SYN_ONLY ? SYN | ACK : view->mask;

	if (view->test == ANY)
		return;
	put(text, " and ");
	put_field(text, ip_version, FLAGS_OFFSET, 1);
	if (view->test == NO_FLAGS) {
		put(text, " & 0x3f = 0");
		return;
	}
	if (view->test == XMAS) {
		put(text, " & 0x3f = 0x29");
		return;
	}
	put(text, " & ");
	put_mask(text, ip_version, mask);
	if (view->test == ONE_OF) {
		put(text, " != 0");
	} else if (view->test == NONE_OF) {
		put(text, " = 0");
	} else {
		put(text, " = ");
		put_mask(text, ip_version, view->test == SYN_ONLY ? SYN : mask);
	}
}

void alarm_filter_fill(struct event_alert *alert)
{
	const struct view *view = find_view(alert);
	const struct alert_target *target = &alert->target;
	struct text filter = { alert->filter, sizeof(alert->filter) };
	struct text capture = { alert->capture, sizeof(alert->capture) };

	alert->filter[0] = '\0';
	alert->capture[0] = '\0';
	put(&filter, "tcp");
	put_target(&filter, target, view->direction);
	/* Without an address it is not known which header the bytes are behind. */
	if (target->ip.version != 0) {
		put_flags(&filter, view, target->ip.version);
		if (view->zero_window) {
			put(&filter, " and ");
			put_field(&filter, target->ip.version, WINDOW_OFFSET, 2);
			put(&filter, " = 0");
		}
	}
	finish(&filter, alert->filter);

	if (target->ip.version == 0)
		return;
	put_place(&capture, &target->ip, target->prefix_bits);
	if (target->client.version != 0) {
		put(&capture, " and ");
		put_place(&capture, &target->client, 0);
	}
	finish(&capture, alert->capture);
}
