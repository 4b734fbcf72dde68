/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real pcapng files, packet for packet against libpcap's own reader: what libpcap reads, the reader of this project
 * reads the same. Files that libpcap refuses must give frames all the same. Skips when the captures are not there.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <pcap/pcap.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/capture/capture.h"

#define CORPUS PROJECT_DIR "/../shared/corpus"

/* What a walk over the corpus has found; nftw has no argument for it. */
static struct {
	unsigned n_files;
	unsigned n_refused_by_libpcap;
	uint64_t n_frames;
} found;

static bool is_pcapng(const char *path)
{
	FILE *file = fopen(path, "rb");
	char head[4] = { 0 };

	assert_non_null(file);
	bool is = fread(head, 1, sizeof(head), file) == sizeof(head) && memcmp(head, "\n\r\r\n", 4) == 0;
	fclose(file);
	return is;
}

/* A simple packet block has no time: libpcap says 0, this project that of the frame before. */
static void assert_same_time(const struct frame *frame, const struct pcap_pkthdr *header, uint64_t last_ns)
{
	uint64_t time_ns = (uint64_t)header->ts.tv_sec * NS_PER_SEC + (uint64_t)header->ts.tv_usec;

	assert_int_equal(frame->time_ns, time_ns == 0 ? last_ns : time_ns);
}

/* Returns the number of frames. *libpcap_refused says whether libpcap gave up before the end, or at once. */
static uint64_t compare(const char *path, const char *filter, bool *libpcap_refused)
{
	char reason[PCAP_ERRBUF_SIZE];
	struct error error;
	pcap_t *handle = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, reason);
	struct capture *capture = capture_open_files(&path, 1, filter, &error);
	struct bpf_program program;
	struct pcap_pkthdr *header;
	const uint8_t *data;
	struct frame frame = { 0 };
	int status;

	assert_non_null(handle);
	assert_non_null(capture);
	if (filter != NULL) {
		assert_int_equal(pcap_compile(handle, &program, filter, 1, PCAP_NETMASK_UNKNOWN), 0);
		assert_int_equal(pcap_setfilter(handle, &program), 0);
		pcap_freecode(&program);
	}
	while ((status = pcap_next_ex(handle, &header, &data)) == 1) {
		uint64_t last_ns = frame.time_ns;
		assert_int_equal(capture_next(capture, &frame, &error), CAPTURE_FRAME);
		assert_same_time(&frame, header, last_ns);
		assert_int_equal(frame.captured_bytes, header->caplen);
		assert_int_equal(frame.wire_bytes, header->len > header->caplen ? header->len : header->caplen);
		assert_int_equal(frame.link_type, pcap_datalink(handle));
		assert_memory_equal(frame.data, data, header->caplen);
	}
	*libpcap_refused = status != PCAP_ERROR_BREAK;
	uint64_t n_frames = frame.number;
	while (capture_next(capture, &frame, &error) == CAPTURE_FRAME)
		n_frames = frame.number;
	if (!*libpcap_refused)
		assert_string_equal(error.text, "");
	pcap_close(handle);
	capture_close(capture);
	return n_frames;
}

static int compare_file(const char *path, const struct stat *status, int type, struct FTW *where)
{
	bool libpcap_refused;
	bool ignored;

	(void)status;
	(void)where;
	if (type != FTW_F || !is_pcapng(path))
		return 0;
	uint64_t n_frames = compare(path, NULL, &libpcap_refused);
	if (compare(path, "tcp", &ignored) > n_frames || n_frames == 0)
		fail_msg("%s: %llu frames", path, (unsigned long long)n_frames);
	found.n_files++;
	found.n_refused_by_libpcap += libpcap_refused;
	found.n_frames += n_frames;
	return 0;
}

static void test_frames_are_those_of_libpcap(void **state)
{
	enum { OPEN_FOLDERS = 16 };

	(void)state;
	if (nftw(CORPUS, compare_file, OPEN_FOLDERS, FTW_PHYS) != 0) {
		print_message("SKIPPED: %s is not there; nothing was compared with libpcap\n", CORPUS);
		skip();
	}
	print_message("%u pcapng files, %llu frames, %u of the files refused by libpcap\n", found.n_files,
		      (unsigned long long)found.n_frames, found.n_refused_by_libpcap);
	assert_true(found.n_files > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_are_those_of_libpcap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
