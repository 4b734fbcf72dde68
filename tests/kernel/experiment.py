# SPDX-License-Identifier: BSD-2-Clause
"""One run: two hosts, the path with its tap, a workload; and what the kernels themselves say of it.

Leaves in its folder: tap.pcap (what the tap saw), journal (what became of every segment, see relay_log.h) and truth.json: the
trace of states and the listings of all sockets, with the number of frames captured before each."""

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from lab.netns import Host  # pylint: disable=wrong-import-position
from lab.truth import StateTrace  # pylint: disable=wrong-import-position

import scripts  # pylint: disable=wrong-import-position
from workload import World  # pylint: disable=wrong-import-position

ADDRESSES = {4: ("10.9.0.1/24", "10.9.0.2/24", "10.9.0.3"),
             6: ("2001:db8:9::1/64", "2001:db8:9::2/64", "2001:db8:9::3")}
PORTS_OF_A_RUN = 8


@dataclass
class Settings:
    """lost_before, lost_behind, duplicated, reordered: probabilities for each segment. quiet_ms: how long nothing must move
    before the kernels are asked."""
    name: str
    seed: int
    ip: int = 4
    first_port: int = 20000
    connections: int = 150
    lost_before: float = 0
    lost_behind: float = 0
    duplicated: float = 0
    reordered: float = 0
    near_us: int = 700
    far_us: int = 3000
    quiet_ms: int = 1500
    linear_syn_timeouts: int = 4
    syn_cookies: int = 1


class Relay:
    def __init__(self, program, client, server, settings, folder):
        self._process = subprocess.Popen(
            (program, str(client.tun), str(server.tun), str(settings.seed), str(settings.near_us), str(settings.far_us),
             os.path.join(folder, "tap.pcap"), os.path.join(folder, "journal")),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=(client.tun, server.tun))
        self._answer()

    def _answer(self):
        line = self._process.stdout.readline().split()
        if not line:
            raise RuntimeError("the relay has died")
        return line[0], int(line[1])

    def _ask(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def set_path(self, settings):
        self._ask(f"path {settings.lost_before} {settings.lost_behind} {settings.duplicated} {settings.reordered}")

    def settle(self, idle_ms, timeout_ms):
        """(whether the path became quiet, frames captured so far)"""
        word, frames = self._ask(f"settle {idle_ms} {timeout_ms}")
        return word == "quiet", frames

    def close(self):
        if self._process.poll() is None:
            self._process.stdin.write("end\n")
            self._process.stdin.close()
        if self._process.wait(30) != 0:
            raise RuntimeError("the relay failed")


def prepare(host, settings):
    host.sysctl("net.ipv4.tcp_fastopen", 3)
    host.sysctl("net.ipv4.tcp_syn_linear_timeouts", settings.linear_syn_timeouts)
    host.sysctl("net.ipv4.tcp_syncookies", settings.syn_cookies)


def list_sockets(host):
    """Listeners apart: they are not one end of anything."""
    return [[*key, state] for key, state in host.states().items() if key[3] != 0]


def run(settings, folder, relay_program):
    client_net, server_net, silent = ADDRESSES[settings.ip]
    snapshots = []
    with contextlib.ExitStack() as parts:
        client, server = (Host(name, [net]) for name, net in (("client", client_net), ("server", server_net)))
        parts.callback(client.close)
        parts.callback(server.close)
        for host in (client, server):
            prepare(host, settings)
        relay = Relay(relay_program, client, server, settings, folder)
        parts.callback(relay.close)
        relay.set_path(settings)
        trace = StateTrace(settings.first_port, settings.first_port + PORTS_OF_A_RUN - 1)
        parts.callback(trace.close)
        world = World(client, server, silent, settings.first_port, settings.seed)
        scripts.cast(world, settings.connections)
        going = True
        while going:
            world.scheduler.run_until_held()
            quiet, frames = relay.settle(settings.quiet_ms, 20000)
            snapshots.append({"time": time.monotonic(), "quiet": quiet, "frames": frames,
                              "client": list_sockets(client), "server": list_sockets(server)})
            going = world.scheduler.release()
        relay.close()
        trace.close()
    truth = {"settings": asdict(settings), "client": client.address, "server": server.address, "snapshots": snapshots,
             "gave_up": world.scheduler.gave_up, "trace_lost": trace.lost, "trace": trace.changes}
    with open(os.path.join(folder, "truth.json"), "w") as file:
        json.dump(truth, file)
    return truth
