/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines are fitted to the seconds of longer and longer windows. A window counts as long as its seconds scatter about
 * the line as their neighbours do about each other, and its newest seconds fit too; the longest that counts decides.
 */
#include "port_rate.h"

#include <math.h>
#include <string.h>

static const int windows_s[] = { 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 240, 360, 500 };
enum { N_WINDOWS = sizeof(windows_s) / sizeof(windows_s[0]), RECENT_S = 10, QUARTERS = 4, LEAST_TREND_S = 12 };

/* Of a window, or of its newest seconds: further than this from the line is no chance. In standard errors. */
#define MAX_DEVIATIONS 3.5
/* A growth is beyond doubt. */
#define SURE_DEVIATIONS 4.0
/* From each quarter of a window to the next the rate rises by so many standard errors: a step does not do that. */
#define QUARTER_DEVIATIONS 1.5

/* Sums over the seconds of age 1 .. k, for each k. */
struct history {
	int n; /* seconds known */
	double sum[PORT_USE_SLOTS + 1];
	double sum_by_age[PORT_USE_SLOTS + 1];
	double sum_of_squares[PORT_USE_SLOTS + 1];
	double sum_of_changes[PORT_USE_SLOTS + 1]; /* of squares of differences between neighbours */
};

struct line {
	double at_0; /* in the present second */
	double growth;
	double error;
};

static uint64_t age_to_ns(uint64_t now_ns, int age)
{
	return now_ns - (uint64_t)age * PORT_USE_SLOT_NS;
}

static double opened_at_age(const struct port_use *use, uint64_t now_ns, int age)
{
	const struct port_use_slot *slot = port_use_slot_at(use, age_to_ns(now_ns, age));

	return slot != NULL ? slot->opened : 0;
}

static void collect(const struct port_use *use, uint64_t now_ns, uint64_t from_ns, struct history *history)
{
	uint64_t whole_s = now_ns / PORT_USE_SLOT_NS - from_ns / PORT_USE_SLOT_NS;
	double previous = 0;

	/* The second of from_ns is not whole. */
	history->n = whole_s > PORT_USE_SLOTS - 1 ? PORT_USE_SLOTS - 1 : (int)whole_s - 1;
	history->sum[0] = history->sum_by_age[0] = history->sum_of_squares[0] = history->sum_of_changes[0] = 0;
	for (int k = 1; k <= history->n; k++) {
		double opened = opened_at_age(use, now_ns, k);
		double change = k > 1 ? opened - previous : 0;
		history->sum[k] = history->sum[k - 1] + opened;
		history->sum_by_age[k] = history->sum_by_age[k - 1] + k * opened;
		history->sum_of_squares[k] = history->sum_of_squares[k - 1] + opened * opened;
		history->sum_of_changes[k] = history->sum_of_changes[k - 1] + change * change;
		previous = opened;
	}
}

static double mean_of(const struct history *history, int from, int to)
{
	return (history->sum[to] - history->sum[from]) / (to - from);
}

/* Scatter of one second's count: by differences of neighbours, which a trend hardly touches; no less than chance. */
static double scatter(const struct history *history, int n)
{
	double mean = history->sum[n] / n;

	return fmax(history->sum_of_changes[n] / (2.0 * (n - 1)), fmax(mean, 1));
}

static bool rises_throughout(const struct history *history, int n, double variance)
{
	int quarter = n / QUARTERS;
	double least = QUARTER_DEVIATIONS * sqrt(2 * variance / quarter);

	for (int q = 0; q + 1 < QUARTERS; q++) {
		double newer = mean_of(history, q * quarter, (q + 1) * quarter);
		double older = mean_of(history, (q + 1) * quarter, (q + 2) * quarter);
		if (newer - older < least)
			return false;
	}
	return true;
}

/* The newest seconds lie where the line says. */
static bool fits_lately(const struct history *history, int n, const struct line *line, double variance)
{
	static const int lately[] = { 1, 2, 3, 5, 8, 12, 20, 30, 60, 120 };

	for (size_t i = 0; i < sizeof(lately) / sizeof(lately[0]) && lately[i] < n; i++) {
		double expected = line->at_0 - line->growth * (lately[i] + 1) / 2.0;
		double error = sqrt(variance / lately[i] + line->error * line->error);
		if (fabs(history->sum[lately[i]] / lately[i] - expected) > MAX_DEVIATIONS * error)
			return false;
	}
	return true;
}

static bool fit(const struct history *history, int n, struct line *line)
{
	double mean = history->sum[n] / n;
	double variance = scatter(history, n);
	double mean_age = (n + 1) / 2.0;
	double age_squares = n * ((double)n * n - 1) / 12;
	double growth = -(history->sum_by_age[n] - mean_age * history->sum[n]) / age_squares;
	double squares = history->sum_of_squares[n] - mean * history->sum[n];
	double tolerance = 1 + SURE_DEVIATIONS * sqrt(2.0 / n);

	*line = (struct line){ mean, 0, sqrt(variance / n) };
	if (n >= LEAST_TREND_S && growth > SURE_DEVIATIONS * sqrt(variance / age_squares) &&
	    rises_throughout(history, n, variance)) {
		*line = (struct line){ mean + growth * mean_age, growth, 2 * sqrt(variance / n) };
		squares -= growth * growth * age_squares;
	}
	if (n > 2 && squares / (n - 1) > variance * tolerance)
		return false;
	return fits_lately(history, n, line, variance);
}

void port_rate_estimate(const struct port_use *use, uint64_t now_ns, uint64_t from_ns, struct port_rate *rate)
{
	struct history history;
	struct line line;

	memset(rate, 0, sizeof(*rate));
	collect(use, now_ns, from_ns, &history);
	double present = opened_at_age(use, now_ns, 0);
	double present_s = (double)(now_ns % PORT_USE_SLOT_NS) / PORT_USE_SLOT_NS;
	if (history.n < windows_s[0]) {
		/* Hardly begun: all that there is. */
		double before = history.n >= 1 ? history.sum[history.n] : 0;
		double all_s = fmax(history.n, 0) + present_s;
		if (history.n < 1 && now_ns > from_ns) {
			const struct port_use_slot *first = port_use_slot_at(use, from_ns);
			before = first != NULL && now_ns / PORT_USE_SLOT_NS != from_ns / PORT_USE_SLOT_NS
					 ? first->opened
					 : 0;
			all_s = fmax((double)(now_ns - from_ns) / NS_PER_SEC, 0.25);
		}
		rate->per_s = rate->recent_per_s = (before + present) / fmax(all_s, 0.25);
		rate->error_per_s = sqrt(before + present + 1) / fmax(all_s, 0.25);
		rate->window_s = all_s;
		return;
	}
	int recent = history.n < RECENT_S ? history.n : RECENT_S;
	rate->recent_per_s = (history.sum[recent] + present) / (recent + present_s);
	rate->window_s = windows_s[0];
	rate->per_s = history.sum[windows_s[0]] / windows_s[0];
	rate->error_per_s = sqrt(fmax(rate->per_s, 1) / windows_s[0]);
	for (int i = 0; i < N_WINDOWS && windows_s[i] <= history.n; i++) {
		if (!fit(&history, windows_s[i], &line))
			continue;
		rate->per_s = line.at_0;
		rate->per_s2 = line.growth;
		rate->error_per_s = line.error;
		rate->window_s = windows_s[i];
	}
}
