# SPDX-License-Identifier: BSD-2-Clause
"""What options ask of the ends: Fast Open (RFC 7413), ECN (RFC 3168), Multipath TCP (RFC 8684), MD5 signatures
(RFC 2385)."""

import ipaddress
import socket
import struct

from .laboratory import receive, scenario
from .scenarios_close import TALKED, close_in_four, talk
from .scenarios_reset import numbers
from .segment import RST

ECE, CWR = 0x40, 0x80
OPTION_MPTCP, OPTION_MD5 = 30, 19
TCP_MD5SIG = 14
IPPROTO_MPTCP = 262


def check_closed_early(seen):
    assert ">SP <S. <P. <F. >" in seen.shape, seen.shape


@scenario(24, check=check_closed_early, seconds=3)
def fast_open_closed_early(lab):
    """TCP Fast Open: the server answers the data in the SYN and closes before the third segment, which is held up on its
    way: it goes from SYN_RCVD to FIN_WAIT_1 (RFC 9293 3.10.4)."""
    for host in (lab.client, lab.server):
        host.sysctl("net.ipv4.tcp_fastopen", 3)
    lab.note("tcp_fastopen 3 at both hosts")
    listener = lab.listen(fastopen=16)
    client = lab.client_socket(40000)
    lab.fast_open(client, b"a cookie?\n")
    server = lab.server.accept(listener)
    receive(server, 10)
    close_in_four(lab, client, server)

    lab.hold(lambda s: s.from_client and s.sport == 40001 and s.is_bare_ack)
    client = lab.client_socket(40001)
    lab.fast_open(client, b"question\n")
    server = lab.server.accept(listener)
    receive(server, 9)
    server.sendall(b"answer\n")
    server.close()
    lab.path.wait_for(lambda s: s.dport == 40001 and s.is_fin)
    lab.mark("the server has closed, and has no third segment")
    lab.path.rules.clear()
    lab.path.release()
    receive(client, 7)
    client.close()
    lab.path.settle()


def check_ecn(seen, synack_flags):
    syn, synack = seen.where(lambda s: s.is_syn)[0], seen.where(lambda s: s.is_synack)[0]
    assert syn.flags & (ECE | CWR) == ECE | CWR, seen.shape
    assert synack.flags & (ECE | CWR) == synack_flags, f"SYN-ACK with flags {synack.flags:#x}"


@scenario(25, check=lambda seen: check_ecn(seen, ECE))
def ecn_classic(lab):
    """The client asks for ECN in its SYN and the server agrees (RFC 3168 6.1.1)."""
    for host in (lab.client, lab.server):
        host.sysctl("net.ipv4.tcp_ecn", 1)
    lab.note("tcp_ecn 1 at both hosts")
    close_in_four(lab, *talk(lab))


@scenario(26, check=lambda seen: check_ecn(seen, 0))
def ecn_refused(lab):
    """The client asks for ECN in its SYN and the server does not agree."""
    lab.client.sysctl("net.ipv4.tcp_ecn", 1)
    lab.server.sysctl("net.ipv4.tcp_ecn", 0)
    lab.note("tcp_ecn 1 at the client, 0 at the server")
    close_in_four(lab, *talk(lab))


def multipath_socket(host):
    family = socket.AF_INET6 if ":" in host.address else socket.AF_INET
    made = host.run(socket.socket, family, socket.SOCK_STREAM, IPPROTO_MPTCP)
    made.settimeout(30)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def check_multipath(seen, server_too):
    syn, synack = seen.where(lambda s: s.is_syn)[0], seen.where(lambda s: s.is_synack)[0]
    assert syn.options[OPTION_MPTCP][0] >> 4 == 0, "the SYN has MP_CAPABLE"
    assert (OPTION_MPTCP in synack.options) == server_too


@scenario(27, check=lambda seen: check_multipath(seen, True))
def multipath(lab):
    """Multipath TCP with one subflow (RFC 8684 3.1): both ends are capable."""
    listener = multipath_socket(lab.server)
    listener.bind((lab.server.address, lab.port))
    listener.listen(8)
    client = multipath_socket(lab.client)
    client.bind((lab.client.address, 40000))
    client.connect((lab.server.address, lab.port))
    server, _ = listener.accept()
    lab.exchange(client, server)
    close_in_four(lab, client, server)
    listener.close()


@scenario(28, check=lambda seen: check_multipath(seen, False))
def multipath_not_taken_up(lab):
    """The client is capable of Multipath TCP, the server's listener is not: an ordinary connection."""
    listener = lab.listen()
    client = multipath_socket(lab.client)
    client.bind((lab.client.address, 40000))
    client.connect((lab.server.address, lab.port))
    server = lab.server.accept(listener)
    lab.exchange(client, server)
    close_in_four(lab, client, server)


def sign_for(made, peer):
    """struct tcp_md5sig of linux/tcp.h, for all that made exchanges with peer."""
    key = b"a key that both ends have"
    address = struct.pack("=HH4s120x", socket.AF_INET, 0, ipaddress.ip_address(peer).packed)
    made.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, address + struct.pack("=BBHI80s", 0, 0, len(key), 0, key))


def check_signed(seen):
    assert seen.shape.startswith(TALKED + ">R >P. <P. >."), seen.shape
    assert all(OPTION_MD5 in s.options for s in seen.where(lambda s: not s.is_rst)), "all but the RST is signed"


@scenario(76, check=check_signed)
def signed_reset_forged(lab):
    """A connection with MD5 signatures (RFC 2385): a forged RST with the exact number, but no signature, is ignored."""
    listener = lab.listen()
    sign_for(listener, lab.client.address)
    client = lab.client_socket()
    sign_for(client, lab.server.address)
    client.connect((lab.server.address, lab.port))
    server = lab.server.accept(listener)
    lab.exchange(client, server)
    seq, _ = numbers(lab)
    lab.inject(RST, seq=seq)
    lab.path.settle()
    lab.mark("the forged RST is ignored")
    lab.exchange(client, server)
    close_in_four(lab, client, server)
