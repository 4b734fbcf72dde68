#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A client whose kernel runs out of ports towards one server: foretold, and known when it is there, although a connect()
that finds no port sends nothing."""

import datetime
import errno
import json
import socket
import subprocess
import sys
import time

from conversations import PORT
from harness import check, check_equal, main, wait_until
from wire import CLIENT, SERVER, Recorder

PORTS, RATE = 200, 12
FIRST_PORT = 20000
FAILING_SECONDS = 5
MOST_ERROR = 0.1  # of the seconds that are left, by the forecast
CLOCK_SECONDS = 0.5  # a tick, and how evenly this program opens connections
OCCUPANCIES = (0.5, 0.6, 0.7, 0.8, 0.9)


class Exhaustion:
    """One connection after the other, each closed by the client first, until none can be opened; then as many tries."""

    def __init__(self, wire):
        wire.client.sysctl("net.ipv4.ip_local_port_range", f"{FIRST_PORT} {FIRST_PORT + PORTS - 1}")
        wire.client.sysctl("net.ipv4.tcp_tw_reuse", 0)
        self.wire = wire
        self.listener = wire.listen(PORT)
        self.opened = 0
        self.failures = 0
        self.first_failure = None

    def run(self):
        began = time.monotonic()
        while self.first_failure is None or time.time() < self.first_failure + FAILING_SECONDS:
            time.sleep(max(0, began + (self.opened + self.failures) / RATE - time.monotonic()))
            self._connect()

    def _connect(self):
        client = self.wire.client.socket()
        try:
            client.connect((SERVER, PORT))
        except OSError as failure:
            check_equal(failure.errno, errno.EADDRNOTAVAIL, "why connect() fails")
            self.first_failure = self.first_failure or time.time()
            self.failures += 1
            return
        server = self.wire.server.accept(self.listener)
        client.shutdown(socket.SHUT_WR)
        server.recv(1)
        server.close()
        client.recv(1)
        client.close()
        self.opened += 1


def rules(place, **parameters):
    """The file of a rule in which the client's ports are known; with other parameters for it."""
    path = place.path("-".join(["ports", *map(str, parameters.values())]) + ".yaml")
    named = ", ".join(f"{name}: {value}" for name, value in {"port_range": PORTS, **parameters}.items())
    path.write_text(f"detector: time_wait_exhaustion\noverrides:\n  - address: {CLIENT}\n    parameters: {{ {named} }}\n")
    path.chmod(0o644)
    return path


def seconds_of(timestamp):
    return datetime.datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


def alarms(events):
    return [event for event in events if event.get("detection", {}).get("detector") == "time_wait_exhaustion"]


def first_warning(events):
    check(alarms(events), "there is no alarm")
    return alarms(events)[0]


def check_warning(warning, exhaustion):
    detection = warning["detection"]
    check_equal(detection["target"], {"client": CLIENT, "ip": SERVER, "port": PORT}, "target")
    check_equal((detection["phase"], detection["class"]), ("raised", "client_ports_running_out"), "the first alarm")
    check_equal(detection["forecast"]["capacity"], PORTS, "ports of the client")
    left = exhaustion.first_failure - seconds_of(warning["timestamp"])
    check(left > 0, f"the alarm comes {-left:.1f} s after the first connect() failed")


def check_forecast(place, capture, occupancy, first_failure):
    """The recording again, with a rule that warns from that occupancy on."""
    command = (place.binary, "-q", "-r", str(capture), "--events", "alert", "--rules",
               str(rules(place, warn_at=occupancy, warn_always_at=1)))
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    warning = first_warning([json.loads(line) for line in lines])
    forecast = warning["detection"]["forecast"]
    check(occupancy <= forecast["occupancy"] <= occupancy + 0.06, f"warned at {forecast['occupancy']}, wanted {occupancy}")
    left = first_failure - seconds_of(warning["timestamp"])
    error = forecast["seconds_left"] - left
    print(f"  at {forecast['occupancy']:.0%}: {forecast['seconds_left']:.1f} s left are foretold, {left:.1f} s were left")
    check(abs(error) <= max(MOST_ERROR * left, CLOCK_SECONDS * place.patience),
          f"at {forecast['occupancy']:.0%} {forecast['seconds_left']:.1f} s left are foretold, {left:.1f} s were left")


def test_the_exhaustion_of_ports_is_foretold_and_known_when_it_is_there(place):
    wire = place.wire()
    sensor = place.sensor(wire.client, "--rules", str(rules(place)), events="alert,summary")
    recorder = Recorder(wire.client)
    exhaustion = Exhaustion(wire)
    exhaustion.run()
    check_equal(exhaustion.opened, PORTS, "connections until the kernel had no port left")
    check(exhaustion.failures >= 2 * RATE, f"only {exhaustion.failures} connects failed")
    check_warning(first_warning(sensor.events()), exhaustion)
    exhausted = wait_until(lambda: [event for event in alarms(sensor.events())
                                    if event["detection"]["class"] == "client_ports_exhausted"], "that ports are gone")[0]
    check_equal((exhausted["detection"]["phase"], exhausted["alert"]["severity"]), ("update", 1), "what is said then")
    check("connects are failing now, without a packet" in exhausted["detection"]["explanation"],
          exhausted["detection"]["explanation"])
    check_equal(exhausted["detection"]["forecast"]["seconds_left"], 0, "seconds left")
    late = seconds_of(exhausted["detection"]["forecast"]["exhaustion_at"]) - exhaustion.first_failure
    check(abs(late) <= 1.5 * place.patience, f"ports are said to be gone {late:+.1f} s after the first failure")
    check_equal(sensor.stop()[0], 0, "exit code")
    capture = place.path("exhaustion.pcap")
    recorder.save(capture)
    for occupancy in OCCUPANCIES:
        check_forecast(place, capture, occupancy, exhaustion.first_failure)


if __name__ == "__main__":
    sys.exit(main(globals()))
