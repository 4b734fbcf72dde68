# SPDX-License-Identifier: BSD-2-Clause
"""Data, and what becomes of them on the way: RFC 9293 3.8."""

import socket
import time

from .laboratory import receive, scenario
from .path import DUPLICATE_BEFORE, DUPLICATE_BEHIND, UNSEEN, Fate
from .scenarios_close import TALKED, close_in_four, talk

PART = b"x" * 1000


def send_parts(lab, sender, receiver, count):
    """count segments, a millisecond or so apart; returns when all have arrived."""
    for _ in range(count):
        sender.sendall(PART)
        time.sleep(0.002)
    receive(receiver, count * len(PART))
    lab.path.settle()


def data_of_client(s):
    return s.is_data and s.from_client


def stream(lab, fate, skip=4, times=1):
    """Ten segments of the client, of which one meets its fate; then a close in four segments."""
    client, server = talk(lab)
    lab.rule(data_of_client, fate, times=times, skip=skip)
    send_parts(lab, client, server, 10)
    close_in_four(lab, client, server)


def check_stream(parts, repeated):
    def check(seen):
        data = [s.seq for s in seen.where(data_of_client)]
        assert len(data) == parts + repeated, seen.shape
        assert len(data) - len(set(data)) == max(repeated, 0), seen.shape
        assert seen.count(">F.") == 1 and seen.count("<F.") == 1, seen.shape
    return check


@scenario(80, check=check_stream(11, 1))
def data_lost_behind_tap(lab):
    """One data segment of ten is lost behind the tap, which therefore sees it twice; selective acknowledgements tell
    the client."""
    stream(lab, Fate(delivered=0))


@scenario(81, check=check_stream(11, 0))
def data_lost_before_tap(lab):
    """One data segment of ten is lost before the tap, which sees a gap and its repetition later."""
    stream(lab, Fate(seen=0, delivered=0))


def check_out_of_order(seen):
    data = [s.seq for s in seen.where(data_of_client)]
    assert len(set(data)) == 11 and data != sorted(data), seen.shape


@scenario(82, check=check_out_of_order)
def data_out_of_order(lab):
    """One data segment of ten is overtaken by the next ones before the tap."""
    stream(lab, Fate(late_before=0.0035))


def check_reordered(seen):
    data = seen.where(data_of_client)
    assert len({s.seq for s in data}) == 11, seen.shape
    assert data == sorted(data, key=lambda s: s.time), seen.shape


@scenario(83, check=check_reordered)
def data_reordered_behind_tap(lab):
    """One data segment of ten is overtaken by the next ones behind the tap: in order on the recording, duplicate ACKs
    follow and with them perhaps a repetition that was not needed."""
    stream(lab, Fate(late_behind=0.0035))


@scenario(84, check=check_stream(11, 1))
def data_duplicated_before_tap(lab):
    """One data segment of ten is doubled by the network before the tap: recorded twice, delivered twice."""
    stream(lab, DUPLICATE_BEFORE)


@scenario(85, check=check_stream(11, 0))
def data_duplicated_behind_tap(lab):
    """One data segment of ten is doubled by the network behind the tap: the server acknowledges it twice (RFC 2883)."""
    stream(lab, DUPLICATE_BEHIND)


@scenario(86, check=check_stream(10, 0))
def data_missed_by_tap(lab):
    """One data segment of ten is delivered, but the tap misses it: the server acknowledges what was never seen."""
    stream(lab, UNSEEN)


def check_fin_missed(seen):
    assert seen.count(">F.") == 0 and seen.count("<F.") == 1, seen.shape


@scenario(87, check=check_fin_missed)
def fin_missed_by_tap(lab):
    """The tap misses the client's FIN: only the server's ACK and its own FIN show that there was one."""
    client, server = talk(lab)
    lab.rule(lambda s: s.is_fin and s.from_client, UNSEEN)
    close_in_four(lab, client, server)


@scenario(88, shape="<S. >. >P. <. <P. >. >F. <. <F. >.")
def syn_missed_by_tap(lab):
    """The tap misses the SYN: the recording begins with the SYN-ACK."""
    lab.rule(lambda s: s.is_syn, UNSEEN)
    close_in_four(lab, *talk(lab))


@scenario(89, shape=">S >. >P. <. <P. >. >F. <. <F. >.")
def synack_missed_by_tap(lab):
    """The tap misses the SYN-ACK."""
    lab.rule(lambda s: s.is_synack, UNSEEN)
    close_in_four(lab, *talk(lab))


def check_fin_after_hole(seen):
    assert seen.shape.startswith(TALKED + ">P. >F."), seen.shape


@scenario(90, check=check_fin_after_hole)
def fin_after_hole(lab):
    """The client's last data are lost behind the tap, its FIN arrives: the server stays ESTABLISHED until the data
    come. The recording ends before."""
    client, server = talk(lab)
    lab.lose_behind(data_of_client)
    client.sendall(PART)
    client.shutdown(socket.SHUT_WR)
    lab.path.wait_for(lambda s: s.is_bare_ack and not s.from_client, count=2)
    lab.finish(quiet_s=0.05)


@scenario(91, shape=TALKED + "<FP. >F. <.")
def data_with_fin(lab):
    """The server's last data and its FIN are one segment."""
    client, server = talk(lab)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    server.sendall(b"goodbye\n")
    server.close()
    while client.recv(100):
        pass
    client.close()


def check_zero_window(seen):
    closed = [s for s in seen.where(lambda s: not s.from_client and s.window == 0 and not s.is_rst)]
    assert len(closed) >= 3, seen.shape
    assert seen.count("<F.") == 1 and seen.count(">F.") == 1, seen.shape


def fill_window(lab):
    """The client sends until the server, which does not read, has closed its window for a while."""
    client, server = lab.connect(lab.listen(receive_buffer=4096))
    client.setblocking(False)
    sent, deadline = 0, time.monotonic() + 2.5
    while time.monotonic() < deadline:
        try:
            sent += client.send(PART) if sent < 64 * len(PART) else 0
        except BlockingIOError:
            pass
        time.sleep(0.01)
    client.settimeout(30)
    lab.mark("the window is closed")
    return client, server, sent


@scenario(92, check=check_zero_window, seconds=6)
def zero_window(lab):
    """The server does not read (receive buffer 4096 bytes): its window closes, the client probes it; then the server
    reads all, the window opens and the connection ends in order."""
    client, server, sent = fill_window(lab)
    receive(server, sent)
    lab.path.settle()
    close_in_four(lab, client, server)


@scenario(93, ip=6, check=check_zero_window, seconds=6)
def zero_window_ipv6(lab):
    """As zero_window, over IPv6."""
    client, server, sent = fill_window(lab)
    receive(server, sent)
    lab.path.settle()
    close_in_four(lab, client, server)


@scenario(94, shape=TALKED + ">. <. " * 3 + ">F. <. <F. >.", seconds=6)
def keepalive(lab):
    """Three keepalive probes (idle 1 s), each answered; then the client closes."""
    client, server = talk(lab, keepalive=(1, 1, 3))
    lab.path.wait_for(lambda s: s.is_bare_ack and not s.from_client, count=4)
    close_in_four(lab, client, server)


def check_three_losses(seen):
    data = [s.seq for s in seen.where(data_of_client)]
    assert len(set(data)) >= 40 and len(data) - len(set(data)) >= 3, seen.shape


@scenario(95, nanoseconds=True, check=check_three_losses)
def three_losses(lab):
    """Sixty data segments, three of them lost behind the tap; time stamps in nanoseconds."""
    client, server = talk(lab)
    for skip in (9, 25, 40):
        lab.rule(data_of_client, Fate(delivered=0), times=1, skip=skip)
    send_parts(lab, client, server, 60)
    close_in_four(lab, client, server)
