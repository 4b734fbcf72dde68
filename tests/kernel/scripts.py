# SPDX-License-Identifier: BSD-2-Clause
"""What connections do: every way to open, use, close and lose one that real sockets can be made to go."""

import errno
import socket

from workload import HOLD, MSG_FASTOPEN, TCP_SYNCNT, GaveUp, World, receive, send, until_end

SCRIPTS = []


def script(share):
    """Registers a script; share: how often it is played, relative to the others. What is ordinary on networks is
    ordinary here, what is rare comes now and then."""

    def register(function):
        SCRIPTS.append((function, share))
        return function

    return register


def talk(world, client, server, rounds=None):
    """Requests and answers, as many as a short connection has."""
    for _ in range(rounds or world.random.randrange(1, 4)):
        request, answer = world.random.randrange(1, 2000), world.random.randrange(1, 9000)
        yield from send(client, request)
        yield from receive(server, request)
        yield from send(server, answer)
        yield from receive(client, answer)
        yield world.pause()


def ordered(world, first, ends):
    """(one that acts first, the other)."""
    return ends if first == "client" else (ends[1], ends[0])


def either(world):
    return world.random.choice(("client", "server"))


@script(1)
def opens_and_stays(world):
    """A handshake and nothing more."""
    yield from world.open()
    yield HOLD
    yield HOLD


@script(8)
def talks_and_stays(world):
    ends = yield from world.open()
    yield HOLD
    yield from talk(world, *ends)
    yield HOLD
    yield from talk(world, *ends)
    yield HOLD


@script(2)
def server_speaks_first(world):
    client, server = yield from world.open()
    yield from send(server, 80)
    yield from receive(client, 80)
    yield HOLD
    yield from send(client, 30)
    yield from receive(server, 30)
    world.close(world.random.choice((client, server)))
    yield HOLD


@script(8)
def closes_in_four(world):
    """One end closes; the other reads the end, stays open for a while (CLOSE_WAIT), then closes too."""
    ends = yield from world.open()
    yield from talk(world, *ends)
    if world.random.random() < 0.5:
        yield HOLD
    first, second = ordered(world, either(world), ends)
    first.shutdown(socket.SHUT_WR)
    yield from until_end(second)
    yield HOLD
    world.close(second)
    yield from until_end(first)
    yield HOLD


@script(10)
def closes_in_three(world):
    """The other end closes as soon as it reads the end: its FIN carries the acknowledgement."""
    ends = yield from world.open()
    yield from talk(world, *ends)
    first, second = ordered(world, either(world), ends)
    world.close(first)
    yield from until_end(second)
    world.close(second)
    yield HOLD


@script(2)
def closes_at_once(world):
    """Both ends close at the same time: FINs cross (RFC 9293 figure 13)."""
    client, server = yield from world.open()
    yield from talk(world, client, server)
    yield world.pause()
    world.close(client)
    if world.random.random() < 0.3:
        yield ("sleep", world.random.uniform(0, 0.03))
    world.close(server)
    yield HOLD


@script(3)
def half_closes(world):
    """One end has nothing more to say but listens on, while the other sends."""
    ends = yield from world.open()
    first, second = ordered(world, either(world), ends)
    yield from send(first, 500)
    first.shutdown(socket.SHUT_WR)
    yield from until_end(second)
    yield HOLD
    yield from send(second, 20000)
    yield from receive(first, 20000)
    yield HOLD
    yield from send(second, 3000)
    world.close(second)
    yield from until_end(first)
    world.close(first)
    yield HOLD


@script(8)
def transfers(world):
    """A longer stretch of data one way or both, then a close."""
    ends = yield from world.open()
    first, second = ordered(world, either(world), ends)
    size = world.random.randrange(20000, 150000)
    sender = world.random.random() < 0.5

    def other_way():
        yield from send(second, size // 2)

    if sender:
        world.scheduler.add(other_way())
    world.scheduler.add(send(first, size))
    yield from receive(second, size)
    if sender:
        yield from receive(first, size // 2)
    yield HOLD
    world.close(first)
    yield from until_end(second)
    world.close(second)
    yield HOLD


@script(2)
def is_refused(world):
    made, _ = yield from world.connect(World.CLOSED)
    assert made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (errno.ECONNREFUSED, errno.ETIMEDOUT)
    yield HOLD


@script(1)
def meets_silence(world):
    """Nobody answers: the SYN is repeated until the client gives up."""
    made, _ = world.client_socket()
    made.setsockopt(socket.IPPROTO_TCP, TCP_SYNCNT, world.random.randrange(1, 4))
    made.connect_ex((world.silent_address, world.port(World.SILENT)))
    yield HOLD
    yield HOLD


@script(1)
def gives_up_early(world):
    """The client closes while its SYN is under way: nothing says so until the SYN-ACK meets no socket."""
    made, _ = world.client_socket()
    made.connect_ex((world.server.address, world.port(World.SERVICE)))
    yield ("sleep", world.random.uniform(0, 0.01))
    world.close(made)
    yield HOLD


@script(4)
def aborts(world):
    """SO_LINGER 0: a RST at any time after the handshake, from either end."""
    ends = yield from world.open()
    if world.random.random() < 0.7:
        yield from talk(world, *ends, rounds=1)
    if world.random.random() < 0.5:
        yield HOLD
    first, _ = ordered(world, either(world), ends)
    if world.random.random() < 0.3:
        yield from send(first, 4000)
    world.abort(first)
    yield HOLD


@script(2)
def leaves_data_unread(world):
    """close() with data that nobody has read sends a RST (RFC 2525 2.17)."""
    ends = yield from world.open()
    first, second = ordered(world, either(world), ends)
    yield from send(first, 3000)
    yield ("read", second)
    world.close(second)
    yield HOLD


@script(2)
def sends_to_the_closed(world):
    """One end closes both ways, then data comes: RST (RFC 9293 3.6.1)."""
    ends = yield from world.open()
    yield from talk(world, *ends, rounds=1)
    first, second = ordered(world, either(world), ends)
    world.close(first)
    yield from until_end(second)
    yield HOLD
    yield from send(second, 1000)
    yield HOLD


@script(2)
def aborts_in_close(world):
    """A RST after a FIN of the other end, or after its own."""
    ends = yield from world.open()
    yield from talk(world, *ends, rounds=1)
    first, second = ordered(world, either(world), ends)
    first.shutdown(socket.SHUT_WR)
    yield from until_end(second)
    if world.random.random() < 0.5:
        yield HOLD
    world.abort(world.random.choice((first, second)))
    yield HOLD


@script(1)
def is_forgotten(world):
    """One end loses its memory; the other finds out by sending data (RFC 9293 figure 10)."""
    ends = yield from world.open()
    yield from talk(world, *ends, rounds=1)
    first, second = ordered(world, either(world), ends)
    world.vanish(first)
    yield HOLD
    yield from send(second, 100)
    yield HOLD


@script(1)
def finds_out_by_keepalive(world):
    ends = yield from world.open()
    yield from talk(world, *ends, rounds=1)
    first, second = ordered(world, either(world), ends)
    world.vanish(first)
    keep_alive(second)
    yield ("sleep", 2.5)
    yield HOLD


def keep_alive(made):
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 5)):
        made.setsockopt(socket.IPPROTO_TCP, option, value)


@script(1)
def is_kept_alive(world):
    ends = yield from world.open()
    yield from talk(world, *ends, rounds=1)
    end = world.random.choice(ends)
    keep_alive(end)
    yield ("sleep", 2.5)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
    yield HOLD
    world.close(end)
    yield HOLD


@script(1)
def comes_back(world):
    """The client loses its memory and connects again from the same port: the SYN meets an established connection, is
    challenged, and the RST clears the way (RFC 9293 figure 9, RFC 5961 section 4)."""
    client, server = yield from world.open()
    yield from talk(world, client, server, rounds=1)
    port = client.getsockname()[1]
    world.vanish(client)
    yield HOLD
    ends = yield from world.open(port=port)
    yield from talk(world, *ends, rounds=1)
    yield HOLD
    world.close(ends[0])
    yield HOLD


@script(2)
def meets_time_wait(world):
    """The server closed first and holds TIME_WAIT; the client connects again from the same port (RFC 6191)."""
    client, server = yield from world.open()
    yield from talk(world, client, server, rounds=1)
    port = client.getsockname()[1]
    world.close(server)
    yield from until_end(client)
    world.close(client)
    yield HOLD
    ends = yield from world.open(port=port)
    yield from talk(world, *ends, rounds=1)
    yield HOLD


@script(1)
def open_at_once(world):
    """Both connect to each other (RFC 9293 figure 7)."""
    client, port = world.client_socket()
    server = world.server.socket()
    server.setblocking(False)
    server.bind((world.server.address, world.port(World.CROSSING)))
    server.connect_ex((world.client.address, port))
    client.connect_ex((world.server.address, world.port(World.CROSSING)))
    yield ("write", client)
    yield ("write", server)
    if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise GaveUp
    yield HOLD
    yield from talk(world, client, server, rounds=1)
    yield HOLD
    world.close(client)
    yield from until_end(server)
    world.close(server)
    yield HOLD


@script(1)
def stops_reading(world):
    """The window closes, is probed, and opens again."""
    client, server = yield from world.open(receive_buffer=4096)
    data = 60000
    world.scheduler.add(send(server, data))
    yield ("sleep", 0.6)
    yield HOLD
    yield from receive(client, data)
    yield HOLD
    world.close(server)
    yield from until_end(client)
    world.close(client)
    yield HOLD


@script(1)
def closes_behind_a_full_window(world):
    """The FIN waits in the sender, behind data that the other end does not read."""
    client, server = yield from world.open(receive_buffer=4096)
    data = 30000
    yield from send(server, data)
    world.close(server)
    yield ("sleep", 0.4)
    yield HOLD
    yield from receive(client, data)
    yield from until_end(client)
    world.close(client)
    yield HOLD


@script(2)
def opens_fast(world):
    """TCP Fast Open (RFC 7413): a cookie first, then data on the SYN."""
    for _ in range(2):
        made, port = world.client_socket()
        try:
            made.sendto(bytes(200), MSG_FASTOPEN, (world.server.address, world.port(World.FAST_OPEN)))
        except BlockingIOError:
            yield ("write", made)
            if made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise GaveUp from None
        yield ("until", lambda port=port: world.has_accepted(port))
        server = world.accepted.pop(port)
        yield from send(server, 300)
        yield from receive(made, 300)
        yield HOLD
        world.close(made)
        yield from until_end(server)
        world.close(server)


def cast(world, count):
    """count scripts, drawn by their shares; starts spread over a moment."""
    functions, shares = zip(*SCRIPTS)

    def begin(function):
        yield ("sleep", world.random.uniform(0, 0.8))
        try:
            yield from function(world)
        except OSError as failure:
            if failure.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNREFUSED):
                raise

    for function in world.random.choices(functions, shares, k=count):
        world.scheduler.add(begin(function))
