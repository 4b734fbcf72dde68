#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""tcpwitness -i as a service: its privileges, what it tells the service manager, rotation of its files, quiet times,
and its systemd unit."""

import contextlib
import os
import pathlib
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

from conversations import PORT
from harness import Skipped, check, check_equal, main, read_events, wait_until
from wire import NOBODY, SynFlood

IDLE_SECONDS = 3
IDLE_CPU_SECONDS = 0.1
WATCHDOG_SECONDS = 6
NO_CAPABILITIES = "0" * 16
SOON_OVER = ("--set", "flow.timeout.time_wait=300ms", "--set", "flow.timeout.closed=100ms")
SLEEPS = "voluntary_ctxt_switches"
SILENT_TICKS = 16  # at least, in a second; when nothing is due it is less than 10
MAX_SILENT_TICKS = 60
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapAmb")


def check_unprivileged(sensor):
    """Every thread has nothing, and can gain nothing."""
    tasks = os.listdir(f"/proc/{sensor.pid}/task")
    check(len(tasks) >= 2, f"a capture thread beside the main thread ({len(tasks)} threads)")
    for task in tasks:
        status = sensor.status(task)
        check_equal({name: status[name] for name in CAPABILITIES}, dict.fromkeys(CAPABILITIES, NO_CAPABILITIES),
                    f"capabilities of thread {task}")
        check_equal(status["NoNewPrivs"], "1", f"NoNewPrivs of thread {task}")


def check_captures(place, wire, sensor):
    wire.converse(wire.listen(PORT))
    wait_until(lambda: sensor.events("tcp_state"), "an event of a connection", 10 * place.patience)


def test_capabilities_are_gone_once_it_captures(place):
    wire = place.wire()
    sensor = place.sensor(wire.server)
    check_unprivileged(sensor)
    check_equal(sensor.status()["CapBnd"], NO_CAPABILITIES, "bounding set")
    check_captures(place, wire, sensor)
    check_equal(sensor.stop()[0], 0, "exit code")


def writable_by(place, user):
    folder = place.path("log")
    folder.mkdir()
    os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def check_is_user(sensor, user):
    status = sensor.status()
    check_equal(status["Uid"].split(), [str(user.pw_uid)] * 4, "user ids")
    check_equal(status["Gid"].split(), [str(user.pw_gid)] * 4, "group ids")
    check_equal(status["Groups"].split(), [], "supplementary groups")


def test_it_becomes_the_configured_user(place):
    wire, nobody = place.wire(), pwd.getpwnam("nobody")
    output = writable_by(place, nobody) / "events.json"
    sensor = place.sensor(wire.server, "--set", "capture.user=nobody", output=output)
    check_is_user(sensor, nobody)
    check_unprivileged(sensor)
    check_equal(output.stat().st_uid, nobody.pw_uid, "owner of the output")
    check_captures(place, wire, sensor)
    check_equal(sensor.stop()[0], 0, "exit code")


def test_cap_net_raw_alone_is_enough(place):
    wire, nobody = place.wire(), pwd.getpwnam("nobody")
    sensor = place.sensor(wire.server, prefix=as_service(nobody), output=writable_by(place, nobody) / "events.json")
    check_is_user(sensor, nobody)
    check_unprivileged(sensor)
    check_equal(wire.server.link()["promiscuity"], 1, "promiscuity")
    check_captures(place, wire, sensor)


def as_service(user):
    """As a service manager starts what has User= and AmbientCapabilities=CAP_NET_RAW."""
    if shutil.which("setpriv") is None:
        raise Skipped("setpriv is not installed")
    return ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
            "--bounding-set=-all,+net_raw", "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--no-new-privs")


def test_the_service_manager_hears_of_start_stop_and_life(place):
    """READY=1 comes when packets are captured, and not before."""
    wire = place.wire()
    sensor = place.sensor(wire.server)
    check_equal(sensor.notified(), ["READY=1"], "messages after the start")
    check_equal(wire.server.link()["promiscuity"], 1, "promiscuity when it is ready")
    wait_until(lambda: sensor.notified()[1:], "a sign of life", WATCHDOG_SECONDS * place.patience)
    check("WATCHDOG=1" in sensor.notified()[1].splitlines(), "WATCHDOG=1")
    check("STATUS=0 packets, 0 connections, 0 alarms open, 0 packets dropped by the kernel"
          in sensor.notified()[1].splitlines(), f"status: {sensor.notified()[1]}")
    sensor.stop()
    check_equal(sensor.notified()[-1], "STOPPING=1", "the last message")


def test_the_watchdog_hears_of_it_twice_within_its_time(place):
    sensor = place.sensor(place.wire().server, environment={"WATCHDOG_USEC": "1000000"})
    began = time.monotonic()
    wait_until(lambda: sum("WATCHDOG=1" in text for text in sensor.notified()) >= 4, "4 signs of life", 30)
    seconds = time.monotonic() - began
    check(seconds < 3 * place.patience, f"4 signs of life in {seconds:.2f} s")


def test_what_is_idle_costs_nothing(place):
    sensor = place.sensor(place.wire().server)
    before, began = sensor.cpu_seconds(), time.monotonic()
    wait_until(lambda: time.monotonic() - began >= IDLE_SECONDS, "an idle time")
    used = sensor.cpu_seconds() - before
    check(used < IDLE_CPU_SECONDS * place.patience, f"{used:.2f} s of processor time in {IDLE_SECONDS} s")


def test_stats_come_at_their_interval_while_nothing_is_heard(place):
    sensor = place.sensor(place.wire().server, "--set", "stats.interval=500ms", "--events", "stats")
    wait_until(lambda: len(sensor.events("stats")) >= 4, "stats events", 20 * place.patience)
    sensor.stop()
    events = read_events(sensor.output)
    times = [time.strptime(event["timestamp"][:19], "%Y-%m-%dT%H:%M:%S") for event in events]
    seconds = [time.mktime(at) + float("0" + event["timestamp"][19:26]) for at, event in zip(times, events)]
    steps = [later - earlier for earlier, later in zip(seconds, seconds[1:-1])]  # the last one is of the end
    check(min(steps) >= 0.5, f"seconds between stats events: {steps}")
    for event in events:
        stats = event["stats"]
        for group, name in (("capture", "kernel_dropped"), ("capture", "interface_dropped"), ("events", "dropped"),
                            ("output", "events_dropped"), ("output", "lines_dropped"), ("output", "reconnects")):
            check_equal(stats[group][name], 0, f"{group}.{name}")


def test_timeouts_pass_while_nothing_is_heard(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, *SOON_OVER, bpf=("tcp",))
    wire.converse(wire.listen(PORT))
    flow, = wait_until(lambda: sensor.events("flow"), "the connection's record", 20 * place.patience)
    check_equal(flow["flow"]["reason"], "timeout", "reason")
    check_equal(flow["witness"]["outcome"], "completed_normal", "outcome")
    check_equal({side: flow["witness"][side]["state"] for side in ("client", "server")},
                {"client": "CLOSED", "server": "CLOSED"}, "states after TIME_WAIT")


def test_timers_of_a_silence_go_off_bit_by_bit(place):
    """All those of a quarter of a second at once would be a pause in which packets wait."""
    wire = place.wire()
    sensor = place.sensor(wire.server, events="stats", bpf=("tcp",))
    threads = set(os.listdir(f"/proc/{sensor.pid}/task")) - {str(sensor.pid)}
    with contextlib.closing(SynFlood(wire, NOBODY, PORT, 1000, limit=1500)) as flood:
        flood.wait()
    sleeps, began = {thread: int(sensor.status(thread)[SLEEPS]) for thread in threads}, time.monotonic()
    # Meanwhile one attempt after the other has waited for its answer long enough.
    wait_until(lambda: time.monotonic() - began >= 1, "a second of silence")
    for thread in threads:
        woken = int(sensor.status(thread)[SLEEPS]) - sleeps[thread]
        check(woken >= SILENT_TICKS, f"{woken} looks at what is due in a second of silence")
        check(woken <= MAX_SILENT_TICKS, f"{woken} looks at what is due in a second of silence")


class Traffic:
    """Connections, one after the other, until stop()."""

    def __init__(self, wire):
        self._wire, self._listener = wire, wire.listen(PORT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            self._wire.converse(self._listener)
            self._stop.wait(0.005)

    def stop(self):
        self._stop.set()
        self._thread.join()


def test_sighup_opens_the_output_anew_and_no_event_is_lost(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, "--set", "stats.interval=0", validated=False)
    traffic = Traffic(wire)
    parts = []
    try:
        for number in range(4):
            wait_until(lambda: sensor.output.stat().st_size > 20000, "events in the file", 20 * place.patience)
            parts.append(place.path(f"rotated-{number}.json"))
            sensor.output.rename(parts[-1])
            sensor.process.send_signal(signal.SIGHUP)
            wait_until(sensor.output.exists, "a new file", 20 * place.patience)
    finally:
        traffic.stop()
    code, _ = sensor.stop()
    check_equal(code, 0, "exit code")
    parts.append(sensor.output)
    events = [event for part in parts for event in read_events(part)]  # every file has whole lines only
    check(all(part.stat().st_size > 0 for part in parts), "events in every file")
    summary = events[-1]["summary"]
    check_equal(sum(event["event_type"] == "flow" for event in events), summary["flow_records"], "records")
    # The files together are what one file would have been: no transition is missing between two.
    sensor.output = place.path("together.json")
    sensor.output.write_bytes(b"".join(part.read_bytes() for part in parts))
    sensor.validated = True


def test_sighup_keeps_the_file_when_no_new_one_can_be_opened(place):
    wire = place.wire()
    folder = place.path("log")
    folder.mkdir()
    sensor = place.sensor(wire.server, output=folder / "events.json")
    moved = folder.rename(place.path("moved"))
    sensor.process.send_signal(signal.SIGHUP)
    wait_until(sensor.stderr, "a complaint", 10 * place.patience)
    check("log/events.json: cannot open for writing: No such file or directory" in sensor.stderr(), sensor.stderr())
    wire.converse(wire.listen(PORT))
    wait_until(lambda: (moved / "events.json").stat().st_size, "events in the old file", 10 * place.patience)
    check_equal(sensor.stop()[0], 0, "exit code")
    check_equal(read_events(moved / "events.json")[-1]["event_type"], "summary", "the last event")


# --- the systemd unit -------------------------------------------------------------------------------------------------


def unit_lines(place):
    if place.unit is None:
        raise Skipped("no unit was given (--unit)")
    return pathlib.Path(place.unit).read_text().splitlines()


def values(lines, key):
    return [line.partition("=")[2] for line in lines if line.startswith(key + "=")]


def test_the_unit_is_what_systemd_expects(place):
    if shutil.which("systemd-analyze") is None:
        raise Skipped("systemd-analyze is not installed")
    # It looks for the program where it would be installed.
    lines = [f"ExecStart={place.binary} -i %I $OPTIONS" if line.startswith("ExecStart=") else line
             for line in unit_lines(place)]
    unit = place.path("tcpwitness@.service")
    unit.write_text("\n".join(lines) + "\n")
    done = subprocess.run(("systemd-analyze", "verify", "--man=no", place.path("tcpwitness@wire.service")),
                          capture_output=True, text=True, timeout=60)
    if "Failed to" in done.stderr and unit.name not in done.stderr:
        raise Skipped(f"systemd-analyze does not work here: {done.stderr.strip()}")
    ours = [line for line in done.stderr.splitlines() if "tcpwitness" in line]
    check_equal((done.returncode, ours), (0, []), "exit code and complaints of systemd-analyze verify")


def test_the_command_of_the_unit_works(place):
    """With its options and with what its user may."""
    wire, nobody, lines = place.wire(), pwd.getpwnam("nobody"), unit_lines(place)
    check_equal(values(lines, "Type"), ["notify"], "Type")
    check_equal(values(lines, "AmbientCapabilities"), ["CAP_NET_RAW"], "AmbientCapabilities")
    folder = writable_by(place, nobody)
    command, = values(lines, "ExecStart")
    environment, = values(lines, "Environment")
    options = shlex.split(environment)[0].removeprefix("OPTIONS=")
    check(options.startswith("-o file:/var/log/"), f"options: {options}")
    options = options.replace("%i", "wire").replace("/var/log/tcpwitness", str(folder))
    program, *words = command.replace("%I", "wire").replace("$OPTIONS", options).split()
    check_equal(pathlib.Path(program).name, "tcpwitness", "program")
    sensor = place.sensor(wire.server, prefix=as_service(nobody), argv=[place.binary, *words, *SOON_OVER],
                          output=folder / "wire.json")
    check_unprivileged(sensor)
    wire.converse(wire.listen(PORT))
    flow, = wait_until(lambda: sensor.events("flow"), "the connection's record", 20 * place.patience)
    check_equal(flow["dest_port"], PORT, "the server's port")
    check_equal(sensor.stop()[0], 0, "exit code")


if __name__ == "__main__":
    sys.exit(main(globals()))
