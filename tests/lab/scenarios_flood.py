# SPDX-License-Identifier: BSD-2-Clause
"""Many at once: floods, scans, worms, piles. The packets are cut to the headers."""

import concurrent.futures
import contextlib
import errno
import ipaddress
import socket
import threading
import time

from .laboratory import kill_quietly, receive, scenario
from .netns import setsockopts
from .segment import SYN, forge, mss_option

HEADERS = 60  # an IPv4 header and the longest TCP header that Linux sends in a handshake
SPOOFED = ipaddress.ip_network("198.18.0.0/15")  # RFC 2544: nobody's addresses


def flood(lab, rate, seconds, port=None):
    """Forged SYNs from random addresses to the server's port, rate a second, in batches of a hundredth of a second."""
    target, began, sent = port or lab.port, time.monotonic(), 0
    lab.fact("flood_from_packet", len(lab.tap.frames) + 1)
    while sent < rate * seconds:
        due = min(int((time.monotonic() - began) * rate) + 1, rate * seconds)
        for _ in range(due - sent):
            source = str(SPOOFED[lab.random.randrange(SPOOFED.num_addresses)])
            lab.path.inject(forge(source, lab.server.address, lab.random.randrange(1024, 65536), target, SYN,
                                  seq=lab.random.randrange(1 << 32), window=lab.random.choice((512, 1024, 64240)),
                                  options=mss_option() if lab.random.random() < 0.5 else b"",
                                  ttl=lab.random.randrange(40, 250), ip_id=lab.random.randrange(1 << 16)), True)
        sent = due
        time.sleep(0.01)
    lab.fact("flood_to_packet", len(lab.tap.frames))
    lab.fact("flood_syns", sent)
    lab.fact("flood_seconds", round(time.monotonic() - began, 1))


class HonestClients:
    """Ordinary connections, one after another, while the body of the with statement runs; counts how they fare."""

    def __init__(self, lab, listener, period_s=0.25):
        self._lab, self._listener, self._period_s = lab, listener, period_s
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._serve, self._connect)]
        self.completed = self.failed = 0

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._lab.fact("honest_completed", self.completed)
        self._lab.fact("honest_failed", self.failed)

    def _serve(self):
        self._listener.settimeout(0.1)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError, ConnectionError, EOFError):
                accepted = self._lab.server.accept(self._listener)
                setsockopts(accepted)
                receive(accepted, 9)
                accepted.sendall(b"answer\n")
                accepted.recv(1)
                accepted.close()

    def _connect(self):
        port = 45000
        while not self._stop.is_set():
            client = self._lab.client_socket(port)
            client.settimeout(1.5)
            try:
                client.connect((self._lab.server.address, self._lab.port))
                client.sendall(b"question\n")
                receive(client, 7)
                self.completed += 1
            except OSError:
                self.failed += 1
            client.close()
            port += 1
            self._stop.wait(self._period_s)


def check_flood(least_syns, least_answers):
    def check(seen):
        assert seen.count(">S") >= least_syns, seen.count(">S")
        assert seen.count("<S.") >= least_answers, seen.count("<S.")
        rate = seen.count(">S") / seen.seconds()
        assert rate > 100, f"{rate} SYN/s"
    return check


@scenario(100, many=True, snaplen=HEADERS, suffix=".pcap.zst", seconds=14, check=check_flood(4000, 4000))
def syn_flood(lab):
    """SYN flood with spoofed sources (198.18.0.0/15) on a listening server, 500 SYN/s for 8 seconds, between honest
    connections four times a second before, during and after it. The backlog of 256 is soon full, the server answers
    with SYN cookies."""
    listener = lab.listen(backlog=256)
    with HonestClients(lab, listener):
        time.sleep(2)
        flood(lab, 500, 8)
        lab.mark("end of the flood")
        time.sleep(2)


@scenario(101, many=True, snaplen=HEADERS, suffix=".pcap.zst", seconds=14, check=check_flood(4000, 300))
def syn_flood_no_cookies(lab):
    """As syn_flood, but tcp_syncookies 0: with three quarters of tcp_max_syn_backlog (128) in use the server does not
    answer most SYNs, those of honest clients among them."""
    lab.server.sysctl("net.ipv4.tcp_syncookies", 0)
    lab.server.sysctl("net.ipv4.tcp_no_metrics_save", 1)
    lab.note("server: tcp_syncookies 0; tcp_no_metrics_save 1, or Linux would favour clients that it knows")
    listener = lab.listen(backlog=256)
    with HonestClients(lab, listener):
        time.sleep(2)
        flood(lab, 500, 8)
        lab.mark("end of the flood")
        time.sleep(2)


def check_cookies(seen):
    answers = seen.where(lambda s: s.is_synack)
    assert len(answers) > 100, seen.shape[:200]
    tries = {}
    for s in answers:
        tries[(s.dst, s.dport)] = tries.get((s.dst, s.dport), 0) + 1
    once = sum(count == 1 for count in tries.values())
    assert once > 90, f"{once} SYN-ACKs were not repeated"


@scenario(102, snaplen=HEADERS, seconds=6, check=check_cookies)
def syn_cookies(lab):
    """SYN cookies: 100 forged SYNs fill a backlog of 4, the rest is answered once and forgotten; an honest connection
    completes by its cookie, though the server had kept nothing of its SYN."""
    listener = lab.listen(backlog=4)
    for _ in range(100):
        source = str(SPOOFED[lab.random.randrange(SPOOFED.num_addresses)])
        lab.inject(SYN, seq=lab.random.randrange(1 << 32), src=source, sport=lab.random.randrange(1024, 65536),
                   options=mss_option())
    lab.path.settle()
    lab.mark("the backlog is full")
    lab.exchange(*lab.connect(listener))
    lab.path.wait_for(lambda s: s.is_synack, count=105)


def check_fan_out(seen):
    syns = seen.where(lambda s: s.is_syn)
    assert len({s.dst for s in syns}) == 300, len({s.dst for s in syns})
    assert len(seen.segments) == len(syns), "nobody answers"


@scenario(103, many=True, port=445, snaplen=HEADERS, suffix=".pcap.gz", seconds=9, check=check_fan_out)
def worm_fan_out(lab):
    """A worm's fan-out: one host connects to 300 addresses of a silent network and one port within 4 seconds; all are
    SYN_SENT and repeat their SYN."""
    lab.note("nobody has the addresses 10.8.0.0/23")
    for address in range(1, 301):
        made = lab.client.socket()
        lab.start_connect(made, str(ipaddress.ip_network("10.8.0.0/23")[address]))
        time.sleep(4 / 300)
    lab.mark("all are out")
    lab.path.settle(0.01)
    time.sleep(1.5)
    lab.finish(quiet_s=0.01)


def check_exhaustion(seen):
    assert seen.count(">S") == 1000, seen.count(">S")
    assert seen.count(">F.") >= 1000, seen.count(">F.")


@scenario(104, many=True, snaplen=HEADERS, suffix=".pcap.zst", seconds=36, check=check_exhaustion)
def time_wait_exhaustion(lab):
    """A client with 1,000 ephemeral ports (20000-20999) opens and closes connections to one server port, closing first,
    until every port is in TIME_WAIT and connect() fails with EADDRNOTAVAIL."""
    lab.client.sysctl("net.ipv4.ip_local_port_range", "20000 20999")
    lab.note("client: ip_local_port_range 20000 20999")
    listener = lab.listen(backlog=1024)
    opened = 0
    while True:
        client = lab.client.socket()
        try:
            client.connect((lab.server.address, lab.port))
        except OSError as failure:
            assert failure.errno == errno.EADDRNOTAVAIL, failure
            break
        opened += 1
        server = lab.server.accept(listener)
        client.shutdown(socket.SHUT_WR)
        server.recv(1)
        server.close()
        client.recv(1)
        client.close()
    lab.fact("connections", opened)
    lab.fact("connect_failed_with", "EADDRNOTAVAIL")


def check_close_wait_pile(seen):
    assert seen.count(">S") == 50 and seen.count(">F.") == 50 and seen.count("<F.") == 0, seen.shape[:300]


@scenario(105, snaplen=HEADERS, seconds=5, check=check_close_wait_pile)
def close_wait_pile(lab):
    """A server that forgets to close: 50 clients close, the server's 50 sockets stay in CLOSE_WAIT."""
    listener = lab.listen()
    for port in range(40000, 40050):
        client, _ = lab.connect(listener, port)
        client.shutdown(socket.SHUT_WR)


def check_port_scan(seen):
    syns = seen.where(lambda s: s.is_syn)
    assert len({s.dport for s in syns}) == 200, len({s.dport for s in syns})
    assert seen.count("<R.") == 197 and seen.count("<S.") == 3 and seen.count(">R") == 3, seen.shape[:300]


@scenario(106, many=True, snaplen=HEADERS, suffix=".pcap.gz", seconds=5, check=check_port_scan)
def port_scan(lab):
    """A SYN scan of 200 ports of one host in 4 seconds: 197 are refused, 3 answer and are reset by the scanner."""
    for port in (22, 80, 143):
        lab.server.listen(port)
    ports = list(range(1, 201))
    lab.random.shuffle(ports)
    for port in ports:
        lab.path.inject(forge(lab.client.address, lab.server.address, 54321, port, SYN, window=1024,
                              seq=lab.random.randrange(1 << 32), options=mss_option()), True)
        time.sleep(0.02)


def check_crowd(seen):
    assert seen.count(">S") >= 600, seen.count(">S")
    assert len({s.src for s in seen.where(lambda s: s.is_syn)}) == 40
    assert seen.count("<S.") >= seen.count(">S"), seen.count("<S.")


@scenario(107, many=True, snaplen=HEADERS, suffix=".pcap.zst", seconds=10, check=check_crowd)
def crowd(lab):
    """No attack: 600 complete connections of 40 clients within a few seconds, each with a request and an answer, closed
    by the client."""
    clients = [f"10.7.107.{100 + i}" for i in range(40)]
    for address in clients:
        lab.client.command("ip", "address", "add", f"{address}/24", "dev", "path")
    listener = lab.listen(backlog=1024)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                accepted = lab.server.accept(listener)
                receive(accepted, 9)
                accepted.sendall(b"answer\n")
                accepted.recv(1)
                accepted.close()

    def visit(address):
        client = lab.client.socket()
        client.bind((address, 0))
        client.connect((lab.server.address, lab.port))
        client.sendall(b"question\n")
        receive(client, 7)
        client.close()

    for _ in range(4):
        threading.Thread(target=serve, daemon=True).start()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(visit, clients * 15))


@scenario(108, many=True, snaplen=HEADERS, suffix=".pcap.gz", seconds=11,
          check=lambda seen: check_pile(seen))
def time_wait_pile(lab):
    """A server that closes first: 300 of its sockets are in TIME_WAIT, whose ports are all the same; the clients' ports
    stay free."""
    listener = lab.listen(backlog=1024)
    for port in range(30000, 30300):
        client, server = lab.connect(listener, port)
        server.shutdown(socket.SHUT_WR)
        client.recv(1)
        client.close()
        server.recv(1)
        server.close()


def check_pile(seen):
    assert seen.count(">S") == 300 and seen.count("<F.") >= 300, seen.shape[:300]


@scenario(109, many=True, snaplen=HEADERS, suffix=".pcap.gz", seconds=6, check=lambda seen: check_reset_pile(seen))
def reset_storm(lab):
    """A client that closes 200 connections with SO_LINGER 0, one after another: completed handshakes, then RSTs, no
    TIME_WAIT anywhere."""
    listener = lab.listen(backlog=1024)
    for port in range(30000, 30200):
        client, server = lab.connect(listener, port)
        kill_quietly(client)
        server.close()


def check_reset_pile(seen):
    assert seen.count(">S") == 200 and seen.count(">R.") == 200, seen.shape[:300]


def check_lost_listener(seen):
    assert seen.count("<R.") >= 20 and seen.count("<S.") >= 5, seen.shape[:300]


@scenario(110, many=True, snaplen=HEADERS, seconds=6, check=check_lost_listener)
def service_down(lab):
    """A server that dies: eight connections are served, then the listener is gone and the next thirty, of ten clients,
    are refused."""
    clients = [f"10.7.110.{100 + i}" for i in range(10)]
    for address in clients:
        lab.client.command("ip", "address", "add", f"{address}/24", "dev", "path")
    listener = lab.listen()
    for i in range(8):
        client = lab.client.socket()
        client.bind((clients[i], 0))
        client.connect((lab.server.address, lab.port))
        server = lab.server.accept(listener)
        lab.exchange(client, server)
        client.close()
        server.close()
    listener.close()
    lab.fact("down_from_packet", len(lab.tap.frames) + 1)
    for i in range(30):
        client = lab.client.socket()
        client.bind((clients[i % 10], 0))
        with contextlib.suppress(ConnectionRefusedError):
            client.connect((lab.server.address, lab.port))
        time.sleep(0.05)
