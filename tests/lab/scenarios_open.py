# SPDX-License-Identifier: BSD-2-Clause
"""Opening a connection: RFC 9293 3.5."""

import errno
import select
import socket
import time

from .laboratory import receive, scenario
from .path import Fate
from .segment import SYN, mss_option

# Which end acknowledges the other's SYN-ACK first is a matter of microseconds.
SIMULTANEOUS = tuple(f">S <S >S. <S. {acks} >P. <. <P. >." for acks in (">. <.", "<. >."))

# What a handshake looks like in full, for scenarios that go on after it.
OPENED = ">S <S. >."


@scenario(1, shape=OPENED)
def handshake(lab):
    """Three-way handshake (RFC 9293 figure 6), nothing else. Both ends are ESTABLISHED at the end."""
    lab.connect()


@scenario(2, link="ethernet", shape=SIMULTANEOUS)
def simultaneous_open(lab):
    """Simultaneous open (RFC 9293 figure 7): both hosts connect to each other; the path holds both SYNs until both are
    out. Each end goes SYN_SENT, SYN_RCVD, ESTABLISHED."""
    ends = connect_to_each_other(lab)
    lab.exchange(*ends)


def connect_to_each_other(lab):
    lab.hold(lambda s: s.is_syn, times=2)
    server = lab.server.socket()
    server.bind((lab.server.address, lab.port))
    client = lab.client_socket()
    lab.start_connect(client)
    lab.wait_held(1)
    lab.start_connect(server, lab.client.address, lab.CLIENT_PORT)
    lab.wait_held(2)
    lab.path.release()
    lab.path.settle()
    return client, server


@scenario(3, shape=">S <R.")
def refused(lab):
    """Connect to a closed port: the RST refuses the SYN (RFC 9293 3.5.2). The client is CLOSED at once."""
    try:
        lab.client_socket().connect((lab.server.address, lab.port))
    except ConnectionRefusedError:
        return
    raise AssertionError("the connection was not refused")


SILENT = {4: "10.7.{}.9", 6: "2001:db8:7:{}::9"}


def connect_to_silence(lab):
    """A connect() that is under way."""
    made = lab.client_socket()
    lab.start_connect(made, SILENT[lab.spec.ip].format(lab.spec.number))
    return made


@scenario(4, shape=" ".join([">S"] * 11) + " >S <S. >.", seconds=145)
def silent_give_up(lab):
    """Connect to an address where nobody answers, until the client gives up with the kernel's defaults: SYNs after 1,
    1, 1, 1 and 1 seconds (tcp_syn_linear_timeouts 4), then doubling (tcp_syn_retries 6). An ordinary connection from
    another port follows, so that time is seen to pass."""
    made = connect_to_silence(lab)
    select.select([], [made], [], 200)
    assert made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ETIMEDOUT
    lab.mark("the client has given up")
    time.sleep(5)
    lab.connect(port=40001)


def retry_in_silence(lab):
    lab.client.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0)
    lab.note("client: tcp_syn_linear_timeouts 0")
    connect_to_silence(lab)
    lab.path.wait_for(lambda s: s.is_syn, count=4)


@scenario(5, shape=" ".join([">S"] * 4), seconds=9)
def silent_retries(lab):
    """Connect to a silent address with tcp_syn_linear_timeouts 0: SYNs at 0, 1, 3 and 7 seconds, then the recording
    ends with the client in SYN_SENT."""
    retry_in_silence(lab)


@scenario(6, shape=">S >S", seconds=3)
def silent_in_progress(lab):
    """Connect to a silent address, cut off while the client still repeats its SYN: it is SYN_SENT at the end."""
    connect_to_silence(lab)
    lab.path.wait_for(lambda s: s.is_syn, count=2)


def check_synack_lost(seen):
    # The client's SYN and the server's SYN-ACK are repeated after the same second: either may come first.
    assert seen.count(">S") + seen.count("<S.") >= 3, seen.shape
    assert seen.shape.endswith(">P. <. <P. >.") or seen.shape.endswith(">P. >. <. <P. >."), seen.shape


@scenario(7, check=check_synack_lost, seconds=3)
def synack_lost_behind_tap(lab):
    """The first SYN-ACK is lost behind the tap: the client repeats its SYN, the server its SYN-ACK; then all is
    well."""
    lab.lose_behind(lambda s: s.is_synack, times=1)
    lab.exchange(*lab.connect())


@scenario(8, check=check_synack_lost, seconds=3)
def synack_lost_before_tap(lab):
    """The first SYN-ACK is lost before the tap, which sees SYN and SYN-ACK repeated."""
    lab.lose_before(lambda s: s.is_synack, times=1)
    lab.exchange(*lab.connect())


@scenario(9, shape=">S >S <S. >. >P. <. <P. >.", seconds=3)
def syn_lost_behind_tap(lab):
    """The first SYN is lost behind the tap: on the recording this is the same as a SYN-ACK lost before it."""
    lab.lose_behind(lambda s: s.is_syn, times=1)
    lab.exchange(*lab.connect())


def lose_final_ack(lab, lose):
    lose(lambda s: s.is_bare_ack and s.from_client, times=1)
    listener = lab.listen()
    client = lab.client_socket()
    client.connect((lab.server.address, lab.port))
    lab.mark("client connected, its ACK lost")
    server = lab.server.accept(listener)
    lab.path.settle()
    lab.mark("server repeated its SYN-ACK")
    return client, server


@scenario(10, shape=">S <S. >. <S. >. >P. <. <P. >.", seconds=3)
def final_ack_lost_behind_tap(lab):
    """The handshake's last ACK is lost behind the tap. The server stays in SYN_RCVD, though the tap has seen the ACK,
    until it has repeated its SYN-ACK and the client its ACK."""
    lab.exchange(*lose_final_ack(lab, lab.lose_behind))


@scenario(11, shape=">S <S. <S. >. >P. <. <P. >.", seconds=3)
def final_ack_lost_before_tap(lab):
    """The handshake's last ACK is lost before the tap: the server repeats its SYN-ACK."""
    lab.exchange(*lose_final_ack(lab, lab.lose_before))


@scenario(12, shape=">S <S. >. <S. >.", seconds=3)
def final_ack_lost_cut(lab):
    """The handshake's last ACK is lost behind the tap, again and again; the recording ends with the client ESTABLISHED
    and the server still in SYN_RCVD."""
    lab.lose_behind(lambda s: s.is_bare_ack and s.from_client)
    lab.listen()
    client = lab.client_socket()
    client.connect((lab.server.address, lab.port))
    lab.path.wait_for(lambda s: s.is_bare_ack, count=2)


@scenario(13, shape=">S <S. >R >S <S. >. >P. <. <P. >.")
def old_duplicate_syn(lab):
    """Old duplicate SYN (RFC 9293 figure 8): a SYN of an older connection with the same ports arrives before the real
    one; the client resets the answer to it, the server goes back to LISTEN, and the real SYN, which the client repeats,
    opens the connection."""
    real = lab.lose_before(lambda s: s.is_syn, times=1)
    listener = lab.listen()
    client = lab.client_socket()
    lab.start_connect(client)
    lab.wait_hit(real)
    lab.inject(SYN, seq=lab.random.randrange(1 << 32), options=mss_option(1400))
    lab.path.wait_for(lambda s: s.is_rst)
    lab.mark("the old SYN-ACK is reset")
    lab.exchange(client, lab.server.accept(listener))


@scenario(14, shape=">S <S. >R")
def half_open_reset(lab):
    """A SYN that the client's host knows nothing of: it resets the SYN-ACK (a SYN scan of an open port looks so). The
    server is back in LISTEN."""
    lab.listen()
    lab.inject(SYN, seq=lab.random.randrange(1 << 32), options=mss_option())
    lab.path.wait_for(lambda s: s.is_rst)


def check_half_open_timeout(seen):
    assert seen.count(">S") == 2 and seen.count("<S.") == 7, seen.shape
    assert seen.shape.endswith(">S <S. >."), seen.shape


@scenario(15, check=check_half_open_timeout, seconds=125)
def half_open_timeout(lab):
    """A SYN whose sender never completes the handshake: the server repeats its SYN-ACK 5 times (tcp_synack_retries) and
    gives up after 63 seconds. An ordinary connection follows two minutes after the SYN, so that time is seen to
    pass."""
    listener = lab.listen()
    forged = 41000
    lab.lose_before(lambda s: s.is_rst and s.sport == forged)
    lab.inject(SYN, seq=lab.random.randrange(1 << 32), sport=forged, options=mss_option())
    lab.path.wait_for(lambda s: s.is_synack, count=6, timeout=60)
    time.sleep(34)
    lab.mark("the server has given up")
    time.sleep(55)
    lab.connect(listener)


def check_accept_queue(seen):
    assert seen.count(">S") == 4, seen.shape
    assert seen.count("<S.") >= 6, seen.shape
    assert len({s.dport for s in seen.where(lambda s: s.is_synack)[4:]}) == 1, seen.shape


@scenario(16, check=check_accept_queue, seconds=5)
def accept_queue_full(lab):
    """The server's accept queue is full (backlog 2, nobody accepts): of four clients three are ESTABLISHED at both
    ends; one is so by its own account only, because the server drops its ACK and repeats the SYN-ACK."""
    lab.listen(backlog=2)
    for port in (40000, 40001):
        lab.client_socket(port).connect((lab.server.address, lab.port))
        lab.path.settle()
    held = lab.hold(lambda s: s.is_bare_ack and s.from_client)
    for port in (40002, 40003):
        lab.start_connect(lab.client_socket(port))
    lab.wait_held(2)
    lab.path.remove_rule(held)
    lab.path.release()
    lab.path.wait_for(lambda s: s.is_synack, count=6)


def check_fast_open(seen):
    syns = seen.where(lambda s: s.is_syn)
    assert len(syns) == 2 and all(34 in s.options for s in syns), seen.shape
    assert len(syns[0].options[34]) == 0 and not syns[0].payload, "the first SYN asks for a cookie"
    assert len(syns[1].options[34]) >= 4 and syns[1].payload == b"question\n", "the second SYN brings cookie and data"
    answers = seen.where(lambda s: s.is_synack)
    assert answers[1].ack == (syns[1].seq + 1 + len(syns[1].payload)) % (1 << 32), "the data in the SYN are taken"


@scenario(17, check=check_fast_open)
def fast_open(lab):
    """TCP Fast Open (RFC 7413): the first connection asks for a cookie, the second sends its request in the SYN and
    gets the answer. Both are closed by the client first."""
    for host in (lab.client, lab.server):
        host.sysctl("net.ipv4.tcp_fastopen", 3)
    lab.note("tcp_fastopen 3 at both hosts")
    listener = lab.listen(fastopen=16)
    for port in (40000, 40001):
        client = lab.client_socket(port)
        lab.fast_open(client, b"question\n")
        server = lab.server.accept(listener)
        receive(server, 9)
        server.sendall(b"answer\n")
        receive(client, 7)
        lab.path.settle()
        client.shutdown(socket.SHUT_WR)
        lab.path.settle()
        server.close()
        lab.path.settle()
        client.close()


@scenario(18, shape=">S <icmp", seconds=5)
def host_unreachable(lab):
    """Connect to an address behind the server's host that has no route: an ICMP error answers the SYN."""
    lab.server.command("ip", "route", "replace", "unreachable", "198.51.100.0/24")
    lab.server.sysctl("net.ipv4.ip_forward", 1)
    lab.client.sysctl("net.ipv4.tcp_syn_retries", 1)
    lab.note("server: forwarding on, 198.51.100.0/24 unreachable; client: tcp_syn_retries 1")
    try:
        lab.client_socket().connect(("198.51.100.9", lab.port))
    except OSError as failure:
        assert not isinstance(failure, ConnectionRefusedError)
        return
    raise AssertionError("somebody answered")


@scenario(19, ip=6, shape=OPENED)
def handshake_ipv6(lab):
    """As handshake, over IPv6."""
    lab.connect()


@scenario(20, ip=6, link="ethernet", shape=">S <R.")
def refused_ipv6(lab):
    """As refused, over IPv6."""
    try:
        lab.client_socket().connect((lab.server.address, lab.port))
    except ConnectionRefusedError:
        return
    raise AssertionError("the connection was not refused")


@scenario(21, ip=6, shape=SIMULTANEOUS)
def simultaneous_open_ipv6(lab):
    """As simultaneous_open, over IPv6."""
    lab.exchange(*connect_to_each_other(lab))


@scenario(22, ip=6, shape=" ".join([">S"] * 4), seconds=9)
def silent_retries_ipv6(lab):
    """As silent_retries, over IPv6."""
    retry_in_silence(lab)


@scenario(23, shape=">S <S. >. >P. >P. <. <P. >.")
def captured_twice(lab):
    """A mirror port that shows one segment twice: the client's data pass the tap a second time within microseconds."""
    lab.rule(lambda s: s.is_data and s.from_client, Fate(seen=2, delivered=1), times=1)
    lab.exchange(*lab.connect())
