/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides whether a wrong TCP checksum is the sender's fault, or comes from capturing on the sending host before
 * its interface filled the checksum in, or from addresses that were rewritten after the capture. Own rules, from what
 * Linux, the BSDs and Windows leave in the field; no RFC speaks of it. A sensor that takes such segments for damaged
 * ones is blind to one direction, or to all.
 */
#include "checksum_offload.h"

/* Wrong ones, and no right one, before arbitrary content is explained too. */
enum { N_WRONG_TO_LEARN = 3 };

struct offload_host *checksum_offload_begin(struct offload_set *set, const struct ip_addr *addr)
{
	struct offload_host *host;

	set->recent_way ^= 1;
	host = &set->hosts[set->recent_way];
	/* One by one: to clear the whole first would be a `rep stos`, which starts slowly. */
	host->addr = *addr;
	host->n_right = 0;
	host->n_wrong = 0;
	host->n_right_since = 0;
	host->offloads = false;
	return host;
}

static bool learn_wrong(struct checksum_offload *offload, struct offload_host *host, enum tcp_checksum checksum)
{
	if (checksum == TCP_CHECKSUM_PARTIAL) {
		host->offloads = true;
	} else if (checksum == TCP_CHECKSUM_ZERO) {
		/* Easily forged, so it does not count against a host that was seen to fill the field in. */
		if (host->n_right == 0)
			host->offloads = true;
	} else {
		offload_count(&host->n_wrong);
		offload_count(&offload->n_wrong);
		if (host->n_right == 0 && host->n_wrong >= N_WRONG_TO_LEARN)
			host->offloads = true;
		/* In a capture whose addresses were rewritten all are wrong: not three of each host are lost then. */
		if (!offload->any_right && offload->n_wrong >= N_WRONG_TO_LEARN)
			host->offloads = true;
	}
	if (host->offloads)
		host->n_right_since = 0;
	return host->offloads;
}

bool checksum_offload_explains(struct checksum_offload *offload, const struct ip_addr *src, enum tcp_checksum checksum)
{
	if (checksum != TCP_CHECKSUM_RIGHT)
		return learn_wrong(offload, offload_find(offload, src), checksum);
	checksum_offload_learn_right(offload, src);
	return false;
}
