/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line and the configuration file: what they set, what overrides what, and what is said about mistakes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "option_table.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/control/config.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

enum { MAX_WORDS = 24 };

#define BIT(type) (UINT32_C(1) << (type))

struct fixture {
	struct config config;
	struct error error;
	enum config_result result;
	char line[512]; /* the words stay here as long as the configuration */
	char *words[MAX_WORDS];
};

/* Loads a command line given as one text; words are separated by single spaces. */
static void load(struct fixture *fixture, const char *line)
{
	int argc = 0;
	char *rest = fixture->line;

	memset(fixture, 0, sizeof(*fixture));
	snprintf(fixture->line, sizeof(fixture->line), "tcpwitness %s", line);
	for (char *word = strtok_r(rest, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		assert_true(argc < MAX_WORDS - 1);
		fixture->words[argc++] = word;
	}
	fixture->result = config_load(&fixture->config, argc, fixture->words, &fixture->error);
}

static void load_good(struct fixture *fixture, const char *line)
{
	load(fixture, line);
	assert_string_equal(fixture->error.text, "");
	assert_int_equal(fixture->result, CONFIG_OK);
}

/* A configuration file with this text; the caller gives its name to remove_file. */
static const char *write_file(const char *text)
{
	char *path = strdup("/tmp/tcpwitness-test-config-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static void remove_file(const char *path)
{
	unlink(path);
	free((void *)(uintptr_t)path);
}

static void load_with_file(struct fixture *fixture, const char *text, const char *options)
{
	const char *path = write_file(text);
	char line[256];

	snprintf(line, sizeof(line), "-c %s %s", path, options);
	load(fixture, line);
	remove_file(path);
}

static void without_a_file_the_defaults_hold(void **state)
{
	struct fixture f;

	(void)state;
	load_good(&f, "-r a.pcap");
	assert_int_equal(f.config.command, COMMAND_RUN);
	assert_int_equal(f.config.n_read_paths, 1);
	assert_string_equal(f.config.read_paths[0], "a.pcap");
	assert_null(f.config.live.interface);
	assert_int_equal(f.config.n_rules_paths, 0);
	assert_int_equal(f.config.n_outputs, 1);
	assert_string_equal(f.config.outputs[0], "-");
	assert_int_equal(f.config.memory_bytes, UINT64_C(256) << 20);
	assert_int_equal(f.config.pipeline.n_threads, 1);
	assert_int_equal(f.config.verbosity, 0);
	assert_null(f.config.bpf_filter);
	assert_null(f.config.user);
	assert_int_equal(f.config.queue_events, 8192);
	assert_int_equal(f.config.pipeline.stats_interval_ns, 10 * NS_PER_SEC);
	assert_int_equal(f.config.pipeline.decoder.vxlan_port, 4789);
	assert_true(f.config.pipeline.tracker.table.timeout_ns[FLOW_CLASS_ESTABLISHED] > 0);
	assert_int_equal(f.config.live.snaplen_bytes, 262144);
	assert_true(f.config.live.promiscuous);
	config_free(&f.config);
}

static void events_depend_on_the_input(void **state)
{
	sensor_event_mask offline = BIT(EVENT_ALERT) | BIT(EVENT_FLOW) | BIT(EVENT_ANOMALY) | BIT(EVENT_SUMMARY);
	struct fixture f;

	(void)state;
	load_good(&f, "-r a.pcap");
	assert_int_equal(f.config.events, offline);
	assert_true(f.config.pipeline.summary);
	config_free(&f.config);
	load_good(&f, "-i eth0");
	assert_int_equal(f.config.events, offline | BIT(EVENT_STATS));
	config_free(&f.config);
	load_good(&f, "-i eth0 --events tcp_state,alert");
	assert_int_equal(f.config.events, BIT(EVENT_TCP_STATE) | BIT(EVENT_ALERT));
	assert_false(f.config.pipeline.summary);
	config_free(&f.config);
}

static void options_may_be_repeated_and_joined(void **state)
{
	struct fixture f;

	(void)state;
	load_good(&f, "-ra -r b --read=c --read d -o - -o file:/x --rules p --rules q -vv");
	assert_int_equal(f.config.n_read_paths, 4);
	assert_string_equal(f.config.read_paths[0], "a");
	assert_string_equal(f.config.read_paths[2], "c");
	assert_string_equal(f.config.read_paths[3], "d");
	assert_int_equal(f.config.n_outputs, 2);
	assert_string_equal(f.config.outputs[1], "file:/x");
	assert_int_equal(f.config.n_rules_paths, 2);
	assert_int_equal(f.config.verbosity, 2);
	config_free(&f.config);
	load_good(&f, "-q -r -");
	assert_string_equal(f.config.read_paths[0], "-");
	assert_int_equal(f.config.verbosity, -1);
	config_free(&f.config);
}

/* Options end at the first other word: what follows belongs to the filter, minus signs too. */
static void the_rest_is_the_filter(void **state)
{
	struct fixture f;

	(void)state;
	load_good(&f, "-r a tcp[tcpflags] & tcp-syn != 0 and -v --foo port 80");
	assert_string_equal(f.config.bpf_filter, "tcp[tcpflags] & tcp-syn != 0 and -v --foo port 80");
	assert_int_equal(f.config.verbosity, 0);
	config_free(&f.config);
	load_good(&f, "-i eth0 -- -v");
	assert_string_equal(f.config.bpf_filter, "-v");
	assert_string_equal(f.config.live.bpf_filter, "-v");
	config_free(&f.config);
}

static void wrong_usage_is_explained(void **state)
{
	static const struct {
		const char *line;
		const char *error;
	} cases[] = {
		{ "", "no input (give -r FILE or -i IFACE)" },
		{ "-v", "no input (give -r FILE or -i IFACE)" },
		{ "a.pcap", "no input (did you mean '-r a.pcap' or '-i a.pcap'?)" },
		{ "-r a -i b", "-r and -i exclude each other (give one)" },
		{ "-r", "option '-r' needs a value (FILE)" },
		{ "--rules", "option '--rules' needs a value (PATH)" },
		{ "--quiet=1 -r a", "option '--quiet' takes no value" },
		{ "-Z", "unknown option '-Z'" },
		{ "--memry 1G", "unknown option '--memry' (did you mean '--memory'?)" },
		{ "--outpt=x", "unknown option '--outpt' (did you mean '--output'?)" },
		{ "--nothing", "unknown option '--nothing'" },
		{ "--memory 12Q -r a", "--memory: '12Q' is not a size (use e.g. 512M)" },
		{ "--memory 1K -r a", "--memory: '1K' is out of range (use 1M to 1T)" },
		{ "--threads 0 -r a", "--threads: '0' is out of range (use 1 to 64)" },
		{ "--threads 65 -r a", "--threads: '65' is out of range (use 1 to 64)" },
		{ "--events flw -r a", "--events: 'flw' is no type of event (did you mean 'flow'?)" },
		{ "--events alert, -r a",
		  "--events: '' is no type of event (use alert, flow, anomaly, tcp_state, stats or summary)" },
		{ "--set foo -r a", "--set: 'foo' is not KEY=VALUE (use e.g. stats.interval=10s)" },
		{ "--set =1 -r a", "--set: '=1' is not KEY=VALUE (use e.g. stats.interval=10s)" },
		{ "--set flow.timeeout=1 -r a",
		  "--set: unknown key 'flow.timeeout' (did you mean 'flow.timeout.established'?)" },
		{ "--set flow.timeout.closd=1 -r a",
		  "--set: unknown key 'flow.timeout.closd' (did you mean 'flow.timeout.closed'?)" },
		{ "--set snaplen=1 -r a", "--set: unknown key 'snaplen' (did you mean 'capture.snaplen'?)" },
		{ "--set checksum.mode=maybe -r a", "--set checksum.mode: 'maybe' is no mode (use auto, on or off)" },
		{ "--set capture.user= -r a", "--set capture.user: the value is empty (give one)" },
		{ "-r a -o foo", "output foo: unknown kind of output (choose -, file:PATH or unix:PATH)" },
		{ "-r a -o file:", "output file:: the path is missing (write file:PATH)" },
		{ "-r a -o file:x -o file:x", "output file:x: given twice (leave one out)" },
		{ "-r /etc/passwd -o file:/etc/../etc/passwd",
		  "output file:/etc/../etc/passwd: is also read (choose another file)" },
		{ "--set hash.seed=-1 -r a", "--set hash.seed: '-1' is no seed (use a whole number, or random)" },
		{ "--set decode.max_depth=17 -r a", "--set decode.max_depth: '17' is out of range (use 1 to 16)" },
		{ "--set decode.vxlan_port=65536 -r a",
		  "--set decode.vxlan_port: '65536' is out of range (use 0 to 65535)" },
		{ "check foo", "unexpected word 'foo' (check takes options only)" },
		{ "check -r a", "check reads no packets (leave -r and -i out)" },
		{ "check -i a", "check reads no packets (leave -r and -i out)" },
	};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		load(&f, cases[i].line);
		assert_string_equal(f.error.text, cases[i].error);
		assert_int_equal(f.result, CONFIG_WRONG_USAGE);
		config_free(&f.config);
	}
}

static void more_files_than_there_is_room_for_are_refused(void **state)
{
	static char program[] = "tcpwitness";
	static char option[] = "-r";
	static char path[] = "a";
	char *words[2 * CONFIG_MAX_PATHS + 4] = { program };
	int argc = 1;
	struct config config;
	struct error error = { .text = "" };

	(void)state;
	for (int i = 0; i <= CONFIG_MAX_PATHS; i++) {
		words[argc++] = option;
		words[argc++] = path;
	}
	assert_int_equal(config_load(&config, argc, words, &error), CONFIG_WRONG_USAGE);
	assert_string_equal(error.text, "-r: more than 256 values (use fewer)");
	config_free(&config);
}

static void help_and_version_need_nothing_else(void **state)
{
	struct fixture f;

	(void)state;
	load_good(&f, "--help");
	assert_int_equal(f.config.command, COMMAND_HELP);
	config_free(&f.config);
	load_good(&f, "-r a -i b -h --nonsense");
	assert_int_equal(f.config.command, COMMAND_HELP);
	config_free(&f.config);
	load_good(&f, "-V");
	assert_int_equal(f.config.command, COMMAND_VERSION);
	config_free(&f.config);
}

static void check_takes_configuration_and_rules(void **state)
{
	struct fixture f;

	(void)state;
	load_good(&f, "check --rules r.yaml");
	assert_int_equal(f.config.command, COMMAND_CHECK);
	assert_string_equal(f.config.rules_paths[0], "r.yaml");
	config_free(&f.config);
}

static void keys_may_be_nested_or_dotted(void **state)
{
	static const char *const same[] = {
		"flow:\n  key_vlan: false\n  timeout:\n    closed: 7s\n    time_wait: 4m\n",
		"flow.key_vlan: no\nflow.timeout.closed: 7s\nflow.timeout.time_wait: 240s\n",
		"{flow: {key_vlan: off, timeout.closed: 7000ms}, flow.timeout: {time_wait: 4m}}\n",
	};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(same); i++) {
		load_with_file(&f, same[i], "-r a");
		assert_string_equal(f.error.text, "");
		assert_false(f.config.pipeline.tracker.key.use_vlan);
		assert_int_equal(f.config.pipeline.tracker.table.timeout_ns[FLOW_CLASS_CLOSED], 7 * NS_PER_SEC);
		assert_int_equal(f.config.pipeline.tracker.table.timeout_ns[FLOW_CLASS_TIME_WAIT], 240 * NS_PER_SEC);
		config_free(&f.config);
	}
}

static void lists_may_be_one_value(void **state)
{
	struct fixture f;

	(void)state;
	load_with_file(&f, "rules: x\noutput: [\"-\", file:/y]\nevents: [alert, stats]\n", "-r a");
	assert_string_equal(f.error.text, "");
	assert_int_equal(f.config.n_rules_paths, 1);
	assert_int_equal(f.config.n_outputs, 2);
	assert_string_equal(f.config.outputs[1], "file:/y");
	assert_int_equal(f.config.events, BIT(EVENT_ALERT) | BIT(EVENT_STATS));
	config_free(&f.config);
	load_with_file(&f, "events: alert,stats\n", "-r a");
	assert_int_equal(f.config.events, BIT(EVENT_ALERT) | BIT(EVENT_STATS));
	config_free(&f.config);
}

static void the_command_line_overrides_the_file(void **state)
{
	static const char file[] = "memory: 64M\nrules: [x, y]\noutput: file:/z\nstats.interval: 1s\n";
	struct fixture f;

	(void)state;
	load_with_file(&f, file, "-r a --memory 32M --rules p --set stats.interval=2s");
	assert_string_equal(f.error.text, "");
	assert_int_equal(f.config.memory_bytes, 32 << 20);
	assert_int_equal(f.config.n_rules_paths, 1);
	assert_string_equal(f.config.rules_paths[0], "p");
	assert_string_equal(f.config.outputs[0], "file:/z");
	assert_int_equal(f.config.pipeline.stats_interval_ns, 2 * NS_PER_SEC);
	config_free(&f.config);
}

static void mistakes_in_the_file_have_a_place(void **state)
{
	static const struct {
		const char *text;
		const char *mistake; /* behind the file's name */
	} cases[] = {
		{ "memory: 12Q\n", ":1:9: memory: '12Q' is not a size (use e.g. 512M)" },
		{ "flow:\n  timeeout: 3\n",
		  ":2:3: unknown key 'flow.timeeout' (did you mean 'flow.timeout.established'?)" },
		{ "flow:\n  timeeout:\n    closed: 1s\n",
		  ":2:3: unknown key 'flow.timeeout' (did you mean 'flow.timeout.established'?)" },
		{ "colour: red\n", ":1:1: unknown key 'colour'" },
		{ "read: a.pcap\n", ":1:1: unknown key 'read'" },
		{ "flow: 1\n", ":1:7: flow: a value instead of keys (write them below it, indented)" },
		{ "memory: [1M]\n", ":1:9: memory: a list instead of a value" },
		{ "memory: {a: 1}\n", ":1:9: memory: a mapping instead of a value" },
		{ "memory:\n", ":1:1: memory has no value (give one or remove the line)" },
		{ "rules: []\n", ":1:8: rules: the list is empty (give a value or remove the line)" },
		{ "rules: [[a]]\n", ":1:9: rules: a list instead of a value" },
		{ "rules: [a, {b: c}]\n", ":1:12: rules: a mapping instead of a value" },
		{ "events: [alert, alrt]\n", ":1:17: events: 'alrt' is no type of event (did you mean 'alert'?)" },
		{ "- memory\n", ":1:1: a list instead of keys (write 'key: value')" },
		{ "memory: 1M\n---\nmemory: 2M\n",
		  ":3:1: a second document (put all keys into one; remove the '---')" },
		{ "flow.timeout.closed: 1s\nflow:\n  timeout: {closed: 2s}\n",
		  ":3:13: flow.timeout.closed is given twice (first on line 1; keep one)" },
		{ "detect.memory_share: 2\n", ":1:22: detect.memory_share: '2' is out of range (use 0.01 to 0.9)" },
		{ "capture.promiscuous: 1\n",
		  ":1:22: capture.promiscuous: '1' is not true or false (write one of them)" },
	};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		load_with_file(&f, cases[i].text, "-r a");
		assert_int_equal(f.result, CONFIG_INVALID);
		assert_non_null(strchr(f.error.text, ':'));
		assert_string_equal(strchr(f.error.text, ':'), cases[i].mistake);
		config_free(&f.config);
	}
}

static void all_mistakes_of_a_file_are_kept(void **state)
{
	struct fixture f;
	size_t n_lines = 0;

	(void)state;
	load_with_file(&f, "memory: x\nthreads: y\nfoo: z\n", "-r a");
	assert_int_equal(f.result, CONFIG_INVALID);
	for (const char *c = f.config.mistakes; *c != '\0'; c++)
		n_lines += *c == '\n';
	assert_int_equal(n_lines, 3);
	config_free(&f.config);
}

/* A typing error on the command line is of more use to the person at the keyboard than one in the file. */
static void wrong_usage_goes_before_a_wrong_file(void **state)
{
	struct fixture f;

	(void)state;
	load_with_file(&f, "memory: x\n", "-r a --threads 0");
	assert_int_equal(f.result, CONFIG_WRONG_USAGE);
	assert_string_equal(f.error.text, "--threads: '0' is out of range (use 1 to 64)");
	config_free(&f.config);
}

static void a_missing_file_is_invalid(void **state)
{
	struct fixture f;

	(void)state;
	load(&f, "-c /nonexistent.yaml -r a");
	assert_int_equal(f.result, CONFIG_INVALID);
	assert_string_equal(f.error.text,
			    "/nonexistent.yaml: cannot be opened: No such file or directory (check the path)");
	config_free(&f.config);
}

static uint64_t shared_bytes(const struct config *config)
{
	const struct tracker_config *tracker = &config->pipeline.tracker;

	return config->pipeline.detect.memory_bytes + tracker->table.memory_bytes + tracker->syn_store.memory_bytes +
	       tracker->tombstones.memory_bytes + tracker->recent_bytes;
}

static void memory_is_divided_and_never_exceeded(void **state)
{
	static const char *const lines[] = { "-r a", "-r a --memory 1M", "-r a --memory 1T",
					     "-r a --memory 3M --set detect.memory_share=0.01",
					     "-r a --memory 64M --set detect.memory_share=0.9" };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(lines); i++) {
		load_good(&f, lines[i]);
		const struct tracker_config *tracker = &f.config.pipeline.tracker;
		assert_int_equal(f.config.memory_fixed_bytes + shared_bytes(&f.config), f.config.memory_planned_bytes);
		if (f.config.memory_bytes >= 64 << 20)
			assert_int_equal(f.config.memory_planned_bytes, f.config.memory_bytes);
		assert_true(tracker->syn_store.memory_bytes >= 64 << 10);
		assert_true(tracker->tombstones.memory_bytes >= 16 << 10);
		assert_true(tracker->recent_bytes >= 16 << 10);
		assert_true(f.config.pipeline.detect.memory_bytes >= 256 << 10);
		assert_true(tracker->table.memory_bytes >= 64 << 10);
		config_free(&f.config);
	}
}

/* A little memory is all for what is tracked. */
static void small_memory_is_for_tracking(void **state)
{
	struct fixture f;

	(void)state;
	for (unsigned mib = 1; mib <= 64; mib++) {
		char line[64];
		snprintf(line, sizeof(line), "-r a --memory %uM", mib);
		load_good(&f, line);
		uint64_t bytes = shared_bytes(&f.config);
		if (mib <= 16)
			assert_int_equal(bytes, (uint64_t)mib << 20);
		else
			assert_in_range(bytes, 16 << 20, (uint64_t)mib << 20);
		config_free(&f.config);
	}
}

static void queue_and_fragments_leave_room(void **state)
{
	struct fixture f;

	(void)state;
	load_good(&f, "-r a");
	assert_int_equal(f.config.queue_events_held, 8192);
	assert_int_equal(f.config.pipeline.decoder.max_fragments_held, 1024);
	config_free(&f.config);
	load_good(&f, "-r a --memory 64M");
	assert_int_equal(f.config.queue_events_held, 2048);
	assert_in_range(f.config.pipeline.decoder.max_fragments_held, 200, 300);
	config_free(&f.config);
	/* Fewer than that are as many as were asked for. */
	load_good(&f, "-r a --memory 64M --set queue.events=100 --set decode.max_fragments=7");
	assert_int_equal(f.config.queue_events_held, 100);
	assert_int_equal(f.config.pipeline.decoder.max_fragments_held, 7);
	config_free(&f.config);
}

static bool same_secrets(const char *a, const char *b)
{
	struct fixture f;
	struct fixture g;
	bool same;

	load_good(&f, a);
	load_good(&g, b);
	same = memcmp(&f.config.pipeline.detect.secret, &g.config.pipeline.detect.secret, sizeof(struct siphash_key)) ==
		       0 &&
	       memcmp(&f.config.pipeline.tracker.key.secret, &g.config.pipeline.tracker.key.secret,
		      sizeof(struct siphash_key)) == 0;
	config_free(&f.config);
	config_free(&g.config);
	return same;
}

static void secrets_repeat_only_when_asked_for(void **state)
{
	(void)state;
	assert_false(same_secrets("-r a", "-r a"));
	assert_false(same_secrets("-i a", "-i a"));
	assert_false(same_secrets("-r a --set hash.seed=random", "-r a --set hash.seed=random"));
	assert_true(same_secrets("-i a --set hash.seed=7", "-r a --set hash.seed=7"));
	assert_false(same_secrets("-r a --set hash.seed=7", "-r a --set hash.seed=8"));
}

static void help_fits_one_screen(void **state)
{
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	size_t n_lines = 0;
	char *rest;

	(void)state;
	config_print_help(out);
	fclose(out);
	assert_non_null(strstr(text, "-r, --read FILE"));
	assert_non_null(strstr(text, "--set KEY=VALUE"));
	rest = text;
	for (char *line = strsep(&rest, "\n"); rest != NULL; line = strsep(&rest, "\n")) {
		assert_true(strlen(line) <= 80);
		n_lines++;
	}
	assert_true(n_lines <= 40);
	free(text);
}

/* What option_format prints is what option_set reads: the manual and the example show real defaults. */
static void every_default_can_be_set(void **state)
{
	struct fixture f;

	(void)state;
	load_good(&f, "-r a");
	for (const struct config_option *option = config_options; option->name != NULL || option->key != NULL;
	     option++) {
		struct error problem = { .text = "" };
		char before[OPTION_TEXT_BYTES];
		char after[OPTION_TEXT_BYTES];

		if (option->key == NULL || option_format(option, &f.config, before)[0] == '\0')
			continue;
		assert_true(option_set(option, &f.config, before, &problem));
		assert_string_equal(option_format(option, &f.config, after), before);
	}
	config_free(&f.config);
}

/* The example in doc/ names every key, is valid, and says what the defaults are. */
static void the_example_is_complete_and_true(void **state)
{
	struct fixture defaults;
	struct fixture example;
	char text[16384];
	FILE *file = fopen(PROJECT_DIR "/doc/tcpwitness.yaml.example", "r");

	(void)state;
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	load_good(&defaults, "-i eth0");
	load_good(&example, "-i eth0 -c " PROJECT_DIR "/doc/tcpwitness.yaml.example");
	for (const struct config_option *option = config_options; option->name != NULL || option->key != NULL;
	     option++) {
		const char *dot = option->key != NULL ? strrchr(option->key, '.') : NULL;
		char a[OPTION_TEXT_BYTES];
		char b[OPTION_TEXT_BYTES];

		if (option->key == NULL)
			continue;
		snprintf(a, sizeof(a), "%s:", dot != NULL ? dot + 1 : option->key);
		assert_non_null(strstr(text, a));
		assert_string_equal(option_format(option, &example.config, b),
				    option_format(option, &defaults.config, a));
	}
	config_free(&defaults.config);
	config_free(&example.config);
}

static void rows_are_sound(void **state)
{
	(void)state;
	for (const struct config_option *option = config_options; option->name != NULL || option->key != NULL;
	     option++) {
		assert_non_null(option->text);
		assert_true(strlen(option->text) > 0);
		if (option->name != NULL)
			assert_true(strlen(option->text) <= 53);
		if (option->key != NULL)
			assert_ptr_equal(option_find_key(option->key), option);
		if (option->type == OPTION_COUNT || option->type == OPTION_SIZE || option->type == OPTION_DURATION ||
		    option->type == OPTION_RATIO)
			assert_true(option->range.min < option->range.max);
		if ((option->type == OPTION_COUNT || option->type == OPTION_SIZE) && option->bytes < sizeof(uint64_t))
			assert_true(option->range.max < (double)(UINT64_C(1) << 8 * option->bytes));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_the_defaults_hold),
		cmocka_unit_test(events_depend_on_the_input),
		cmocka_unit_test(options_may_be_repeated_and_joined),
		cmocka_unit_test(the_rest_is_the_filter),
		cmocka_unit_test(wrong_usage_is_explained),
		cmocka_unit_test(more_files_than_there_is_room_for_are_refused),
		cmocka_unit_test(help_and_version_need_nothing_else),
		cmocka_unit_test(check_takes_configuration_and_rules),
		cmocka_unit_test(keys_may_be_nested_or_dotted),
		cmocka_unit_test(lists_may_be_one_value),
		cmocka_unit_test(the_command_line_overrides_the_file),
		cmocka_unit_test(mistakes_in_the_file_have_a_place),
		cmocka_unit_test(all_mistakes_of_a_file_are_kept),
		cmocka_unit_test(wrong_usage_goes_before_a_wrong_file),
		cmocka_unit_test(a_missing_file_is_invalid),
		cmocka_unit_test(memory_is_divided_and_never_exceeded),
		cmocka_unit_test(small_memory_is_for_tracking),
		cmocka_unit_test(queue_and_fragments_leave_room),
		cmocka_unit_test(secrets_repeat_only_when_asked_for),
		cmocka_unit_test(help_fits_one_screen),
		cmocka_unit_test(every_default_can_be_set),
		cmocka_unit_test(the_example_is_complete_and_true),
		cmocka_unit_test(rows_are_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
