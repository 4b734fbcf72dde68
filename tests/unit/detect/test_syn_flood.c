/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * syn_flood by example: what it must find, how soon, what it says, and what it must leave alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"
#include "tcpwitness/detect/rule_exceptions.h"

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };

static int setup(void **state)
{
	static struct sim sim;

	sim_init(&sim);
	sim.only = "syn_flood";
	*state = &sim;
	return 0;
}

static int teardown(void **state)
{
	sim_fini(*state);
	return 0;
}

static double raised_after(const struct sim *sim, double start)
{
	const struct sensor_event *event = sim_alert(sim, "syn_flood", ALERT_RAISED, 0);

	sim_print(sim);
	assert_non_null(event);
	return sim_seconds(event->time_ns) - start;
}

static void assert_silent(const struct sim *sim)
{
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

static void test_strong_flood_is_found_within_half_a_second(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 110, 100, web);
	sim_spoofed_flood(sim, 90, 100, 1000, web, SIM_ANSWERS);
	sim_run(sim, 96);
	assert_true(raised_after(sim, 90) <= 0.5);
}

static void test_very_strong_flood(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 100, 100, web);
	sim_spoofed_flood(sim, 90, 94, 5000, web, SIM_IGNORES);
	sim_run(sim, 94);
	assert_true(raised_after(sim, 90) <= 0.7);
}

static void test_moderate_flood_over_background(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 130, 100, web);
	sim_spoofed_flood(sim, 90, 130, 50, web, SIM_ANSWERS);
	sim_run(sim, 130);
	assert_true(raised_after(sim, 90) <= 4.0);
}

/* Five per second beside a hundred: what no real client leaves is enough, once it had the time to ask twice more. */
static void test_slow_flood(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 130, 20, web);
	sim_spoofed_flood(sim, 90, 95, 5, web, SIM_IGNORES);
	sim_run(sim, 130);
	assert_true(raised_after(sim, 90) <= 8.5);
}

static void test_a_syn_now_and_then_is_no_alarm(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 150, 20, web);
	sim_spoofed_flood(sim, 90, 150, 1, web, SIM_IGNORES);
	sim_run(sim, 150);
	assert_silent(sim);
}

static void test_flood_from_the_first_packet_on(void **state)
{
	struct sim *sim = *state;

	sim_spoofed_flood(sim, 0, 10, 500, web, SIM_ANSWERS);
	sim_run(sim, 10);
	assert_true(raised_after(sim, 0) <= 1.8);
}

static void test_evidence_of_a_spoofed_flood(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 130, 100, web);
	sim_spoofed_flood(sim, 90, 130, 800, web, SIM_ANSWERS);
	sim_run(sim, 130);
	raised_after(sim, 90);

	const struct sensor_event *last = sim_alert(sim, "syn_flood", ALERT_UPDATE, 0);
	assert_non_null(last);
	const struct event_alert *alert = &last->alert;
	double elapsed = sim_seconds(last->time_ns) - 90;
	assert_true(alert->rate > 750 && alert->rate < 850);
	assert_true((double)alert->sources_distinct > 0.9 * 800 * (elapsed - 1.2));
	assert_true((double)alert->sources_distinct < 1.1 * 800 * elapsed);
	assert_true(alert->spoofed_likelihood >= 0.8);
	assert_int_equal(alert->n_top_sources, 0);
	assert_true((double)alert->counts.syn >= 900 * (elapsed - 0.5));
	assert_true(alert->counts.synack > 0 && alert->counts.completed > 0);
	assert_true((double)alert->counts.half_open > 790 * (elapsed - 0.1));
	assert_false(alert->visibility.one_way);
	assert_true(alert->baseline < 5);
	assert_non_null(strstr(alert->explanation, "203.0.113.5:443 gets "));
	assert_non_null(strstr(alert->explanation, "ddresses look spoofed"));
	assert_true(alert->target.has_port && alert->target.port == 443);
	assert_int_equal(last->ends.client.version, 0);
	assert_int_equal(alert->signature_id, 1000001);
	assert_string_equal(alert->mitre_technique, "T1499.001");
}

static void test_direct_flood_of_one_source_names_it(void **state)
{
	struct sim *sim = *state;
	struct ip_addr source = sim_ip("198.51.100.7");

	sim_background(sim, 0, 110, 50, web);
	for (int i = 0; i < 2000; i++) {
		struct sim_conn conn = sim_attempt(sim, 90 + i * 0.01, source, (uint16_t)(1024 + i), web);
		sim_raw_stack(&conn);
		sim_is_ignored(sim, conn, 0);
	}
	sim_run(sim, 106);
	assert_true(raised_after(sim, 90) <= 3.0);
	const struct sensor_event *event = sim_alert(sim, "syn_flood", ALERT_RAISED, 0);
	assert_string_equal(event->alert.class_name, "direct_syn_flood");
	assert_true(event->alert.spoofed_likelihood < 0.3);
	assert_non_null(strstr(event->alert.explanation, "198.51.100.7"));
}

static void test_life_of_an_alarm(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 400, 20, web);
	sim_spoofed_flood(sim, 90, 150, 200, web, SIM_ANSWERS);
	sim_spoofed_flood(sim, 250, 270, 200, web, SIM_ANSWERS);
	sim_run(sim, 400);
	sim_print(sim);

	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 2);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_CLEARED), 2);
	const struct sensor_event *raised = sim_alert(sim, "syn_flood", ALERT_RAISED, 0);
	const struct sensor_event *cleared = sim_alert(sim, "syn_flood", ALERT_CLEARED, 0);
	const struct sensor_event *again = sim_alert(sim, "syn_flood", ALERT_RAISED, 1);
	double over = sim_seconds(cleared->time_ns) - 150;
	assert_true(over > 25 && over <= 35);
	/* It is over since the tick that ended it; the event is dated by the packet that came next. */
	assert_true(cleared->alert.ended_ns <= cleared->time_ns &&
		    cleared->time_ns - cleared->alert.ended_ns < 100 * NS_PER_MS);
	assert_int_equal(raised->alert.ended_ns, 0);
	assert_true(cleared->alert.counts.syn >= 60 * 200);
	assert_true(cleared->alert.peak >= 195);
	assert_true(sim_seconds(raised->alert.started_ns) >= 89.5 && sim_seconds(raised->alert.started_ns) <= 90.5);
	assert_non_null(strstr(cleared->alert.explanation, "over"));
	/* Less than five minutes later it is the same incident. */
	assert_int_equal(raised->alert.alert_id, cleared->alert.alert_id);
	assert_int_equal(raised->alert.alert_id, again->alert.alert_id);
	assert_int_equal(raised->alert.started_ns, again->alert.started_ns);
	assert_int_equal(detect_engine_get_stats(sim->engine)->alarms_open, 0);
	assert_int_equal(detect_engine_get_stats(sim->engine)->alarms_raised, 2);
}

static void test_a_steady_flood_is_not_repeated(void **state)
{
	struct sim *sim = *state;

	sim_spoofed_flood(sim, 10, 200, 100, web, SIM_IGNORES);
	sim_run(sim, 200);
	sim_print(sim);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 1);
	/* Only the number of sources grows; it is said when it has doubled, and not every 10 s. */
	unsigned updates = sim_count(sim, "syn_flood", ALERT_UPDATE);
	assert_true(updates >= 1 && updates <= 6);
}

static void test_pulses_are_one_incident(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 400, 20, web);
	for (int i = 0; i < 5; i++)
		sim_spoofed_flood(sim, 90 + 60 * i, 100 + 60 * i, 300, web, SIM_IGNORES);
	sim_run(sim, 400);
	sim_print(sim);
	const struct sensor_event *first = sim_alert(sim, "syn_flood", ALERT_RAISED, 0);
	assert_non_null(first);
	for (size_t i = 0; i < sim->n_alerts; i++)
		assert_int_equal(sim->alerts[i].alert.alert_id, first->alert.alert_id);
}

/* Decisions use nothing later: the capture cut right after the packet that raised the alarm gives the same alarm. */
static void test_cut_after_the_alarm(void **state)
{
	struct sim *sim = *state;
	struct sim cut;

	sim_init(&cut);
	cut.only = "syn_flood";
	sim_background(sim, 0, 130, 100, web);
	sim_spoofed_flood(sim, 90, 130, 60, web, SIM_ANSWERS);
	sim_background(&cut, 0, 130, 100, web);
	sim_spoofed_flood(&cut, 90, 130, 60, web, SIM_ANSWERS);
	sim_run(sim, 130);
	const struct sensor_event *whole = sim_alert(sim, "syn_flood", ALERT_RAISED, 0);
	assert_non_null(whole);
	cut.last_packet = whole->packet_number;
	sim_run(&cut, 130);
	assert_int_equal(cut.n_alerts, 1);
	assert_int_equal(cut.alerts[0].time_ns, whole->time_ns);
	assert_int_equal(cut.alerts[0].packet_number, whole->packet_number);
	assert_int_equal(cut.alerts[0].alert.alert_id, whole->alert.alert_id);
	assert_string_equal(cut.alerts[0].alert.explanation, whole->alert.explanation);
	sim_fini(&cut);
}

static void test_flash_crowd(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 90, 50, web);
	sim_background(sim, 90, 110, 1000, web);
	sim_run(sim, 130);
	assert_silent(sim);
}

/* A crowd that the sensor has never seen before, on a slow path: handshakes of 300 ms. */
static void test_flash_crowd_from_nowhere(void **state)
{
	struct sim *sim = *state;

	for (int i = 0; i < 20000; i++) {
		struct ip_addr client = sim_ip4(0x0a000000 + (uint32_t)(sim_random(sim) % 60000));
		struct sim_conn conn = sim_attempt(sim, 10 + i / 2000.0, client, (uint16_t)(1024 + i % 60000), web);
		sim_real_stack(sim, &conn);
		sim_completes(sim, conn, 0.3, 1);
	}
	sim_run(sim, 40);
	assert_silent(sim);
}

/* All clients are behind a satellite, and the sensor knows of fast paths to other services only. */
static void test_slow_paths_to_a_service_that_is_new(void **state)
{
	struct sim *sim = *state;
	const struct sim_host other = { .ip = sim_ip("203.0.113.6"), .port = 443 };

	sim_background(sim, 0, 60, 20, other);
	for (double at = 20; at < 60; at += 2 * sim_fraction(sim) / 200) {
		struct sim_conn conn = sim_attempt(sim, at, sim_ip4(0x0a000000 + (uint32_t)(sim_random(sim) % 3000)),
						   (uint16_t)(1024 + sim_random(sim) % 60000), web);
		conn.signal.ttl = 55;
		conn.signal.window = 64240;
		conn.signal.syn_layout = 0x1000;
		sim_completes(sim, conn, 0.6 + 0.3 * sim_fraction(sim), 0.2);
	}
	sim_run(sim, 60);
	assert_silent(sim);
}

/* Clients open one connection after the other to a service that no longer answers; their stacks repeat the SYNs. */
static void test_dead_service_with_many_clients(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 90, 100, web);
	for (int i = 0; i < 6000; i++) {
		struct ip_addr client = sim_ip4(0x0a010000 + (uint32_t)(sim_random(sim) % 200));
		struct sim_conn conn = sim_attempt(sim, 90 + i / 100.0, client, (uint16_t)(1024 + i), web);
		sim_real_stack(sim, &conn);
		sim_is_ignored(sim, conn, 5);
	}
	sim_run(sim, 150);
	assert_silent(sim);
}

static void test_dead_service_seen_from_the_start(void **state)
{
	struct sim *sim = *state;

	for (int i = 0; i < 6000; i++) {
		struct ip_addr client = sim_ip4(0x0a010000 + (uint32_t)(sim_random(sim) % 200));
		struct sim_conn conn = sim_attempt(sim, 5 + i / 150.0, client, (uint16_t)(1024 + i), web);
		sim_real_stack(sim, &conn);
		sim_is_ignored(sim, conn, 5);
	}
	sim_run(sim, 60);
	assert_silent(sim);
}

static void test_lone_client_of_a_dead_service(void **state)
{
	struct sim *sim = *state;
	struct ip_addr client = sim_ip("10.0.0.5");

	for (int i = 0; i < 18000; i++) {
		struct sim_conn conn = sim_attempt(sim, 5 + i / 300.0, client, (uint16_t)(32768 + i), web);
		conn.signal.ttl = 64;
		conn.signal.window = 64240;
		conn.signal.syn_layout = 0x1000;
		sim_is_ignored(sim, conn, 5);
	}
	sim_run(sim, 70);
	assert_silent(sim);
}

static void test_service_that_refuses(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 90, 100, web);
	for (int i = 0; i < 6000; i++) {
		struct ip_addr client = sim_ip4(0x0a010000 + (uint32_t)(sim_random(sim) % 200));
		struct sim_conn conn = sim_attempt(sim, 90 + i / 100.0, client, (uint16_t)(1024 + i), web);
		sim_real_stack(sim, &conn);
		sim_is_refused(sim, conn);
	}
	sim_run(sim, 150);
	assert_silent(sim);
}

static void test_spoofed_flood_of_a_closed_port(void **state)
{
	struct sim *sim = *state;

	sim_spoofed_flood(sim, 10, 30, 500, web, SIM_REFUSES);
	sim_run(sim, 30);
	assert_true(raised_after(sim, 10) <= 5.0);
}

/* So many per second from the first packet on, of so many sources (0 = each once), of one system or of several. */
static void refused_from_the_start(struct sim *sim, double per_second, unsigned n_sources, bool is_one_system)
{
	for (double at = 0; at < 60; at += 2 * sim_fraction(sim) / per_second) {
		uint32_t source = n_sources > 0 ? 0x0a000000 + (uint32_t)(sim_random(sim) % n_sources)
						: (uint32_t)sim_random(sim) | 1;
		struct sim_conn conn =
			sim_attempt(sim, at, sim_ip4(source), (uint16_t)(1024 + sim_random(sim) % 60000), web);
		sim_real_stack(sim, &conn);
		if (is_one_system) {
			conn.signal.ttl = 55;
			conn.signal.window = 64240;
			conn.signal.syn_layout = 0x1000;
		}
		sim_is_refused(sim, conn);
	}
	sim_run(sim, 60);
}

static void test_refused_flood_from_the_start(void **state)
{
	refused_from_the_start(*state, 50, 0, true);
	assert_true(raised_after(*state, 0) <= 5);
}

static void test_strong_refused_flood_from_the_start(void **state)
{
	refused_from_the_start(*state, 1000, 300, false);
	assert_true(raised_after(*state, 0) <= 1);
}

static void test_clients_of_a_dead_service_from_the_start(void **state)
{
	refused_from_the_start(*state, 30, 200, true);
	assert_silent(*state);
}

/* Each of them comes once, but they are of many kinds. */
static void test_peers_of_one_who_left(void **state)
{
	refused_from_the_start(*state, 12, 0, false);
	assert_silent(*state);
}

static void test_port_scan_of_one_source(void **state)
{
	struct sim *sim = *state;
	struct ip_addr scanner = sim_ip("198.51.100.9");

	sim_background(sim, 0, 60, 20, web);
	for (int i = 0; i < 20000; i++) {
		struct sim_host port = { .ip = web.ip, .port = (uint16_t)(1 + i) };
		struct sim_conn conn = sim_attempt(sim, 20 + i / 1000.0, scanner, 54321, port);
		sim_raw_stack(&conn);
		if (i % 3 == 0)
			sim_is_ignored(sim, conn, 0);
		else
			sim_is_refused(sim, conn);
	}
	sim_run(sim, 60);
	assert_silent(sim);
}

static void test_flood_over_all_ports_is_one_alarm_of_the_host(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 120, 50, web);
	for (int i = 0; i < 15000; i++) {
		struct sim_host port = { .ip = web.ip, .port = (uint16_t)(sim_random(sim) % 65536) };
		struct sim_conn conn =
			sim_attempt(sim, 90 + i / 500.0, sim_ip4((uint32_t)sim_random(sim) | 1), 999, port);
		sim_raw_stack(&conn);
		sim_is_ignored(sim, conn, 0);
	}
	sim_run(sim, 120);
	assert_true(raised_after(sim, 90) <= 3.0);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 1);
	const struct event_alert *alert = &sim_alert(sim, "syn_flood", ALERT_RAISED, 0)->alert;
	assert_false(alert->target.has_port);
	assert_true(ip_addr_equal(&alert->target.ip, &web.ip));
}

static void test_flood_of_one_service_is_no_alarm_of_the_host(void **state)
{
	struct sim *sim = *state;

	sim_spoofed_flood(sim, 20, 60, 300, web, SIM_IGNORES);
	sim_run(sim, 60);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 1);
	assert_true(sim->alerts[0].alert.target.has_port);
}

/* A chronic share of failures is usual for the target after a while; the same share of more attempts is no news. */
static void test_what_is_usual_is_learned(void **state)
{
	struct sim *sim = *state;

	for (int i = 0; i < 24000; i++) {
		double at = i < 12000 ? i / 100.0 : 120 + (i - 12000) / 400.0;
		struct ip_addr client = sim_ip4(0x0a010000 + (uint32_t)(sim_random(sim) % 200));
		struct sim_conn conn = sim_attempt(sim, at, client, (uint16_t)(1024 + i % 60000), web);
		sim_real_stack(sim, &conn);
		if (i % 150 == 0)
			sim_is_ignored(sim, conn, 0);
		else
			sim_completes(sim, conn, 0.02, 0.1);
	}
	sim_run(sim, 150);
	assert_silent(sim);
}

static void test_answers_that_do_not_pass_the_sensor(void **state)
{
	struct sim *sim = *state;

	sim_spoofed_flood(sim, 10, 30, 100, web, SIM_IGNORES);
	sim_run(sim, 30);
	raised_after(sim, 10);
	assert_true(sim->alerts[0].alert.visibility.one_way);
	assert_non_null(strstr(sim->alerts[0].alert.explanation, "answers are not visible here"));
}

static void plan_reset(struct sim *sim, double at, struct ip_addr client, double after)
{
	struct sim_conn conn = sim_attempt(sim, at, client, (uint16_t)(1024 + sim_random(sim) % 60000), web);

	sim_real_stack(sim, &conn);
	sim_plan(sim, &conn, SIGNAL_ATTEMPT, 0);
	conn.signal.answered = true;
	sim_plan(sim, &conn, SIGNAL_ANSWERED, after / 2);
	sim_plan(sim, &conn, SIGNAL_CLIENT_RESET, after);
	sim_plan(sim, &conn, SIGNAL_HALF_OPEN_ENDED, after);
	sim_plan(sim, &conn, SIGNAL_CLOSED, after);
}

/* A client that gives up while its handshake is under way leaves nothing behind. */
static void test_aborted_handshakes_are_no_flood(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 120, 100, web);
	for (double at = 1; at < 120; at += 2 * sim_fraction(sim) / 8)
		plan_reset(sim, at, sim_ip4(0x51000000 + (uint32_t)(sim_random(sim) % 3000)), 0.05);
	sim_run(sim, 120);
	assert_silent(sim);
}

static void test_half_open_checks_are_no_flood(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 120, 5, web);
	for (int i = 0; i < 2400; i++)
		plan_reset(sim, i / 20.0, sim_ip4(0x0a000100 + (uint32_t)(i % 20)), 0.0005);
	sim_run(sim, 120);
	assert_silent(sim);
}

/* A tool that sends SYNs past its own kernel, which resets the answers. */
static void test_one_source_whose_kernel_resets_is_a_flood(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 120, 20, web);
	for (double at = 90; at < 110; at += 0.1)
		plan_reset(sim, at, sim_ip("198.51.100.7"), 0.03);
	sim_run(sim, 120);
	assert_true(raised_after(sim, 90) <= 10);
	assert_string_equal(sim->alerts[0].alert.class_name, "direct_syn_flood");
}

static void test_so_many_resets_that_they_hurt(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 120, 20, web);
	for (double at = 90; at < 110; at += 1 / 500.0)
		plan_reset(sim, at, sim_ip4(0x51000000 + (uint32_t)(sim_random(sim) % 3000)), 0.03);
	sim_run(sim, 120);
	assert_true(raised_after(sim, 90) <= 1.5);
}

/* A queue of SYNs that is full is none of connections that nobody accepts, and the flood is not over with its alarm. */
static void test_a_flood_that_repeats_its_syns_stays_one(void **state)
{
	struct sim *sim = *state;

	sim->only = NULL;
	sim_background(sim, 0, 200, 20, web);
	for (double at = 90; at < 150; at += 1 / 200.0) {
		struct sim_conn conn = sim_attempt(sim, at, sim_ip4((uint32_t)sim_random(sim) | 1),
						   (uint16_t)(1024 + sim_random(sim) % 60000), web);
		conn.signal.ttl = 55;
		conn.signal.window = 64240;
		conn.signal.syn_layout = 0x1000;
		sim_is_ignored(sim, conn, 3);
	}
	sim_run(sim, 200);
	assert_true(raised_after(sim, 90) <= 2);
	assert_int_equal(sim_count(sim, "accept_queue_overflow", ALERT_UPDATE), 0);
	assert_int_equal(sim_count(sim, "accept_queue_overflow", ALERT_CLEARED), 0);
	const struct sensor_event *cleared = sim_alert(sim, "syn_flood", ALERT_CLEARED, 0);
	assert_non_null(cleared);
	assert_true(cleared->alert.duration_s >= 59 && cleared->alert.duration_s <= 62);
}

/* One port of one host, a thousand SYNs per second: one attempt, and no stack asks so often. */
static void test_one_port_that_asks_all_the_time(void **state)
{
	struct sim *sim = *state;
	struct sim_conn conn = sim_attempt(sim, 90, sim_ip("198.51.100.3"), 5555, web);

	sim_background(sim, 0, 140, 20, web);
	sim_plan(sim, &conn, SIGNAL_ATTEMPT, 0);
	sim_plan(sim, &conn, SIGNAL_UNANSWERED, 1);
	conn.signal.is_first = true;
	for (int i = 1; i < 20000; i++) {
		sim_plan(sim, &conn, SIGNAL_SYN_REPEATED, i / 1000.0);
		conn.signal.is_first = false;
	}
	sim_run(sim, 140);
	assert_true(raised_after(sim, 90) <= 0.5);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 1);
	const struct sensor_event *cleared = sim_alert(sim, "syn_flood", ALERT_CLEARED, 0);
	assert_non_null(cleared);
	assert_true(cleared->alert.duration_s >= 19 && cleared->alert.duration_s <= 23);
	assert_true(cleared->alert.peak > 900 && cleared->alert.peak < 1100);
}

/* However many clients ask at once, their stacks repeat at a walk, all together. */
static void test_clients_that_repeat_together(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 90, 20, web);
	for (int i = 0; i < 3000; i++) {
		struct sim_conn conn =
			sim_attempt(sim, 90 + i / 3000.0, sim_ip4(0x0a010000 + (uint32_t)i), (uint16_t)(1024 + i), web);
		sim_real_stack(sim, &conn);
		sim_is_ignored(sim, conn, 6);
	}
	sim_run(sim, 240);
	assert_silent(sim);
}

static struct rule_exceptions *exceptions_of(struct sim *sim, const char *detector)
{
	struct rule_exceptions *exceptions = calloc(1, sizeof(*exceptions));

	assert_non_null(exceptions);
	sim->ruleset->rules[ruleset_find(detector)].exceptions = exceptions;
	return exceptions;
}

static void allow_sources(struct sim *sim, const char *detector, const char *prefix)
{
	struct rule_match_row row = { .value = 0 };

	assert_int_equal(ip_prefix_parse(prefix, &row.prefix), IP_PREFIX_OK);
	exceptions_of(sim, detector)->allowed.sources = rule_matcher_create(&row, 1, NULL, NULL);
}

/* Those who are behind it are allowed, however many others are served meanwhile. */
static void test_sources_that_are_allowed_are_no_flood(void **state)
{
	struct sim *sim = *state;

	allow_sources(sim, "syn_flood", "10.99.0.0/24");
	sim_background(sim, 0, 120, 20, web);
	for (int i = 0; i < 1000; i++) {
		struct sim_conn conn = sim_attempt(sim, 20 + i / 10.0, sim_ip4(0x0a630000 + (uint32_t)(i % 20)),
						   (uint16_t)(1024 + i), web);
		sim_raw_stack(&conn);
		sim_stays_half_open(sim, conn, 63);
	}
	sim_run(sim, 125);
	assert_silent(sim);
}

static void test_others_are_not_hidden_by_sources_that_are_allowed(void **state)
{
	struct sim *sim = *state;

	allow_sources(sim, "syn_flood", "10.99.0.0/24");
	sim_background(sim, 0, 120, 20, web);
	for (int i = 0; i < 500; i++) {
		struct sim_conn conn = sim_attempt(sim, 20 + i / 5.0, sim_ip4(0x0a630000 + (uint32_t)(i % 20)),
						   (uint16_t)(1024 + i), web);
		sim_raw_stack(&conn);
		sim_stays_half_open(sim, conn, 63);
	}
	sim_spoofed_flood(sim, 60, 120, 20, web, SIM_ANSWERS);
	sim_run(sim, 100);
	assert_true(raised_after(sim, 60) <= 5);
}

/* The flood and what the server holds of it are one trouble: quiet hours of either hold for both. */
static void test_quiet_hours_do_not_rename_the_alarm(void **state)
{
	static const char *const detectors_of_floods[] = { "syn_flood", "half_open_surge" };

	(void)state;
	for (int quiet_one = 0; quiet_one < 2; quiet_one++) {
		struct sim sim;
		sim_init(&sim);
		for (size_t i = 0; i < sim.ruleset->n_rules; i++)
			sim.ruleset->rules[i].enabled = strcmp(detectors[i]->name, detectors_of_floods[0]) == 0 ||
							strcmp(detectors[i]->name, detectors_of_floods[1]) == 0;
		struct rule_exceptions *exceptions = exceptions_of(&sim, detectors_of_floods[quiet_one]);
		exceptions->quiet = calloc(1, sizeof(*exceptions->quiet));
		exceptions->n_quiet = 1;
		exceptions->quiet[0] = (struct rule_quiet){ .days = 0x7f, .to_minute = 1440, .is_for_all = true };
		sim_background(&sim, 0, 130, 5, web);
		sim_spoofed_flood(&sim, 90, 130, 20, web, SIM_ANSWERS);
		sim_run(&sim, 130);
		assert_silent(&sim);
		assert_true(detect_engine_get_stats(sim.engine)->alarms_silenced >= 1);
		sim_fini(&sim);
	}
}

static void test_ipv6(void **state)
{
	struct sim *sim = *state;
	struct sim_host server = { .ip = sim_ip("2001:db8::5"), .port = 22 };

	for (int i = 0; i < 5000; i++) {
		struct ip_addr source = sim_ip("2001:db8:1::");
		for (int k = 8; k < 16; k++)
			source.bytes[k] = (uint8_t)sim_random(sim);
		struct sim_conn conn = sim_attempt(sim, 10 + i / 250.0, source, 1000, server);
		sim_raw_stack(&conn);
		sim_is_ignored(sim, conn, 0);
	}
	sim_run(sim, 30);
	raised_after(sim, 10);
	assert_non_null(strstr(sim->alerts[0].alert.explanation, "[2001:db8::5]:22 gets "));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_strong_flood_is_found_within_half_a_second),
		TEST(test_very_strong_flood),
		TEST(test_moderate_flood_over_background),
		TEST(test_slow_flood),
		TEST(test_a_syn_now_and_then_is_no_alarm),
		TEST(test_flood_from_the_first_packet_on),
		TEST(test_evidence_of_a_spoofed_flood),
		TEST(test_direct_flood_of_one_source_names_it),
		TEST(test_life_of_an_alarm),
		TEST(test_a_steady_flood_is_not_repeated),
		TEST(test_pulses_are_one_incident),
		TEST(test_cut_after_the_alarm),
		TEST(test_flash_crowd),
		TEST(test_flash_crowd_from_nowhere),
		TEST(test_slow_paths_to_a_service_that_is_new),
		TEST(test_dead_service_with_many_clients),
		TEST(test_dead_service_seen_from_the_start),
		TEST(test_lone_client_of_a_dead_service),
		TEST(test_service_that_refuses),
		TEST(test_spoofed_flood_of_a_closed_port),
		TEST(test_refused_flood_from_the_start),
		TEST(test_strong_refused_flood_from_the_start),
		TEST(test_clients_of_a_dead_service_from_the_start),
		TEST(test_peers_of_one_who_left),
		TEST(test_port_scan_of_one_source),
		TEST(test_flood_over_all_ports_is_one_alarm_of_the_host),
		TEST(test_flood_of_one_service_is_no_alarm_of_the_host),
		TEST(test_what_is_usual_is_learned),
		TEST(test_answers_that_do_not_pass_the_sensor),
		TEST(test_aborted_handshakes_are_no_flood),
		TEST(test_half_open_checks_are_no_flood),
		TEST(test_one_source_whose_kernel_resets_is_a_flood),
		TEST(test_so_many_resets_that_they_hurt),
		TEST(test_a_flood_that_repeats_its_syns_stays_one),
		TEST(test_one_port_that_asks_all_the_time),
		TEST(test_clients_that_repeat_together),
		TEST(test_sources_that_are_allowed_are_no_flood),
		TEST(test_others_are_not_hidden_by_sources_that_are_allowed),
		TEST(test_quiet_hours_do_not_rename_the_alarm),
		TEST(test_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
