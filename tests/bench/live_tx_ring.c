/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slot is the program's while its status says TP_STATUS_AVAILABLE and the kernel's from TP_STATUS_SEND_REQUEST on. A
 * pair of virtual interfaces takes a frame to the other side within the call that sends it, so slots come back at once.
 */
#include "live_tx_ring.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SLOT_BYTES = 2048,
	BLOCK_BYTES = 1 << 16,
	N_BLOCKS = 64,
	N_SLOTS = BLOCK_BYTES / SLOT_BYTES * N_BLOCKS,
	/* Where the kernel looks for the frame of a slot: TPACKET2_HDRLEN without the address that it ends with. */
	FRAME_OFFSET = (sizeof(struct tpacket2_hdr) + TPACKET_ALIGNMENT - 1) / TPACKET_ALIGNMENT * TPACKET_ALIGNMENT,
	POLL_MS = 1000,
};

struct tx_ring {
	int fd;
	unsigned at; /* the next slot */
	uint64_t n_refused;
	uint8_t *slots;
};

static struct tpacket2_hdr *slot_at(const struct tx_ring *ring, unsigned number)
{
	return (struct tpacket2_hdr *)(void *)(ring->slots + (size_t)number * SLOT_BYTES);
}

static int set_option(int fd, int option, const void *value, socklen_t n_bytes)
{
	return setsockopt(fd, SOL_PACKET, option, value, n_bytes);
}

static int set_up(struct tx_ring *ring, const char *interface)
{
	const struct tpacket_req request = {
		.tp_block_size = BLOCK_BYTES,
		.tp_block_nr = N_BLOCKS,
		.tp_frame_size = SLOT_BYTES,
		.tp_frame_nr = N_SLOTS,
	};
	/* No protocol: nothing is received. */
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface) };
	int version = TPACKET_V2;
	int yes = 1;

	if (address.sll_ifindex == 0 || set_option(ring->fd, PACKET_VERSION, &version, sizeof(version)) < 0 ||
	    set_option(ring->fd, PACKET_QDISC_BYPASS, &yes, sizeof(yes)) < 0 ||
	    set_option(ring->fd, PACKET_TX_RING, &request, sizeof(request)) < 0)
		return -1;
	void *slots = mmap(NULL, (size_t)N_BLOCKS * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (slots == MAP_FAILED)
		return -1;
	ring->slots = slots;
	return bind(ring->fd, (const struct sockaddr *)&address, sizeof(address));
}

struct tx_ring *tx_ring_open(const char *interface)
{
	struct tx_ring *ring = calloc(1, sizeof(*ring));

	if (ring == NULL)
		return NULL;
	ring->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (ring->fd >= 0 && set_up(ring, interface) == 0)
		return ring;
	fprintf(stderr, "bench_sender: %s: %s\n", interface, strerror(errno));
	tx_ring_close(ring);
	return NULL;
}

void tx_ring_close(struct tx_ring *ring)
{
	if (ring == NULL)
		return;
	if (ring->slots != NULL)
		munmap(ring->slots, (size_t)N_BLOCKS * BLOCK_BYTES);
	if (ring->fd >= 0)
		close(ring->fd);
	free(ring);
}

static uint32_t status_of(const struct tpacket2_hdr *slot)
{
	return __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE);
}

/* Until the kernel is done with the slot. 0, or -1 when it does not come to an end. */
static int wait_for(struct tx_ring *ring, struct tpacket2_hdr *slot)
{
	struct pollfd poll_fd = { .fd = ring->fd, .events = POLLOUT };
	uint32_t status;

	while ((status = status_of(slot)) != TP_STATUS_AVAILABLE) {
		if ((status & TP_STATUS_WRONG_FORMAT) != 0) {
			ring->n_refused++;
			__atomic_store_n(&slot->tp_status, TP_STATUS_AVAILABLE, __ATOMIC_RELEASE);
		} else if (tx_ring_send(ring) < 0 || poll(&poll_fd, 1, POLL_MS) == 0) {
			fputs("bench_sender: the interface takes no more frames\n", stderr);
			return -1;
		}
	}
	return 0;
}

uint8_t *tx_ring_next(struct tx_ring *ring)
{
	struct tpacket2_hdr *slot = slot_at(ring, ring->at);

	return wait_for(ring, slot) < 0 ? NULL : (uint8_t *)slot + FRAME_OFFSET;
}

void tx_ring_put(struct tx_ring *ring, uint32_t n_bytes)
{
	struct tpacket2_hdr *slot = slot_at(ring, ring->at);

	slot->tp_len = n_bytes;
	__atomic_store_n(&slot->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	ring->at = (ring->at + 1) % N_SLOTS;
}

int tx_ring_send(struct tx_ring *ring)
{
	while (send(ring->fd, NULL, 0, MSG_DONTWAIT) < 0) {
		if (errno == EAGAIN || errno == ENOBUFS)
			return 0; /* later calls send them */
		if (errno != EINTR) {
			fprintf(stderr, "bench_sender: cannot send: %s\n", strerror(errno));
			return -1;
		}
	}
	return 0;
}

uint64_t tx_ring_finish(struct tx_ring *ring)
{
	for (unsigned i = 0; i < N_SLOTS; i++) {
		if (wait_for(ring, slot_at(ring, i)) < 0)
			break;
	}
	return ring->n_refused;
}
