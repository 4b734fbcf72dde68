#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""tcpwitness -i --threads N: each thread has a ring of its own, among which the kernel deals out the frames. What comes
of it is what one thread would make of all."""

import contextlib
import pathlib
import socket
import struct
import sys
import time

from conversations import PORT, flows_of
from harness import check, check_equal, main, read_events, wait_until
from lab.segment import ACK, ICMP, PSH, SYN, checksum, forge, mss_option
from wire import CLIENT, NOBODY, SERVER, SynFlood

N_THREADS = 3
N_CONNECTIONS = 200
N_FORGED = 24
IDLE_SECONDS = 3
IDLE_CPU_SECONDS = 0.1
ROUTER = "10.8.1.77"
FRAGMENT_BYTES = 512
MORE_FRAGMENTS = 0x2000
FLOOD_RATE = 3000
FLOOD_SECONDS = 6
ALARM_APART_SECONDS = 0.3


def raw_socket(wire):
    return wire.client.run(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def ring_of(event):
    """Frames are numbered in steps of the number of rings."""
    return event["flow_id"] % N_THREADS


def connections_told(sensor, n):
    def enough():
        told = {event["flow_id"] for event in sensor.events("tcp_state")}
        return len(told) >= n

    wait_until(enough, f"events of {n} connections", 30)


def test_connections_are_whole(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, threads=N_THREADS)
    wire.converse(wire.listen(PORT), times=N_CONNECTIONS)
    connections_told(sensor, N_CONNECTIONS)
    check_equal(sensor.stop()[0], 0, "exit code")
    events = read_events(sensor.output)
    flows = flows_of(events).values()
    check_equal(len(flows), N_CONNECTIONS, "connections")
    check_equal({flow["witness"]["conn_state"] for flow in flows}, {"SF"}, "conn_state")
    check_equal({flow["witness"]["visibility"] for flow in flows}, {"both"}, "directions seen")
    check_equal(len({flow["flow_id"] for flow in flows}), N_CONNECTIONS, "different flow ids")
    shares = [sum(ring_of(flow) == ring for flow in flows) for ring in range(N_THREADS)]
    check(min(shares) > N_CONNECTIONS / N_THREADS / 2, f"connections by ring: {shares}")
    summary = events[-1]["summary"]
    check_equal((summary["connections"], summary["kernel_dropped"]), (N_CONNECTIONS, 0), "connections and drops")


def syn(port):
    return forge(CLIENT, NOBODY, port, PORT, SYN, port * 7919, options=mss_option())


def unreachable(quoted):
    """An ICMP error of a router on the way."""
    icmp = struct.pack("!BBHI", 3, 1, 0, 0) + quoted[:28]
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), 0, 0, 64, ICMP, 0, socket.inet_aton(ROUTER),
                         socket.inet_aton(SERVER))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + icmp


def test_an_icmp_error_comes_to_the_connection_that_it_quotes(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, threads=N_THREADS)
    with raw_socket(wire) as raw:
        for port in range(20000, 20000 + N_FORGED):
            raw.sendto(syn(port), (NOBODY, 0))
            raw.sendto(unreachable(syn(port)), (SERVER, 0))
    connections_told(sensor, N_FORGED)
    sensor.stop()
    tcp = [event["stats"]["tcp"] for event in read_events(sensor.output) if event["event_type"] == "stats"][-1]
    check_equal((tcp["icmp_matched"], tcp["icmp_unmatched"]), (N_FORGED, 0), "errors with and without a connection")


def fragments(packet):
    """The packet in pieces."""
    payload = packet[20:]
    for at in range(0, len(payload), FRAGMENT_BYTES):
        part = payload[at:at + FRAGMENT_BYTES]
        more = MORE_FRAGMENTS if at + FRAGMENT_BYTES < len(payload) else 0
        header = packet[:2] + struct.pack("!HHHBBH", 20 + len(part), 4711, more | at // 8, packet[8], packet[9], 0)
        header += packet[12:20]
        yield header[:10] + struct.pack("!H", checksum(header)) + header[12:] + part


def test_a_segment_in_fragments_comes_to_its_connection(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, threads=N_THREADS)
    n_bytes = 2 * FRAGMENT_BYTES
    with raw_socket(wire) as raw:
        for port in range(20000, 20000 + N_FORGED):
            raw.sendto(syn(port), (NOBODY, 0))
            data = forge(CLIENT, NOBODY, port, PORT, ACK | PSH, port * 7919 + 1, 1, payload=bytes(n_bytes))
            for fragment in fragments(data):
                raw.sendto(fragment, (NOBODY, 0))
    connections_told(sensor, N_FORGED)
    sensor.stop()
    flows = flows_of(read_events(sensor.output)).values()
    check_equal(len(flows), N_FORGED, "connections")
    check_equal({flow["witness"]["client"]["payload_bytes"] for flow in flows}, {n_bytes}, "bytes of each")


def test_an_alarm_is_that_of_one_thread(place):
    wire = place.wire()
    sensors = [place.sensor(wire.server, threads=n, events="alert,stats,summary") for n in (1, N_THREADS)]
    listener = wire.listen(PORT)
    wire.converse(listener, times=5)
    with contextlib.closing(SynFlood(wire, SERVER, PORT, FLOOD_RATE, limit=FLOOD_RATE * FLOOD_SECONDS)) as flood:
        flood.wait()

    def raised(sensor):
        return [event for event in sensor.events("alert") if event["detection"]["phase"] == "raised"]

    for sensor in sensors:
        wait_until(lambda: raised(sensor), "an alarm", 30 * place.patience)  # pylint: disable=cell-var-from-loop
        sensor.stop()
    one, several = (raised(sensor) for sensor in sensors)
    what = [[(alarm["detection"]["detector"], alarm["detection"]["target"]) for alarm in alarms]
            for alarms in (one, several)]
    check_equal(what[1], what[0], "alarms")
    seconds = [float(alarms[0]["timestamp"][17:26]) for alarms in (one, several)]
    check(abs(seconds[0] - seconds[1]) < ALARM_APART_SECONDS * place.patience, f"raised at {seconds}")
    summaries = [read_events(sensor.output)[-1]["summary"] for sensor in sensors]
    for name in ("connections", "alerts", "kernel_dropped", "decode_refused", "evicted"):
        check_equal(summaries[1][name], summaries[0][name], f"{name} in the summary")


def test_rest_is_quiet(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, threads=N_THREADS)
    tasks = list(pathlib.Path(f"/proc/{sensor.pid}/task").iterdir())
    check(len(tasks) >= N_THREADS + 1, f"a thread for each ring beside the main thread ({len(tasks)} threads)")
    time.sleep(1)
    before = sensor.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    used = sensor.cpu_seconds() - before
    check(used < IDLE_CPU_SECONDS * place.patience, f"{used:.2f} s of processor time in {IDLE_SECONDS} s")


if __name__ == "__main__":
    sys.exit(main(globals()))
