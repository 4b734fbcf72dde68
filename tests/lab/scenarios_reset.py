# SPDX-License-Identifier: BSD-2-Clause
"""Resets, and ends that do not know of each other: RFC 9293 3.5.1 to 3.5.3, RFC 5961."""

import socket

from .laboratory import kill_quietly, scenario
from .scenarios_close import TALKED, talk
from .segment import RST, SYN, mss_option


@scenario(60, shape=TALKED + ">R.")
def client_aborts(lab):
    """The client closes with SO_LINGER 0: a RST, and both ends are CLOSED, nobody in TIME_WAIT."""
    client, _ = talk(lab)
    kill_quietly(client)


@scenario(61, link="vlan:42", shape=TALKED + "<R.")
def server_aborts(lab):
    """The server closes with SO_LINGER 0."""
    _, server = talk(lab)
    kill_quietly(server)


@scenario(62, shape=TALKED + ">P. <. <R.")
def unread_data_reset(lab):
    """The server closes while data wait in its receive buffer: RST instead of FIN (RFC 9293 3.6.1, RFC 2525 2.17)."""
    client, server = talk(lab)
    client.sendall(b"nobody reads this\n")
    lab.path.settle()
    server.close()


@scenario(63, shape=TALKED + ">. <R", seconds=4)
def half_open_keepalive(lab):
    """The server's host loses the connection (what it sends about it is lost before the tap); the client finds out by
    its first keepalive probe, which is answered by a RST (RFC 9293 figure 10 and 3.8.4)."""
    client, server = talk(lab, keepalive=(1, 1, 3))
    lab.vanish(server)
    lab.mark("the server has lost the connection")
    lab.path.wait_for(lambda s: s.is_rst)


@scenario(64, shape=TALKED + ">P. <R")
def half_open_data(lab):
    """The server's host loses the connection; the client finds out by sending data (RFC 9293 figure 10)."""
    client, server = talk(lab)
    lab.vanish(server)
    lab.mark("the server has lost the connection")
    client.sendall(b"anybody there?\n")
    lab.path.wait_for(lambda s: s.is_rst)


def check_half_open_syn(seen):
    assert seen.shape.startswith(TALKED + ">S <. >R >S <S. >."), seen.shape


@scenario(65, check=check_half_open_syn, seconds=3)
def half_open_syn(lab):
    """The client's host loses the connection and opens it anew from the same port (RFC 9293 figure 9): the server,
    still ESTABLISHED, answers the SYN with a challenge ACK, the client resets that and repeats its SYN, which is
    accepted."""
    listener = lab.listen()
    client, _ = talk(lab, listener=listener)
    lab.vanish(client)
    lab.mark("the client has lost the connection")
    talk(lab, listener=listener)


@scenario(66, shape=TALKED + ">. >. >. >R.", seconds=6)
def keepalive_unanswered(lab):
    """The server's host goes dark: three keepalive probes get no answer, the client gives up and resets. No segment
    shows it, but the server's socket lives on."""
    client, _ = talk(lab, keepalive=(1, 1, 3))
    lab.lose_behind(lambda s: s.from_client)
    lab.path.wait_for(lambda s: s.is_rst)


def check_give_up(seen):
    assert seen.shape.startswith(TALKED + ">P. >P. >P."), seen.shape


@scenario(67, check=check_give_up, seconds=6)
def data_give_up(lab):
    """The path behind the tap breaks: the client repeats its data and gives up after TCP_USER_TIMEOUT (3 s) without a
    segment; the server stays ESTABLISHED. A second connection over the mended path follows, so that time is seen to
    pass."""
    listener = lab.listen()
    client, _ = talk(lab, listener=listener, user_timeout_ms=3000)
    broken = lab.lose_behind(lambda s: s.from_client)
    client.sendall(b"can you hear me?\n")
    try:
        client.recv(1)
    except OSError:
        lab.mark("the client has given up")
    lab.path.remove_rule(broken)
    talk(lab, listener=listener, port=40001)


@scenario(68, shape=TALKED + ">R. <P. >R")
def reset_lost_behind_tap(lab):
    """The client's RST is lost behind the tap: the server stays ESTABLISHED and shows it by sending data, which the
    client's host answers with another RST."""
    client, server = talk(lab)
    lab.lose_behind(lambda s: s.is_rst, times=1)
    kill_quietly(client)
    lab.path.settle()
    lab.mark("the RST is lost")
    server.sendall(b"still here\n")
    lab.path.wait_for(lambda s: s.is_rst, count=2)


@scenario(69, shape=TALKED + ">R.")
def reset_lost_cut(lab):
    """The client's RST is lost behind the tap and the recording ends: the server is still ESTABLISHED, which no segment
    shows."""
    client, _ = talk(lab)
    lab.lose_behind(lambda s: s.is_rst)
    kill_quietly(client)


def numbers(lab):
    """What the client would send next: (its next sequence number, what it has acknowledged)."""
    last = lab.path.wait_for(lambda s: s.from_client and not s.is_syn)
    for s in lab.path.seen:
        if s.tcp and s.from_client and not s.is_syn:
            last = s
    return last.seq + len(last.payload), last.ack


@scenario(70, shape=TALKED + ">R <. >P. <P. >.")
def reset_in_window(lab):
    """A forged RST inside the server's window, but not at the exact number: the server sends a challenge ACK (RFC 5961
    3), the connection lives on."""
    client, server = talk(lab)
    seq, _ = numbers(lab)
    lab.inject(RST, seq=seq + 1000)
    lab.path.settle()
    lab.exchange(client, server)


@scenario(71, shape=TALKED + ">R >P. <R")
def reset_forged(lab):
    """A forged RST with the exact number: the server is CLOSED, the client knows nothing of it until its data are
    answered with a RST."""
    client, _ = talk(lab)
    seq, _ = numbers(lab)
    lab.inject(RST, seq=seq)
    lab.path.settle()
    lab.mark("the server is reset, the client is not")
    client.sendall(b"hello?\n")
    lab.path.wait_for(lambda s: s.is_rst and not s.from_client)


@scenario(72, shape=TALKED + ">S <. >P. <P. >.")
def syn_on_established(lab):
    """A forged SYN on a live connection: the server sends a challenge ACK (RFC 5961 4), which the real client ignores;
    the connection lives on."""
    client, server = talk(lab)
    lab.inject(SYN, seq=lab.random.randrange(1 << 32), options=mss_option())
    lab.path.settle()
    lab.exchange(client, server)


@scenario(73, shape=TALKED + ">F. <. >R.")
def fin_then_reset(lab):
    """The client closes its half in order, then loses patience and resets."""
    client, _ = talk(lab)
    client.shutdown(socket.SHUT_WR)
    lab.path.settle()
    kill_quietly(client)


@scenario(74, ip=6, shape=TALKED + ">R.")
def client_aborts_ipv6(lab):
    """As client_aborts, over IPv6."""
    client, _ = talk(lab)
    kill_quietly(client)


@scenario(75, ip=6, shape=TALKED + ">P. <R")
def half_open_data_ipv6(lab):
    """As half_open_data, over IPv6."""
    client, server = talk(lab)
    lab.vanish(server)
    client.sendall(b"anybody there?\n")
    lab.path.wait_for(lambda s: s.is_rst)
