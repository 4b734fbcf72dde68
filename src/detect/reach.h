/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "summary.h"

/*
 * Whom somebody tried to reach for the first time, and with what success: distinct endpoints, however often each was
 * asked, over longer times than the spans of a summary. Made from crowds, so it is the same however connections were
 * spread over trackers. Two periods are kept, the present one and the one before.
 */
enum { REACH_EXAMPLES = 10, REACH_PERIODS = 2 };

struct reach_example {
	uint64_t priority; /* as in samples of crowds; 0 = empty */
	struct ip_addr ip; /* of the server, or receiver */
	uint16_t port;
	bool is_low; /* the receiver's port is below the ports that stacks give to clients */
};

struct reach_side {
	uint64_t connections; /* at least the distinct ones */
	struct hyperloglog_small endpoints;
	struct hyperloglog_small hosts;
	struct hyperloglog_small ports;
	struct reach_example examples[REACH_EXAMPLES]; /* a uniform sample */
};

/* What answered: less is asked of it. */
struct reach_answers {
	struct hyperloglog_small endpoints;
	struct reach_example examples[REACH_EXAMPLES];
};

struct reach_period {
	uint64_t number; /* packet time / length; 0 = empty */
	struct reach_side failed;
	struct reach_answers answered;
};

/* How the failed ones lie. */
enum reach_shape {
	REACH_SCATTERED = 0, /* each host on a port of its own, as peers of a P2P network are */
	REACH_VERTICAL,      /* many ports of few hosts */
	REACH_HORIZONTAL,    /* few ports of many hosts */
	REACH_BLOCK,         /* many ports of many hosts */
};

struct reach_view {
	enum reach_shape shape;
	double failed;     /* distinct endpoints */
	double hosts;      /* of the failed */
	double ports;      /* of the failed */
	double count;      /* what the shape counts: ports, hosts or endpoints */
	double against;    /* endpoints that were reached and are alike: same host, port, or either */
	double found;      /* distinct endpoints that answered, whatever came then */
	double reset;      /* of these: failed all the same, as a SYN scan resets what it finds open */
	uint16_t port;     /* of most of the failed, when port_share is not small */
	double port_share; /* 0 .. 1 */
	uint64_t failures; /* connections */
};

/* How far a crowd was read: what it grew by since. */
struct crowd_cursor {
	uint64_t span;
	uint64_t connections;
	uint64_t before; /* of the span before */
};
uint64_t crowd_growth(struct crowd_cursor *cursor, const struct summary *summary, enum summary_crowd_kind kind,
		      uint64_t now_ns);

/* Connections in the crowds of the present span and the one before. */
uint64_t crowd_recent(const struct summary *summary, enum summary_crowd_kind kind, uint64_t now_ns);

/*
 * Adds the crowds of a kind of the present span and of the one before. The same may be added again as they grow: n_new
 * says by how much.
 */
void reach_add(struct reach_side *side, const struct summary *summary, enum summary_crowd_kind kind, uint64_t now_ns,
	       uint64_t n_new);
void reach_add_answers(struct reach_answers *answers, const struct summary *summary, uint64_t now_ns);
void reach_add_hosts(struct hyperloglog_small *hosts, const struct summary *summary, enum summary_crowd_kind kind,
		     uint64_t now_ns);

/* How many distinct endpoints the crowd has, over the present span and the one before. */
double reach_endpoints(const struct summary *summary, enum summary_crowd_kind kind, uint64_t now_ns);
void reach_union(struct reach_period *into, const struct reach_period *from);

/* The period of now_ns among the two, emptied if it is a new one. */
struct reach_period *reach_period_at(struct reach_period periods[static REACH_PERIODS], uint64_t length_ns,
				     uint64_t now_ns);

/* The present period and the one before, as one. */
void reach_both(const struct reach_period periods[static REACH_PERIODS], uint64_t length_ns, uint64_t now_ns,
		struct reach_period *both);

void reach_see(const struct reach_period *period, struct reach_view *view);

/* Examples of what answered and is alike (view.found). */
void reach_found(const struct reach_period *period, enum reach_shape shape,
		 struct reach_example found[static REACH_EXAMPLES]);

/*
 * Threshold random walk (Jung, Paxson, Berger, Balakrishnan, 2004): the logarithm of how much likelier a scanner is
 * than an honest host, given so many distinct first contacts that failed and that did not.
 */
double reach_likelihood(double failed, double reached);
