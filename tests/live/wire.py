# SPDX-License-Identifier: BSD-2-Clause
"""Two hosts, each in a namespace of its own, joined by a pair of virtual Ethernet interfaces: a real path between
real kernels, offloads included. Both interfaces are called `wire`."""

import ipaddress
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from lab.netns import Host  # noqa: E402
from lab.pcapfile import LINKTYPE_ETHERNET, MAGIC_NANO  # noqa: E402
from lab.segment import SYN, forge, mss_option  # noqa: E402

CLIENT, SERVER, NOBODY = "10.8.1.1", "10.8.1.2", "10.8.1.99"
SO_TIMESTAMPNS, SO_RCVBUFFORCE, ETH_P_ALL = 35, 33, 3


class WireHost(Host):
    """As Host; its link is one end of a wire, laid by Wire."""

    def _open_link(self, device, addresses):
        for name, value in (("accept_ra", 0), ("router_solicitations", 0), ("addr_gen_mode", 1)):
            self._write("net.ipv6.conf.default." + name, value)
        for name, value in (("ip_forward", 0), ("conf.all.rp_filter", 0), ("conf.default.rp_filter", 0)):
            self._write("net.ipv4." + name, value)
        self.thread_id = threading.get_native_id()
        return os.open(os.devnull, os.O_RDONLY)

    @staticmethod
    def _write(name, value):
        with open("/proc/sys/" + name.replace(".", "/"), "w") as file:
            file.write(str(value))

    def ip(self, *words):
        return self.command("ip", *words)

    def link(self):
        """What the kernel says about the interface."""
        return json.loads(self.ip("-details", "-json", "link", "show", "wire"))[0]


class Wire:
    """client and server. A SYN to NOBODY leaves the client and is never answered."""

    def __init__(self):
        self.hosts = []
        try:
            for name, address in (("client", CLIENT), ("server", SERVER)):
                self.hosts.append(WireHost(name, [address + "/24"]))
            self.client, self.server = self.hosts
            self.client.ip("link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns",
                           str(self.server.thread_id))
            for host in self.hosts:
                host.ip("link", "set", "lo", "up")
                host.ip("address", "add", f"{host.address}/24", "dev", "wire")
                host.ip("link", "set", "wire", "up")
            self.lay_routes()
        except subprocess.CalledProcessError as failure:
            self.close()
            raise OSError(failure.stderr.strip()) from failure
        except BaseException:
            self.close()
            raise

    def lay_routes(self):
        """Also to be called after an interface was down. Neighbours are known, so that nothing waits, or is lost,
        while one host asks for the other."""
        server_mac, client_mac = self.server.link()["address"], self.client.link()["address"]
        for address in (SERVER, NOBODY):
            self.client.ip("neighbour", "replace", address, "lladdr", server_mac, "dev", "wire")
        self.server.ip("neighbour", "replace", CLIENT, "lladdr", client_mac, "dev", "wire")
        self.server.ip("route", "replace", "default", "via", CLIENT)

    def close(self):
        for host in self.hosts:
            host.close()

    def listen(self, port, backlog=4096):
        return self.server.listen(port, backlog)

    def connect(self, listener):
        """A connection: (client's socket, server's socket)."""
        client = self.client.socket()
        client.connect(listener.getsockname())
        return client, self.server.accept(listener)

    def converse(self, listener, times=1, request=b"question\n", answer=b"answer\n"):
        """That many connections, one after the other: a request, an answer, closed by the client, then by the server.
        Returns the client's address and port of the last one."""
        for _ in range(times):
            client, server = self.connect(listener)
            last = client.getsockname()
            client.sendall(request)
            server.recv(len(request), socket.MSG_WAITALL)
            server.sendall(answer)
            client.recv(len(answer), socket.MSG_WAITALL)
            client.close()
            server.recv(1)
            server.close()
        return last


class Recorder:
    """A recording of what passes an interface, by a packet socket beside the sensor's, until save()."""

    def __init__(self, host, interface="wire"):
        self._frames = []
        self._socket = host.run(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        host.run(self._socket.bind, (interface, ETH_P_ALL))

    def save(self, path):
        """Writes what came so far; tells how many frames that are."""
        self._socket.setblocking(False)
        n_frames = 0
        with open(path, "wb") as file:
            file.write(struct.pack("<IHHiIII", MAGIC_NANO, 2, 4, 0, 0, 262144, LINKTYPE_ETHERNET))
            while True:
                try:
                    frame, extra, _, _ = self._socket.recvmsg(1 << 18, 64)
                except BlockingIOError:
                    break
                stamp = next(data for level, kind, data in extra if kind == SO_TIMESTAMPNS)
                file.write(struct.pack("<IIII", *struct.unpack("qq", stamp), len(frame), len(frame)) + frame)
                n_frames += 1
        self._socket.close()
        return n_frames


class SynFlood:
    """SYNs from addresses that are none of the client's, sent by the client's namespace, at rate a second or as fast as
    it can, until close() or until there were limit."""

    def __init__(self, wire, address, port, rate, limit=None):
        self._socket = wire.client.run(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._address, self._port, self._rate, self._limit = address, port, rate, limit
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.sent = 0
        self.began = time.monotonic()
        self._thread.start()

    def _send(self):
        first = int(ipaddress.ip_address("198.18.0.1"))
        while self.sent != self._limit and not self._stop.is_set():
            if self.sent >= (time.monotonic() - self.began) * self._rate:
                self._stop.wait(0.002)
                continue
            source = str(ipaddress.ip_address(first + self.sent % 60000))
            raw = forge(source, self._address, 1024 + self.sent % 50000, self._port, SYN, self.sent * 7919,
                        options=mss_option())
            self._socket.sendto(raw, (self._address, 0))
            self.sent += 1

    def wait(self):
        """Until limit SYNs were sent."""
        self._thread.join()

    def close(self):
        self._stop.set()
        self._thread.join()
        self._socket.close()
