#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The sinks of tcpwitness under readers that come late, stall, die and return; live, when nothing may wait for them,
and with captures, when nothing may be lost."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from conversations import PORT
from harness import check, check_equal, main, read_events, wait_until
from lab.pcapfile import PcapWriter
from lab.segment import ACK, FIN, PSH, SYN, forge
from sensor import RULES
from wire import NOBODY, SynFlood

READ_BYTES = 1 << 16
STALLED_STOP_SECONDS = 15
BURST_SYNS = 10000
BURST = 400  # connections; their events are fewer than the queue holds
SECOND_SIGNAL_SECONDS = 2  # less than what it would wait for the reader


class Reader:
    """A program that listens on a socket for events; reads when told to."""

    def __init__(self, path):
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._connection = None
        self._thread = None
        self._contents = []

    def accept(self, timeout=30):
        self._listener.settimeout(timeout)
        self._connection, _ = self._listener.accept()
        return self

    def read_now(self):
        """Everything that has arrived."""
        while True:
            try:
                part = self._connection.recv(READ_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            check(part, "the sensor goes on")
            self._contents.append(part)

    def read_on(self, pause_s=0):
        """Reads in the background until the sensor ends, READ_BYTES between two pauses."""

        def read():
            while True:
                part = self._connection.recv(READ_BYTES)
                if not part:
                    return
                self._contents.append(part)
                if pause_s:
                    time.sleep(pause_s)

        self._thread = threading.Thread(target=read, daemon=True)
        self._thread.start()

    def wait_end(self, timeout):
        self._thread.join(timeout)
        check(not self._thread.is_alive(), "the sensor closed the socket")

    def contents(self):
        return b"".join(self._contents)

    def lines(self):
        """(whole lines, the beginning of one more)"""
        *lines, rest = self.contents().split(b"\n")
        return lines, rest

    def has_caught_up(self, path):
        """Whether it has what the file has: nothing waits any more, so nothing more will be dropped."""
        newest = path.read_bytes()[-READ_BYTES:]
        return b"".join(self._contents[-2:])[-READ_BYTES:][-100:] == newest[-100:]

    def die(self):
        if self._connection is not None:
            self._connection.close()
        self._listener.close()


def reader(place):
    made = Reader(place.path("socket"))
    place.parts.callback(made.die)
    return made


def live_sensor(place, wire, *options, **rest):
    """Writes into a file and to the socket."""
    return place.sensor(wire.server, "-o", f"unix:{place.path('socket')}", "--set", "stats.interval=100ms", *options,
                        events="tcp_state,stats,summary", validated=False, **rest)


def lines_of(path):
    return path.read_bytes().splitlines()


def dropped_lines(sensor):
    told = sensor.events("stats")
    return told[-1]["stats"]["output"]["lines_dropped"] if told else 0


def make_drops(place, wire, listener, sensor):
    """Traffic until more was dropped than before. The file keeps up with it, so that the queue drops nothing."""
    before = dropped_lines(sensor)
    deadline = time.monotonic() + 60 * place.patience
    while dropped_lines(sensor) == before:
        check(time.monotonic() < deadline, "the socket's reader stalls, but no drops are declared")
        last = wire.converse(listener, times=BURST)
        wait_until(lambda: sees_end_of(sensor, last), "the burst's events in the file", 60 * place.patience)


def sees_end_of(sensor, connection):
    return any((event["src_ip"], event["src_port"]) == connection and event["tcp_state"]["to"] == "TIME_WAIT"
               for event in reversed(sensor.events("tcp_state")[-100:]))


def check_json(lines):
    for line in lines:
        json.loads(line)


def test_a_reader_that_comes_late_gets_what_it_missed(place):
    wire = place.wire()
    sensor = live_sensor(place, wire)
    wire.converse(wire.listen(PORT), times=5)
    wait_until(lambda: len(sensor.events("tcp_state")) > 30, "events in the file", 10 * place.patience)
    late = reader(place).accept()
    late.read_on()
    check_equal(sensor.stop()[0], 0, "exit code")
    late.wait_end(10 * place.patience)
    # The stats differ by nothing: both sinks get the same line.
    check_equal(late.contents(), sensor.output.read_bytes(), "what the socket and the file got")


def test_what_a_stalled_reader_misses_is_declared_and_capture_goes_on(place):
    wire = place.wire()
    stalled = reader(place)
    sensor = live_sensor(place, wire)
    stalled.accept()
    listener = wire.listen(PORT)
    make_drops(place, wire, listener, sensor)
    make_drops(place, wire, listener, sensor)  # it still sees and counts
    stalled.read_on()
    wait_until(lambda: stalled.has_caught_up(sensor.output), "the reader caught up", 30 * place.patience)
    wire.converse(listener, times=20)
    check_equal(sensor.stop()[0], 0, "exit code")
    stalled.wait_end(10 * place.patience)
    got, rest = stalled.lines()
    produced, events = lines_of(sensor.output), read_events(sensor.output)
    check_equal(rest, b"", "the last line is whole")
    check_json(got)
    stats = events[-2]["stats"]
    check_equal(len(got) + stats["output"]["lines_dropped"], len(produced), "lines received + declared = produced")
    check(stats["output"]["lines_dropped"] > 0, "lines were dropped")
    check_equal(stats["capture"]["kernel_dropped"], 0, "frames dropped: capture waits for no reader")
    check(f"{stats['output']['lines_dropped']} events were dropped" in sensor.stderr(), "drops, for people")
    check_equal(got, in_order(got, produced), "lines in the order of the file")
    check_equal(got[-1], produced[-1], "the last line")


def in_order(got, produced):
    """Those of got that are found when going through produced once."""
    rest = iter(produced)
    return [line for line in got if line in rest]


def test_a_reader_that_dies_within_a_line_gets_all_of_it_when_it_returns(place):
    wire = place.wire()
    first = reader(place)
    sensor = live_sensor(place, wire)
    first.accept()
    listener = wire.listen(PORT)
    rest = b""
    while not rest:  # until the kernel's buffer is full within a line
        make_drops(place, wire, listener, sensor)
        sensor.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: sensor.status()["State"].startswith("T"), "the sensor stopped")
        first.read_now()
        first_lines, rest = first.lines()
        if rest:
            first.die()
        sensor.process.send_signal(signal.SIGCONT)
    second = reader(place).accept()
    second.read_on()
    wait_until(lambda: second.has_caught_up(sensor.output), "the reader caught up", 30 * place.patience)
    n_before = len(sensor.events("tcp_state"))
    wire.converse(listener, times=20)
    wait_until(lambda: len(sensor.events("tcp_state")) > n_before, "events of new connections", 10 * place.patience)
    check_equal(sensor.stop()[0], 0, "exit code")
    second.wait_end(10 * place.patience)
    second_lines, second_rest = second.lines()
    produced, stats = lines_of(sensor.output), read_events(sensor.output)[-2]["stats"]
    check_equal(second_rest, b"", "the last line is whole")
    check_json(first_lines + second_lines)
    check(second_lines[0].startswith(rest), "the line that was cut comes again, whole")
    check_equal(stats["output"]["reconnects"], 1, "reconnects")
    check_equal(len(first_lines) + len(second_lines) + stats["output"]["lines_dropped"], len(produced),
                "lines received + declared = produced")
    received = first_lines + second_lines
    check_equal(received, in_order(received, produced), "lines in the order of the file")


def test_a_reader_that_keeps_up_gets_all_of_a_burst(place):
    """The records of all connections at the end: more than the queue holds, and more than a sink keeps for its
    reader."""
    wire = place.wire()
    keen = reader(place)
    sensor = place.sensor(wire.server, "-o", f"unix:{place.path('socket')}", "--set", "stats.interval=100ms",
                          "--set", "flow.attempt_sample=1", events="flow,stats,summary", validated=False)
    keen.accept().read_on()
    with contextlib.closing(SynFlood(wire, NOBODY, PORT, rate=20000, limit=BURST_SYNS)) as flood:
        flood.wait()
    wait_until(lambda: n_created(sensor) == BURST_SYNS, f"{BURST_SYNS} SYNs seen", 60 * place.patience)
    check_equal(sensor.stop()[0], 0, "exit code")
    keen.wait_end(30 * place.patience)
    records = sensor.output.read_bytes()
    check_equal(records.count(b'"event_type":"flow"'), BURST_SYNS, "records in the file")
    check_equal(keen.contents().count(b'"event_type":"flow"'), BURST_SYNS, "records at the socket")
    check(keen.contents() == records, "the same bytes at the socket and in the file")


def n_created(sensor):
    told = sensor.events("stats")
    return told[-1]["stats"]["flow"]["created"] if told else 0


def test_a_second_signal_ends_a_flush_that_nobody_reads(place):
    wire = place.wire()
    stalled = reader(place)
    # The thread that it leaves behind is on purpose.
    sensor = live_sensor(place, wire, environment={"TSAN_OPTIONS": "report_thread_leaks=0"})
    stalled.accept()
    make_drops(place, wire, wire.listen(PORT), sensor)
    sensor.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "STOPPING=1" in sensor.notified(), "STOPPING=1", 10 * place.patience)
    sensor.process.send_signal(signal.SIGTERM)
    check_equal(sensor.process.wait(SECOND_SIGNAL_SECONDS * place.patience), 3, "exit code")
    check("interrupted while writing" in sensor.stderr(), "what was lost, for people")


def test_a_pipe_whose_reader_went_away_ends_it(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, "-o", "-", stdout=subprocess.PIPE)
    sensor.process.stdout.close()
    wire.converse(wire.listen(PORT))
    check_equal(sensor.process.wait(10 * place.patience), 3, "exit code")
    check_equal(sensor.stderr(), "tcpwitness: output -: the reader closed it before the end\n", "stderr")


def test_a_stalled_reader_cannot_hold_up_the_end_for_ever(place):
    """Two waits, one while records are written and one for what is left, and what it costs is said."""
    wire = place.wire()
    stalled = reader(place)
    sensor = live_sensor(place, wire)
    stalled.accept()
    make_drops(place, wire, wire.listen(PORT), sensor)
    code, seconds = sensor.stop()
    check_equal(code, 3, "exit code")
    check(seconds < STALLED_STOP_SECONDS * place.patience, f"ended after {seconds:.2f} s")
    check("lines were not read within 5000 ms (is the reader running?)" in sensor.stderr(), "what was lost, for people")
    check_equal(read_events(sensor.output)[-1]["event_type"], "summary", "the last event in the file")


# --- captures ---------------------------------------------------------------------------------------------------------


def forge_capture(path, n_connections):
    """Whole connections; their events are several times what pipes, sockets and buffers hold."""
    writer = PcapWriter("raw")
    now_ns = 1_700_000_000 * 10**9
    for number in range(n_connections):
        client, server = (f"10.{number >> 14 & 255}.{number >> 7 & 127}.{number & 127}", 2000), ("192.0.2.1", 80)
        for from_client, flags, seq, ack, data in (
                (True, SYN, 0, 0, b""), (False, SYN | ACK, 0, 1, b""), (True, ACK, 1, 1, b""),
                (True, PSH | ACK, 1, 1, b"question"), (False, PSH | ACK, 1, 9, b"answer"), (True, ACK, 9, 7, b""),
                (True, FIN | ACK, 9, 7, b""), (False, FIN | ACK, 7, 10, b""), (True, ACK, 10, 8, b"")):
            (src, sport), (dst, dport) = (client, server) if from_client else (server, client)
            writer.add(now_ns, forge(src, dst, sport, dport, flags, seq, ack, payload=data), from_client)
            now_ns += 20000
    writer.save(str(path))


def offline(place, *options, **rest):
    argv = [place.binary, "-q", "-r", str(place.path("capture.pcap")), "--rules", str(RULES), "--events",
            "flow,tcp_state,summary", *options]
    return subprocess.Popen(argv, stderr=subprocess.PIPE, **rest)


def check_done(place, process, code=0):
    stderr = process.communicate(timeout=120 * place.patience)[1].decode()
    check_equal(process.returncode, code, f"exit code ({stderr})")
    return stderr


def test_a_slow_reader_of_the_socket_loses_nothing_of_a_capture(place):
    forge_capture(place.path("capture.pcap"), 1500)
    output, slow = place.path("events.json"), reader(place)
    process = offline(place, "-o", f"file:{output}", "-o", f"unix:{place.path('socket')}")
    slow.accept()
    slow.read_on(pause_s=0.005)
    check_equal(check_done(place, process), "", "stderr")
    slow.wait_end(60)
    check_equal(len(slow.contents()), output.stat().st_size, "bytes at the socket and in the file")
    check(slow.contents() == output.read_bytes(), "the same bytes at the socket and in the file")


def test_a_reader_that_dies_within_a_line_loses_nothing_of_a_capture(place):
    forge_capture(place.path("capture.pcap"), 1500)
    output, first = place.path("events.json"), reader(place)
    process = offline(place, "-o", f"file:{output}", "-o", f"unix:{place.path('socket')}")
    place.parts.callback(process.kill)
    first.accept()
    rest = b""
    while not rest:
        wait_until(lambda: is_quiet(process.pid), "the program waits for its reader", 60 * place.patience)
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: process_fields(process.pid)[0] == "T", "the program stopped")
        first.read_now()
        first_lines, rest = first.lines()
        if rest:
            first.die()
        process.send_signal(signal.SIGCONT)
    second = reader(place).accept()
    second.read_on()
    check_equal(check_done(place, process), "", "stderr")
    second.wait_end(60)
    got = b"".join(line + b"\n" for line in first_lines) + second.contents()
    check(got == output.read_bytes(), "the same bytes at the socket and in the file")


def is_quiet(pid):
    """Whether it used no processor time in the last moment."""
    before = process_fields(pid)[11:13]
    time.sleep(0.1)
    return before == process_fields(pid)[11:13]


def process_fields(pid):
    """Of /proc/PID/stat, from the state on."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()


def test_a_slow_reader_of_standard_output_loses_nothing_of_a_capture(place):
    forge_capture(place.path("capture.pcap"), 1500)
    output = place.path("events.json")
    process = offline(place, "-o", f"file:{output}", "-o", "-", stdout=subprocess.PIPE)
    got = []
    while part := os.read(process.stdout.fileno(), READ_BYTES):
        got.append(part)
        time.sleep(0.002)
    check_equal(check_done(place, process), "", "stderr")
    check(b"".join(got) == output.read_bytes(), "the same bytes in the pipe and in the file")


def test_a_pipe_that_is_closed_early_is_a_failure_of_one_line(place):
    forge_capture(place.path("capture.pcap"), 1500)
    process = offline(place, stdout=subprocess.PIPE)
    line = process.stdout.readline()
    process.stdout.close()
    stderr = check_done(place, process, code=3)
    json.loads(line)
    check_equal(stderr, "tcpwitness: output -: the reader closed it before the end\n", "stderr")


def test_a_full_disk_is_a_failure_of_one_line(place):
    forge_capture(place.path("capture.pcap"), 10)
    stderr = check_done(place, offline(place, "-o", "file:/dev/full"), code=3)
    check("output file:/dev/full: No space left on device (free some space" in stderr, stderr)
    check_equal(stderr.count("\n"), 1, "lines on stderr")


if __name__ == "__main__":
    sys.exit(main(globals()))
