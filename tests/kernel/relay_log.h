/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What the relay writes: the capture of its tap (pcap, nanoseconds, raw IP) and a journal with a line for each thing
 * that happened to a TCP segment:
 *   TIME_NS FATE ID c|s SPORT DPORT FLAGS SEQ ACK PAYLOAD_BYTES FRAME
 * with the monotonic clock's time, the packet's number, the end that sent it, flags in hexadecimal, and the number of
 * frames captured so far. One thread.
 */
enum relay_fate {
	FATE_SENT = 'E', /* left its host */
	FATE_LOST_BEFORE_TAP = 'B',
	FATE_SEEN = 'T',
	FATE_LOST_BEHIND_TAP = 'A',
	FATE_ARRIVED = 'D',
};

struct relay_log;

/* Null, with a line on standard error, when a file cannot be made. */
struct relay_log *relay_log_open(const char *capture_path, const char *journal_path);

/* 0, or -1 when something could not be written. */
int relay_log_close(struct relay_log *log);
void relay_log_flush(struct relay_log *log);

/* TCP, and the ICMP errors that answer it; the hosts' own chatter (neighbours, multicast groups) is not carried. */
bool relay_log_is_relevant(const uint8_t *raw, uint16_t bytes);

void relay_log_capture(struct relay_log *log, uint64_t monotonic_ns, const uint8_t *raw, uint16_t bytes);
void relay_log_note(struct relay_log *log, uint64_t monotonic_ns, enum relay_fate fate, uint64_t id, bool from_client,
		    const uint8_t *raw, uint16_t bytes);
uint64_t relay_log_frames(const struct relay_log *log);
