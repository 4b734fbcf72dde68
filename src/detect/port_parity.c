/* SPDX-License-Identifier: BSD-2-Clause */
#include "port_parity.h"

/* Connections are judged in groups of at least so many: as many of one parity by chance are one in 2^24. */
enum { GROUP = 24, MIN_RUN = 200 };

/* Of a group, from ports of the other parity: an application that binds its own port, a port freed just now. */
#define MAX_ODD_SHARE 0.04

/* The group is the first one behind the change, or holds it. */
static void change(struct port_parity *parity, bool is_odd, bool is_pure, uint64_t until_ns)
{
	uint32_t after = is_odd ? parity->group_odd : parity->group_opened - parity->group_odd;
	uint32_t before = parity->group_opened - after;

	parity->before_opened = parity->run_opened + before;
	parity->run_opened = after;
	parity->run_is_odd = is_odd;
	parity->is_sure = is_pure;
	parity->flip_ns = parity->group_ns +
			  (uint64_t)((double)before / parity->group_opened * (double)(until_ns - parity->group_ns));
}

static void judge_group(struct port_parity *parity, uint64_t until_ns)
{
	double odd_share = (double)parity->group_odd / parity->group_opened;
	bool is_odd = odd_share > 0.5;
	bool is_pure = odd_share <= MAX_ODD_SHARE || odd_share >= 1 - MAX_ODD_SHARE;

	if (is_pure && parity->run_opened > 0 && is_odd == parity->run_is_odd) {
		parity->run_opened += parity->group_opened;
		parity->is_sure = true;
	} else if (parity->run_opened >= MIN_RUN) {
		change(parity, !parity->run_is_odd, is_pure, until_ns);
	} else {
		/* Neither the one nor the other for long: begin anew. */
		parity->run_opened = is_pure ? parity->group_opened : 0;
		parity->run_is_odd = is_odd;
		parity->before_opened = 0;
		parity->is_sure = false;
	}
}

/* Connections that came from looked_ns to until_ns. */
static void add(struct port_parity *parity, uint32_t opened, uint32_t odd, uint64_t until_ns)
{
	if (opened > 0 && parity->group_opened == 0)
		parity->group_ns = parity->looked_ns;
	parity->group_opened += opened;
	parity->group_odd += odd;
	if (parity->group_opened >= GROUP) {
		judge_group(parity, until_ns);
		parity->group_opened = 0;
		parity->group_odd = 0;
	}
	parity->looked_ns = until_ns;
}

bool port_parity_follow(struct port_parity *parity, const struct port_use *use, uint64_t now_ns)
{
	uint64_t now_s = now_ns / PORT_USE_SLOT_NS;
	uint64_t from_s = now_s > PORT_USE_SLOTS - 1 ? now_s - (PORT_USE_SLOTS - 1) : 0;
	/* Of what is estimated, ports are not known. */
	uint64_t followed_s = use->followed_ns / PORT_USE_SLOT_NS + (use->estimated > 0 ? 1 : 0);
	bool had_flipped = parity->has_flipped;
	uint64_t old_flip_ns = parity->flip_ns;

	from_s = from_s > followed_s ? from_s : followed_s;
	if (from_s > now_s)
		return false;
	if (parity->looked_s < from_s) {
		parity->looked_s = from_s;
		parity->looked_ns = from_s * PORT_USE_SLOT_NS;
		parity->looked_opened = 0;
		parity->looked_odd = 0;
	}
	for (;; parity->looked_s++, parity->looked_opened = 0, parity->looked_odd = 0) {
		const struct port_use_slot *slot = port_use_slot_at(use, parity->looked_s * PORT_USE_SLOT_NS);
		uint64_t end_ns = (parity->looked_s + 1) * PORT_USE_SLOT_NS;
		if (slot != NULL) {
			add(parity, slot->opened - parity->looked_opened, slot->opened_odd - parity->looked_odd,
			    end_ns < now_ns ? end_ns : now_ns);
			parity->looked_opened = slot->opened;
			parity->looked_odd = slot->opened_odd;
		} else {
			parity->looked_ns = end_ns < now_ns ? end_ns : now_ns;
		}
		if (parity->looked_s >= now_s)
			break;
	}
	parity->has_flipped = parity->before_opened >= MIN_RUN && parity->is_sure && parity->run_opened >= GROUP;
	return parity->has_flipped && (!had_flipped || parity->flip_ns != old_flip_ns);
}

bool port_parity_is_linux(const struct port_parity *parity)
{
	return parity->run_opened + parity->before_opened >= MIN_RUN;
}
