#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""That no program keeps the priority that tests/bench/live --realtime gives: not beyond its run, not beyond its time,
not beyond whoever asked for it. The programs here sleep, so nothing else has to wait meanwhile."""

import contextlib
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import live_guard  # noqa: E402 pylint: disable=wrong-import-position

SKIP_CODE = 77
# Raises the process with the number given for a minute, says so, and does not get to lower it.
ASKER = ("import sys, time; sys.path.insert(0, sys.argv[1]); import live_guard; guard = live_guard.Guard();"
         "raised = guard.raised(int(sys.argv[2]), 60); raised.__enter__(); print(flush=True); time.sleep(60)")


def policy(pid):
    """Without the flag for children."""
    return os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK


def wait_until(condition, what):
    """Fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: {what}")
        time.sleep(0.01)


def check_run(guard, pid):
    """Raised within the block alone, and children never."""
    with guard.raised(pid, 60):
        wait_until(lambda: policy(pid) == os.SCHED_RR, "within a run it has the priority")
        wait_until(lambda: os.sched_getscheduler(pid) & os.SCHED_RESET_ON_FORK, "its children have not")
        wait_until(lambda: policy(0) == os.SCHED_OTHER, "nor has whoever measures")
    wait_until(lambda: policy(pid) == os.SCHED_OTHER, "behind a run it has not")


def main():
    """Each check with processes of its own."""
    if os.geteuid() != 0:
        print("SKIPPED: priorities need root")
        return SKIP_CODE
    sleepers = [subprocess.Popen(["sleep", "120"]) for _ in range(4)]
    run, overdue, watched, orphan = sleepers
    asker = None
    try:
        with contextlib.closing(live_guard.Guard()) as guard:
            check_run(guard, run.pid)
            with guard.raised(overdue.pid, 0.2):
                wait_until(lambda: overdue.poll() == -signal.SIGKILL, "killed when its time is over")
            guard.watch(watched.pid, 0.2)
            os.sched_setscheduler(watched.pid, os.SCHED_RR, os.sched_param(live_guard.PRIORITY))
            wait_until(lambda: watched.poll() == -signal.SIGKILL, "the same of one that raised itself")
        asker = subprocess.Popen([sys.executable, "-B", "-c", ASKER, os.path.dirname(os.path.abspath(__file__)),
                                  str(orphan.pid)], stdout=subprocess.PIPE)
        asker.stdout.readline()
        wait_until(lambda: policy(orphan.pid) == os.SCHED_RR, "raised for another")
        asker.kill()
        wait_until(lambda: policy(orphan.pid) == os.SCHED_OTHER, "lowered when that is gone")
    finally:
        for process in sleepers + [asker] * (asker is not None):
            process.kill()
            process.wait()
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
