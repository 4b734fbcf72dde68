# SPDX-License-Identifier: BSD-2-Clause
"""Priority before everything else (SCHED_RR) for programs that tests/bench/live measures, for as long as a run takes.

What such a program waits for inside the kernel may be the work of a thread that never gets its core: then it waits for
ever, and no signal ends it. So none has this priority while interfaces and rings are made or taken away, and nobody but
this guard, a process of its own above all of them, lets it have it: it takes it away again when the run is over, when
its time is over (and then kills, too), and when whoever asked for it is gone."""

import contextlib
import os
import pathlib
import resource
import select
import signal
import subprocess
import sys
import time

PRIORITY = 10
MAX_CPU_SECONDS = 1  # without a sleep between, of the guard itself: the kernel ends it


def set_policy(pid, policy, priority):
    """For all threads that the process has. Those that it starts later are like any other's."""
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setscheduler(int(path.name), policy | os.SCHED_RESET_ON_FORK, os.sched_param(priority))


class Charge:
    """A process that has the priority, or gives it to itself, until a moment of the monotonic clock."""

    def __init__(self, pid, seconds):
        self.pid = pid
        self.fd = os.pidfd_open(pid)  # another that gets its number later is not meant
        self.until = time.monotonic() + seconds

    def is_over(self):
        return bool(select.select([self.fd], [], [], 0)[0])

    def lower(self):
        if not self.is_over():
            set_policy(self.pid, os.SCHED_OTHER, 0)
        os.close(self.fd)

    def end(self):
        """Killed only after it is like any other: until then it may hold up what its end waits for."""
        with contextlib.suppress(ProcessLookupError):
            set_policy(self.pid, os.SCHED_OTHER, 0)
            signal.pidfd_send_signal(self.fd, signal.SIGKILL)
        print(f"live: process {self.pid} had the priority for too long, and was killed", file=sys.stderr, flush=True)
        os.close(self.fd)


def serve():
    """Requests are lines, "raise PID SECONDS", "watch PID SECONDS" or "lower PID", each answered by a line."""
    # A core is nothing that the guard may keep, either.
    resource.setrlimit(resource.RLIMIT_RTTIME, (MAX_CPU_SECONDS * 1000000, MAX_CPU_SECONDS * 1000000))
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY + 2))
    charges = {}
    while True:
        wait = max(0, min((charge.until for charge in charges.values()), default=time.monotonic() + 3600)
                   - time.monotonic())
        ready = select.select([0, *(charge.fd for charge in charges.values())], [], [], wait)[0]
        for pid, charge in list(charges.items()):
            if charge.fd in ready:
                charges.pop(pid).lower()
            elif time.monotonic() >= charge.until:
                charges.pop(pid).end()
        if 0 not in ready:
            continue
        words = os.read(0, 4096).decode().split()
        if not words:
            break
        obey(charges, *words)
        os.write(1, b"done\n")
    for charge in charges.values():
        charge.lower()


def obey(charges, word, pid, seconds="0"):
    """A process that is gone already needs neither."""
    with contextlib.suppress(ProcessLookupError):
        if word != "lower":
            charges[int(pid)] = Charge(int(pid), float(seconds))
        if word == "raise":
            set_policy(int(pid), os.SCHED_RR, PRIORITY)
        if word == "lower" and int(pid) in charges:
            charges.pop(int(pid)).lower()


class Guard:
    """Starts it. It ends with close(), and with the process."""

    def __init__(self):
        self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self):
        """Nobody keeps the priority."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, *words):
        self._process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise OSError("the guard of priorities has ended")

    @contextlib.contextmanager
    def raised(self, pid, seconds):
        """The process goes before everything else within the block, and for so long at most; then it is killed."""
        self._ask("raise", pid, seconds)
        try:
            yield
        finally:
            self._ask("lower", pid)

    def watch(self, pid, seconds):
        """The same for one that sets its priority itself and ends by itself."""
        self._ask("watch", pid, seconds)


if __name__ == "__main__":
    serve()
