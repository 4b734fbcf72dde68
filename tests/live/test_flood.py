#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""An attack on a real service, watched as it happens."""

import contextlib
import sys
import time

from conversations import PORT
from harness import check, check_equal, main, read_events, wait_until
from wire import SERVER, SynFlood

RATE = 3000
ALARM_SECONDS = 2


def test_a_syn_flood_raises_its_alarm_within_two_seconds(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, events="alert,stats,summary")
    listener = wire.listen(PORT)
    wire.converse(listener, times=5)
    with contextlib.closing(SynFlood(wire, SERVER, PORT, RATE)) as flood:
        alarm = wait_until(lambda: [event for event in sensor.events("alert")
                                    if event["detection"]["detector"] == "syn_flood"],
                           "an alarm", 30)[0]
        seconds = time.monotonic() - flood.began
    check(seconds < ALARM_SECONDS * place.patience, f"alarm after {seconds:.2f} s, {flood.sent} SYNs")
    detection = alarm["detection"]
    check_equal(detection["phase"], "raised", "phase")
    check_equal(detection["target"], {"ip": SERVER, "port": PORT}, "target")
    check_equal((alarm["dest_ip"], alarm["dest_port"]), (SERVER, PORT), "dest")
    check(detection["sources"]["distinct"] > 100, f"sources: {detection['sources']}")
    check(detection["command"].startswith(f"tcpdump -i wire -w alarm.pcap 'host {SERVER}'; tcpwitness -q -r alarm.pcap "),
          f"command: {detection['command']}")
    check_equal(sensor.stop()[0], 0, "exit code")
    summary = read_events(sensor.output)[-1]["summary"]
    check(summary["alerts"]["raised"] >= 1, f"alarms in the summary: {summary['alerts']}")
    check(summary["connections"] > 5, f"connections in the summary: {summary['connections']}")


if __name__ == "__main__":
    sys.exit(main(globals()))
