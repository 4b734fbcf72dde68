/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A filter as programs for the link types of one file. Decides what becomes of a filter that fits some of them only:
 * an interface that never sends a frame needs no program, so that each is compiled when its first frame comes.
 */
#include "link_filters.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pcap_source.h"

static int no_memory(struct error *error)
{
	return error_set(error, "not enough memory for a filter");
}

/* Returns 0, or -1 with *error filled. */
static int compile(struct link_filters *filters, uint16_t file_link_type, bool may_be_void, const char *name,
		   struct error *error)
{
	pcap_t *handle = pcap_source_open_empty(file_link_type);
	struct link_filter *compiled =
		realloc(filters->compiled, (filters->n_compiled + 1) * sizeof(*filters->compiled));
	int status;

	if (compiled != NULL)
		filters->compiled = compiled;
	if (compiled == NULL || handle == NULL) {
		status = no_memory(error);
		goto out;
	}
	compiled[filters->n_compiled].file_link_type = file_link_type;
	struct bpf_program *program = &compiled[filters->n_compiled].program;
	status = pcap_source_compile(handle, filters->expression, name, program, error);
	/* libpcap refuses a filter of which its optimizer leaves nothing; unoptimized, it is a filter as any other. */
	if (status < 0 && may_be_void &&
	    pcap_compile(handle, program, filters->expression, 0, PCAP_NETMASK_UNKNOWN) == 0)
		status = 0;
	if (status == 0)
		filters->n_compiled++;
out:
	if (handle != NULL)
		pcap_close(handle);
	return status;
}

int link_filters_init(struct link_filters *filters, const char *bpf_filter, uint16_t first_link_type, const char *name,
		      struct error *error)
{
	*filters = (struct link_filters){ 0 };
	if (bpf_filter == NULL || bpf_filter[0] == '\0')
		return 0;
	filters->expression = strdup(bpf_filter);
	if (filters->expression == NULL)
		return no_memory(error);
	return compile(filters, first_link_type, false, name, error);
}

void link_filters_fini(struct link_filters *filters)
{
	for (size_t i = 0; i < filters->n_compiled; i++)
		pcap_freecode(&filters->compiled[i].program);
	free(filters->compiled);
	free(filters->expression);
}

int link_filters_get(struct link_filters *filters, uint16_t file_link_type, const char *name,
		     struct bpf_program *program, struct error *error)
{
	size_t at = 0;

	while (at < filters->n_compiled && filters->compiled[at].file_link_type != file_link_type)
		at++;
	if (at == filters->n_compiled && compile(filters, file_link_type, true, name, error) < 0)
		return -1;
	*program = filters->compiled[at].program;
	return 0;
}
