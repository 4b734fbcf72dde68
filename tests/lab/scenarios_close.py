# SPDX-License-Identifier: BSD-2-Clause
"""Closing a connection: RFC 9293 3.6, and TIME_WAIT."""

import socket
import time

from .laboratory import receive, scenario
from .segment import SYN, mss_option

# Opening, request and answer, as Lab.exchange() does it.
TALKED = ">S <S. >. >P. <. <P. >. "


def talk(lab, **options):
    ends = lab.connect(**options)
    lab.exchange(*ends)
    return ends


def close_in_four(lab, first, second):
    """FIN, ACK, FIN, ACK: the second end waits before it closes."""
    first.close()
    lab.path.settle()
    second.close()
    lab.path.settle()


def close_in_three(lab, first, second):
    """FIN, FIN with ACK, ACK: the second end closes as soon as it reads the end of the stream."""
    first.shutdown(socket.SHUT_WR)
    second.recv(1)
    second.close()
    lab.path.settle()
    first.close()


@scenario(30, shape=TALKED + ">F. <. <F. >.")
def client_closes_first(lab):
    """The client closes first (RFC 9293 figure 12): FIN, ACK, FIN, ACK. The client ends in TIME_WAIT, the server
    CLOSED."""
    client, server = talk(lab)
    close_in_four(lab, client, server)


@scenario(31, link="ethernet", shape=TALKED + "<F. >. >F. <.")
def server_closes_first(lab):
    """The server closes first: it owns TIME_WAIT, the client is CLOSED."""
    client, server = talk(lab)
    close_in_four(lab, server, client)


@scenario(32, shape=TALKED + ">F. <F. >.")
def three_segment_close(lab):
    """The server answers the client's FIN with its own: FIN, FIN with ACK, ACK."""
    client, server = talk(lab)
    close_in_three(lab, client, server)


@scenario(33, link="vlan:107", shape=TALKED + ">F. <F. >. <.")
def simultaneous_close(lab):
    """Simultaneous close (RFC 9293 figure 13): the path holds both FINs until both are out. Each end goes FIN_WAIT_1,
    CLOSING, TIME_WAIT."""
    client, server = talk(lab)
    lab.hold(lambda s: s.is_fin, times=2)
    client.shutdown(socket.SHUT_WR)
    lab.wait_held(1)
    server.shutdown(socket.SHUT_WR)
    lab.wait_held(2)
    lab.path.release()
    lab.path.settle()


def half_close(lab):
    client, server = talk(lab)
    client.shutdown(socket.SHUT_WR)
    lab.path.settle()
    lab.mark("the client has closed its half")
    for _ in range(3):
        server.sendall(b"still to say\n")
        receive(client, 13)
        lab.path.settle()
    server.close()
    lab.path.settle()
    client.close()


@scenario(34, shape=TALKED + ">F. <. " + "<P. >. " * 3 + "<F. >.")
def half_close_with_data(lab):
    """Half-close: the client sends its FIN, the server goes on sending data in CLOSE_WAIT, then closes too."""
    half_close(lab)


def lose_one(lab, lose, matches, settle=1.5):
    """A close in four segments, the client first, of which the first that matches is lost."""
    client, server = talk(lab)
    lose(matches, times=1)
    client.shutdown(socket.SHUT_WR)
    time.sleep(settle)
    lab.mark("the client has closed, the server not yet")
    server.close()
    time.sleep(settle)
    lab.path.settle()


def first_fin(s):
    return s.is_fin and s.from_client


def first_fin_ack(s):
    return s.is_bare_ack and not s.from_client


def second_fin(s):
    return s.is_fin and not s.from_client


def last_ack(s):
    return s.is_bare_ack and s.from_client


@scenario(35, shape=TALKED + ">F. >F. <. <F. >.", seconds=5)
def close_fin1_lost_behind_tap(lab):
    """The first FIN is lost behind the tap: the client repeats it."""
    lose_one(lab, lab.lose_behind, first_fin)


@scenario(36, shape=TALKED + ">F. <. >F. <. <F. >.", seconds=5)
def close_ack1_lost_behind_tap(lab):
    """The ACK of the first FIN is lost behind the tap: the client stays in FIN_WAIT_1 and repeats its FIN, which the
    server acknowledges again."""
    lose_one(lab, lab.lose_behind, first_fin_ack)


@scenario(37, shape=TALKED + ">F. <. <F. <F. >.", seconds=5)
def close_fin2_lost_behind_tap(lab):
    """The second FIN is lost behind the tap: the client stays in FIN_WAIT_2 until the server repeats it."""
    lose_one(lab, lab.lose_behind, second_fin)


@scenario(38, shape=TALKED + ">F. <. <F. >. <F. >.", seconds=5)
def close_ack2_lost_behind_tap(lab):
    """The last ACK is lost behind the tap: the server stays in LAST_ACK and repeats its FIN, the client acknowledges
    again and its TIME_WAIT begins anew."""
    lose_one(lab, lab.lose_behind, last_ack)


@scenario(39, shape=TALKED + ">F. <. <F. >.", seconds=5)
def close_fin1_lost_before_tap(lab):
    """The first FIN is lost before the tap, which sees only its repetition."""
    lose_one(lab, lab.lose_before, first_fin)


@scenario(40, shape=TALKED + ">F. >F. <. <F. >.", seconds=5)
def close_ack1_lost_before_tap(lab):
    """The ACK of the first FIN is lost before the tap: the recording is the same as with the FIN lost behind it."""
    lose_one(lab, lab.lose_before, first_fin_ack)


@scenario(41, shape=TALKED + ">F. <. <F. >.", seconds=5)
def close_fin2_lost_before_tap(lab):
    """The second FIN is lost before the tap, which sees only its repetition."""
    lose_one(lab, lab.lose_before, second_fin)


@scenario(42, shape=TALKED + ">F. <. <F. <F. >.", seconds=5)
def close_ack2_lost_before_tap(lab):
    """The last ACK is lost before the tap: the server repeats its FIN."""
    lose_one(lab, lab.lose_before, last_ack)


def check_last_ack_never(seen):
    assert seen.shape.startswith(TALKED + ">F. <. <F. >. <F. >. <F. >."), seen.shape


@scenario(43, check=check_last_ack_never, seconds=5)
def close_ack2_lost_cut(lab):
    """The last ACK is lost behind the tap, however often it is sent; the recording ends while the server is in
    LAST_ACK."""
    client, server = talk(lab)
    client.shutdown(socket.SHUT_WR)
    lab.path.settle()
    lab.lose_behind(last_ack)
    server.close()
    lab.path.wait_for(last_ack, count=6)


def check_time_wait_expiry(seen):
    assert seen.shape == TALKED + ">F. <. <F. >. " + TALKED.strip(), seen.shape
    assert seen.seconds() > 61, seen.seconds()


@scenario(44, check=check_time_wait_expiry, seconds=68)
def time_wait_expiry(lab):
    """The client closes first and is in TIME_WAIT for 60 seconds; then it is CLOSED. A second connection, from another
    port and 61 seconds later, shows that time has passed."""
    listener = lab.listen()
    client, server = talk(lab, listener=listener)
    close_in_four(lab, client, server)
    lab.mark("client in TIME_WAIT")
    time.sleep(61)
    lab.mark("TIME_WAIT is over")
    talk(lab, listener=listener, port=40001)


def server_in_time_wait(lab):
    listener = lab.listen()
    client, server = talk(lab, listener=listener)
    close_in_four(lab, server, client)
    lab.mark("server in TIME_WAIT")
    return listener


@scenario(45, shape=TALKED + "<F. >. >F. <. " + TALKED.strip(), seconds=3)
def time_wait_syn_accepted(lab):
    """The server is in TIME_WAIT when a new SYN of the same client port comes, with a later timestamp: it is accepted
    (RFC 9293 3.6.1, RFC 6191) and a second connection begins on the same tuple."""
    listener = server_in_time_wait(lab)
    time.sleep(1.1)
    talk(lab, listener=listener)


def refused_syn(lab):
    """A SYN with old numbers and no timestamp for the tuple of the closed connection."""
    opened = lab.path.wait_for(lambda s: s.is_syn)
    lab.inject(SYN, seq=opened.seq - 100000, options=mss_option())
    lab.path.wait_for(lambda s: s.is_rst)


@scenario(46, shape=TALKED + "<F. >. >F. <. >S <. >R")
def time_wait_syn_refused(lab):
    """The server is in TIME_WAIT when a SYN with an older sequence number and without timestamps comes: it answers with
    a bare ACK; the client's host resets that. With tcp_rfc1337 the server stays in TIME_WAIT."""
    lab.server.sysctl("net.ipv4.tcp_rfc1337", 1)
    lab.note("server: tcp_rfc1337 1; the SYN is forged")
    server_in_time_wait(lab)
    refused_syn(lab)


@scenario(47, shape=TALKED + "<F. >. >F. <. >S <. >R")
def time_wait_assassinated(lab):
    """As time_wait_syn_refused, but without tcp_rfc1337: the RST ends the server's TIME_WAIT at once (RFC 1337)."""
    lab.note("the SYN is forged")
    server_in_time_wait(lab)
    refused_syn(lab)


def check_orphan(seen):
    assert seen.shape.startswith(TALKED + ">F. <. <P. >R"), seen.shape


@scenario(48, check=check_orphan)
def late_data_reset(lab):
    """The client closes entirely; the server, in CLOSE_WAIT, sends data that nobody will read: the client's host
    resets."""
    client, server = talk(lab)
    client.close()
    lab.path.settle()
    server.sendall(b"too late\n")
    lab.path.wait_for(lambda s: s.is_rst)


def check_fin_wait_2(seen):
    assert seen.shape == TALKED + ">F. <. " + TALKED.strip(), seen.shape


@scenario(49, check=check_fin_wait_2, seconds=70)
def fin_wait_2_orphan(lab):
    """The client closes entirely, the server never does: the client's FIN_WAIT_2 ends silently after 60 seconds
    (tcp_fin_timeout), the server stays in CLOSE_WAIT. A second connection follows, so that time is seen to pass."""
    listener = lab.listen()
    client, _ = talk(lab, listener=listener)
    client.close()
    lab.path.settle()
    lab.mark("client in FIN_WAIT_2")
    time.sleep(63)
    lab.mark("FIN_WAIT_2 is over")
    talk(lab, listener=listener, port=40001)


@scenario(50, shape=TALKED + ">F. <.")
def close_wait_cut(lab):
    """The client has closed, the server not: the recording ends with FIN_WAIT_2 and CLOSE_WAIT."""
    client, _ = talk(lab)
    client.shutdown(socket.SHUT_WR)


@scenario(51, ip=6, shape=TALKED + ">F. <. <F. >.")
def client_closes_first_ipv6(lab):
    """As client_closes_first, over IPv6."""
    client, server = talk(lab)
    close_in_four(lab, client, server)


@scenario(52, ip=6, link="vlan:7", shape=TALKED + ">F. <F. >. <.")
def simultaneous_close_ipv6(lab):
    """As simultaneous_close, over IPv6 with a VLAN tag."""
    simultaneous_close(lab)


@scenario(53, ip=6, shape=TALKED + ">F. <. " + "<P. >. " * 3 + "<F. >.")
def half_close_with_data_ipv6(lab):
    """As half_close_with_data, over IPv6."""
    half_close(lab)


def check_syn_while_closing(seen):
    at = [i for i, s in enumerate(seen.segments) if s.is_syn][1]
    answer = next(s for s in seen.segments[at:] if s.from_client != seen.segments[at].from_client)
    assert answer.is_bare_ack, f"the SYN is challenged: {seen.shape}"


def forge_syn(lab, to_server):
    lab.inject(SYN, seq=lab.random.randrange(1 << 32), to_server=to_server, options=mss_option())
    lab.path.settle()


@scenario(54, check=check_syn_while_closing)
def syn_in_close_wait(lab):
    """A forged SYN while the server is in CLOSE_WAIT: a challenge ACK (RFC 5961 4), and the close goes on."""
    client, server = talk(lab)
    client.close()
    lab.path.settle()
    forge_syn(lab, True)
    lab.mark("the SYN was challenged in CLOSE_WAIT")
    server.close()


@scenario(55, check=check_syn_while_closing, seconds=3)
def syn_in_last_ack(lab):
    """A forged SYN while the server is in LAST_ACK, because the last ACK is lost before the tap: a challenge ACK."""
    client, server = talk(lab)
    client.close()
    lab.path.settle()
    lost = lab.lose_before(lambda s: s.from_client and s.is_bare_ack)
    server.close()
    lab.path.wait_for(lambda s: not s.from_client and s.is_fin)
    lab.inject(SYN, seq=lab.random.randrange(1 << 32), options=mss_option())
    lab.wait_hit(lost, 2)
    lab.mark("the SYN was challenged in LAST_ACK")
    lab.path.remove_rule(lost)


@scenario(56, check=check_syn_while_closing, seconds=3)
def syn_in_fin_wait_1(lab):
    """A forged SYN while the client is in FIN_WAIT_1, because its FIN is lost behind the tap: a challenge ACK, which does
    not acknowledge the client's own FIN."""
    client, server = talk(lab)
    lost = lab.lose_behind(lambda s: s.from_client)
    client.shutdown(socket.SHUT_WR)
    lab.path.wait_for(lambda s: s.is_fin)
    lab.inject(SYN, seq=lab.random.randrange(1 << 32), to_server=False, options=mss_option())
    lab.path.wait_for(lambda s: s.from_client and s.is_bare_ack, count=3)
    lab.mark("the SYN was challenged in FIN_WAIT_1")
    lab.path.remove_rule(lost)
    lab.path.settle()
    server.close()
