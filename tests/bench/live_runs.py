# SPDX-License-Identifier: BSD-2-Clause
"""What tests/bench/live measures: programs at one end of a pair of virtual interfaces, each end in a namespace of its own,
while a sender fills the other end. Namespaces and interfaces are gone with the process that made them."""

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "live"))
sys.path.insert(0, str(TESTS))

from harness import Place, cannot_run  # noqa: E402 pylint: disable=wrong-import-position
from wire import Wire  # noqa: E402 pylint: disable=wrong-import-position

import live_guard  # noqa: E402 pylint: disable=wrong-import-position

INTERFACE = "wire"
SETTLE_SECONDS = 0.5  # what is still in a ring is read meanwhile
SPARE_SECONDS = 15    # beyond what a run is said to take, on a busy machine
EVENT_DROPS = re.compile(r"dropped +(\d+) by the kernel, (\d+) by the interface, (\d+) events")
PACKETS = re.compile(r"packets +(\d+) ")
LINES_DROPPED = re.compile(r"(\d+) events were dropped")
TCPDUMP = {"seen": r"(\d+) packets? captured", "kernel_dropped": r"(\d+) packets? dropped by kernel",
           "interface_dropped": r"(\d+) packets? dropped by interface"}


class LiveError(Exception):
    """One line for the person who runs this."""


class Bench:
    """A wire with a sender's and a sensor's end, and how programs are started there."""

    def __init__(self, options):
        self.options = options
        if options.realtime:  # readers of events: not on the core that the sender keeps busy
            os.sched_setaffinity(0, {options.sensor_core})
        self._guard = live_guard.Guard() if options.realtime else None
        self.wire = Wire()
        for host in (self.wire.client, self.wire.server):
            host.ip("link", "set", INTERFACE, "arp", "off")

    def close(self):
        """Nothing stays behind."""
        if self._guard:
            self._guard.close()
        self.wire.close()

    def raised(self, pid, seconds):
        """With --realtime the process goes before everything else within the block, which takes so long."""
        return self._guard.raised(pid, seconds + SPARE_SECONDS) if self._guard else contextlib.nullcontext()

    def start_sender(self, seconds, *words):
        """bench_sender on the sender's core; its result is read by finish_sender."""
        realtime = ["--realtime", str(live_guard.PRIORITY)] if self._guard else []
        process = self.wire.client.spawn(*on_core(self.options.sender_core), self.options.sender, *realtime,
                                         "--seconds", str(seconds), *words, INTERFACE, stdout=subprocess.PIPE, text=True)
        if self._guard:
            self._guard.watch(process.pid, seconds + SPARE_SECONDS)
        return process

    def start_sensor(self, folder, *words, output="/dev/null", **rest):
        """tcpwitness -i on the sensor's core, or with several threads on all, ready."""
        place = Place(types.SimpleNamespace(binary=self.options.binary, unit=None, patience=1,
                                            threads=self.options.threads), folder)
        sensor = place.sensor(self.wire.server, *words, output=output,
                              prefix=() if self.options.threads > 1 else on_core(self.options.sensor_core), **rest)
        if sensor.process.poll() is not None:
            raise LiveError(f"tcpwitness ended: {sensor.stderr().strip()}")
        return place, sensor

    def start_tcpdump(self, stderr):
        """tcpdump with the sensor's snapshot length and ring, once it listens."""
        process = self.wire.server.spawn(*on_core(self.options.sensor_core), "tcpdump", "-Z", "root", "-n", "-i",
                                         INTERFACE, "-s", "262144", "-B", str(64 * 1024), "-w", "/dev/null",
                                         stderr=stderr)
        deadline = time.monotonic() + 10
        while "listening on" not in text_of(stderr):
            if process.poll() is not None or time.monotonic() > deadline:
                raise LiveError(f"tcpdump does not listen: {text_of(stderr).strip()}")
            time.sleep(0.01)
        return process


def on_core(core):
    """Words that start a program there."""
    return ["taskset", "-c", str(core)]


def finish_sender(process):
    """What it says it sent."""
    output = process.communicate()[0]
    if process.returncode != 0:
        raise LiveError(f"bench_sender ended with {process.returncode}")
    return json.loads(output)


def text_of(file):
    """All that another process wrote into it so far."""
    return os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace")


def cpu_ns(pid):
    """Processor time of all threads, as exact as the scheduler counts it."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))


def switches(pid):
    """How often its threads went to sleep of their own accord."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", path.read_text(), re.M).group(1))
               for path in pathlib.Path(f"/proc/{pid}/task").glob("*/status"))


# --- drops ------------------------------------------------------------------------------------------------------------


def measure_load(bench, pid, capture, rate, seconds):
    """Sends to whoever listens as pid; what was sent and what it used meanwhile."""
    with bench.raised(pid, seconds + SETTLE_SECONDS):
        before = cpu_ns(pid)
        sent = finish_sender(bench.start_sender(seconds, "--capture", capture, "--rate", str(rate)))
        time.sleep(SETTLE_SECONDS)
        used = (cpu_ns(pid) - before) / 1e9
    return {"rate_asked": rate, "sent": sent["sent"], "refused": sent["refused"], "rate": sent["sent"] / sent["seconds"],
            "bytes": sent["bytes"], "cpu_seconds": used, "cpu_share": used / sent["seconds"]}


def with_sums(row):
    """What is neither seen nor declared as dropped by the kernel is to be nothing."""
    row["unaccounted"] = row["sent"] - row["seen"] - row["kernel_dropped"]
    row["drops"] = row["kernel_dropped"] + row["interface_dropped"] + row.get("events_dropped", 0) + row.get("lines_dropped", 0)
    return row


def load_tcpdump(bench, capture, rate, seconds):
    """One run of tcpdump -w /dev/null."""
    with tempfile.TemporaryFile() as stderr:
        process = bench.start_tcpdump(stderr)
        row = measure_load(bench, process.pid, capture, rate, seconds)
        process.send_signal(signal.SIGINT)
        process.wait(30)
        for name, pattern in TCPDUMP.items():
            found = re.search(pattern, text_of(stderr))
            row[name] = int(found.group(1)) if found else 0
    return with_sums(row)


def load_tcpwitness(bench, events, capture, rate, seconds):
    """One run of tcpwitness. Its last words are read, not its events: those go to /dev/null."""
    with tempfile.TemporaryDirectory(prefix="bench-live-") as folder:
        place, sensor = bench.start_sensor(folder, "--memory", bench.options.memory, events=events, validated=False)
        try:
            row = measure_load(bench, sensor.pid, capture, rate, seconds)
            sensor.stop(signal.SIGINT, timeout=120)
            said = sensor.stderr()
        finally:
            place.close()
    row["seen"] = int(PACKETS.search(said).group(1))
    row["kernel_dropped"], row["interface_dropped"], row["events_dropped"] = map(int, EVENT_DROPS.search(said).groups())
    lines = LINES_DROPPED.search(said)
    row["lines_dropped"] = int(lines.group(1)) - row["events_dropped"] if lines else 0
    return with_sums(row)


# --- latency ----------------------------------------------------------------------------------------------------------


class Arrivals:
    """When each line came, on the clock that stamps packets. Follows a descriptor, or a file that grows, in a thread."""

    def __init__(self, read):
        self.lines = []
        self._read = read
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        rest = b""
        while not self._stop.is_set():
            part = self._read()
            if part is None:
                return
            now_ns = time.time_ns()
            *lines, rest = (rest + part).split(b"\n")
            self.lines += [(now_ns, line) for line in lines]

    def close(self):
        """Ends the thread."""
        self._stop.set()
        self._thread.join(2)


def read_pipe(file):
    """A function that waits for bytes of a pipe."""

    def read():
        ready = select.select([file], [], [], 0.2)[0]
        return b"" if not ready else os.read(file.fileno(), 1 << 16) or None

    return read


def read_socket(listener):
    """The same for whoever connects to a listening socket."""
    listener.settimeout(20)
    connection = listener.accept()[0]
    connection.settimeout(0.2)

    def read():
        try:
            return connection.recv(1 << 16) or None
        except socket.timeout:
            return b""

    return read


def read_file(path):
    """The same for a file, looked at every millisecond."""
    file = open(path, "rb", buffering=0)  # pylint: disable=consider-using-with

    def read():
        part = file.read(1 << 16)
        if not part:
            time.sleep(0.001)
        return part or b""

    return read


def event_ns(event):
    """The time of an event, which is that of the packet that caused it."""
    whole, fraction = event["timestamp"].split("+")[0].split(".")
    seconds = time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone
    return int(seconds) * 10**9 + int(fraction) * 1000


def latencies(arrivals):
    """{target: milliseconds from the packet that raised an alarm to its line}, of the floods' alarms."""
    found = {}
    for now_ns, line in arrivals.lines:
        event = json.loads(line)
        if event["event_type"] != "alert" or event["detection"]["phase"] != "raised":
            continue
        target = event["detection"]["target"].get("ip", "")
        if target.startswith("100."):
            found.setdefault(target, (now_ns - event_ns(event)) / 1e6)
    return found


def send_floods(bench, pid, capture, rate, alarms):
    """One after the other, above the background, to whoever listens as pid."""
    seconds = alarms * 1.5 + 3
    with bench.raised(pid, seconds + SETTLE_SECONDS):
        background = bench.start_sender(seconds, "--capture", capture, "--rate", str(rate)) if rate else None
        time.sleep(2)
        for number in range(alarms):
            finish_sender(bench.start_sender(1.2, "--flood", f"100.{64 + number % 64}.{number // 64}.1:443", "--rate",
                                             "5000", "--seed", str(number)))
            time.sleep(0.3)
        if background:
            finish_sender(background)
        time.sleep(SETTLE_SECONDS)


def measure_latency(bench, capture, rate, alarms):
    """Floods on one target after the other above a background; per kind of output {target: milliseconds}."""
    with tempfile.TemporaryDirectory(prefix="bench-live-") as name:
        folder = pathlib.Path(name)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(folder / "socket"))
        listener.listen(1)
        place, sensor = bench.start_sensor(folder, "-o", "-", "-o", f"unix:{folder / 'socket'}", events="alert",
                                           output=folder / "events", stdout=subprocess.PIPE, validated=False)
        followers = {"pipe": Arrivals(read_pipe(sensor.process.stdout)), "socket": Arrivals(read_socket(listener)),
                     "file": Arrivals(read_file(folder / "events"))}
        try:
            send_floods(bench, sensor.pid, capture, rate, alarms)
            for follower in followers.values():
                follower.close()
            sensor.stop(signal.SIGINT)
            dropped = int(EVENT_DROPS.search(sensor.stderr()).group(1))
        finally:
            place.close()
            listener.close()
    return {kind: latencies(follower) for kind, follower in followers.items()}, dropped


# --- idle -------------------------------------------------------------------------------------------------------------


def measure_idle(bench, seconds):
    """An interface on which nothing passes."""
    with tempfile.TemporaryDirectory(prefix="bench-live-") as folder:
        place, sensor = bench.start_sensor(folder, events="alert,flow,anomaly,stats", validated=False)
        try:
            time.sleep(3)  # start-up is not idleness
            cpu, sleeps, began = cpu_ns(sensor.pid), switches(sensor.pid), time.monotonic()
            time.sleep(seconds)
            passed = time.monotonic() - began
            return {"seconds": passed, "cpu_share": (cpu_ns(sensor.pid) - cpu) / 1e9 / passed,
                    "wake_ups_per_second": (switches(sensor.pid) - sleeps) / passed}
        finally:
            place.close()
