/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader is the test's own thread; where a writer must be able to wait, it is a thread of its own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "tcpwitness/events/event_queue.h"

static const sensor_event_mask ALL_TYPES = (1U << EVENT_TYPE_COUNT) - 1;

static struct event_queue *make_queue(size_t capacity, bool lossless, sensor_event_mask wanted)
{
	struct error error = { "" };
	struct event_queue *queue = event_queue_create(capacity, lossless, wanted, &error);

	assert_non_null(queue);
	return queue;
}

static bool is_readable(const struct event_queue *queue, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = event_queue_fd(queue), .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

static bool put_event(const struct event_writer *writer, uint64_t number)
{
	struct sensor_event *event = writer->begin(writer->context, EVENT_ANOMALY);

	if (event == NULL)
		return false;
	event->packet_number = number;
	event->anomaly.count = number;
	writer->end(writer->context, event);
	return true;
}

static bool put_empty(const struct event_writer *writer, enum sensor_event_type type)
{
	struct sensor_event *event = writer->begin(writer->context, type);

	if (event == NULL)
		return false;
	writer->end(writer->context, event);
	return true;
}

static void sleep_ms(long ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

static void events_come_out_as_they_went_in(void **state)
{
	struct event_queue *queue = make_queue(8, false, ALL_TYPES);
	struct event_writer writer = event_queue_writer(queue);

	(void)state;
	assert_null(event_queue_peek(queue));
	assert_true(put_event(&writer, 1));
	assert_true(put_event(&writer, 2));
	for (uint64_t expected = 1; expected <= 2; expected++) {
		const struct sensor_event *event = event_queue_peek(queue);

		assert_non_null(event);
		assert_int_equal(event->type, EVENT_ANOMALY);
		assert_int_equal(event->anomaly.count, expected);
		event_queue_release(queue);
	}
	assert_null(event_queue_peek(queue));
	event_queue_destroy(queue);
}

static void types_that_are_not_wanted_are_refused_and_not_counted_as_drops(void **state)
{
	struct event_queue *queue = make_queue(8, false, 1U << EVENT_FLOW);
	struct event_writer writer = event_queue_writer(queue);

	(void)state;
	assert_null(writer.begin(writer.context, EVENT_ALERT));
	assert_non_null(writer.begin(writer.context, EVENT_FLOW));
	assert_int_equal(event_queue_dropped(queue), 0);
	event_queue_destroy(queue);
}

/* The ring gives the same memory again and again: nothing of an older event may show through. */
static void a_record_is_zeroed_for_its_type(void **state)
{
	struct event_queue *queue = make_queue(2, false, ALL_TYPES);
	struct event_writer writer = event_queue_writer(queue);
	static const struct event_flow no_flow;

	(void)state;
	for (int round = 0; round < 4; round++) {
		struct sensor_event *event = writer.begin(writer.context, EVENT_FLOW);

		assert_non_null(event);
		assert_int_equal(event->type, EVENT_FLOW);
		assert_int_equal(event->flow_id, 0);
		assert_null(event->in_iface);
		assert_int_equal(event->ends.client.version, 0);
		assert_memory_equal(&event->flow, &no_flow, sizeof(no_flow));
		memset(&event->flow, 0xff, sizeof(event->flow));
		memset(&event->ends, 0xff, sizeof(event->ends));
		event->flow_id = 99;
		event->in_iface = "eth0";
		writer.end(writer.context, event);
		assert_non_null(event_queue_peek(queue));
		event_queue_release(queue);
	}
	event_queue_destroy(queue);
}

static void live_a_full_queue_drops_the_new_event_and_counts_it(void **state)
{
	struct event_queue *queue = make_queue(4, false, ALL_TYPES);
	struct event_writer writer = event_queue_writer(queue);

	(void)state;
	for (uint64_t i = 1; i <= 4; i++)
		assert_true(put_event(&writer, i));
	assert_false(put_event(&writer, 5));
	assert_false(put_event(&writer, 6));
	assert_int_equal(event_queue_dropped(queue), 2);
	assert_int_equal(event_queue_peek(queue)->packet_number, 1);
	event_queue_release(queue);
	assert_true(put_event(&writer, 7));
	event_queue_destroy(queue);
}

/* Of 32 places two. */
static void live_the_last_places_are_for_alarms_and_figures(void **state)
{
	static const enum sensor_event_type seldom[] = { EVENT_ALERT, EVENT_STATS, EVENT_SUMMARY };
	static const enum sensor_event_type often[] = { EVENT_FLOW, EVENT_ANOMALY, EVENT_TCP_STATE };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct event_queue *queue = make_queue(32, false, ALL_TYPES);
		struct event_writer writer = event_queue_writer(queue);

		for (int n = 0; n < 30; n++)
			assert_true(put_empty(&writer, often[i]));
		assert_false(put_empty(&writer, often[i]));
		assert_true(put_empty(&writer, seldom[i]));
		assert_true(put_empty(&writer, seldom[i]));
		assert_false(put_empty(&writer, seldom[i]));
		assert_int_equal(event_queue_dropped(queue), 2);
		/* Whoever comes takes a place that becomes free, but not one of the last. */
		for (int n = 0; n < 2; n++) {
			assert_non_null(event_queue_peek(queue));
			event_queue_release(queue);
		}
		assert_false(put_empty(&writer, often[i]));
		assert_non_null(event_queue_peek(queue));
		event_queue_release(queue);
		assert_true(put_empty(&writer, often[i]));
		event_queue_destroy(queue);
	}
}

static void lossless_all_places_are_for_all(void **state)
{
	struct event_queue *queue = make_queue(32, true, ALL_TYPES);
	struct event_writer writer = event_queue_writer(queue);

	(void)state;
	for (int n = 0; n < 32; n++)
		assert_true(put_empty(&writer, EVENT_FLOW)); /* else it would wait for ever */
	event_queue_destroy(queue);
}

static void the_descriptor_is_readable_only_when_the_reader_said_it_waits(void **state)
{
	struct event_queue *queue = make_queue(8, false, ALL_TYPES);
	struct event_writer writer = event_queue_writer(queue);

	(void)state;
	assert_true(event_queue_prepare_wait(queue));
	assert_false(is_readable(queue, 0));
	put_event(&writer, 1);
	assert_true(is_readable(queue, 0));

	assert_non_null(event_queue_peek(queue));
	event_queue_release(queue);
	assert_true(event_queue_prepare_wait(queue));
	assert_false(is_readable(queue, 0));
	put_event(&writer, 2);
	assert_true(is_readable(queue, 0));
	event_queue_destroy(queue);
}

/* It gives signals and timers their turn; the writer, who finds it awake, may have ended by then. */
static void a_reader_that_breaks_off_is_called_again(void **state)
{
	struct event_queue *queue = make_queue(8, true, ALL_TYPES);
	struct event_writer writer = event_queue_writer(queue);

	(void)state;
	assert_true(event_queue_prepare_wait(queue));
	put_event(&writer, 1);
	assert_false(event_queue_prepare_wait(queue));
	event_queue_finish(queue);
	assert_true(is_readable(queue, 0));
	event_queue_destroy(queue);
}

static void finish_wakes_a_waiting_reader_and_is_seen_after_the_last_event(void **state)
{
	struct event_queue *queue = make_queue(8, true, ALL_TYPES);
	struct event_writer writer = event_queue_writer(queue);

	(void)state;
	assert_true(event_queue_prepare_wait(queue));
	event_queue_finish(queue);
	assert_true(is_readable(queue, 0));
	assert_true(event_queue_finished(queue));
	event_queue_destroy(queue);

	queue = make_queue(8, true, ALL_TYPES);
	writer = event_queue_writer(queue);
	put_event(&writer, 1);
	event_queue_finish(queue);
	assert_false(event_queue_finished(queue));
	assert_non_null(event_queue_peek(queue));
	event_queue_release(queue);
	assert_true(event_queue_finished(queue));
	/* A reader that waits all the same is woken at once, however often it does. */
	for (int i = 0; i < 3; i++) {
		assert_true(event_queue_prepare_wait(queue));
		assert_true(is_readable(queue, 0));
	}
	event_queue_destroy(queue);
}

static void a_queue_without_room_or_too_large_is_an_error_with_a_remedy(void **state)
{
	struct error error = { "" };

	(void)state;
	assert_null(event_queue_create(0, false, ALL_TYPES, &error));
	assert_non_null(strstr(error.text, "out of range (choose 1 to"));
	assert_null(event_queue_create(SIZE_MAX, false, ALL_TYPES, &error));
	assert_non_null(strstr(error.text, "out of range"));
}

struct producer {
	struct event_queue *queue;
	uint64_t n_events;
	uint64_t wait_from; /* number of the event from which on it waits for room; 0 = as the queue was made */
	atomic_ullong written;
};

static void *produce(void *context)
{
	struct producer *producer = context;
	struct event_writer writer = event_queue_writer(producer->queue);

	for (uint64_t i = 1; i <= producer->n_events; i++) {
		if (i == producer->wait_from)
			event_queue_wait_from_now(producer->queue);
		if (put_event(&writer, i))
			atomic_fetch_add(&producer->written, 1);
	}
	event_queue_finish(producer->queue);
	return NULL;
}

/*
 * The reader's loop as the program runs it: drain, then sleep. slow_every: pause after that many events, so that
 * the writer meets a full ring; 0 = never.
 */
static uint64_t consume_all(struct event_queue *queue, uint64_t slow_every)
{
	uint64_t n = 0;
	uint64_t last = 0;

	for (;;) {
		const struct sensor_event *event;

		while ((event = event_queue_peek(queue)) != NULL) {
			assert_true(event->packet_number > last);
			assert_int_equal(event->anomaly.count, event->packet_number);
			last = event->packet_number;
			n++;
			event_queue_release(queue);
			if (slow_every != 0 && n % slow_every == 0)
				sleep_ms(1);
		}
		if (event_queue_finished(queue))
			return n;
		if (event_queue_prepare_wait(queue))
			assert_true(is_readable(queue, 10000)); /* else a wake-up was lost */
	}
}

static void run_two_threads(size_t capacity, bool lossless, uint64_t n_events, uint64_t slow_every)
{
	struct producer producer = { .queue = make_queue(capacity, lossless, ALL_TYPES), .n_events = n_events };
	uint64_t n_read;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, produce, &producer), 0);
	n_read = consume_all(producer.queue, slow_every);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(n_read, producer.written);
	assert_int_equal(n_read + event_queue_dropped(producer.queue), n_events);
	if (lossless)
		assert_int_equal(event_queue_dropped(producer.queue), 0);
	event_queue_destroy(producer.queue);
}

static void lossless_every_event_arrives_in_order_through_a_small_ring(void **state)
{
	(void)state;
	run_two_threads(2, true, 20000, 0);
	run_two_threads(16, true, 200000, 0);
	run_two_threads(1024, true, 200000, 0);
}

static void lossless_a_slow_reader_makes_the_writer_wait(void **state)
{
	(void)state;
	run_two_threads(4, true, 200, 1);
	run_two_threads(64, true, 5000, 50);
}

static void live_nothing_is_lost_without_being_counted(void **state)
{
	(void)state;
	run_two_threads(4, false, 50000, 16);
}

static void live_at_the_end_of_a_run_nothing_more_is_lost(void **state)
{
	struct producer producer = { .queue = make_queue(4, false, ALL_TYPES), .n_events = 1004, .wait_from = 5 };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, produce, &producer), 0);
	assert_int_equal(consume_all(producer.queue, 100), 1004);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(event_queue_dropped(producer.queue), 0);
	event_queue_destroy(producer.queue);
}

static void abandon_lets_a_waiting_writer_go_on(void **state)
{
	struct producer producer = { .queue = make_queue(4, true, ALL_TYPES), .n_events = 1000 };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, produce, &producer), 0);
	while (atomic_load(&producer.written) < 4)
		sleep_ms(1);
	sleep_ms(20); /* the writer has met the full ring by now, in all likelihood; if not, the test still holds */
	event_queue_abandon(producer.queue);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(producer.written, 4);
	event_queue_destroy(producer.queue);
}

/* A writer that waits must not burn a core: the design forbids a hot spin. */
static void a_waiting_writer_uses_no_processor_time(void **state)
{
	struct producer producer = { .queue = make_queue(2, true, ALL_TYPES), .n_events = 3 };
	struct timespec used;
	clockid_t clock;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, produce, &producer), 0);
	sleep_ms(200);
	assert_int_equal(pthread_getcpuclockid(thread, &clock), 0);
	assert_int_equal(clock_gettime(clock, &used), 0);
	assert_int_equal(used.tv_sec, 0);
	assert_true(used.tv_nsec < 100 * 1000000L);
	assert_int_equal(consume_all(producer.queue, 0), 3);
	assert_int_equal(pthread_join(thread, NULL), 0);
	event_queue_destroy(producer.queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_out_as_they_went_in),
		cmocka_unit_test(types_that_are_not_wanted_are_refused_and_not_counted_as_drops),
		cmocka_unit_test(a_record_is_zeroed_for_its_type),
		cmocka_unit_test(live_a_full_queue_drops_the_new_event_and_counts_it),
		cmocka_unit_test(live_the_last_places_are_for_alarms_and_figures),
		cmocka_unit_test(lossless_all_places_are_for_all),
		cmocka_unit_test(the_descriptor_is_readable_only_when_the_reader_said_it_waits),
		cmocka_unit_test(a_reader_that_breaks_off_is_called_again),
		cmocka_unit_test(finish_wakes_a_waiting_reader_and_is_seen_after_the_last_event),
		cmocka_unit_test(a_queue_without_room_or_too_large_is_an_error_with_a_remedy),
		cmocka_unit_test(lossless_every_event_arrives_in_order_through_a_small_ring),
		cmocka_unit_test(lossless_a_slow_reader_makes_the_writer_wait),
		cmocka_unit_test(live_nothing_is_lost_without_being_counted),
		cmocka_unit_test(live_at_the_end_of_a_run_nothing_more_is_lost),
		cmocka_unit_test(abandon_lets_a_waiting_writer_go_on),
		cmocka_unit_test(a_waiting_writer_uses_no_processor_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
