/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/base/ip_addr.h"

#include <arpa/inet.h>

enum {
	N_WORDS = 8,
	N_MAPPED_WORDS = 6, /* of the prefix ::ffff:0:0/96 */
};

static char *write_octet(char *at, unsigned octet)
{
	if (octet >= 100)
		*at++ = (char)('0' + octet / 100);
	if (octet >= 10)
		*at++ = (char)('0' + octet / 10 % 10);
	*at++ = (char)('0' + octet % 10);
	return at;
}

static char *write_ipv4(char *at, const uint8_t bytes[static 4])
{
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0)
			*at++ = '.';
		at = write_octet(at, bytes[i]);
	}
	return at;
}

/* Without leading zeros, in lower case: RFC 5952 sections 4.1 and 4.3. */
static char *write_word(char *at, unsigned word)
{
	static const char digits[] = "0123456789abcdef";

	if (word >= 0x1000)
		*at++ = digits[word >> 12];
	if (word >= 0x100)
		*at++ = digits[word >> 8 & 15];
	if (word >= 0x10)
		*at++ = digits[word >> 4 & 15];
	*at++ = digits[word & 15];
	return at;
}

struct zero_run {
	unsigned first;
	unsigned length; /* 0 = none */
};

/* What "::" stands for: the longest run of at least two zero words, of equal ones the first (RFC 5952 section 4.2). */
static struct zero_run longest_zero_run(const unsigned words[static N_WORDS])
{
	struct zero_run longest = { .length = 1 };
	unsigned length = 0;

	for (unsigned i = 0; i < N_WORDS; i++) {
		length = words[i] == 0 ? length + 1 : 0;
		if (length > longest.length)
			longest = (struct zero_run){ .first = i + 1 - length, .length = length };
	}
	return longest.length > 1 ? longest : (struct zero_run){ .length = 0 };
}

/*
 * How many words are written as words: the last two are an IPv4 address in dotted form behind the prefixes that
 * inet_ntop knows (RFC 5952 section 5).
 */
static unsigned count_words(const unsigned words[static N_WORDS], struct zero_run zeros)
{
	bool is_compatible = zeros.first == 0 && zeros.length == N_MAPPED_WORDS;
	bool is_mapped = zeros.first == 0 && zeros.length == N_MAPPED_WORDS - 1 && words[zeros.length] == 0xFFFF;

	return is_compatible || is_mapped ? N_MAPPED_WORDS : N_WORDS;
}

static char *write_ipv6(char *at, const uint8_t bytes[static 16])
{
	unsigned words[N_WORDS];

	for (size_t i = 0; i < N_WORDS; i++)
		words[i] = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];

	struct zero_run zeros = longest_zero_run(words);
	unsigned n_words = count_words(words, zeros);
	for (unsigned i = 0; i < n_words;) {
		if (zeros.length > 0 && i == zeros.first) {
			*at++ = ':';
			i += zeros.length;
			if (i == N_WORDS)
				*at++ = ':';
			continue;
		}
		if (i > 0)
			*at++ = ':';
		at = write_word(at, words[i++]);
	}
	if (n_words == N_WORDS)
		return at;
	*at++ = ':';
	return write_ipv4(at, bytes + (size_t)2 * N_MAPPED_WORDS);
}

char *ip_addr_write(const struct ip_addr *addr, char text[static IP_ADDR_TEXT_BYTES])
{
	switch (addr->version) {
	case 4:
		return write_ipv4(text, addr->bytes);
	case 6:
		return write_ipv6(text, addr->bytes);
	default:
		return text;
	}
}

const char *ip_addr_format(const struct ip_addr *addr, char text[static IP_ADDR_TEXT_BYTES])
{
	*ip_addr_write(addr, text) = '\0';
	return text;
}

bool ip_addr_parse(const char *text, struct ip_addr *addr)
{
	struct ip_addr parsed = { .version = 4 };

	if (inet_pton(AF_INET, text, parsed.bytes) != 1) {
		parsed = (struct ip_addr){ .version = 6 };
		if (inet_pton(AF_INET6, text, parsed.bytes) != 1)
			return false;
	}
	*addr = parsed;
	return true;
}
