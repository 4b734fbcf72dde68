# SPDX-License-Identifier: BSD-2-Clause
"""Real connections in every state that two kernels can hold them in, and what events say about them."""

import errno
import socket
import threading
from collections import defaultdict

from wire import NOBODY, SERVER

PORT, CLOSED_PORT = 8080, 8081
MEGABYTE = 1 << 20
RESET_ON_CLOSE = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 s


class Conversations:
    """connections: {name: (client's address, port, server's address, port)}"""

    def __init__(self, wire):
        self.wire = wire
        self.listener = wire.listen(PORT)
        self.connections = {}
        self._sockets = []

    def open_all(self):
        for kind in (closed_by_client, closed_by_server, half_closed, reset, transfer, left_open):
            client, server = self.wire.connect(self.listener)
            self._sockets += client, server
            self.connections[kind.__name__] = client.getsockname() + (SERVER, PORT)
            kind(client, server)
        self._attempt("refused", (SERVER, CLOSED_PORT), errno.ECONNREFUSED)
        self._attempt("silent", (NOBODY, PORT), errno.EINPROGRESS)

    def _attempt(self, name, to, result):
        client = self.wire.client.socket()
        client.bind((self.wire.client.address, 0))
        client.setblocking(result != errno.EINPROGRESS)
        self._sockets.append(client)
        self.connections[name] = client.getsockname() + to
        found = client.connect_ex(to)
        if found != result:
            raise AssertionError(f"{name}: connect() ended with {errno.errorcode.get(found)}")

    def kernel_states(self):
        """{name: (client's state, server's)}; CLOSED is what a kernel does not list."""
        client, server = self.wire.client.states(), self.wire.server.states()
        return {name: (client.get(ends, "CLOSED"), server.get(ends[2:] + ends[:2], "CLOSED"))
                for name, ends in self.connections.items()}

    def told_states(self, events):
        """The same, as the events say."""
        steps = steps_of(events)
        return {name: tuple(last_state(steps[ends], side) for side in ("client", "server"))
                for name, ends in self.connections.items()}


def closed_by_client(client, server):
    client.close()
    server.recv(1)
    server.close()


def closed_by_server(client, server):
    closed_by_client(server, client)


def half_closed(client, server):
    client.shutdown(socket.SHUT_WR)
    server.recv(1)


def reset(client, server):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    client.close()


def transfer(client, server):
    sender = threading.Thread(target=client.sendall, args=(bytes(MEGABYTE),))
    sender.start()
    received = 0
    while received < MEGABYTE:
        received += len(server.recv(MEGABYTE))
    sender.join()


def left_open(client, server):
    client.sendall(b"question\n")
    server.recv(9, socket.MSG_WAITALL)


def ends_of(event):
    return event["src_ip"], event["src_port"], event["dest_ip"], event["dest_port"]


def flows_of(events):
    """{ends: flow record}"""
    return {ends_of(event): event for event in events if event["event_type"] == "flow"}


def steps_of(events):
    """{ends: [what its tcp_state events say, in order]}"""
    found = defaultdict(list)
    for event in events:
        if event["event_type"] == "tcp_state":
            found[ends_of(event)].append(event["tcp_state"])
    return found


def path_of(steps, side):
    """The states of one end, in order."""
    own = [step for step in steps if step["endpoint"] == side]
    return [own[0]["from"]] + [step["to"] for step in own if step["to"] != step["from"]] if own else []


def last_state(steps, side):
    """As a kernel lists it: it does not list what waits for nothing, nor a listener for one connection."""
    path = path_of(steps, side)
    return path[-1] if path and path[-1] != "LISTEN" else "CLOSED"
