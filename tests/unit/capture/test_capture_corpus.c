/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real pcap and pcapng files, packet for packet against libpcap's own reader. pcapng files that libpcap refuses must
 * give frames all the same. What is not in the repository is skipped when it is not there.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "libpcap_check.h"

#define RECORDED PROJECT_DIR "/pcaps"
#define CORPUS   PROJECT_DIR "/../shared/corpus"

/* What a walk over a folder has found; nftw has no argument for it. */
static struct {
	unsigned n_pcap;
	unsigned n_pcapng;
	unsigned n_truncated;
	unsigned n_refused_by_libpcap;
	uint64_t n_frames;
} found;

static uint32_t magic_of(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint32_t magic = 0;

	assert_non_null(file);
	if (fread(&magic, sizeof(magic), 1, file) != 1)
		magic = 0;
	fclose(file);
	return magic;
}

static void compare_pcap(const char *path)
{
	struct comparison all = compare_with_libpcap(path, NULL, BURST_MAX);

	/* Bursts of one, and a filter. */
	struct comparison tcp = compare_with_libpcap(path, "tcp", 1);
	if (all.truncated != all.libpcap_gave_up || tcp.truncated != tcp.libpcap_gave_up || tcp.n_frames > all.n_frames)
		fail_msg("%s: the end is not that of libpcap", path);
	found.n_pcap++;
	found.n_truncated += all.truncated;
	found.n_frames += all.n_frames;
}

static void compare_pcapng(const char *path)
{
	struct comparison all = compare_with_libpcap(path, NULL, BURST_MAX);
	struct comparison tcp = compare_with_libpcap(path, "tcp", 1);

	if (tcp.n_frames > all.n_frames || all.n_frames == 0 || (all.truncated && !all.libpcap_gave_up))
		fail_msg("%s: %llu frames", path, (unsigned long long)all.n_frames);
	found.n_pcapng++;
	found.n_refused_by_libpcap += all.libpcap_gave_up;
	found.n_frames += all.n_frames;
}

static int compare_file(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)where;
	if (type != FTW_F)
		return 0;
	uint32_t magic = magic_of(path);
	if (magic == 0x0a0d0d0a)
		compare_pcapng(path);
	else if (magic == 0xa1b2c3d4 || magic == 0xa1b23c4d || magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1)
		compare_pcap(path);
	return 0;
}

/* False when the folder is not there. */
static bool walk(const char *folder)
{
	enum { OPEN_FOLDERS = 16 };

	memset(&found, 0, sizeof(found));
	if (nftw(folder, compare_file, OPEN_FOLDERS, FTW_PHYS) != 0)
		return false;
	print_message(
		"%u pcap files, %u of them cut off, %u pcapng files, %u of them refused by libpcap, %llu frames\n",
		found.n_pcap, found.n_truncated, found.n_pcapng, found.n_refused_by_libpcap,
		(unsigned long long)found.n_frames);
	return true;
}

static void test_recorded_captures(void **state)
{
	(void)state;
	assert_true(walk(RECORDED));
	assert_true(found.n_pcap > 0);
}

static void test_corpus(void **state)
{
	(void)state;
	if (!walk(CORPUS)) {
		print_message("SKIPPED: %s is not there; nothing of it was compared with libpcap\n", CORPUS);
		skip();
	}
	assert_true(found.n_pcap > 0);
	assert_true(found.n_pcapng > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_captures),
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
