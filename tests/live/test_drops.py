#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What gets lost, by its cause: no room in the kernel's ring, none in the queue of events, none for a reader. Whatever
was sent is seen or counted."""

import contextlib
import signal
import socket
import sys

from conversations import PORT
from harness import check, check_equal, main, read_events, wait_until
from wire import NOBODY, SERVER, SynFlood

N_DATAGRAMS = 4000
N_SYNS = 3000
DISCARD_PORT = 9  # nobody listens there


@contextlib.contextmanager
def stopped(sensor):
    """While it reads nothing."""
    sensor.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: sensor.status()["State"].startswith("T"), "the sensor stopped")
    yield
    sensor.process.send_signal(signal.SIGCONT)


def fill_ring(wire):
    """More than a ring of 1 MiB holds."""
    with wire.client.run(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(N_DATAGRAMS):
            sender.sendto(bytes(1400), (SERVER, DISCARD_PORT))


def last_stats(sensor):
    told = sensor.events("stats")
    return told[-1]["stats"] if told else None


def test_every_frame_is_seen_or_counted_as_dropped_by_the_kernel(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, "--set", "capture.buffer=1M", "--set", "stats.interval=100ms",
                          bpf=("udp", "port", str(DISCARD_PORT)))
    with stopped(sensor):
        fill_ring(wire)

    def all_told():
        capture = (last_stats(sensor) or {"capture": {"frames": 0, "kernel_dropped": 0}})["capture"]
        return capture["kernel_dropped"] > 0 and capture["frames"] + capture["kernel_dropped"] == N_DATAGRAMS

    wait_until(all_told, "frames seen + dropped = sent", 10 * place.patience)
    check_equal(sensor.stop()[0], 0, "exit code")
    *_, stats, summary = read_events(sensor.output)
    capture = stats["stats"]["capture"]
    check_equal(capture["kernel_received"], N_DATAGRAMS, "frames that the kernel had for the sensor")
    check_equal(summary["summary"]["packets"], capture["frames"], "frames in the summary")
    check_equal(summary["summary"]["kernel_dropped"], N_DATAGRAMS - capture["frames"], "drops in the summary")
    check(f"dropped      {capture['kernel_dropped']} by the kernel, 0 by the interface, 0 events" in sensor.stderr(),
          "drops, for people")


def test_alarms_say_what_the_kernel_dropped(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, "--set", "capture.buffer=1M", events="alert,stats,summary")
    with contextlib.closing(SynFlood(wire, NOBODY, PORT, rate=2000)):
        wait_until(lambda: sensor.events("alert"), "an alarm", 30 * place.patience)
        with stopped(sensor):
            fill_ring(wire)
    told = wait_until(lambda: [event for event in sensor.events("alert")
                               if event["detection"]["visibility"]["kernel_dropped"] > 0],
                      "an alarm's event that tells of the drops", 60 * place.patience)
    check_equal(sensor.stop()[0], 0, "exit code")
    dropped = read_events(sensor.output)[-1]["summary"]["kernel_dropped"]
    check_equal(told[-1]["detection"]["visibility"]["kernel_dropped"], dropped, "drops in the alarm and in the summary")


def test_every_event_is_written_or_counted_as_dropped(place):
    """All SYNs of a flood come at once, and their events are more than the queue holds. One stats event, at the end, which
    waits for room: others would be among those dropped."""
    wire = place.wire()
    sensor = place.sensor(wire.server, "--set", "queue.events=16", "--set", "stats.interval=3600s",
                          events="tcp_state,stats,summary", validated=False)
    with stopped(sensor), contextlib.closing(SynFlood(wire, NOBODY, PORT, rate=20000, limit=N_SYNS)) as flood:
        flood.wait()
    check_equal(sensor.stop()[0], 0, "exit code")
    events = read_events(sensor.output)
    written = sum(event["event_type"] == "tcp_state" for event in events)
    stats, summary = events[-2]["stats"], events[-1]["summary"]
    check_equal((summary["packets"], summary["kernel_dropped"]), (N_SYNS, 0), "frames seen and dropped")
    check(stats["output"]["events_dropped"] > 0, "events were dropped")
    check_equal(written + stats["output"]["events_dropped"], N_SYNS, "events written + dropped")
    check_equal(stats["output"]["lines_dropped"], 0, "lines dropped: the file took all that it got")
    check(f"{stats['output']['events_dropped']} events were dropped because the output was slow" in sensor.stderr(),
          "drops, for people")


if __name__ == "__main__":
    sys.exit(main(globals()))
