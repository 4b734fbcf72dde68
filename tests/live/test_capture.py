#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""tcpwitness -i on a real interface: what it sees of real kernels' connections, and how it stops."""

import contextlib
import signal
import socket
import subprocess
import sys

from conversations import MEGABYTE, PORT, Conversations, ends_of, flows_of, path_of, steps_of
from harness import check, check_equal, main, read_events, wait_until
from lab.laboratory import Lab, Scenario
from lab.mirror import MirrorTap
from sensor import RULES
from wire import SERVER, Recorder

TRANSFER_BYTES = MEGABYTE
STOP_SECONDS = 1.0
ACTIVE = ["CLOSED", "SYN_SENT", "ESTABLISHED"]
PASSIVE = ["LISTEN", "SYN_RCVD", "ESTABLISHED"]
ACTIVE_CLOSE = ["FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT"]
PASSIVE_CLOSE = ["CLOSE_WAIT", "LAST_ACK", "CLOSED"]
# What the ends of each kind of conversation go through: client, server, outcome.
WANTED = {
    "closed_by_client": (ACTIVE + ACTIVE_CLOSE, PASSIVE + PASSIVE_CLOSE, "completed_normal"),
    "closed_by_server": (ACTIVE + PASSIVE_CLOSE, PASSIVE + ACTIVE_CLOSE, "completed_normal"),
    "half_closed": (ACTIVE + ACTIVE_CLOSE[:2], PASSIVE + PASSIVE_CLOSE[:1], None),
    "reset": (ACTIVE + ["CLOSED"], PASSIVE + ["CLOSED"], None),
    "transfer": (ACTIVE, PASSIVE, None),
    "left_open": (ACTIVE, PASSIVE, None),
    "refused": (["CLOSED", "SYN_SENT", "CLOSED"], None, "refused"),
    "silent": (["CLOSED", "SYN_SENT"], None, None),
}


def watch(place, wire, sensor):
    """Conversations whose states, as the sensor tells them, are those of their kernels."""
    conversations = Conversations(wire)
    conversations.open_all()
    differing = {}

    def agree():
        kernel, told = conversations.kernel_states(), conversations.told_states(sensor.events())
        differing.clear()
        differing.update({name: (told[name], kernel[name]) for name in kernel if told[name] != kernel[name]})
        return not differing

    try:
        wait_until(agree, "states as the kernels have them", 10 * place.patience)
    except AssertionError as failure:
        raise AssertionError(f"{failure}\n{{conversation: (told, kernel's)}}: {differing}") from None
    return conversations


def test_states_are_those_of_the_kernels(place):
    wire = place.wire()
    sensor = place.sensor(wire.server)
    conversations = watch(place, wire, sensor)
    check_equal(sensor.stop()[0], 0, "exit code")
    events = read_events(sensor.output)
    steps, flows = steps_of(events), flows_of(events)
    for name, (client, server, outcome) in WANTED.items():
        ends = conversations.connections[name]
        check_equal(path_of(steps[ends], "client"), client, f"{name}: path of the client")
        if server is not None:
            check_equal(path_of(steps[ends], "server"), server, f"{name}: path of the server")
        if outcome is not None:
            check_equal(flows[ends]["witness"]["outcome"], outcome, f"{name}: outcome")
    sent = flows[conversations.connections["transfer"]]["witness"]["client"]["payload_bytes"]
    check_equal(sent, TRANSFER_BYTES, "bytes of the transfer")
    check(all(event["in_iface"] == "wire" for event in flows.values()), "the interface is named")


def without_numbers(steps):
    """Rings number their frames in a way of their own."""
    return [{name: value for name, value in step.items() if name != "caused_by"} for step in steps]


def test_a_recording_of_the_same_time_gives_the_same_states(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, bpf=("tcp",))
    recorder = Recorder(wire.server)
    conversations = watch(place, wire, sensor)
    sensor.stop()
    recorder.save(place.path("recorded.pcap"))
    replayed = place.path("replayed.json")
    subprocess.run((place.binary, "-q", "-r", place.path("recorded.pcap"), "--rules", RULES, "--events",
                    "flow,tcp_state", "-o", f"file:{replayed}", "tcp"), check=True, timeout=60 * place.patience)
    live, recorded = read_events(sensor.output), read_events(replayed)
    live_steps, recorded_steps = steps_of(live), steps_of(recorded)
    live_flows, recorded_flows = flows_of(live), flows_of(recorded)
    for name, ends in conversations.connections.items():
        check(live_steps[ends], f"{name}: the sensor said nothing")
        wanted, found = recorded_steps[ends][:len(live_steps[ends])], live_steps[ends]
        if place.threads > 1:
            wanted, found = without_numbers(wanted), without_numbers(found)
        check_equal(found, wanted, f"{name}: steps")
        for side in ("client", "server"):
            states = [flows[ends]["witness"][side]["state"] for flows in (live_flows, recorded_flows)]
            check_equal(states[0], states[1], f"{name}: last state of the {side}")


def test_a_mirror_port_shows_what_other_hosts_say(place):
    """The sensor's own host takes part in nothing, and the frames carry a VLAN tag that the kernel takes off."""
    with Lab(Scenario("mirrored", 1, None, link="vlan:7", many=True, port=PORT)) as lab, \
            contextlib.closing(MirrorTap("vlan:7")) as mirror:
        lab.path.set_tap(mirror)
        sensor = place.sensor(mirror.host, interface="path")
        client, server = lab.connect()
        lab.exchange(client, server)
        client.close()
        server.recv(1)
        server.close()
        wait_until(lambda: path_of(sum(steps_of(sensor.events()).values(), []), "client")[-1:] == ["TIME_WAIT"],
                   "the client in TIME_WAIT", 10 * place.patience)
        check_equal(mirror.failures, 0, "frames that the mirror could not take")
        check_equal(sensor.stop()[0], 0, "exit code")
    flow, = flows_of(read_events(sensor.output)).values()
    check_equal((flow["dest_ip"], flow["dest_port"]), (lab.server.address, lab.port), "server")
    check_equal(flow["vlan"], [7], "VLAN")
    check_equal(flow["witness"]["conn_state"], "SF", "conn_state")


def check_stop(place, signal_number):
    wire = place.wire()
    sensor = place.sensor(wire.server)
    listener = wire.listen(PORT)
    kept = [wire.connect(listener) for _ in range(200)]
    opened = {client.getsockname() + (SERVER, PORT) for client, _ in kept}

    def established():
        told = sensor.events("tcp_state")
        return len({ends_of(event) for event in told
                    if event["tcp_state"]["to"] == "ESTABLISHED" and event["tcp_state"]["endpoint"] == "server"})

    wait_until(lambda: established() == len(kept), "all connections established", 10 * place.patience)
    code, seconds = sensor.stop(signal_number)
    check_equal(code, 0, "exit code")
    check(seconds < STOP_SECONDS * place.patience, f"ended after {seconds:.2f} s")
    events = read_events(sensor.output)
    flows = flows_of(events)
    check_equal(set(flows), opened, "connections recorded")
    check_equal({event["flow"]["reason"] for event in flows.values()}, {"shutdown"}, "reasons")
    check_equal(events[-1]["event_type"], "summary", "the last event")
    check_equal(events[-1]["summary"]["connections"], len(kept), "connections in the summary")
    check_equal(events[-1]["summary"]["kernel_dropped"], 0, "kernel_dropped")
    check("dropped      0 by the kernel, 0 by the interface, 0 events\n" in sensor.stderr(), "drops, for people")


def test_sigint_ends_at_once_and_records_every_connection(place):
    check_stop(place, signal.SIGINT)


def test_sigterm_ends_at_once_and_records_every_connection(place):
    check_stop(place, signal.SIGTERM)


def test_what_the_kernel_dropped_is_said(place):
    """While the sensor is stopped, more passes than its ring in the kernel holds."""
    wire = place.wire()
    sensor = place.sensor(wire.server, "--set", "capture.buffer=1M", "--set", "stats.interval=100ms")
    sender = wire.client.run(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    with sender:
        sensor.process.send_signal(signal.SIGSTOP)
        for _ in range(4000):
            sender.sendto(bytes(1400), (SERVER, 9))
        sensor.process.send_signal(signal.SIGCONT)

        def last_count():
            told = sensor.events("stats")
            return told[-1]["stats"]["capture"]["kernel_dropped"] if told else 0

        wait_until(last_count, "drops in a stats event", 10 * place.patience)
    sensor.stop()
    capture, summary = (read_events(sensor.output)[at] for at in (-2, -1))
    dropped = summary["summary"]["kernel_dropped"]
    check_equal(capture["stats"]["capture"]["kernel_dropped"], dropped, "in the last stats event")
    check(1000 < dropped <= 4000, f"{dropped} frames dropped")
    check(f"dropped      {dropped} by the kernel" in sensor.stderr(), "drops, for people")


def promiscuity(host):
    return host.link()["promiscuity"]


def test_the_interface_is_promiscuous_while_it_is_watched(place):
    wire = place.wire()
    sensor = place.sensor(wire.server)
    check_equal(promiscuity(wire.server), 1, "promiscuity while it runs")
    sensor.stop()
    check_equal(promiscuity(wire.server), 0, "promiscuity afterwards")
    place.sensor(wire.server, "--set", "capture.promiscuous=no")
    check_equal(promiscuity(wire.server), 0, "promiscuity when it is not wanted")


def test_a_filter_decides_what_is_seen(place):
    wire = place.wire()
    sensor = place.sensor(wire.server, bpf=("tcp", "port", str(PORT)))
    wire.converse(wire.listen(PORT + 1))
    wire.converse(wire.listen(PORT))
    wait_until(lambda: sensor.events("tcp_state"), "an event", 10 * place.patience)
    sensor.stop()
    check_equal({event["dest_port"] for event in flows_of(read_events(sensor.output)).values()}, {PORT}, "ports")


if __name__ == "__main__":
    sys.exit(main(globals()))
