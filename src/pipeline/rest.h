/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "tcpwitness/base/error.h"

/*
 * Threads that work side by side, each on what is its own, and now and then stand still so that one of them may touch
 * what belongs to all. A thread that works takes no lock and asks nobody; whoever waits for input is at rest anyway.
 * Threads are numbered from 0.
 */
struct rest;

/* Null with *error filled on failure. */
struct rest *rest_create(unsigned n_threads, struct error *error);
void rest_destroy(struct rest *rest);

/* The thread works from now on; it begins when nobody wants it to rest. At first all are at rest. */
void rest_begin_work(struct rest *rest, unsigned thread);
void rest_end_work(struct rest *rest, unsigned thread);

/*
 * By a thread at work: true when all others are at rest, which they remain until rest_release. False: another one wants
 * the same, and this one is to rest as soon as it can.
 */
bool rest_claim(struct rest *rest, unsigned thread);
void rest_release(struct rest *rest);

/*
 * Between the two: task is called with each of 0 .. n - 1, by this thread and by those that wait for the end of the
 * rest, side by side. Returns when all are done.
 */
typedef void rest_task(void *context, unsigned number);
void rest_share(struct rest *rest, rest_task *task, void *context, unsigned n);
