/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From libpcap's terms to ours: filters (pcap-filter(7)), link types and frame headers, which are the same for
 * files and interfaces. Decides what becomes of impossible lengths and times.
 */
#include "pcap_source.h"

#include <stdio.h>

#include "tcpwitness/base/units.h"

int pcap_source_compile(pcap_t *handle, const char *bpf_filter, const char *name, struct bpf_program *program,
			struct error *error)
{
	if (pcap_compile(handle, program, bpf_filter, 1, PCAP_NETMASK_UNKNOWN) == 0)
		return 0;
	const char *link_name = pcap_datalink_val_to_name(pcap_datalink(handle));
	return error_set(error, "filter '%s' does not fit %s (link type %s): %s; see pcap-filter(7)", bpf_filter, name,
			 link_name != NULL ? link_name : "unknown", pcap_geterr(handle));
}

int pcap_source_set_filter(pcap_t *handle, const char *bpf_filter, const char *name, struct error *error)
{
	struct bpf_program program;

	if (bpf_filter == NULL || bpf_filter[0] == '\0')
		return 0;
	if (pcap_source_compile(handle, bpf_filter, name, &program, error) < 0)
		return -1;
	int status = pcap_setfilter(handle, &program);
	pcap_freecode(&program);
	if (status != 0)
		return error_set(error, "filter '%s' cannot be set on %s: %s", bpf_filter, name, pcap_geterr(handle));
	return 0;
}

pcap_t *pcap_source_open_header(const void *bytes, size_t n_bytes, char *reason)
{
	/* It is only read. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	FILE *file = fmemopen((void *)(uintptr_t)bytes, n_bytes, "rb");

	if (file == NULL) {
		snprintf(reason, PCAP_ERRBUF_SIZE, "not enough memory to read it");
		return NULL;
	}
	pcap_t *handle = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, reason);
	if (handle == NULL)
		fclose(file);
	return handle;
}

pcap_t *pcap_source_open_empty(uint16_t file_link_type)
{
	const struct pcap_file_header header = {
		.magic = 0xa1b2c3d4,
		.version_major = PCAP_VERSION_MAJOR,
		.version_minor = PCAP_VERSION_MINOR,
		.linktype = file_link_type,
	};
	char reason[PCAP_ERRBUF_SIZE];

	return pcap_source_open_header(&header, sizeof(header), reason);
}

int pcap_source_link_type(pcap_t *handle, const char *name, struct error *error)
{
	int link_type = pcap_datalink(handle);

	if (link_type < 0 || link_type > UINT16_MAX)
		return error_set(error, "%s: link type %d is none that exists; the file's header is damaged", name,
				 link_type);
	return link_type;
}

uint32_t pcap_source_tick_ns(pcap_t *handle)
{
	return pcap_get_tstamp_precision(handle) == PCAP_TSTAMP_PRECISION_NANO ? 1 : (uint32_t)NS_PER_US;
}

static uint64_t header_time_ns(const struct timeval *time, uint32_t tick_ns)
{
	int64_t seconds_ns;
	int64_t fraction_ns;
	int64_t sum_ns;

	if (__builtin_mul_overflow((int64_t)time->tv_sec, (int64_t)NS_PER_SEC, &seconds_ns))
		return time->tv_sec < 0 ? 0 : TIME_MAX_NS;
	if (__builtin_mul_overflow((int64_t)time->tv_usec, (int64_t)tick_ns, &fraction_ns))
		return time->tv_usec < 0 ? 0 : TIME_MAX_NS;
	if (__builtin_add_overflow(seconds_ns, fraction_ns, &sum_ns))
		return seconds_ns < 0 ? 0 : TIME_MAX_NS;
	return sum_ns < 0 ? 0 : (uint64_t)sum_ns;
}

void pcap_source_fill_frame(const struct pcap_pkthdr *header, const uint8_t *data, uint32_t tick_ns,
			    struct frame *frame)
{
	frame->data = data;
	frame->captured_bytes = header->caplen;
	frame->wire_bytes = header->len > header->caplen ? header->len : header->caplen;
	frame->time_ns = header_time_ns(&header->ts, tick_ns);
}
