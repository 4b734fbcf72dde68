/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model of detection science section 4. What comes free is known exactly, from the slots in which TIME_WAIT
 * began; what will be taken is the present rate and, if the last 2MSL show a steady rise, that rise.
 */
#include "port_ring.h"

#include <math.h>
#include <string.h>

#include "tcpwitness/base/units.h"

/* Weight of the newest slot: a moving mean over about five. */
#define WEIGHT 0.2

/* A moving maximum that halves in about 2MSL. */
#define PEAK_KEPT 0.99

/* Ports are told apart in groups of so many; a group with less than 1 % of the connections is chance. */
enum { GROUP_PORTS = 4096, MIN_OPENED = 2000 };
#define MIN_GROUP_SHARE 0.01

/*
 * 32768: start of the usual range of Linux; 49152: of the dynamic ports of RFC 6335, Windows and macOS; 61440: above
 * Linux's.
 */
enum { GROUP_LINUX = 8, GROUP_DYNAMIC = 12, GROUP_LAST = 15, DYNAMIC_PORTS = 16384, WIDE_PORTS = 32768 };

/* A few tuples are used again even by clients that cannot (measured: 12 of 14,000); where it is enabled, most are. */
#define MIN_REUSE_SHARE 0.02

/* "Fell to less than 5 %" (section 4), over the last two slots and what there is of the present one. */
#define SILENT_SHARE 0.05

void port_ring_init(struct port_ring *use, uint64_t two_msl_ns, uint64_t now_ns)
{
	memset(use, 0, sizeof(*use));
	use->slot_ns = two_msl_ns / PORT_RING_SLOTS;
	use->slot = now_ns / use->slot_ns;
}

static uint32_t in_use(const struct port_ring *use)
{
	return use->active + use->waiting;
}

static void close_slot(struct port_ring *use)
{
	/* More is in use, and what came free was taken as well. */
	double taken = (double)in_use(use) - use->in_use_before + use->freed;
	double reuse_share = use->opened > 0 ? (double)use->reused / use->opened : use->reuse_share;
	/* The first whole slot is all that is known. */
	double weight = use->n_slots == 1 ? 1 : WEIGHT;

	if (use->n_slots > 0) {
		use->arrivals += weight * (use->opened - use->arrivals);
		use->taken += weight * (taken - use->taken);
		use->reuse_share += weight * (reuse_share - use->reuse_share);
		use->peak_arrivals = fmax(use->peak_arrivals * PEAK_KEPT, use->arrivals);
	}
	if (use->n_slots < UINT32_MAX)
		use->n_slots++;
	use->in_use_before = in_use(use);
	use->opened_before[1] = use->opened_before[0];
	use->opened_before[0] = use->opened;
	use->opened = 0;
	use->freed = 0;
	use->reused = 0;
	use->slot++;
	use->entered[use->slot % PORT_RING_SLOTS] = 0;
}

void port_ring_advance(struct port_ring *use, uint64_t now_ns)
{
	uint64_t slot = now_ns / use->slot_ns;

	/* After 2MSL of silence all means are next to nothing and all slots are empty. */
	for (int i = 0; i < PORT_RING_SLOTS && use->slot < slot; i++)
		close_slot(use);
	if (use->slot < slot)
		use->slot = slot;
}

void port_ring_open(struct port_ring *use, uint16_t port)
{
	use->active++;
	use->opened++;
	use->groups[port / GROUP_PORTS]++;
	if (use->groups[port / GROUP_PORTS] < UINT32_MAX / 2)
		return;
	for (int i = 0; i < PORT_RING_GROUPS; i++)
		use->groups[i] /= 2;
}

void port_ring_closed(struct port_ring *use)
{
	if (use->active > 0)
		use->active--;
}

void port_ring_time_wait(struct port_ring *use)
{
	uint16_t *entered = &use->entered[use->slot % PORT_RING_SLOTS];

	use->waiting++;
	if (*entered < UINT16_MAX)
		(*entered)++;
}

void port_ring_time_wait_over(struct port_ring *use, bool reused)
{
	if (use->waiting > 0)
		use->waiting--;
	use->freed++;
	use->reused += reused;
}

uint32_t port_ring_capacity(const struct port_ring *use, uint32_t range)
{
	double opened = 0;
	int lowest = PORT_RING_GROUPS;
	int highest = -1;

	for (int i = 0; i < PORT_RING_GROUPS; i++)
		opened += use->groups[i];
	if (opened < MIN_OPENED)
		return range;
	for (int i = 0; i < PORT_RING_GROUPS; i++) {
		if (use->groups[i] < MIN_GROUP_SHARE * opened)
			continue;
		lowest = lowest < i ? lowest : i;
		highest = i;
	}
	if (lowest >= GROUP_DYNAMIC && highest == GROUP_LAST)
		return DYNAMIC_PORTS;
	/* Groups are coarse: they show a wide range, not a narrow one that was configured. */
	uint32_t span = (uint32_t)(highest - lowest + 1) * GROUP_PORTS;
	return lowest < GROUP_LINUX && span > WIDE_PORTS && span > range ? span : range;
}

double port_ring_occupancy(const struct port_ring *use, uint32_t capacity)
{
	return (double)in_use(use) / capacity;
}

static double slot_seconds(const struct port_ring *use)
{
	return ns_to_seconds(use->slot_ns);
}

double port_ring_rate(const struct port_ring *use)
{
	return use->arrivals / slot_seconds(use);
}

bool port_ring_is_silent(const struct port_ring *use)
{
	double recent = (double)use->opened + use->opened_before[0] + use->opened_before[1];

	return use->peak_arrivals > 1 && recent < 2 * SILENT_SHARE * use->peak_arrivals;
}

bool port_ring_reuses(const struct port_ring *use)
{
	return use->reuse_share >= MIN_REUSE_SHARE;
}

/* TIME_WAITs that began from to up to before slots ago; the present slot is not whole and does not count. */
static double entered_between(const struct port_ring *use, uint64_t from, uint64_t before)
{
	double sum = 0;

	for (uint64_t age = before + 1; age <= from; age++)
		sum += use->entered[(use->slot - age) % PORT_RING_SLOTS];
	return sum;
}

/*
 * Growth of the ports taken per slot, per slot. Quarters of the last 2MSL are compared, and the smallest of the three
 * rises counts: a step lies in one quarter and raises two differences at most, a ramp raises all. What chance could
 * do is no rise.
 */
static double rise(const struct port_ring *use)
{
	enum { QUARTER = PORT_RING_SLOTS / 4 - 1 };
	double newer = entered_between(use, QUARTER, 0) / QUARTER;
	double chance = sqrt(2 * newer / QUARTER);
	double smallest = INFINITY;

	for (uint64_t quarter = 1; quarter < 4; quarter++) {
		double older = entered_between(use, (quarter + 1) * QUARTER, quarter * QUARTER) / QUARTER;
		smallest = fmin(smallest, newer - older);
		newer = older;
	}
	return smallest > chance ? smallest / QUARTER : 0;
}

double port_ring_forecast(const struct port_ring *use, uint32_t capacity, double horizon_s)
{
	double used = in_use(use);
	double per_slot = use->taken;
	double growth = rise(use);
	double steps = horizon_s / slot_seconds(use);

	for (int step = 0; step <= steps; step++) {
		if (used >= capacity)
			return step * slot_seconds(use);
		double freed = step < PORT_RING_SLOTS - 1
				       ? use->entered[(use->slot + 1 + (uint64_t)step) % PORT_RING_SLOTS]
				       : use->taken + growth * (step - PORT_RING_SLOTS + 1);
		used += per_slot - freed;
		per_slot += growth;
	}
	return -1;
}
