/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of stacks (detection science, section 2.2), and how a client's own ports correct it.
 */
#include "port_limits.h"

#include <string.h>

struct stack {
	const char *name;
	uint32_t first;
	uint32_t last;
	double two_msl_s;
};

/* What is unknown may have any port that is not privileged. */
static const struct stack stacks[PORT_STACKS] = {
	[PORT_STACK_OTHER] = { "unknown", 1024, 65535, 60 },     [PORT_STACK_LINUX] = { "Linux", 32768, 60999, 60 },
	[PORT_STACK_WINDOWS] = { "Windows", 49152, 65535, 120 }, [PORT_STACK_MACOS] = { "macOS", 49152, 65535, 30 },
	[PORT_STACK_FREEBSD] = { "FreeBSD", 10000, 65535, 60 },
};

/* The dynamic ports of RFC 6335, which hosts of several kinds keep to. */
enum { DYNAMIC_FIRST = 49152, ANY_FIRST = 1024, PORT_MAX = 65535 };

/* Initial hop limits. */
enum { TTL_UNIX = 64, TTL_WINDOWS = 128 };

/* So many connections at least tell something about a client's ports or TIME_WAITs. */
enum { MIN_OPENED = 64, MIN_CUT_SHORT = 20 };

/* Less is chance: an application that asks for a port of its own, a misread SYN. */
#define MIN_SHARE       0.005
#define MIN_STACK_SHARE 0.02
#define MIN_REUSE_SHARE 0.02
/* TIME_WAIT restarted by a late segment, or timers of other precision. */
#define MAX_EARLY_SHARE 0.03
/* No stack's 2MSL is less; who reuses ports sooner does so on purpose. */
enum { LEAST_TWO_MSL_MS = 28000, GAP_LONG = 5 /* from 16 s on */ };
/* Hosts behind one address are at unlike distances from it, or of unlike kinds; routes change by less. */
enum { MAX_TTL_SPREAD = 3 };
/* Gone through so often, a range has no ports that were left out by chance, whatever the order. */
#define TURNS 1.5

const char *port_stack_name(enum port_use_stack stack)
{
	return stacks[stack].name;
}

struct port_span {
	uint32_t first;
	uint32_t last;
	uint32_t opened;
};

/* The ports seen, but for what is chance. */
static struct port_span span_of(const struct port_use *use)
{
	struct port_span span = { 0 };
	uint32_t least = (uint32_t)(MIN_SHARE * use->opened);

	for (int i = 0; i < PORT_USE_GROUPS; i++) {
		const struct port_use_group *group = &use->groups[i];
		if (group->opened <= least)
			continue;
		if (span.opened == 0)
			span.first = group->lowest;
		span.last = group->highest;
		span.opened += group->opened;
	}
	return span;
}

static bool is_mixed(const struct port_use *use, enum port_use_stack common)
{
	uint32_t all = 0;

	for (int i = 0; i < PORT_STACKS; i++)
		all += use->stacks[i];
	return all >= MIN_OPENED && (all - use->stacks[common] > MIN_STACK_SHARE * all ||
				     use->ttl_highest - use->ttl_lowest > MAX_TTL_SPREAD);
}

static enum port_use_stack most_common(const struct port_use *use)
{
	enum port_use_stack common = PORT_STACK_OTHER;

	for (int i = 0; i < PORT_STACKS; i++) {
		if (use->stacks[i] > use->stacks[common])
			common = (enum port_use_stack)i;
	}
	return common;
}

/* Of SYNs that tell nothing, the ports and the hop limit do. */
static enum port_use_stack guess_by_ports(const struct port_use *use, const struct port_span *span)
{
	if (span->first >= DYNAMIC_FIRST && use->ttl_lowest > TTL_UNIX && use->ttl_highest <= TTL_WINDOWS)
		return PORT_STACK_WINDOWS;
	if (span->first >= stacks[PORT_STACK_LINUX].first && span->last <= stacks[PORT_STACK_LINUX].last)
		return PORT_STACK_LINUX;
	return PORT_STACK_OTHER;
}

/* The range that holds what was seen: the stack's, another usual one, or what was seen itself. */
static struct port_span widen(const struct stack *stack, const struct port_span *seen)
{
	struct port_span range = { stack->first, stack->last, 0 };

	if (seen->opened < MIN_OPENED)
		return range;
	bool is_outside = seen->first < stack->first || seen->last > stack->last;
	if (seen->first >= DYNAMIC_FIRST && (is_outside || stack == &stacks[PORT_STACK_OTHER]))
		return (struct port_span){ DYNAMIC_FIRST, PORT_MAX, 0 };
	if (!is_outside)
		return range;
	if (seen->first < range.first)
		range.first = seen->first;
	if (seen->last > range.last)
		range.last = seen->last;
	return range;
}

static void infer_capacity(const struct port_use *use, struct port_limits *limits)
{
	struct port_span seen = span_of(use);

	if (limits->stack == PORT_STACK_OTHER && seen.opened >= MIN_OPENED)
		limits->stack = guess_by_ports(use, &seen);
	const struct stack *stack = &stacks[limits->stack];
	struct port_span range = widen(stack, &seen);
	if (limits->is_shared)
		range = (struct port_span){ ANY_FIRST, PORT_MAX, 0 };
	double seen_ports = (double)seen.last - seen.first + 1;
	limits->capacity = (double)range.last - range.first + 1;
	if (seen.opened >= MIN_OPENED && seen.opened >= TURNS * seen_ports && seen_ports < limits->capacity)
		limits->capacity = seen_ports;
	/* A few ports may be reserved, or not come up; that is not another range. */
	double usual = (double)stack->last - stack->first + 1;
	if (!limits->is_shared && limits->capacity < usual && limits->capacity > 0.98 * usual)
		limits->capacity = usual;
	limits->by_ports = limits->capacity != usual;
}

static uint32_t cut_short_within(const struct port_use *use, uint64_t now_ns, int seconds, uint32_t *opened)
{
	uint32_t cut_short = 0;

	*opened = 0;
	for (int age = 0; age < seconds; age++) {
		const struct port_use_slot *slot = port_use_slot_at(use, now_ns - (uint64_t)age * PORT_USE_SLOT_NS);
		if (slot == NULL)
			continue;
		cut_short += slot->cut_short;
		*opened += slot->opened;
	}
	return cut_short;
}

/*
 * Many ports are used again, but never before a certain time, which is no less than a 2MSL in use: that is the client's
 * 2MSL. If they are used again sooner, its stack has an option for that.
 */
static void infer_two_msl(const struct port_use *use, uint64_t now_ns, struct port_limits *limits)
{
	uint32_t opened;
	uint32_t lately = cut_short_within(use, now_ns, (int)limits->two_msl_s, &opened);
	uint32_t all = 0;
	uint32_t early = 0;
	uint32_t shortest_ms = UINT32_MAX;

	for (int i = 0; i < PORT_USE_GAPS; i++) {
		const struct port_use_gap *gap = &use->gaps[i];
		all += gap->count;
		if (gap->count > 0 && gap->shortest_ms < LEAST_TWO_MSL_MS)
			early += gap->count;
		else if (gap->count > 0 && gap->shortest_ms < shortest_ms)
			shortest_ms = gap->shortest_ms;
	}
	bool is_often = lately >= MIN_CUT_SHORT && lately >= MIN_REUSE_SHARE * opened;
	if (early > MAX_EARLY_SHARE * all)
		limits->is_reusing = is_often;
	else if (all - early >= MIN_CUT_SHORT && shortest_ms < limits->two_msl_s * 1000)
		limits->two_msl_s = shortest_ms / 1000.0;
}

void port_limits_infer(const struct port_use *use, uint64_t now_ns, uint64_t port_range, uint64_t two_msl_ns,
		       struct port_limits *limits)
{
	memset(limits, 0, sizeof(*limits));
	limits->stack = most_common(use);
	limits->is_shared = is_mixed(use, limits->stack);
	infer_capacity(use, limits);
	limits->two_msl_s = two_msl_ns != 0 ? ns_to_seconds(two_msl_ns) : stacks[limits->stack].two_msl_s;
	infer_two_msl(use, now_ns, limits);
	if (port_range == 0)
		return;
	limits->capacity = (double)port_range;
	limits->by_rule = true;
	limits->by_ports = false;
}
