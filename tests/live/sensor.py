# SPDX-License-Identifier: BSD-2-Clause
"""The program under test: started in a host's namespace, with the other end of its readiness protocol, and what it
wrote."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

RULES = pathlib.Path(__file__).resolve().parents[2] / "rules"


def read_events(path):
    """The events of a file whose lines must all be whole."""
    with open(path, "rb") as file:
        contents = file.read()
    if contents and not contents.endswith(b"\n"):
        raise AssertionError(f"{path.name} ends within a line: {contents[-80:]!r}")
    return [json.loads(line) for line in contents.splitlines()]


class Sensor:
    """tcpwitness -i interface, with its events in the file `output`. Returns when it is ready, or has ended.

    options come before the filter; threads: None = as the test was started; validated: hold its events against the
    schema after the test."""

    _number = 0

    def __init__(self, place, host, *options, interface="wire", events="alert,flow,tcp_state,stats,summary", prefix=(),
                 argv=None, output=None, validated=True, bpf=(), stdout=subprocess.DEVNULL, environment=None, threads=None,
                 **rest):
        Sensor._number += 1
        self.output = output or place.path(f"events-{Sensor._number}.json")
        self.validated = validated
        self.notifications = []
        self._stderr_path = place.path(f"stderr-{Sensor._number}")
        self._follower = None
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify_path = place.path(f"notify-{Sensor._number}")
        self._notify.bind(str(notify_path))
        notify_path.chmod(0o666)
        self.argv = argv or [place.binary, "-i", interface, "--rules", str(RULES), "--events", events, "-o",
                             f"file:{self.output}", "--threads", str(threads or place.threads), *options, *bpf]
        # A sanitizer's complaint must not look like one of the program's own exit codes.
        environment = {**os.environ, "NOTIFY_SOCKET": str(notify_path), "ASAN_OPTIONS": "exitcode=99",
                       **(environment or {})}
        environment.pop("JOURNAL_STREAM", None)
        with open(self._stderr_path, "wb") as stderr:
            self.process = host.spawn(*prefix, *self.argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                                      env=environment, **rest)
        self.pid = self.process.pid
        self._wait_ready(place.patience)

    def _wait_ready(self, patience):
        deadline = time.monotonic() + 20 * patience
        while self.process.poll() is None and not any("READY=1" in text for text in self.notified()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not ready: {' '.join(self.argv)}\n{self.stderr()}")
            time.sleep(0.005)

    def notified(self):
        """Every message to the service manager so far, in order."""
        while True:
            try:
                self.notifications.append(self._notify.recv(4096, socket.MSG_DONTWAIT).decode())
            except BlockingIOError:
                return self.notifications

    def stderr(self):
        return self._stderr_path.read_text(errors="replace")

    def events(self, kind=None):
        """Those in the file so far, without a line that is still being written."""
        if self._follower is None:
            self._follower = Follower(self.output)
        events = self._follower.events()
        return events if kind is None else [event for event in events if event["event_type"] == kind]

    def status(self, task=None):
        """/proc/PID/status as a dictionary."""
        folder = f"/proc/{self.pid}" if task is None else f"/proc/{self.pid}/task/{task}"
        lines = pathlib.Path(folder, "status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, signal_number=signal.SIGTERM, timeout=60):
        """Asks it to end; (exit code, seconds until the end)."""
        began = time.monotonic()
        self.process.send_signal(signal_number)
        code = self.process.wait(timeout)
        return code, time.monotonic() - began

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        self._notify.close()


class Follower:
    """Events of a file that grows."""

    def __init__(self, path):
        self._path = path
        self._at = 0
        self._events = []

    def events(self):
        if not self._path.exists():
            return self._events
        with open(self._path, "rb") as file:
            file.seek(self._at)
            whole = file.read().rpartition(b"\n")[0]
        if whole:
            self._events += [json.loads(line) for line in whole.splitlines()]
            self._at += len(whole) + 1
        return self._events
