/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order in which frames of several files are handed out: a binary heap of the files, each with its next frame
 * at hand, the earliest at the root, ties in the order of the paths. A file is advanced only when its frame has
 * been used, so a single pipe is never read ahead, and the readers' buffers serve without copying.
 */
#include "capture_merge.h"

#include <stdlib.h>
#include <string.h>

#include "capture_file.h"

struct head {
	struct capture_file *file; /* borrowed from files */
	struct frame frame;        /* its next */
};

struct capture_merge {
	struct capture_file **files; /* in the order of paths; n_files of them */
	size_t n_files;
	struct head *heap; /* those with a frame at hand; n_heads of them */
	size_t n_heads;
	bool started;
	size_t n_damaged;
	struct error damage; /* of the first */
	atomic_bool truncated;
};

static bool is_before(const struct frame *a, const struct frame *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	return a->source < b->source;
}

static void sift_down(struct capture_merge *merge, size_t at)
{
	struct head moving = merge->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= merge->n_heads)
			break;
		if (child + 1 < merge->n_heads && is_before(&merge->heap[child + 1].frame, &merge->heap[child].frame))
			child++;
		if (!is_before(&merge->heap[child].frame, &moving.frame))
			break;
		merge->heap[at] = merge->heap[child];
		at = child;
	}
	merge->heap[at] = moving;
}

static void note_damage(struct capture_merge *merge, const struct error *reason)
{
	if (merge->n_damaged++ == 0)
		merge->damage = *reason;
	atomic_store_explicit(&merge->truncated, true, memory_order_relaxed);
}

/* Reads the head's next frame into it. FILE_END stands for every end but a break. */
static enum file_result advance(struct capture_merge *merge, struct head *head)
{
	struct error reason;
	enum file_result result = capture_file_next(head->file, &head->frame, &reason);

	if (result != FILE_DAMAGED)
		return result;
	note_damage(merge, &reason);
	return FILE_END;
}

/* Reads the first frame of every file. False after a break. */
static bool start(struct capture_merge *merge)
{
	merge->started = true;
	for (size_t i = 0; i < merge->n_files; i++) {
		struct head *head = &merge->heap[merge->n_heads];
		*head = (struct head){ .file = merge->files[i], .frame.source = (uint16_t)i };
		enum file_result result = advance(merge, head);
		if (result == FILE_BROKEN)
			return false;
		if (result == FILE_FRAME)
			merge->n_heads++;
	}
	for (size_t at = merge->n_heads / 2; at-- > 0;)
		sift_down(merge, at);
	return true;
}

/* Replaces the frame at the root, which has been used, by its file's next. False after a break. */
static bool replace_root(struct capture_merge *merge)
{
	enum file_result result = advance(merge, &merge->heap[0]);

	if (result == FILE_BROKEN)
		return false;
	if (result == FILE_END)
		merge->heap[0] = merge->heap[--merge->n_heads];
	if (merge->n_heads > 1)
		sift_down(merge, 0);
	return true;
}

/* The first frame of a burst: all frames before have been used, and the root's file may give them up. */
static enum capture_result next_first(struct capture_merge *merge, struct frame *frame)
{
	if (!merge->started) {
		if (!start(merge))
			return CAPTURE_BROKEN;
	} else if (merge->n_heads > 0 && !replace_root(merge)) {
		return CAPTURE_BROKEN;
	}
	if (merge->n_heads == 0)
		return CAPTURE_END;
	*frame = merge->heap[0].frame;
	return CAPTURE_FRAME;
}

/* Further frames of the only file that still has any: there is nothing to put them in order with. */
static size_t more_of_one(const struct head *root, struct frame *frames, size_t n_max)
{
	size_t n_frames = capture_file_more(root->file, frames, n_max);

	for (size_t i = 0; i < n_frames; i++)
		frames[i].source = root->frame.source;
	return n_frames;
}

/* A file that has none at hand ends the burst, because what it has then could be the earliest. */
static size_t more_of_several(struct capture_merge *merge, struct frame *frames, size_t n_max)
{
	struct head *root = &merge->heap[0];
	size_t n_frames = 0;

	while (n_frames < n_max && capture_file_more(root->file, &root->frame, 1) == 1) {
		sift_down(merge, 0);
		frames[n_frames++] = root->frame;
	}
	return n_frames;
}

enum capture_result capture_merge_next(struct capture_merge *merge, struct frame *frames, size_t n_max,
				       size_t *n_frames)
{
	enum capture_result result = next_first(merge, &frames[0]);

	*n_frames = 0;
	if (result != CAPTURE_FRAME)
		return result;
	*n_frames = 1 + (merge->n_heads == 1 ? more_of_one(&merge->heap[0], frames + 1, n_max - 1)
					     : more_of_several(merge, frames + 1, n_max - 1));
	return CAPTURE_FRAME;
}

/* Returns 0, or -1 with *error filled. */
static int check_paths(const char *const *paths, size_t n_paths, struct error *error)
{
	size_t n_stdin = 0;

	if (n_paths == 0)
		return error_set(error, "no capture file is named; give one with -r");
	if (n_paths > UINT16_MAX)
		return error_set(error,
				 "%zu capture files are named, at most %d can be read at once; join some (mergecap)",
				 n_paths, UINT16_MAX);
	for (size_t i = 0; i < n_paths; i++)
		n_stdin += strcmp(paths[i], "-") == 0;
	if (n_stdin > 1)
		return error_set(error, "standard input (-) is named %zu times, but can be read only once", n_stdin);
	return 0;
}

struct capture_merge *capture_merge_open(const char *const *paths, size_t n_paths, const char *bpf_filter,
					 const struct break_request *request, struct error *error)
{
	struct capture_merge *merge;

	if (check_paths(paths, n_paths, error) < 0)
		return NULL;
	merge = calloc(1, sizeof(*merge));
	if (merge == NULL)
		goto no_memory;
	merge->files = calloc(n_paths, sizeof(struct capture_file *));
	merge->heap = calloc(n_paths, sizeof(*merge->heap));
	if (merge->files == NULL || merge->heap == NULL)
		goto no_memory;
	for (; merge->n_files < n_paths; merge->n_files++) {
		struct capture_file *file = capture_file_open(paths[merge->n_files], bpf_filter, request, error);
		if (file == NULL)
			goto fail;
		merge->files[merge->n_files] = file;
	}
	return merge;
no_memory:
	error_set(error, "not enough memory to read %zu capture files", n_paths);
fail:
	capture_merge_close(merge);
	return NULL;
}

void capture_merge_close(struct capture_merge *merge)
{
	if (merge == NULL)
		return;
	for (size_t i = 0; i < merge->n_files; i++)
		capture_file_close(merge->files[i]);
	free(merge->files);
	free(merge->heap);
	free(merge);
}

const struct error *capture_merge_damage(const struct capture_merge *merge)
{
	return &merge->damage;
}

uint64_t capture_merge_bytes_read(const struct capture_merge *merge)
{
	uint64_t sum_bytes = 0;

	for (size_t i = 0; i < merge->n_files; i++)
		sum_bytes += capture_file_bytes_read(merge->files[i]);
	return sum_bytes;
}

uint64_t capture_merge_bytes_total(const struct capture_merge *merge)
{
	uint64_t sum_bytes = 0;

	for (size_t i = 0; i < merge->n_files; i++) {
		uint64_t file_bytes = capture_file_bytes_total(merge->files[i]);
		if (file_bytes == 0)
			return 0;
		sum_bytes += file_bytes;
	}
	return sum_bytes;
}

bool capture_merge_truncated(const struct capture_merge *merge)
{
	return atomic_load_explicit(&merge->truncated, memory_order_relaxed);
}
