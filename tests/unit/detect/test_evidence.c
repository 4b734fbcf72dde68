/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an alarm shows of summaries: crowds like those of measured floods (detection science, L10 and L11), and like
 * those of real clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "evidence.h"
#include "tcpwitness/base/units.h"

#define NOW_NS (100 * NS_PER_SEC)

static const struct detector flood = { .name = "syn_flood", .crowd = CROWD_FAILING };
static const struct detector crowding = { .name = "flash_crowd", .crowd = CROWD_TRYING };

struct world {
	struct summary_key key;
	struct summary summary;
	struct summary_slot slots[SUMMARY_SLOTS];
	struct summary sensor;
	struct detect_visibility visibility;
	struct summary_whole_crowd crowds[SUMMARY_CROWDS];
	struct detect_scene scene;
	struct evidence_past past;
	struct sensor_event event;
	uint64_t n_flows;
};

static int setup(void **state)
{
	static struct world world;

	memset(&world, 0, sizeof(world));
	world.key = (struct summary_key){ .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 },
					  .port = 443,
					  .kind = SUMMARY_SERVICE };
	world.scene = (struct detect_scene){
		.now_ns = NOW_NS,
		.key = &world.key,
		.summary = &world.summary,
		.sensor = &world.sensor,
		.visibility = &world.visibility,
	};
	world.past.sources = -1;
	*state = &world;
	return 0;
}

static struct flow_signal syn_from(struct world *world, uint32_t client)
{
	struct flow_signal signal = {
		.kind = SIGNAL_ATTEMPT,
		.server = world->key.ip,
		.server_port = world->key.port,
		.client_port = (uint16_t)(1024 + 7 * world->n_flows),
		.ttl = 64,
		.isn = (uint32_t)(2654435761U * (world->n_flows + 1)),
		.flow_id = ++world->n_flows,
		.now_ns = NOW_NS,
	};

	signal.client = (struct ip_addr){ .bytes = { (uint8_t)(client >> 24), (uint8_t)(client >> 16),
						     (uint8_t)(client >> 8), (uint8_t)client },
					  .version = 4 };
	return signal;
}

static void add(struct world *world, enum summary_crowd_kind kind, const struct flow_signal *signal)
{
	const struct summary_hashes hashes =
		summary_hashes_of(signal, summary_address_hash(&signal->client), summary_address_hash(&signal->server));

	struct summary_crowd *crowd = &world->crowds[kind].crowd;
	summary_crowd_give_room(crowd, &world->crowds[kind].room);
	crowd->span = NOW_NS / SUMMARY_SPAN_NS;
	summary_crowd_add(crowd, SUMMARY_SERVICE, signal, &hashes);
	world->scene.crowd[kind] = crowd;
}

/* n attempts of different sources that come to nothing, as the tracker told them. */
static void add_spoofed(struct world *world, unsigned n, uint8_t ttl, uint8_t other_ttl, uint16_t window)
{
	for (unsigned i = 0; i < n; i++) {
		struct flow_signal signal = syn_from(world, 2654435761U * (i + 1));
		signal.ttl = i % 3 == 0 ? other_ttl : ttl;
		signal.window = window;
		add(world, CROWD_TRYING, &signal);
		add(world, CROWD_FAILING, &signal);
	}
	world->summary.totals[SUMMARY_ATTEMPTS] += n;
	world->summary.totals[SUMMARY_ANSWERED] += n;
	world->summary.totals[SUMMARY_STILL_HALF_OPEN] += n;
}

/* n clients with real stacks that complete their handshakes. */
static void add_clients(struct world *world, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct flow_signal signal = syn_from(world, 40503U * (i + 1));
		signal.ttl = i % 3 == 0 ? 128 : 64;
		signal.window = (uint16_t)(29200 + 1460 * (i % 11));
		signal.syn_layout = 0x1000 + i % 5;
		add(world, CROWD_TRYING, &signal);
	}
	world->summary.totals[SUMMARY_ATTEMPTS] += n;
	world->summary.totals[SUMMARY_ANSWERED] += n;
	world->summary.totals[SUMMARY_COMPLETED] += n;
	world->summary.totals[SUMMARY_HALF_OPEN_ENDED] += n;
}

static const struct event_alert *fill(struct world *world, const struct detector *detector)
{
	memset(&world->event, 0, sizeof(world->event));
	world->event.alert.started_ns = NOW_NS - 5 * NS_PER_SEC;
	evidence_fill(&world->event, detector, &world->scene, &world->past);
	return &world->event.alert;
}

static bool is_about(double value, double expected, double tolerance)
{
	return value >= expected - tolerance && value <= expected + tolerance;
}

/* L10: 37,623 sources in 37,841 packets, two TTLs, no window, no options, sequence numbers in steps of 65536. */
static void test_a_measured_flood(void **state)
{
	struct world *world = *state;

	add_spoofed(world, 3000, 244, 242, 0);
	for (unsigned i = 0; i < SUMMARY_SAMPLE; i++)
		summary_crowd_at_place(&world->crowds[CROWD_FAILING].crowd, i)->isn &= 0xffff0000;
	const struct event_alert *alert = fill(world, &flood);
	assert_true(is_about((double)alert->sources_distinct, 3000, 300));
	assert_true(is_about(alert->sources_error, 0.03, 0.005));
	assert_int_equal(alert->n_top_sources, 0);
	assert_true(alert->spoofed_likelihood > 0.9);
	assert_true(alert->fingerprint.entropy_bits < 1.1);
	assert_int_equal(alert->fingerprint.ttl, 244);
	assert_int_equal(alert->fingerprint.window, 0);
	assert_true(alert->fingerprint.share > 0.4);
	assert_true(alert->fingerprint.isn_low_bits_zero && !alert->fingerprint.one_source_port);
	assert_int_equal(alert->counts.syn, 3000);
	assert_int_equal(alert->counts.half_open, 3000);
	assert_true(alert->completion >= 0 && alert->completion < 0.001);
	assert_true(alert->completion_baseline < 0);
	assert_int_equal(alert->n_sample_flows, ALERT_SAMPLE_FLOWS);
	for (unsigned i = 1; i < ALERT_SAMPLE_FLOWS; i++)
		assert_true(alert->sample_flows[i - 1] < alert->sample_flows[i]);
	assert_int_equal(world->event.ends.client.version, 0);
}

/* L11: 9,697 sources, 98 % of two TTLs, full windows, no options. Here all of one port. */
static void test_another_one(void **state)
{
	struct world *world = *state;

	add_spoofed(world, 1000, 244, 242, 65535);
	for (unsigned i = 0; i < SUMMARY_SAMPLE; i++)
		summary_crowd_at_place(&world->crowds[CROWD_FAILING].crowd, i)->client_port = 4444;
	const struct event_alert *alert = fill(world, &flood);
	assert_true(alert->spoofed_likelihood > 0.9);
	assert_int_equal(alert->fingerprint.window, 65535);
	assert_true(alert->fingerprint.one_source_port && !alert->fingerprint.isn_low_bits_zero);
}

static void test_a_flash_crowd_is_not_spoofed(void **state)
{
	struct world *world = *state;

	add_clients(world, 3000);
	const struct event_alert *alert = fill(world, &crowding);
	assert_true(alert->spoofed_likelihood >= 0 && alert->spoofed_likelihood < 0.05);
	assert_true(alert->fingerprint.entropy_bits > 3);
	assert_true(alert->completion > 0.99);
	assert_int_equal(alert->counts.half_open, 0);
}

/* A service that died: real clients that fail, and send their SYNs again. */
static void test_clients_that_try_again_are_not_spoofed(void **state)
{
	struct world *world = *state;

	add_clients(world, 200);
	for (unsigned i = 0; i < 200; i++) {
		struct flow_signal signal = syn_from(world, 40503U * (i + 1));
		signal.window = (uint16_t)(29200 + 1460 * (i % 11));
		signal.syn_layout = 0x1000 + i % 5;
		add(world, CROWD_FAILING, &signal);
	}
	world->summary.totals[SUMMARY_COMPLETED] = 0;
	world->summary.totals[SUMMARY_ANSWERED] = 0;
	world->summary.totals[SUMMARY_HALF_OPEN_ENDED] = 0;
	world->summary.totals[SUMMARY_UNANSWERED] = 200;
	world->summary.totals[SUMMARY_RETRIED] = 195;
	const struct event_alert *alert = fill(world, &flood);
	assert_true(alert->spoofed_likelihood >= 0 && alert->spoofed_likelihood < 0.1);
	assert_true(alert->visibility.one_way);
}

static void test_few_say_nothing_of_a_crowd(void **state)
{
	struct world *world = *state;

	add_spoofed(world, 20, 244, 242, 0);
	const struct event_alert *alert = fill(world, &flood);
	assert_true(alert->spoofed_likelihood < 0);
	/* But all of them are known. */
	assert_int_equal(alert->sources_distinct, 20);
	assert_int_equal(alert->n_top_sources, ALERT_TOP_SOURCES);
	assert_true(is_about(alert->top_sources[0].share, 0.05, 1e-9));
}

static void test_the_source_that_stands_out(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < 3000; i++) {
		struct flow_signal signal = syn_from(world, i % 20 == 0 ? 0xc6336401 : 0xc6336402);
		add(world, CROWD_FAILING, &signal);
	}
	const struct event_alert *alert = fill(world, &flood);
	assert_int_equal(alert->sources_distinct, 2);
	assert_true(alert->sources_error < 0.025);
	assert_int_equal(alert->top_sources[0].ip.bytes[3], 2);
	assert_true(is_about(alert->top_sources[0].share, 0.95, 0.1));
	if (alert->top_sources[0].share >= 0.9)
		assert_int_equal(world->event.ends.client.bytes[3], 2);
}

static void test_counts_are_those_since_the_trouble_began(void **state)
{
	struct world *world = *state;
	uint64_t totals[SUMMARY_COUNTERS];

	add_clients(world, 400);
	world->summary.totals[SUMMARY_UNANSWERED] = 4;
	world->summary.totals[SUMMARY_ATTEMPTS] = 404;
	memcpy(totals, world->summary.totals, sizeof(totals));
	evidence_begin(&world->past, &world->scene, NOW_NS, totals);
	add_spoofed(world, 100, 244, 242, 0);
	evidence_watch(&world->past, &world->scene);
	world->summary.totals[SUMMARY_HALF_OPEN_ENDED] += 60;
	world->summary.totals[SUMMARY_STRAYS + STRAY_ACK] += 7;
	const struct event_alert *alert = fill(world, &flood);
	assert_int_equal(alert->counts.syn, 100);
	assert_int_equal(alert->counts.completed, 0);
	assert_int_equal(alert->counts.unanswered, 0);
	assert_int_equal(alert->counts.stray, 7);
	assert_true(alert->has_listener);
	assert_int_equal(alert->listener.half_open_now, 40);
	assert_int_equal(alert->listener.half_open_peak, 100);
	assert_true(is_about(alert->completion_baseline, 400.0 / 404, 1e-9));

	/* A summary that was forgotten and begun anew counts what it can. */
	memset(&world->summary, 0, sizeof(world->summary));
	world->summary.totals[SUMMARY_ATTEMPTS] = 9;
	assert_int_equal(fill(world, &flood)->counts.syn, 9);
}

/* As far as cohorts had their time, completion is that of the last seconds. */
static void test_completion_of_now(void **state)
{
	struct world *world = *state;
	uint64_t slot = NOW_NS / SUMMARY_SLOT_NS;

	world->summary.slots = world->slots;
	for (uint64_t number = slot - 12; number < slot; number++) {
		struct summary_slot *at = &world->slots[number % SUMMARY_SLOTS];
		at->number = number;
		at->counts[SUMMARY_ATTEMPTS] = 10;
		/* The youngest have not had the time yet. */
		at->counts[SUMMARY_COMPLETED] = number + 5 > slot ? 0 : 5;
	}
	world->summary.totals[SUMMARY_ATTEMPTS] = 1000;
	world->summary.totals[SUMMARY_COMPLETED] = 1000;
	assert_true(is_about(fill(world, &flood)->completion, 0.5, 1e-9));
}

static void test_what_the_sensor_could_not_see(void **state)
{
	struct world *world = *state;
	uint64_t totals[SUMMARY_COUNTERS] = { 0 };

	struct sensor_view view = { 0 };

	world->scene.view = &view;
	world->visibility = (struct detect_visibility){ .segments = 50, .kernel_dropped = 900 };
	evidence_begin(&world->past, &world->scene, NOW_NS, totals);
	const struct event_alert *alert = fill(world, &flood);
	assert_true(alert->visibility.lost_share < 0 && alert->visibility.one_way_share < 0);
	assert_false(alert->visibility.started_late);

	world->visibility.segments += 990;
	world->visibility.payload_segments = 396;
	world->visibility.unseen_segments = 4;
	world->visibility.one_way_connections = 25;
	world->visibility.two_way_connections = 75;
	world->sensor.totals[SUMMARY_JOINED] = 1;
	world->scene.began_ns = NOW_NS - 60 * NS_PER_SEC;
	/* Of the last minute, and from the first event on. */
	sensor_view_update(
		&view, &(struct detect_visibility){ .segments = 990, .payload_segments = 396, .unseen_segments = 4 },
		NOW_NS);
	evidence_begin(&world->past, &world->scene, NOW_NS, totals);
	alert = fill(world, &flood);
	assert_true(is_about(alert->visibility.lost_share, 0.01, 1e-9));
	assert_true(is_about(alert->visibility.one_way_share, 0.25, 1e-9));
	assert_int_equal(alert->visibility.kernel_dropped, 900);
	assert_true(alert->visibility.started_late);
	world->scene.view = NULL;
}

static void test_names(void **state)
{
	struct alert_target target = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 } };
	char text[EVIDENCE_NAME_BYTES];

	(void)state;
	assert_string_equal(evidence_name(&target, text), "203.0.113.5");
	target.has_port = true;
	target.port = 443;
	assert_string_equal(evidence_name(&target, text), "203.0.113.5:443");
	target = (struct alert_target){ .ip = { .bytes = { 203, 0, 113 }, .version = 4 }, .prefix_bits = 24 };
	assert_string_equal(evidence_name(&target, text), "203.0.113.0/24");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(test_a_measured_flood),
		TEST(test_another_one),
		TEST(test_a_flash_crowd_is_not_spoofed),
		TEST(test_clients_that_try_again_are_not_spoofed),
		TEST(test_few_say_nothing_of_a_crowd),
		TEST(test_the_source_that_stands_out),
		TEST(test_counts_are_those_since_the_trouble_began),
		TEST(test_completion_of_now),
		TEST(test_what_the_sensor_could_not_see),
		TEST(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
