/* SPDX-License-Identifier: BSD-2-Clause */
/* What libpcap does not know of: the group is made on its descriptors. */
#include "fanout.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring_choice.h"

enum { GROUP_MODE = PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_DEFRAG, GROUP_ID_BITS = 16, GROUP_ID_MASK = 0xffff };

static int set_group(int fd, unsigned id, unsigned mode)
{
	unsigned argument = id | mode << GROUP_ID_BITS;

	return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &argument, sizeof(argument));
}

/* A group whose number no other process has: the kernel finds one since Linux 4.12. -1 with errno, else the number. */
static int begin_group(int fd)
{
	if (set_group(fd, 0, GROUP_MODE | PACKET_FANOUT_FLAG_UNIQUEID) == 0) {
		int group = 0;
		socklen_t bytes = sizeof(group);
		return getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &group, &bytes) == 0 ? group & GROUP_ID_MASK : -1;
	}
	int id = (int)getpid() & GROUP_ID_MASK;
	return errno == EINVAL && set_group(fd, (unsigned)id, GROUP_MODE) == 0 ? id : -1;
}

static int set_choice(int fd)
{
	struct ring_choice choice;
	uint64_t secret;

	if (getrandom(&secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return -1;
	ring_choice_write(&choice, RING_CHOICE_KERNEL, secret);
	const struct sock_fprog program = { .len = choice.n, .filter = (void *)choice.steps };
	return setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof(program));
}

int fanout_join(const int *fds, size_t n, const char *name, struct error *error)
{
	int id = begin_group(fds[0]);

	if (id < 0 || set_choice(fds[0]) != 0)
		goto fail;
	for (size_t i = 1; i < n; i++) {
		if (set_group(fds[i], (unsigned)id, GROUP_MODE) != 0)
			goto fail;
	}
	return 0;
fail:
	return error_set(error, "interface %s: cannot be shared by threads: %s; use --threads 1", name,
			 strerror(errno));
}
