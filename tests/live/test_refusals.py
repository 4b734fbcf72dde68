#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""tcpwitness -i where it cannot capture, or cannot any more: one line that says what, where and how to mend it."""

import sys

from conversations import PORT, flows_of
from harness import check, check_equal, main, read_events, wait_until

AT_ONCE_SECONDS = 2


def only_line(sensor):
    lines = sensor.stderr().splitlines()
    check_equal(len(lines), 1, f"lines on stderr ({lines})")
    return lines[0]


def check_refused(place, sensor, code, *words):
    """It ended by itself, was never ready, and its one line has these words."""
    check_equal(sensor.process.wait(AT_ONCE_SECONDS * place.patience), code, "exit code")
    check_equal(sensor.notified(), [], "messages to the service manager")
    line = only_line(sensor)
    for word in words:
        check(word in line, f"no {word!r} in {line!r}")


def test_an_interface_that_does_not_exist_is_refused(place):
    sensor = place.sensor(place.wire().server, interface="nothing0")
    check_refused(place, sensor, 1, "tcpwitness: interface nothing0: does not exist", "ip link")


def test_an_interface_that_is_down_is_refused(place):
    wire = place.wire()
    wire.server.ip("link", "set", "wire", "down")
    check_refused(place, place.sensor(wire.server), 1, "interface wire: is down", "ip link set wire up")


def test_without_permission_the_remedy_is_named(place):
    place.path("out").mkdir()
    place.path("out").chmod(0o777)
    sensor = place.sensor(place.wire().server, user="nobody", group="nogroup", extra_groups=[],
                          output=place.path("out") / "events.json")
    check_refused(place, sensor, 1, "interface wire: no permission to capture", "root", "CAP_NET_RAW")


def test_a_filter_that_is_none_is_refused(place):
    sensor = place.sensor(place.wire().server, bpf=("tcp", "prot", "80"))
    check_refused(place, sensor, 1, "filter 'tcp prot 80' does not fit wire", "pcap-filter(7)")


def test_an_output_that_cannot_be_opened_is_refused(place):
    sensor = place.sensor(place.wire().server, output=place.path("nowhere") / "events.json")
    check_refused(place, sensor, 3, "nowhere/events.json", "No such file or directory")


def test_a_user_that_does_not_exist_is_refused(place):
    sensor = place.sensor(place.wire().server, "--set", "capture.user=no-such-user")
    check_refused(place, sensor, 1, "capture.user: no user 'no-such-user'", "create it")


def watched_connection(place, wire):
    """A sensor that saw a connection open."""
    sensor = place.sensor(wire.server)
    wire.connect(wire.listen(PORT))
    wait_until(lambda: n_established(sensor) == 1, "the connection", 10 * place.patience)
    return sensor


def n_established(sensor):
    return sum(event["tcp_state"]["to"] == "ESTABLISHED" and event["tcp_state"]["endpoint"] == "server"
               for event in sensor.events("tcp_state"))


def test_when_the_interface_vanishes_everything_is_written_and_it_fails(place):
    wire = place.wire()
    sensor = watched_connection(place, wire)
    wire.server.ip("link", "delete", "wire")
    check_equal(sensor.process.wait(10 * place.patience), 1, "exit code")
    errors = [line for line in sensor.stderr().splitlines() if line.startswith("tcpwitness: ")]
    check_equal(len(errors), 1, f"lines of complaint ({errors})")
    check("interface wire: capture ended: The interface disappeared" in errors[0], f"the reason in {errors[0]!r}")
    check("by the kernel" in sensor.stderr(), "summary for people")
    events = read_events(sensor.output)
    check_equal([flow["flow"]["reason"] for flow in flows_of(events).values()], ["shutdown"], "the record")
    check_equal(events[-1]["event_type"], "summary", "the last event")


def test_an_interface_that_goes_down_and_comes_back_is_watched_on(place):
    wire = place.wire()
    sensor = watched_connection(place, wire)
    wire.server.ip("link", "set", "wire", "down")
    wire.server.ip("link", "set", "wire", "up")
    wire.lay_routes()
    wire.connect(wire.listen(PORT + 1))
    wait_until(lambda: n_established(sensor) == 2, "another connection", 10 * place.patience)
    check_equal(sensor.stop()[0], 0, "exit code")


if __name__ == "__main__":
    sys.exit(main(globals()))
