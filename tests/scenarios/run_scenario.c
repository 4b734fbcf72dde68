/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs time-sequence files (*.scn) through one tcp_conn and compares what they expect. See README.md in this
 * folder for the format. usage: run_scenario [--rows] FILE...
 * With --rows it also prints which rows of the state table the files passed through: "row SYN_SENT rcv_synack".
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_conn.h"

enum { MAX_LINE = 512, MAX_WORDS = 48 };

/* The machine asks the table before it makes a step and only then, so the linker lets this program count the steps. */
static bool rows_passed[TCPS_COUNT][TCPE_COUNT];

enum tcp_state __real_tcp_state_next(enum tcp_state state, enum tcp_event event);
enum tcp_state __wrap_tcp_state_next(enum tcp_state state, enum tcp_event event);

enum tcp_state __wrap_tcp_state_next(enum tcp_state state, enum tcp_event event)
{
	rows_passed[state][event] = true;
	return __real_tcp_state_next(state, event);
}

static void print_rows(void)
{
	for (unsigned state = 0; state < TCPS_COUNT; state++) {
		for (unsigned event = 0; event < TCPE_COUNT; event++) {
			if (rows_passed[state][event] &&
			    tcp_state_transition_reason((enum tcp_state)state, (enum tcp_event)event) != NULL)
				printf("row %s %s\n", tcp_state_name((enum tcp_state)state),
				       tcp_event_name((enum tcp_event)event));
		}
	}
}

/* Where each side's sequence numbers begin, unless the file says "isn". */
static const uint32_t default_isn[2] = { 1000000, 5000000 };

struct scenario {
	const char *path;
	unsigned line;
	unsigned failures;
	struct tcp_context tcp;
	uint32_t owner;
	struct tcp_conn conn;
	struct tcp_verdict verdict;
	bool begun;
	char client; /* letter of the side that became the client: 'A' or 'B' */
	uint64_t number;
	uint64_t now_ns;
	uint32_t isn[2]; /* by letter */
	uint16_t ip_id;
};

static void fail(struct scenario *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct scenario *s, const char *format, ...)
{
	va_list args;

	s->failures++;
	fprintf(stderr, "%s:%u: ", s->path, s->line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static unsigned letter_index(char letter)
{
	return letter == 'A' ? 0 : 1;
}

static enum conn_side side_of(const struct scenario *s, char letter)
{
	return letter == s->client ? SIDE_CLIENT : SIDE_SERVER;
}

static const struct {
	char letter;
	uint16_t flag;
} flag_letters[] = {
	{ 'S', SEG_SYN }, { 'F', SEG_FIN }, { 'R', SEG_RST }, { 'P', SEG_PSH }, { '.', SEG_ACK },
	{ 'U', SEG_URG }, { 'E', SEG_ECE }, { 'W', SEG_CWR }, { 'e', SEG_AE },
};

static bool parse_flags(const char *text, uint16_t *flags)
{
	*flags = 0;
	for (; *text != '\0'; text++) {
		bool known = *text == '-';
		for (size_t i = 0; i < sizeof(flag_letters) / sizeof(flag_letters[0]); i++) {
			if (flag_letters[i].letter == *text) {
				*flags |= flag_letters[i].flag;
				known = true;
			}
		}
		if (!known)
			return false;
	}
	return true;
}

static uint32_t number_of(const char *text)
{
	return (uint32_t)strtoll(text, NULL, 0);
}

/* "word value" pairs behind the flags of a segment. Returns the number of words taken, 0 = unknown word. */
static unsigned parse_field(struct scenario *s, struct packet *packet, char letter, char **words, unsigned left)
{
	const char *word = words[0];
	unsigned sender = letter_index(letter);
	struct tcp_options *options = &packet->options;

	if (strcmp(word, "sackok") == 0) {
		options->present |= TCPOPT_SACK_PERMITTED;
		return 1;
	}
	if (strcmp(word, "mptcp-close") == 0) {
		options->present |= TCPOPT_MPTCP | TCPOPT_MPTCP_SIGNAL;
		options->mptcp_subtype = 2;
		return 1;
	}
	if (strcmp(word, "md5") == 0) {
		options->present |= TCPOPT_MD5;
		return 1;
	}
	if (strcmp(word, "ao") == 0) {
		options->present |= TCPOPT_AO;
		return 1;
	}
	if (strcmp(word, "same-ip-id") == 0) {
		packet->ip_id = (uint16_t)(s->ip_id - 1);
		return 1;
	}
	if (left < 2)
		return 0;
	if (strcmp(word, "seq") == 0) {
		packet->seq = s->isn[sender] + number_of(words[1]);
	} else if (strcmp(word, "ack") == 0) {
		packet->ack = s->isn[1 - sender] + number_of(words[1]);
		packet->flags |= SEG_ACK;
	} else if (strcmp(word, "rawack") == 0) {
		packet->ack = number_of(words[1]);
		packet->flags |= SEG_ACK;
	} else if (strcmp(word, "len") == 0) {
		packet->payload_bytes = number_of(words[1]);
	} else if (strcmp(word, "head") == 0) {
		packet->payload_head = number_of(words[1]);
	} else if (strcmp(word, "win") == 0) {
		packet->window = (uint16_t)number_of(words[1]);
	} else if (strcmp(word, "ip-id") == 0) {
		packet->ip_id = (uint16_t)number_of(words[1]);
	} else if (strcmp(word, "mss") == 0) {
		options->present |= TCPOPT_MSS;
		options->mss = (uint16_t)number_of(words[1]);
	} else if (strcmp(word, "wscale") == 0) {
		options->present |= TCPOPT_WSCALE;
		options->wscale = (uint8_t)number_of(words[1]);
	} else if (strcmp(word, "tfo") == 0) {
		options->present |= TCPOPT_FASTOPEN;
		options->fastopen_cookie_bytes = (uint8_t)number_of(words[1]);
	} else if (strcmp(word, "ts") == 0 && left >= 3) {
		options->present |= TCPOPT_TIMESTAMP;
		options->ts_val = number_of(words[1]);
		options->ts_ecr = number_of(words[2]);
		return 3;
	} else if (strcmp(word, "sack") == 0 && left >= 3) {
		options->present |= TCPOPT_SACK;
		if (options->n_sack_blocks == sizeof(options->sack) / sizeof(options->sack[0]))
			return 0;
		options->sack[options->n_sack_blocks].left = s->isn[1 - sender] + number_of(words[1]);
		options->sack[options->n_sack_blocks++].right = s->isn[1 - sender] + number_of(words[2]);
		return 3;
	} else if (strcmp(word, "mptcp") == 0) {
		options->present |= TCPOPT_MPTCP;
		options->mptcp_subtype = (uint8_t)number_of(words[1]);
		if (options->mptcp_subtype != 2)
			options->present |= TCPOPT_MPTCP_SIGNAL;
	} else if (strcmp(word, "icmp") == 0) {
		packet->icmp_error = (enum icmp_error_kind)number_of(words[1]);
	} else {
		return 0;
	}
	return 2;
}

static uint32_t hash_of(const struct packet *packet)
{
	uint32_t parts[] = { packet->seq,           packet->ack,           packet->flags,
			     packet->window,        packet->payload_bytes, packet->options.ts_val,
			     packet->options.ts_ecr };
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		hash = (hash ^ parts[i]) * 16777619u;
	return hash == 0 ? 1 : hash;
}

/* time A|B flags field... */
static void run_segment(struct scenario *s, char **words, unsigned n)
{
	char letter = words[1][0];
	struct packet packet = { .ttl = 64, .window = 65535, .options_complete = true };

	s->now_ns = (uint64_t)(strtod(words[0], NULL) * 1e9 + 0.5);
	packet.time_ns = s->now_ns + NS_PER_SEC;
	packet.number = ++s->number;
	packet.ip_id = ++s->ip_id;
	packet.src_port = letter == 'A' ? 40000 : 80;
	packet.dst_port = letter == 'A' ? 80 : 40000;
	packet.seq = s->isn[letter_index(letter)];
	if (n < 3 || (letter != 'A' && letter != 'B') || !parse_flags(words[2], &packet.flags)) {
		fail(s, "not a segment: expected TIME A|B FLAGS ...");
		return;
	}
	for (unsigned i = 3; i < n;) {
		unsigned taken = parse_field(s, &packet, letter, &words[i], n - i);
		if (taken == 0) {
			fail(s, "unknown field '%s'", words[i]);
			return;
		}
		i += taken;
	}
	packet.payload_hash = hash_of(&packet);
	/* A stream is the same however often it is sent. */
	if (packet.payload_head == 0 && packet.payload_bytes > 0)
		packet.payload_head = packet.seq | 1;
	if (!s->begun) {
		enum conn_side side = tcp_conn_init(&s->conn, &s->tcp, s->owner, &packet, &s->verdict);
		s->client = side == SIDE_CLIENT ? letter : (letter == 'A' ? 'B' : 'A');
		s->begun = true;
	} else if (packet.icmp_error != ICMP_ERROR_NONE) {
		tcp_conn_icmp(&s->conn, side_of(s, letter), &packet, &s->verdict);
	} else {
		tcp_conn_advance(&s->conn, &s->tcp, side_of(s, letter), &packet, &s->verdict);
	}
}

/* = A STATE certainty B STATE certainty */
static void expect_states(struct scenario *s, char **words, unsigned n)
{
	for (unsigned i = 1; i + 2 < n; i += 3) {
		const struct tcp_end *end = &s->conn.end[side_of(s, words[i][0])];
		const char *state = tcp_state_name((enum tcp_state)end->state);
		const char *certainty = tcp_certainty_name((enum tcp_certainty)end->certainty);
		if (strcmp(state, words[i + 1]) != 0 || strcmp(certainty, words[i + 2]) != 0)
			fail(s, "%c is %s %s, expected %s %s", words[i][0], state, certainty, words[i + 1],
			     words[i + 2]);
	}
	if (n != 4 && n != 7)
		fail(s, "expected '= A STATE certainty [B STATE certainty]'");
}

static int find_anomaly(const char *name)
{
	for (unsigned i = 0; i < ANOMALY_COUNT; i++) {
		if (strcmp(anomaly_info((enum anomaly)i)->name, name) == 0)
			return (int)i;
	}
	return -1;
}

/* ! anomaly... : exactly these; "! none" for none */
static void expect_anomalies(struct scenario *s, char **words, unsigned n)
{
	struct anomaly_set wanted = { { 0, 0 } };

	for (unsigned i = 1; i < n; i++) {
		int anomaly = find_anomaly(words[i]);
		if (anomaly >= 0)
			anomaly_set_add(&wanted, (enum anomaly)anomaly);
		else if (strcmp(words[i], "none") != 0)
			fail(s, "unknown anomaly '%s'", words[i]);
	}
	for (unsigned i = 0; i < ANOMALY_COUNT; i++) {
		bool is = anomaly_set_has(&s->verdict.anomalies, (enum anomaly)i);
		bool should = anomaly_set_has(&wanted, (enum anomaly)i);
		if (is != should)
			fail(s, "anomaly %s %s", anomaly_info((enum anomaly)i)->name,
			     is ? "was not expected" : "is missing");
	}
}

static void expect_verdict(struct scenario *s, const char *word)
{
	static const char *const names[] = { "accept", "track_only", "duplicate", "new_incarnation",
					     "new_incarnation_held_syn" };

	if (strcmp(names[s->verdict.kind], word) != 0)
		fail(s, "verdict is %s, expected %s", names[s->verdict.kind], word);
}

/* count A|B counter value */
static void expect_count(struct scenario *s, char **words)
{
	const struct tcp_end *end = &s->conn.end[side_of(s, words[1][0])];
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
		{ "payload_bytes", end->payload_bytes },
		{ "retransmissions", end->retransmissions },
		{ "out_of_order", end->out_of_order },
		{ "lost_before_tap", end->lost_before_tap },
		{ "lost_after_tap", end->lost_after_tap },
		{ "zero_windows", end->zero_windows },
		{ "duplicate_acks", end->duplicate_acks },
		{ "syns", end->syns },
		{ "fins", end->fins },
		{ "rsts", end->rsts },
	};

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		if (strcmp(counters[i].name, words[2]) != 0)
			continue;
		if (counters[i].value != strtoull(words[3], NULL, 10))
			fail(s, "%c %s is %" PRIu64 ", expected %s", words[1][0], words[2], counters[i].value,
			     words[3]);
		return;
	}
	fail(s, "unknown counter '%s'", words[2]);
}

/* inferred A STATE: the last segment showed a step to that state that nobody saw; inferred none */
static void expect_inferred(struct scenario *s, char **words, unsigned n)
{
	bool wanted = n == 3;

	for (unsigned i = 0; i < s->verdict.n_transitions; i++) {
		const struct tcp_transition *step = &s->verdict.transitions[i];
		if (!step->inferred)
			continue;
		if (n == 2) {
			fail(s, "a step to %s was filled in", tcp_state_name((enum tcp_state)step->to));
		} else if (step->side == side_of(s, words[1][0]) &&
			   strcmp(tcp_state_name((enum tcp_state)step->to), words[2]) == 0) {
			wanted = false;
		}
	}
	if (wanted)
		fail(s, "no step of %s to %s was filled in", words[1], words[2]);
}

static void expect_name(struct scenario *s, const char *what, const char *is, const char *wanted)
{
	if (strcmp(is, wanted) != 0)
		fail(s, "%s is %s, expected %s", what, is, wanted);
}

static void expect_outcome(struct scenario *s, char **words, unsigned n)
{
	bool idle = n > 2 && strcmp(words[2], "timeout") == 0;

	expect_name(s, words[0], conn_outcome_name(tcp_conn_outcome(&s->conn, idle)), words[1]);
}

/* next: the connection that the last segment began takes the place of the old one */
static void next_incarnation(struct scenario *s, char **words, unsigned n)
{
	s->owner += 2;
	if (s->verdict.kind == CONN_NEW_INCARNATION_HELD_SYN) {
		struct packet_syn syn = s->conn.next_syn;
		enum conn_side opener = (enum conn_side)s->conn.next_syn_side;
		s->client = opener == SIDE_CLIENT ? s->client : (s->client == 'A' ? 'B' : 'A');
		tcp_conn_init_from_syn(&s->conn, &s->tcp, s->owner, &syn, &s->verdict);
	} else {
		s->begun = false;
	}
	if (n > 2)
		s->isn[letter_index(words[1][0])] += number_of(words[2]);
}

static void run_line(struct scenario *s, char **words, unsigned n)
{
	if (isdigit((unsigned char)words[0][0])) {
		run_segment(s, words, n);
	} else if (strcmp(words[0], "=") == 0) {
		expect_states(s, words, n);
	} else if (strcmp(words[0], "!") == 0) {
		expect_anomalies(s, words, n);
	} else if (strcmp(words[0], "verdict") == 0 && n == 2) {
		expect_verdict(s, words[1]);
	} else if (strcmp(words[0], "count") == 0 && n == 4) {
		expect_count(s, words);
	} else if (strcmp(words[0], "rst_cause") == 0 && n == 2) {
		expect_name(s, words[0], conn_rst_cause_name((enum conn_rst_cause)s->conn.rst_cause), words[1]);
	} else if (strcmp(words[0], "ecn") == 0 && n == 2) {
		expect_name(s, words[0], conn_ecn_name(tcp_conn_ecn(&s->conn)), words[1]);
	} else if (strcmp(words[0], "mptcp") == 0 && n == 3) {
		enum conn_mptcp is = (enum conn_mptcp)s->conn.end[side_of(s, words[1][0])].mptcp;
		expect_name(s, words[0], conn_mptcp_name(is), words[2]);
	} else if (strcmp(words[0], "inferred") == 0 && (n == 2 || n == 3)) {
		expect_inferred(s, words, n);
	} else if (strcmp(words[0], "outcome") == 0 && n >= 2) {
		expect_outcome(s, words, n);
	} else if (strcmp(words[0], "expire") == 0 && n == 2) {
		tcp_conn_expire(&s->conn, (uint64_t)(strtod(words[1], NULL) * 1e9) + NS_PER_SEC, &s->verdict);
	} else if (strcmp(words[0], "isn") == 0 && n == 3) {
		s->isn[letter_index(words[1][0])] = number_of(words[2]);
	} else if (strcmp(words[0], "next") == 0) {
		next_incarnation(s, words, n);
	} else if (strcmp(words[0], "max_window") == 0 && n == 2) {
		s->tcp.config.max_window_bytes = number_of(words[1]);
	} else if (strcmp(words[0], "rst_strict") == 0 && n == 2) {
		s->tcp.config.rst_strict = strcmp(words[1], "on") == 0;
	} else {
		fail(s, "unknown line '%s'", words[0]);
	}
}

static unsigned split(char *line, char **words)
{
	unsigned n = 0;
	char *rest = NULL;

	for (char *word = strtok_r(line, " \t\n", &rest); word != NULL && n < MAX_WORDS;
	     word = strtok_r(NULL, " \t\n", &rest)) {
		if (word[0] == '#')
			break;
		words[n++] = word;
	}
	return n;
}

static unsigned run_file(const char *path)
{
	struct scenario s = { .path = path, .isn = { default_isn[0], default_isn[1] }, .client = 'A' };
	char line[MAX_LINE];
	char *words[MAX_WORDS];
	FILE *file = fopen(path, "r");
	struct error error;

	tcp_conn_config_defaults(&s.tcp.config);
	s.tcp.recent = recent_segments_create(64 * 1024, &error);
	if (file == NULL || s.tcp.recent == NULL) {
		fail(&s, "cannot be opened");
		return 1;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		s.line++;
		unsigned n = split(line, words);
		if (n > 0)
			run_line(&s, words, n);
	}
	fclose(file);
	recent_segments_destroy(s.tcp.recent);
	if (s.number == 0)
		fail(&s, "has no segment");
	return s.failures;
}

int main(int argc, char **argv)
{
	unsigned failed_files = 0;
	bool rows = argc > 1 && strcmp(argv[1], "--rows") == 0;
	int first = rows ? 2 : 1;

	for (int i = first; i < argc; i++)
		failed_files += run_file(argv[i]) != 0;
	if (rows)
		print_rows();
	printf("%d passed, %u failed\n", argc - first - (int)failed_files, failed_files);
	return failed_files != 0 || argc <= first;
}
