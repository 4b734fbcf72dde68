/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target over files, so that finds stay found with compilers that have no libFuzzer:
 * fuzz_x_replay FILE-OR-FOLDER ... Exits with 1 when there was nothing to run.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns 0, or -1 with a line on stderr. */
static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	struct stat status;
	int result = -1;

	if (file == NULL || fstat(fileno(file), &status) != 0)
		goto out;
	/* Of exactly the file's size, so that a sanitizer sees every byte read beyond it. */
	data = malloc(status.st_size > 0 ? (size_t)status.st_size : 1);
	if (data == NULL || fread(data, 1, (size_t)status.st_size, file) != (size_t)status.st_size)
		goto out;
	LLVMFuzzerTestOneInput(data, (size_t)status.st_size);
	result = 0;
out:
	if (result != 0)
		fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(errno));
	free(data);
	if (file != NULL)
		fclose(file);
	return result;
}

static int replay_folder(const char *path, unsigned *n_files)
{
	struct dirent **entries;
	int n_entries = scandir(path, &entries, NULL, alphasort);
	int result = 0;

	if (n_entries < 0) {
		fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n_entries; i++) {
		char file_path[4096];

		if (entries[i]->d_name[0] != '.') {
			snprintf(file_path, sizeof(file_path), "%s/%s", path, entries[i]->d_name);
			if (replay_file(file_path) != 0)
				result = -1;
			(*n_files)++;
		}
		free(entries[i]);
	}
	free(entries);
	return result;
}

int main(int argc, char **argv)
{
	unsigned n_files = 0;
	int result = 0;

	for (int i = 1; i < argc; i++) {
		struct stat status;

		if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode)) {
			result |= replay_folder(argv[i], &n_files);
			continue;
		}
		result |= replay_file(argv[i]);
		n_files++;
	}
	fprintf(stderr, "%u inputs\n", n_files);
	return result != 0 || n_files == 0;
}
