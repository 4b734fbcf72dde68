/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts how a client uses up its ports. A second's slot is found by its number; a newer number clears it, an older
 * one is forgotten, so that the order in which trackers are merged does not matter.
 */
#include "port_use.h"

#include <stddef.h>
#include <string.h>

enum { N_WORDS = (sizeof(struct port_use) - 2 * sizeof(uint64_t)) / sizeof(uint32_t) };
_Static_assert(sizeof(struct port_use) == 2 * sizeof(uint64_t) + N_WORDS * sizeof(uint32_t),
	       "two 64-bit words, then 32-bit words without padding");

/* Options of SYNs as the decoder hashes them (tcp_options.layout): kinds in order, FNV-1a. */
#define LAYOUT_LINUX   UINT32_C(0x32e187f9) /* MSS, SACK, timestamps, NOP, window scale */
#define LAYOUT_LINUX_2 UINT32_C(0x630b2c01) /* without timestamps */
#define LAYOUT_WINDOWS UINT32_C(0x051cadd1) /* MSS, NOP, window scale, NOP, NOP, SACK */
#define LAYOUT_BSD     UINT32_C(0x6bdd4429) /* MSS, NOP, window scale, SACK, timestamps: FreeBSD; Windows with them */
#define LAYOUT_MACOS   UINT32_C(0x91962de9) /* MSS, NOP, window scale, NOP, NOP, timestamps, SACK, end */

/* Initial hop limits in use are 64, 128 and 255; no path is longer than the room between them. */
enum { TTL_UNIX = 64, TTL_WINDOWS = 128 };

/* Trackers hold TIME_WAITs no longer. */
#define HELD_NS (60 * NS_PER_SEC)

enum port_use_stack port_use_stack_of(uint8_t ttl, uint16_t window, uint32_t layout)
{
	if (ttl > TTL_WINDOWS)
		return PORT_STACK_OTHER;
	if (ttl > TTL_UNIX)
		return layout == LAYOUT_WINDOWS || layout == LAYOUT_BSD ? PORT_STACK_WINDOWS : PORT_STACK_OTHER;
	if (layout == LAYOUT_LINUX || layout == LAYOUT_LINUX_2)
		return PORT_STACK_LINUX;
	if (layout == LAYOUT_MACOS && window == UINT16_MAX)
		return PORT_STACK_MACOS;
	if (layout == LAYOUT_BSD && window == UINT16_MAX)
		return PORT_STACK_FREEBSD;
	return PORT_STACK_OTHER;
}

void port_use_init(struct port_use *use, uint64_t since_ns)
{
	memset(use, 0, sizeof(*use));
	use->since_ns = since_ns;
	use->followed_ns = since_ns;
}

static uint32_t slot_number(uint64_t time_ns)
{
	uint32_t number = (uint32_t)(time_ns / PORT_USE_SLOT_NS + 1);

	return number;
}

static uint32_t slot_place(uint32_t number)
{
	return number % PORT_USE_SLOTS;
}

/* The slot of that time, cleared if it held an older one; null when it holds a newer one. */
static struct port_use_slot *slot_for(struct port_use *use, uint64_t time_ns)
{
	uint32_t number = slot_number(time_ns);
	struct port_use_slot *slot = &use->slots[slot_place(number)];

	if (number > slot->number) {
		memset(slot, 0, sizeof(*slot));
		slot->number = number;
	}
	return number == slot->number ? slot : NULL;
}

const struct port_use_slot *port_use_slot_at(const struct port_use *use, uint64_t time_ns)
{
	uint32_t number = slot_number(time_ns);
	const struct port_use_slot *slot = &use->slots[slot_place(number)];

	return number == slot->number ? slot : NULL;
}

void port_use_begin(struct port_use *use, uint64_t since_ns, uint64_t now_ns, uint32_t open, uint32_t waiting)
{
	uint64_t from_ns = now_ns > HELD_NS ? now_ns - HELD_NS : 0;

	port_use_init(use, since_ns);
	use->followed_ns = now_ns;
	from_ns = from_ns > since_ns ? from_ns : since_ns;
	uint64_t seconds = now_ns / PORT_USE_SLOT_NS - from_ns / PORT_USE_SLOT_NS + 1;
	for (uint64_t i = 0; i < seconds; i++) {
		struct port_use_slot *slot = slot_for(use, from_ns + i * PORT_USE_SLOT_NS);
		if (slot == NULL)
			continue;
		/* Remainders are spread too: the sum is what it must be. */
		uint32_t opened = (uint32_t)((open + waiting) * (i + 1) / seconds - (open + waiting) * i / seconds);
		uint32_t waits = (uint32_t)(waiting * (i + 1) / seconds - waiting * i / seconds);
		slot->opened = opened;
		slot->closed = waits;
		slot->waiting = waits;
	}
	use->opened = open + waiting;
	use->closed = waiting;
	use->waiting = waiting;
	use->estimated = use->opened;
}

uint32_t port_use_active(const struct port_use *use)
{
	return use->opened > use->closed ? use->opened - use->closed : 0;
}

static void count_group(struct port_use_group *group, uint32_t opened, uint32_t lowest, uint32_t highest)
{
	if (opened == 0)
		return;
	if (group->opened == 0 || lowest < group->lowest)
		group->lowest = lowest;
	if (group->opened == 0 || highest > group->highest)
		group->highest = highest;
	group->opened += opened;
}

static void note_ttl(struct port_use *use, uint32_t lowest, uint32_t highest)
{
	if (lowest != 0 && (use->ttl_lowest == 0 || lowest < use->ttl_lowest))
		use->ttl_lowest = lowest;
	if (highest > use->ttl_highest)
		use->ttl_highest = highest;
}

static void count_open(struct port_use *use, const struct flow_signal *signal)
{
	uint32_t port = signal->client_port;
	struct port_use_slot *slot = slot_for(use, signal->now_ns);

	if (signal->since_ns < use->since_ns)
		return;
	use->opened++;
	/* Of a connection that was picked up in its middle no SYN was seen. */
	if (signal->kind == SIGNAL_COMPLETED) {
		use->stacks[port_use_stack_of(signal->ttl, signal->window, signal->syn_layout)]++;
		note_ttl(use, signal->ttl, signal->ttl);
	}
	count_group(&use->groups[port / PORT_USE_GROUP_PORTS], 1, port, port);
	if (slot == NULL)
		return;
	slot->opened++;
	slot->opened_odd += port % 2;
}

static void count_closed(struct port_use *use, const struct flow_signal *signal)
{
	struct port_use_slot *slot = slot_for(use, signal->now_ns);

	if (signal->since_ns < use->since_ns || !signal->completed)
		return;
	use->closed++;
	if (slot == NULL)
		return;
	slot->closed++;
	slot->lived_ms += (uint32_t)((signal->now_ns - signal->since_ns) / NS_PER_MS);
}

static void count_gap(struct port_use_gap *gap, uint32_t count, uint32_t shortest_ms)
{
	if (count == 0)
		return;
	if (gap->count == 0 || shortest_ms < gap->shortest_ms)
		gap->shortest_ms = shortest_ms;
	gap->count += count;
}

static void count_cut_short(struct port_use *use, const struct flow_signal *signal)
{
	uint64_t waited_ms = signal->now_ns > signal->since_ns ? (signal->now_ns - signal->since_ns) / NS_PER_MS : 0;
	struct port_use_slot *began = slot_for(use, signal->since_ns);
	struct port_use_slot *slot = slot_for(use, signal->now_ns);
	int bucket = 0;

	if (!signal->reused)
		return;
	while (bucket < PORT_USE_GAPS - 1 && waited_ms >= UINT64_C(1000) << bucket)
		bucket++;
	use->cut_short++;
	count_gap(&use->gaps[bucket], 1, waited_ms < UINT32_MAX ? (uint32_t)waited_ms : UINT32_MAX);
	if (began != NULL && began->waiting > 0)
		began->waiting--;
	if (slot != NULL)
		slot->cut_short++;
}

static void count_server_cut_short(struct port_use *use, const struct flow_signal *signal)
{
	struct port_use_slot *began = slot_for(use, signal->since_ns);

	if (!signal->reused)
		return;
	use->server_cut_short++;
	if (began != NULL && began->server_waiting > 0)
		began->server_waiting--;
}

static void count_time_wait(struct port_use *use, const struct flow_signal *signal)
{
	struct port_use_slot *slot = slot_for(use, signal->now_ns);

	use->waiting++;
	if (slot != NULL)
		slot->waiting++;
}

static void count_server_time_wait(struct port_use *use, const struct flow_signal *signal)
{
	struct port_use_slot *slot = slot_for(use, signal->now_ns);

	use->server_waiting++;
	if (slot != NULL)
		slot->server_waiting++;
}

void port_use_signal(struct port_use *use, const struct flow_signal *signal)
{
	static void (*const count[SIGNAL_KIND_COUNT])(struct port_use *, const struct flow_signal *) = {
		[SIGNAL_COMPLETED] = count_open,
		[SIGNAL_JOINED] = count_open,
		[SIGNAL_CLOSED] = count_closed,
		[SIGNAL_TIME_WAIT] = count_time_wait,
		[SIGNAL_TIME_WAIT_OVER] = count_cut_short,
		[SIGNAL_SERVER_TIME_WAIT] = count_server_time_wait,
		[SIGNAL_SERVER_TIME_WAIT_OVER] = count_server_cut_short,
	};

	if (signal->kind < SIGNAL_KIND_COUNT && count[signal->kind] != NULL)
		count[signal->kind](use, signal);
}

static void merge_slot(struct port_use_slot *into, const struct port_use_slot *from)
{
	if (from->number > into->number) {
		*into = *from;
		return;
	}
	if (from->number < into->number)
		return;
	into->opened += from->opened;
	into->opened_odd += from->opened_odd;
	into->closed += from->closed;
	into->waiting += from->waiting;
	into->server_waiting += from->server_waiting;
	into->cut_short += from->cut_short;
	into->lived_ms += from->lived_ms;
}

void port_use_merge(struct port_use *into, const struct port_use *from)
{
	if (from->since_ns < into->since_ns)
		into->since_ns = from->since_ns;
	if (from->followed_ns > into->followed_ns)
		into->followed_ns = from->followed_ns;
	into->estimated += from->estimated;
	into->opened += from->opened;
	into->closed += from->closed;
	into->waiting += from->waiting;
	into->cut_short += from->cut_short;
	into->server_waiting += from->server_waiting;
	into->server_cut_short += from->server_cut_short;
	for (int i = 0; i < PORT_STACKS; i++)
		into->stacks[i] += from->stacks[i];
	note_ttl(into, from->ttl_lowest, from->ttl_highest);
	for (int i = 0; i < PORT_USE_GAPS; i++)
		count_gap(&into->gaps[i], from->gaps[i].count, from->gaps[i].shortest_ms);
	for (int i = 0; i < PORT_USE_GROUPS; i++)
		count_group(&into->groups[i], from->groups[i].opened, from->groups[i].lowest, from->groups[i].highest);
	for (int i = 0; i < PORT_USE_SLOTS; i++)
		merge_slot(&into->slots[i], &from->slots[i]);
}
