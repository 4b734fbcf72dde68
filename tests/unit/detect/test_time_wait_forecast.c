/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * time_wait_exhaustion against clients that take their ports as real ones do (detection science, section 3, L1, L2, L3,
 * L8b; goal G7). The detector is asked each 100 ms of packet time, as the engine asks it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/detect/detector.h"

#include "judgement.h"
#include "port_client.h"
#include "port_use.h"
#include "summary.h"

#include "detect_internal.h"

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC + UINT64_C(12345678))
#define TICK_S   0.1

enum { TRACKERS = 3, SEEDS = 3 };

/* What an operator would have seen. */
struct outcome {
	double raised_s; /* the first time; negative = never */
	double cleared_s;
	double silent_s; /* first told that connects fail */
	double raised_occupancy;
	double worst_error; /* of seconds_left, from half occupancy to the failure, while the alarm is open; relative */
	double worst_error_s;     /* when */
	double worst_error_early; /* the same in its last 5 s: absolute, in seconds */
	unsigned n_raised;
	uint8_t severity_at_end; /* at the failure */
	uint32_t capacity;
	char explanation[400];
};

struct watch {
	const struct port_client *client;
	const struct port_client_run *run;
	struct port_use parts[TRACKERS];
	unsigned n_parts;
	struct port_use merged;
	struct summary summary;
	struct summary_key key;
	void *params;
	void *state;
	struct alarm *open;
	uint64_t hot_ns;
	struct outcome outcome;
};

static void *default_params(void)
{
	unsigned char *all = calloc(1, detector_time_wait_exhaustion.params_bytes);

	assert_non_null(all);
	for (size_t i = 0; i < detector_time_wait_exhaustion.n_params; i++) {
		const struct rule_param *param = &detector_time_wait_exhaustion.params[i];
		uint64_t integer =
			(uint64_t)(param->type == RULE_PARAM_DURATION ? param->default_value * (double)NS_PER_SEC
								      : param->default_value);
		if (param->type == RULE_PARAM_RATIO)
			memcpy(all + param->offset, &param->default_value, sizeof(double));
		else
			memcpy(all + param->offset, &integer, sizeof(integer));
	}
	return all;
}

static void set_param(void *params, const char *name, uint64_t value)
{
	for (size_t i = 0; i < detector_time_wait_exhaustion.n_params; i++) {
		const struct rule_param *param = &detector_time_wait_exhaustion.params[i];
		if (strcmp(param->name, name) == 0)
			memcpy((unsigned char *)params + param->offset, &value, sizeof(value));
	}
}

static double rate_at(const struct port_client *client, double at_s)
{
	return at_s < client->from_s ? 0 : client->start_per_s + client->growth_per_s2 * (at_s - client->from_s);
}

/* How much later or sooner the ports may be taken by chance: 2.5 standard errors of those that come till then. */
static double chance(const struct port_client *client, double at_s, double left)
{
	double rate = rate_at(client, at_s);
	double net = rate - rate_at(client, at_s - client->life_s - client->two_msl_s);

	return client->is_random ? 2.5 * sqrt(left * rate) / net : 0;
}

static void note_forecast(struct outcome *outcome, const struct port_client *client, const struct port_client_run *run,
			  const struct event_alert *alert, double at_s)
{
	double left = run->failed_s - at_s;

	outcome->capacity = alert->forecast.capacity;
	if (run->failed_s < 0 || left < 0 || alert->forecast.occupancy < 0.5)
		return;
	double error = alert->forecast.seconds_left < 0 ? left : fabs(alert->forecast.seconds_left - left);
	error = fmax(error - chance(client, at_s, left), 0);
	if (left < 5) {
		outcome->worst_error_early = fmax(outcome->worst_error_early, error);
		return;
	}
	if (error / left > outcome->worst_error) {
		outcome->worst_error = error / left;
		outcome->worst_error_s = at_s;
	}
}

/* An alarm's life, as simple as it can be. */
static void tick(struct watch *watch, double at_s)
{
	static struct alarm alarm;
	struct outcome *outcome = &watch->outcome;
	struct finding finding = { 0 };
	struct detect_scene scene = {
		.now_ns = START_NS + (uint64_t)(at_s * 1e9),
		.began_ns = START_NS,
		.key = &watch->key,
		.summary = &watch->summary,
		.alarm = watch->open,
	};
	struct event_alert alert = { .target = { .ip = watch->key.ip, .has_port = true, .port = 443 } };

	watch->merged = watch->parts[0];
	for (unsigned i = 1; i < watch->n_parts; i++)
		port_use_merge(&watch->merged, &watch->parts[i]);
	detector_time_wait_exhaustion.find(watch->params, &scene, watch->state, &finding);
	if (finding.is_hot)
		watch->hot_ns = scene.now_ns;
	if (watch->open == NULL && !finding.is_alarming)
		return;
	detector_time_wait_exhaustion.explain(watch->params, &scene, watch->state, &finding, ALERT_UPDATE, &alert);
	if (watch->open == NULL) {
		watch->open = &alarm;
		outcome->n_raised++;
		if (outcome->raised_s < 0) {
			outcome->raised_s = at_s;
			outcome->raised_occupancy = alert.forecast.occupancy;
			memcpy(outcome->explanation, alert.explanation, sizeof(alert.explanation));
		}
	}
	note_forecast(outcome, watch->client, watch->run, &alert, at_s);
	if (at_s <= watch->run->failed_s)
		outcome->severity_at_end = finding.severity;
	if (outcome->silent_s < 0 && strstr(alert.explanation, "failing now") != NULL) {
		outcome->silent_s = at_s;
		memcpy(outcome->explanation, alert.explanation, sizeof(alert.explanation));
	}
	if (scene.now_ns >= watch->hot_ns + finding.clear_after_ns) {
		watch->open = NULL;
		outcome->cleared_s = at_s;
	}
}

/* Lets the client live until to_s, and looks from from_s on. given: a parameter to set, or null. */
static struct outcome observe_from(const struct port_client *client, double from_s, double to_s, const char *given,
				   uint64_t value, struct port_client_run *run)
{
	static struct watch watch;
	size_t next = 0;

	port_client_plan(client, run);
	memset(&watch, 0, sizeof(watch));
	watch.client = client;
	watch.run = run;
	watch.n_parts = 1 + (unsigned)(client->seed % TRACKERS);
	watch.params = default_params();
	if (given != NULL)
		set_param(watch.params, given, value);
	watch.state = calloc(1, detector_time_wait_exhaustion.target_bytes);
	assert_non_null(watch.state);
	watch.summary.ports = &watch.merged;
	watch.key.kind = SUMMARY_PAIR;
	watch.key.port = 443;
	ip_addr_parse("10.0.0.5", &watch.key.client);
	ip_addr_parse("10.0.0.9", &watch.key.ip);
	watch.outcome = (struct outcome){ .raised_s = -1, .cleared_s = -1, .silent_s = -1 };
	for (unsigned i = 0; i < watch.n_parts; i++)
		port_use_init(&watch.parts[i], START_NS + (uint64_t)(from_s * 1e9) - 1);
	for (double at_s = TICK_S; at_s < to_s; at_s += TICK_S) {
		for (; next < run->n_events && run->events[next].at_s <= at_s; next++) {
			if (run->events[next].since_s < from_s)
				continue;
			struct flow_signal signal = port_client_signal(client, &run->events[next], START_NS);
			port_use_signal(&watch.parts[signal.client_port / 2 % watch.n_parts], &signal);
		}
		if (at_s > from_s)
			tick(&watch, at_s);
	}
	free(watch.params);
	free(watch.state);
	port_client_free(run);
	return watch.outcome;
}

static struct outcome observe(const struct port_client *client, double to_s, const char *given, uint64_t value,
			      struct port_client_run *run)
{
	return observe_from(client, client->from_s, to_s, given, value, run);
}

static void print_row(const char *what, const struct port_client *client, const struct port_client_run *run,
		      const struct outcome *o)
{
	printf("%-26s seed %llu%s flip %6.1f fail %6.1f raised %6.1f (o %.2f, %.1f s ahead) forecast %4.1f %% (at "
	       "%.1f), "
	       "last 5 s %.2f s; silent %6.1f cleared %6.1f x%u sev %u C %u\n",
	       what, (unsigned long long)client->seed, client->is_random ? " Poisson" : "", run->flipped_s,
	       run->failed_s, o->raised_s, o->raised_occupancy, run->failed_s - o->raised_s, 100 * o->worst_error,
	       o->worst_error_s, o->worst_error_early, o->silent_s, o->cleared_s, o->n_raised, o->severity_at_end,
	       o->capacity);
	if (o->raised_s >= 0)
		printf("    %s\n", o->explanation);
}

/* Raised ahead_s before the first failure and foretold within a tenth of what is left. */
static struct outcome assert_foreseen(const char *what, struct port_client client, double to_s, double ahead_s,
				      struct port_client_run *run)
{
	struct outcome o = observe(&client, to_s, NULL, 0, run);

	print_row(what, &client, run, &o);
	assert_true(run->failed_s > 0);
	assert_true(o.raised_s > 0);
	assert_true(run->failed_s - o.raised_s >= ahead_s);
	assert_true(o.worst_error <= 0.1);
	assert_true(o.worst_error_early <= 1);
	assert_int_equal(o.severity_at_end, 1);
	assert_int_equal(o.n_raised, 1);
	return o;
}

static void assert_silent(const char *what, struct port_client client, double to_s)
{
	struct port_client_run run;
	struct outcome o = observe(&client, to_s, NULL, 0, &run);

	print_row(what, &client, &run, &o);
	assert_true(o.raised_s < 0);
}

static void test_steps(void **state)
{
	static const struct {
		double rate;
		double ahead;
	} steps[] = { { 480, 30 }, { 500, 30 }, { 600, 26 }, { 800, 26 }, { 1200, 26 } };
	struct port_client_run run;
	(void)state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			struct port_client client = port_client_linux;
			client.start_per_s = steps[i].rate;
			client.until_s = 70;
			client.seed = seed;
			client.is_random = seed % 2 == 0;
			client.from_s = 5 + 0.237 * (double)seed;
			char name[40];
			snprintf(name, sizeof(name), "step to %.0f/s", steps[i].rate);
			struct outcome o = assert_foreseen(name, client, 70, steps[i].ahead, &run);
			assert_int_equal(o.capacity, 28232);
		}
	}
}

static void test_ramps(void **state)
{
	static const double growths[] = { 1, 0.5 };
	struct port_client_run run;
	(void)state;

	for (size_t i = 0; i < sizeof(growths) / sizeof(growths[0]); i++) {
		for (uint64_t seed = 1; seed <= 2; seed++) {
			struct port_client client = port_client_linux;
			client.start_per_s = growths[i] < 1 ? 150 : 1;
			client.growth_per_s2 = growths[i];
			client.most_per_s = 10000;
			client.until_s = 1200;
			client.seed = seed;
			client.is_random = seed % 2 == 0;
			char name[40];
			snprintf(name, sizeof(name), "ramp %.2f/s2", growths[i]);
			assert_foreseen(name, client, 1200, 120, &run);
		}
	}
}

/* 60 % of what can be sustained: 282/s for Linux. However it is reached. */
static void test_steady_sixty_percent_is_silent(void **state)
{
	static const double growths[] = { 0, 1, 5, 40 };
	(void)state;

	for (size_t i = 0; i < sizeof(growths) / sizeof(growths[0]); i++) {
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			struct port_client client = port_client_linux;
			double rate = 0.6 * 28232 / 60;
			client.start_per_s = growths[i] == 0 ? rate : 20;
			client.growth_per_s2 = growths[i];
			client.most_per_s = rate;
			client.until_s = 500;
			client.seed = seed;
			client.is_random = seed != 1;
			assert_silent("60 %", client, 500);
		}
	}
}

static void test_windows_and_macos(void **state)
{
	struct port_client_run run;
	(void)state;

	for (uint64_t seed = 1; seed <= 2; seed++) {
		struct port_client client = port_client_windows;
		client.start_per_s = 200;
		client.until_s = 100;
		client.seed = seed;
		client.is_random = seed == 2;
		struct outcome o = assert_foreseen("Windows, 200/s", client, 100, 30, &run);
		assert_int_equal(o.capacity, 16384);
		client.start_per_s = 0.6 * 16384 / 120;
		client.until_s = 400;
		assert_silent("Windows, 60 %", client, 400);
		client = port_client_macos;
		client.start_per_s = 800;
		client.until_s = 60;
		client.seed = seed;
		o = assert_foreseen("macOS, 800/s", client, 60, 10, &run);
		assert_int_equal(o.capacity, 16384);
		/* At twice what a Linux host's 2MSL would allow it. */
		client.start_per_s = 0.6 * 16384 / 30;
		client.until_s = 400;
		client.is_random = true;
		assert_silent("macOS, 60 %", client, 400);
	}
}

/* L8b: 43,400 connections at 700/s, from half of the ports. */
static void test_reuse_is_silent(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct port_client client = port_client_linux;
		client.start_per_s = seed == 3 ? 2000 : 700;
		client.until_s = 200;
		client.reuses = true;
		client.seed = seed;
		client.is_random = seed % 2 == 0;
		assert_silent("tcp_tw_reuse", client, 200);
	}
}

static void test_what_takes_no_ports_is_silent(void **state)
{
	struct port_client client = port_client_linux;
	(void)state;

	client.start_per_s = 1000;
	client.until_s = 15;
	assert_silent("burst of 10 s", client, 200);
	client.until_s = 200;
	client.server_closes = 1;
	assert_silent("server closes first", client, 200);
	client.server_closes = 0;
	client.resets = 1;
	assert_silent("reset", client, 200);
	client.resets = 0;
	/* 4000 connections at a time that are kept for a minute, to be closed by the client. */
	client.start_per_s = 66;
	client.life_s = 60;
	client.until_s = 400;
	assert_silent("keep-alive", client, 400);
	client.start_per_s = 800;
	client.life_s = 0.005;
	client.server_closes = 0.8;
	client.until_s = 400;
	client.is_random = true;
	assert_silent("a fifth in TIME_WAIT", client, 400);
}

/* Connections that live 10 s take ports long before they are in TIME_WAIT. */
static void test_connections_that_live(void **state)
{
	struct port_client_run run;
	(void)state;

	for (uint64_t seed = 1; seed <= 2; seed++) {
		struct port_client client = port_client_linux;
		client.start_per_s = 440;
		client.slow_per_s = 0;
		client.life_s = 10;
		client.until_s = 90;
		client.seed = seed;
		client.is_random = seed == 2;
		assert_foreseen("440/s that live 10 s", client, 90, 30, &run);
		if (client.is_random)
			continue; /* how long they live is not known before most have lived so long */
		/* The server closes half of them: 28,232 / (30 + 30) = 470/s would do. */
		client.server_closes = 0.5;
		client.life_s = 30;
		client.start_per_s = 600;
		client.until_s = 120;
		assert_foreseen("600/s of 30 s, half wait", client, 120, 15, &run);
	}
}

/* ip_local_port_range of 2000 ports: the change of parity tells. */
static void test_narrow_range(void **state)
{
	struct port_client_run run;
	(void)state;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct port_client client = port_client_linux;
		client.first_port = 40000;
		client.last_port = 41999;
		client.start_per_s = 50;
		client.until_s = 100;
		client.seed = seed;
		client.is_random = seed % 2 == 0;
		struct outcome o = assert_foreseen("2000 ports, 50/s", client, 100, 15, &run);
		assert_int_equal(o.capacity, 2000);
		client.start_per_s = 19;
		client.until_s = 900;
		o = observe(&client, 900, NULL, 0, &run);
		print_row("2000 ports, 57 %", &client, &run, &o);
		assert_true(o.raised_s < 0);
	}
	/* Known from the rules, it needs no mark. */
	struct port_client client = port_client_linux;
	client.order = PORT_ORDER_RANDOM;
	client.first_port = 20000;
	client.last_port = 21023;
	client.start_per_s = 40;
	client.until_s = 60;
	struct outcome o = observe(&client, 60, "port_range", 1024, &run);
	print_row("1024 by rule", &client, &run, &o);
	assert_true(o.raised_s > 0 && run.failed_s - o.raised_s > 12 && o.worst_error <= 0.1);
	assert_int_equal(o.capacity, 1024);
}

/* ip_local_port_range = 1024 65535: no alarm at what would exhaust the default range. */
static void test_wide_range(void **state)
{
	struct port_client client = port_client_linux;
	struct port_client_run run;
	(void)state;

	client.first_port = 1024;
	client.last_port = 65535;
	client.start_per_s = 0.6 * 64512 / 60;
	client.slow_per_s = 0;
	client.until_s = 300;
	assert_silent("64,512 ports, 60 %", client, 300);
	client.start_per_s = 1500;
	client.until_s = 60;
	struct outcome o = assert_foreseen("64,512 ports, 1500/s", client, 60, 15, &run);
	assert_true(o.capacity > 64000 && o.capacity <= 64512);
}

/* L1: silence when all are taken, then in step with what comes free: one alarm, and over soon after the load is. */
static void test_silence_and_end(void **state)
{
	struct port_client_run run;
	(void)state;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct port_client client = port_client_linux;
		client.start_per_s = 800;
		client.until_s = 180;
		client.seed = seed;
		client.is_random = seed % 2 == 0;
		struct outcome o = observe(&client, 400, NULL, 0, &run);
		print_row("exhausted, then over", &client, &run, &o);
		assert_true(o.silent_s > run.failed_s && o.silent_s < run.failed_s + 3);
		assert_int_equal(o.n_raised, 1);
		assert_true(o.cleared_s > client.until_s && o.cleared_s < client.until_s + 35);
		/* Stopped before it failed. */
		client.until_s = 30;
		o = observe(&client, 400, NULL, 0, &run);
		print_row("over in time", &client, &run, &o);
		assert_true(o.raised_s > 0 && o.silent_s < 0);
		assert_int_equal(o.n_raised, 1);
		assert_true(o.cleared_s > client.until_s && o.cleared_s < client.until_s + 35);
	}
}

/* Of the ports that were taken before the sensor came nothing is seen; the half-way mark tells of them. */
static void test_started_late(void **state)
{
	struct port_client client = port_client_linux;
	struct port_client_run run;
	(void)state;

	client.start_per_s = 800;
	client.until_s = 60;
	struct outcome o = observe_from(&client, 15.3, 60, NULL, 0, &run);
	print_row("started 10 s late", &client, &run, &o);
	assert_true(o.raised_s > 0 && run.failed_s - o.raised_s >= 20);
	assert_true(o.worst_error <= 0.1);
	assert_int_equal(o.capacity, 28232);
	client.start_per_s = 0.6 * 28232 / 60;
	client.until_s = 300;
	client.is_random = true;
	o = observe_from(&client, 40, 300, NULL, 0, &run);
	print_row("60 %, started late", &client, &run, &o);
	assert_true(o.raised_s < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_ramps),
		cmocka_unit_test(test_steady_sixty_percent_is_silent),
		cmocka_unit_test(test_windows_and_macos),
		cmocka_unit_test(test_reuse_is_silent),
		cmocka_unit_test(test_what_takes_no_ports_is_silent),
		cmocka_unit_test(test_connections_that_live),
		cmocka_unit_test(test_narrow_range),
		cmocka_unit_test(test_wide_range),
		cmocka_unit_test(test_silence_and_end),
		cmocka_unit_test(test_started_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
