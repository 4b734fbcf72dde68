/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live capture on the loopback interface of a network namespace of its own, made and left in a child process, so
 * that nothing but the test's own datagrams is on it. Needs root; skips otherwise.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/capture/capture.h"

enum { PORT = 4711, CHILD_SKIPS = 77, ETHERNET_IPV4_UDP_BYTES = 14 + 20 + 8 };

/* In the child a failed check ends the process with its place on stderr: cmocka's longjmp belongs to the parent. */
#define CHECK(condition)                                                                         \
	do {                                                                                     \
		if (!(condition)) {                                                              \
			fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                                \
		}                                                                                \
	} while (0)

static void set_loopback(bool up)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = up ? IFF_UP | IFF_RUNNING : 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0);
	close(fd);
}

/* Runs body in a child with a namespace of its own; skips the test when that is not allowed. */
static void in_namespace(void (*body)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		if (unshare(CLONE_NEWNET) != 0)
			_exit(CHILD_SKIPS);
		set_loopback(true);
		alarm(30);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPS) {
		print_message("SKIPPED: no permission for a network namespace; run as root\n");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static struct capture *open_lo_rings(const char *filter, uint32_t timeout_ms, unsigned n_rings)
{
	const struct capture_live_config config = {
		.interface = "lo",
		.bpf_filter = filter,
		.snaplen_bytes = 65535,
		.timeout_ms = timeout_ms,
		.batch_ms = timeout_ms < 20 ? timeout_ms : 20,
		.promiscuous = true,
		.n_rings = n_rings,
	};
	struct error error = { 0 };
	struct capture *capture = capture_open_live(&config, &error);

	if (capture == NULL)
		fprintf(stderr, "%s\n", error.text);
	CHECK(capture != NULL);
	return capture;
}

static struct capture *open_lo(const char *filter, uint32_t timeout_ms)
{
	return open_lo_rings(filter, timeout_ms, 1);
}

/* n datagrams to the port, each with its number, from 0 on, as payload; all filled up to n_bytes. */
static void send_datagrams(uint16_t port, uint32_t n, size_t n_bytes)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	uint8_t payload[1400] = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && n_bytes <= sizeof(payload));
	for (uint32_t i = 0; i < n; i++) {
		memcpy(payload, &i, sizeof(i));
		/* Nobody listens: from the second one on, the send also reports the refusal of the one before. */
		while (sendto(fd, payload, n_bytes, 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
			CHECK(errno == ECONNREFUSED);
	}
	close(fd);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

static void check_datagrams_arrive(void)
{
	enum { N = 100 };
	uint64_t before_ns = clock_ns(CLOCK_REALTIME);
	struct capture *capture = open_lo("udp dst port 4711", 20);
	struct capture_stats stats;
	struct error error = { 0 };
	struct frame frame;

	CHECK(capture_is_live(capture));
	CHECK(capture_n_sources(capture) == 1 && strcmp(capture_source_name(capture, 0), "lo") == 0);
	send_datagrams(PORT, N, 100);
	send_datagrams(PORT + 1, N, 100); /* kept out by the filter */
	for (uint32_t i = 0; i < N;) {
		enum capture_result result = capture_next(capture, &frame, &error);
		uint32_t number;
		if (result == CAPTURE_IDLE)
			continue;
		CHECK(result == CAPTURE_FRAME);
		memcpy(&number, frame.data + ETHERNET_IPV4_UDP_BYTES, sizeof(number));
		CHECK(frame.link_type == 1 && frame.wire_bytes == ETHERNET_IPV4_UDP_BYTES + 100);
		CHECK(frame.captured_bytes == frame.wire_bytes);
		CHECK(frame.time_ns >= before_ns && frame.time_ns <= clock_ns(CLOCK_REALTIME));
		CHECK(number == i++);
	}
	while (capture_next(capture, &frame, &error) == CAPTURE_FRAME)
		continue;
	capture_get_stats(capture, &stats);
	CHECK(stats.frames >= N && stats.kernel_received >= stats.frames && stats.kernel_dropped == 0);
	CHECK(stats.interface_dropped == 0 && !stats.truncated && stats.input_bytes_total == 0);
	capture_close(capture);
}

static void test_datagrams_arrive(void **state)
{
	(void)state;
	in_namespace(check_datagrams_arrive);
}

/* To 127.0.0.i: a pair of addresses goes to one ring. */
static void send_to_many(uint32_t n)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	for (uint32_t i = 0; i < n; i++) {
		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i);
		CHECK(sendto(fd, &i, sizeof(i), 0, (const struct sockaddr *)&to, sizeof(to)) == sizeof(i));
	}
	close(fd);
}

/* Each frame in one ring, and under a number of its own. */
static void check_rings_share_frames(void)
{
	enum { N = 200, N_RINGS = 3 };
	struct capture *capture = open_lo_rings("udp dst port 4711", 20, N_RINGS);
	unsigned seen[N] = { 0 };
	bool is_number_used[N_RINGS * (N + 1)] = { false };
	struct capture_stats stats;
	struct frame frame;
	unsigned n_seen = 0;

	CHECK(capture_n_rings(capture) == N_RINGS && capture_ring(capture, 0) == capture);
	usleep(5000); /* what passed while the rings were joined is left out */
	send_to_many(N);
	for (size_t ring = 0; n_seen < N; ring = (ring + 1) % N_RINGS) {
		uint32_t i;
		while (capture_next(capture_ring(capture, ring), &frame, NULL) == CAPTURE_FRAME) {
			memcpy(&i, frame.data + ETHERNET_IPV4_UDP_BYTES, sizeof(i));
			CHECK(i < N && frame.number % N_RINGS == (ring + 1) % N_RINGS);
			CHECK(frame.number < sizeof(is_number_used) && !is_number_used[frame.number]);
			is_number_used[frame.number] = true;
			CHECK(seen[i]++ == 0);
			n_seen++;
		}
	}
	for (size_t ring = 0; ring < N_RINGS; ring++) {
		capture_get_stats(capture_ring(capture, ring), &stats);
		CHECK(stats.frames > N / N_RINGS / 2 && stats.frames < N && stats.kernel_dropped == 0);
	}
	capture_break(capture);
	for (size_t ring = 0; ring < N_RINGS; ring++)
		CHECK(capture_next(capture_ring(capture, ring), &frame, NULL) == CAPTURE_BROKEN);
	capture_close(capture);
}

static void test_rings_share_frames(void **state)
{
	(void)state;
	in_namespace(check_rings_share_frames);
}

static void check_quiet_interface_is_idle(void)
{
	struct capture *capture = open_lo(NULL, 50);
	struct frame frame;

	for (int i = 0; i < 3; i++) {
		uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
		CHECK(capture_next(capture, &frame, NULL) == CAPTURE_IDLE);
		uint64_t waited_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
		CHECK(waited_ns >= 50 * NS_PER_MS && waited_ns < 5 * NS_PER_SEC);
	}
	capture_close(capture);
}

static void test_quiet_interface_is_idle(void **state)
{
	(void)state;
	in_namespace(check_quiet_interface_is_idle);
}

/* How long the next wait for a frame takes, when none comes. */
static uint64_t waited_ns(struct capture *capture)
{
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	struct frame frame;

	CHECK(capture_next(capture, &frame, NULL) == CAPTURE_IDLE);
	return clock_ns(CLOCK_MONOTONIC) - start_ns;
}

/* The timeout, 1 s, is so far from what is expected that a busy machine does not count. */
static void check_wait_ends_when_something_is_due(void)
{
	struct capture *capture = open_lo(NULL, 1000);
	uint64_t due_ns = clock_ns(CLOCK_REALTIME) + 100 * NS_PER_MS;

	capture_expect(capture, due_ns);
	uint64_t wait_ns = waited_ns(capture);
	CHECK(wait_ns >= 100 * NS_PER_MS && wait_ns < 900 * NS_PER_MS);
	CHECK(capture_silent_until_ns(capture) >= due_ns);
	/* A frame that passes now is still in the kernel when the wait has ended. */
	CHECK(capture_silent_until_ns(capture) <= clock_ns(CLOCK_REALTIME) - 20 * NS_PER_MS);

	/* Overdue for long: not a wait of nothing, which would keep a core busy. */
	capture_expect(capture, 1);
	wait_ns = waited_ns(capture);
	CHECK(wait_ns >= 20 * NS_PER_MS && wait_ns < 900 * NS_PER_MS);

	capture_expect(capture, due_ns + 3600 * NS_PER_SEC);
	CHECK(waited_ns(capture) >= NS_PER_SEC);
	capture_expect(capture, UINT64_MAX);
	CHECK(waited_ns(capture) >= NS_PER_SEC);
	capture_close(capture);
}

static void test_wait_ends_when_something_is_due(void **state)
{
	(void)state;
	in_namespace(check_wait_ends_when_something_is_due);
}

static void *break_later(void *capture)
{
	const struct timespec wait = { .tv_nsec = 50000000 };

	nanosleep(&wait, NULL);
	capture_break(capture);
	return NULL;
}

/* With the longest timeout, so that only the break's own descriptor can be what ends the wait. */
static void check_break_is_immediate(void)
{
	struct capture *capture = open_lo(NULL, 1000);
	struct frame frame;
	pthread_t thread;
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);

	CHECK(pthread_create(&thread, NULL, break_later, capture) == 0);
	CHECK(capture_next(capture, &frame, NULL) == CAPTURE_BROKEN);
	CHECK(clock_ns(CLOCK_MONOTONIC) - start_ns < 900 * NS_PER_MS);
	CHECK(capture_next(capture, &frame, NULL) == CAPTURE_BROKEN);
	pthread_join(thread, NULL);
	capture_close(capture);
}

static void test_break_is_immediate(void **state)
{
	(void)state;
	in_namespace(check_break_is_immediate);
}

/* The longest waits there are: nothing but what passed before the break is in the way of the end. */
static void check_break_leaves_no_frame(void)
{
	enum { N = 500 };
	const struct capture_live_config config = {
		.interface = "lo",
		.bpf_filter = "udp dst port 4711",
		.snaplen_bytes = 1500,
		.timeout_ms = 1000,
		.batch_ms = 200,
	};
	struct capture *capture = capture_open_live(&config, NULL);
	struct frame frames[7];
	uint32_t n_seen = 0;
	size_t n;

	CHECK(capture != NULL);
	send_datagrams(PORT, N, 1000);
	capture_break(capture);
	while (capture_next_burst(capture, frames, 7, &n, NULL) == CAPTURE_FRAME) {
		for (size_t i = 0; i < n; i++) {
			uint32_t number;
			memcpy(&number, frames[i].data + ETHERNET_IPV4_UDP_BYTES, sizeof(number));
			CHECK(number == n_seen && frames[i].number == n_seen + 1);
			n_seen++;
		}
		CHECK(n > 0 && n <= 7);
	}
	CHECK(n_seen == N && n == 0);
	CHECK(capture_next_burst(capture, frames, 7, &n, NULL) == CAPTURE_BROKEN);
	capture_close(capture);
}

static void test_break_leaves_no_frame(void **state)
{
	(void)state;
	in_namespace(check_break_leaves_no_frame);
}

/* A burst's frames all stay as they were until the next one, whatever their sizes. */
static void check_bursts_hold_their_frames(void)
{
	enum { N = 64 };
	static const size_t sizes[] = { 4, 1400, 90, 701 };
	struct capture *capture = open_lo("udp dst port 4711", 1000);
	struct frame frames[N];
	size_t most = 0;
	size_t n_seen = 0;
	size_t n;

	for (unsigned i = 0; i < N; i++)
		send_datagrams(PORT, 1, sizes[i % 4]);
	while (n_seen < N) {
		CHECK(capture_next_burst(capture, frames, N, &n, NULL) == CAPTURE_FRAME);
		for (size_t i = 0; i < n; i++) {
			CHECK(frames[i].captured_bytes == ETHERNET_IPV4_UDP_BYTES + sizes[(n_seen + i) % 4]);
			/* The last byte of the port, and the UDP length. */
			CHECK(frames[i].data[37] == (PORT & 0xff));
			CHECK(((size_t)frames[i].data[38] << 8 | frames[i].data[39]) == 8 + sizes[(n_seen + i) % 4]);
		}
		most = n > most ? n : most;
		n_seen += n;
	}
	CHECK(n_seen == N && most > 1);
	capture_close(capture);
}

static void test_bursts_hold_their_frames(void **state)
{
	(void)state;
	in_namespace(check_bursts_hold_their_frames);
}

/* A ring too small for a burst that nobody reads: the kernel says what it dropped, and the count never falls. */
static void check_drops_are_counted(void)
{
	const struct capture_live_config config = {
		.interface = "lo",
		.bpf_filter = "udp dst port 4711",
		.snaplen_bytes = 1500,
		.buffer_bytes = 256 * 1024,
		.timeout_ms = 20,
		.batch_ms = 20,
	};
	struct error error = { 0 };
	struct capture *capture = capture_open_live(&config, &error);
	struct capture_stats first;
	struct capture_stats second;
	struct frame frame;
	enum capture_result result;

	CHECK(capture != NULL);
	send_datagrams(PORT, 5000, 1400);
	capture_get_stats(capture, &first);
	CHECK(first.kernel_dropped > 0 && first.kernel_received >= 5000);
	while ((result = capture_next(capture, &frame, &error)) == CAPTURE_FRAME)
		continue;
	CHECK(result == CAPTURE_IDLE);
	capture_get_stats(capture, &second);
	/* On loopback the kernel hands over each frame twice, and libpcap leaves out the outgoing copy. */
	CHECK(second.frames > 0 && second.frames < 5000);
	CHECK(second.frames + second.kernel_dropped <= second.kernel_received);
	CHECK(second.kernel_dropped >= first.kernel_dropped);
	capture_close(capture);
}

static void test_drops_are_counted(void **state)
{
	(void)state;
	in_namespace(check_drops_are_counted);
}

/* After the open, all privileges can go: reading and counting go on. */
static void check_no_privilege_after_open(void)
{
	struct capture *capture = open_lo("udp dst port 4711", 20);
	struct capture_stats stats;
	struct frame frame;
	enum capture_result result;

	CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	send_datagrams(PORT, 1, 10);
	while ((result = capture_next(capture, &frame, NULL)) == CAPTURE_IDLE)
		continue;
	CHECK(result == CAPTURE_FRAME);
	capture_get_stats(capture, &stats);
	CHECK(stats.kernel_received >= 1);
	capture_close(capture);
}

static void test_no_privilege_after_open(void **state)
{
	(void)state;
	in_namespace(check_no_privilege_after_open);
}

static void check_interface_goes_down(void)
{
	struct capture *capture = open_lo(NULL, 20);
	struct error error = { 0 };
	struct frame frame;
	enum capture_result result = CAPTURE_IDLE;

	set_loopback(false);
	for (int i = 0; i < 5; i++) {
		result = capture_next(capture, &frame, &error);
		CHECK(result == CAPTURE_IDLE || result == CAPTURE_FAILED);
	}
	/* libpcap waits for an interface that is only down; frames come again when it is up. */
	CHECK(result == CAPTURE_IDLE);
	set_loopback(true);
	send_datagrams(PORT, 1, 10);
	while ((result = capture_next(capture, &frame, &error)) == CAPTURE_IDLE)
		continue;
	CHECK(result == CAPTURE_FRAME);
	capture_close(capture);
}

static void test_interface_goes_down(void **state)
{
	(void)state;
	in_namespace(check_interface_goes_down);
}

static void check_interface_vanishes(void)
{
	const struct capture_live_config config = {
		.interface = "tw0",
		.snaplen_bytes = 96,
		.timeout_ms = 20,
		.batch_ms = 20,
	};
	struct error error = { 0 };
	struct frame frame;
	enum capture_result result;

	if (system("ip link add tw0 type veth peer name tw1 && ip link set tw0 up && ip link set tw1 up") != 0)
		_exit(CHILD_SKIPS);
	struct capture *capture = capture_open_live(&config, &error);
	CHECK(capture != NULL);
	CHECK(system("ip link del tw0") == 0);
	while ((result = capture_next(capture, &frame, &error)) == CAPTURE_FRAME || result == CAPTURE_IDLE)
		continue;
	CHECK(result == CAPTURE_FAILED);
	CHECK(strstr(error.text, "interface tw0: capture ended") != NULL);
	capture_close(capture);
}

static void test_interface_vanishes(void **state)
{
	(void)state;
	in_namespace(check_interface_vanishes);
}

static void assert_refused(const struct capture_live_config *config, const char *expected)
{
	struct error error = { 0 };

	assert_null(capture_open_live(config, &error));
	if (strstr(error.text, expected) == NULL)
		fail_msg("'%s' does not contain '%s'", error.text, expected);
}

static void test_bad_settings(void **state)
{
	struct capture_live_config config = { .snaplen_bytes = 96, .timeout_ms = 10, .batch_ms = 10 };

	(void)state;
	assert_refused(&config, "no interface is named");
	config.interface = "lo";
	config.snaplen_bytes = 0;
	assert_refused(&config, "snapshot length 0");
	config.snaplen_bytes = 262145;
	assert_refused(&config, "snapshot length 262145");
	config.snaplen_bytes = 96;
	config.timeout_ms = 1001;
	assert_refused(&config, "timeout 1001 is not within 1 to 1000 ms");
	config.timeout_ms = 9;
	assert_refused(&config, "batch timeout 10 is not within 1 to 9 ms");
}

static void check_refusals(void)
{
	struct capture_live_config config = {
		.interface = "nosuch0",
		.snaplen_bytes = 96,
		.timeout_ms = 10,
		.batch_ms = 10,
	};
	struct error error = { 0 };

	CHECK(capture_open_live(&config, &error) == NULL);
	CHECK(strstr(error.text, "interface nosuch0: does not exist") != NULL);
	config.interface = "lo";
	config.bpf_filter = "tcp prot 80";
	CHECK(capture_open_live(&config, &error) == NULL);
	CHECK(strstr(error.text, "filter 'tcp prot 80' does not fit lo") != NULL);
	CHECK(setresuid(65534, 65534, 65534) == 0);
	config.bpf_filter = NULL;
	CHECK(capture_open_live(&config, &error) == NULL);
	CHECK(strstr(error.text, "interface lo: no permission to capture") != NULL);
}

static void test_refusals(void **state)
{
	(void)state;
	in_namespace(check_refusals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_settings),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_datagrams_arrive),
		cmocka_unit_test(test_rings_share_frames),
		cmocka_unit_test(test_quiet_interface_is_idle),
		cmocka_unit_test(test_wait_ends_when_something_is_due),
		cmocka_unit_test(test_break_is_immediate),
		cmocka_unit_test(test_break_leaves_no_frame),
		cmocka_unit_test(test_bursts_hold_their_frames),
		cmocka_unit_test(test_drops_are_counted),
		cmocka_unit_test(test_no_privilege_after_open),
		cmocka_unit_test(test_interface_goes_down),
		cmocka_unit_test(test_interface_vanishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
