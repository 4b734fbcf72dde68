# SPDX-License-Identifier: BSD-2-Clause
"""A host of the lab: a network namespace held by one thread, with a TUN device as its only link.

The namespace has no name and no mount: it lives as long as the thread and the sockets made in it, so that nothing is
left behind when the recorder is killed."""

import ctypes
import fcntl
import ipaddress
import os
import queue
import socket
import struct
import subprocess
import threading

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_TAP, IFF_NO_PI = 0x0001, 0x0002, 0x1000
SOCK_STATES = {1: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RCVD", 4: "FIN_WAIT_1", 5: "FIN_WAIT_2", 6: "TIME_WAIT",
               7: "CLOSED", 8: "CLOSE_WAIT", 9: "LAST_ACK", 10: "LISTEN", 11: "CLOSING", 12: "SYN_RCVD"}

_libc = ctypes.CDLL(None, use_errno=True)


class Host:
    """One end of the path. Sockets made by socket() belong to its namespace; any thread may use them."""

    def __init__(self, name, addresses, device=IFF_TUN):
        self.name = name
        self.addresses = [str(ipaddress.ip_interface(address).ip) for address in addresses]
        self.address = self.addresses[0]
        self._requests = queue.Queue()
        self._sockets = []
        self._thread = threading.Thread(target=self._serve, name=f"host-{name}", daemon=True)
        self._thread.start()
        self.tun = self.run(self._open_link, device, addresses)

    def _serve(self):
        try:
            _new_namespace()
        except OSError as failure:
            _, done = self._requests.get()
            done.put((None, failure))
            return
        while True:
            work, done = self._requests.get()
            if work is None:
                done.put((None, None))
                return
            try:
                done.put((work(), None))
            except BaseException as failure:  # handed to the caller
                done.put((None, failure))

    def run(self, function, *args, **kwargs):
        """Calls function in the namespace and returns what it returns, or raises what it raises."""
        done = queue.Queue()
        self._requests.put((lambda: function(*args, **kwargs), done))
        result, failure = done.get()
        if failure is not None:
            raise failure
        return result

    def command(self, *argv, **options):
        """Runs a program in the namespace and returns its standard output."""
        return self.run(subprocess.run, argv, check=True, capture_output=True, text=True, **options).stdout

    def spawn(self, *argv, **options):
        """Starts a program in the namespace; the caller waits for it."""
        return self.run(subprocess.Popen, argv, **options)

    def _open_link(self, device, addresses):
        # Before the device exists: no router solicitation and no address of its own making on the recording.
        for name, value in (("accept_ra", 0), ("router_solicitations", 0), ("accept_dad", 0), ("addr_gen_mode", 1)):
            _write_sysctl(f"net.ipv6.conf.default.{name}", value)
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"path", device | IFF_NO_PI))
        for argv in [("ip", "address", "add", address, "dev", "path") for address in addresses] + [
                ("ip", "link", "set", "lo", "up"),
                ("ip", "link", "set", "path", "mtu", "1500", "txqueuelen", "10000", "up")]:
            subprocess.run(argv, check=True, capture_output=True)
        families = {ipaddress.ip_interface(address).version for address in addresses}
        for family in sorted(families):
            subprocess.run(("ip", f"-{family}", "route", "add", "default", "dev", "path"), check=True,
                           capture_output=True)
        return tun

    def sysctl(self, name, value):
        self.run(_write_sysctl, name, value)

    def socket(self, **options):
        """A TCP socket of this host. Options: see setsockopts()."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        made = self.run(socket.socket, family, socket.SOCK_STREAM)
        made.settimeout(30)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        setsockopts(made, **options)
        self._sockets.append(made)
        return made

    def listen(self, port, backlog=128, **options):
        listener = self.socket(**options)
        listener.bind((self.address, port))
        listener.listen(backlog)
        return listener

    def accept(self, listener):
        accepted, _ = listener.accept()
        accepted.settimeout(30)
        self._sockets.append(accepted)
        return accepted

    def states(self):
        """{(local address, local port, remote address, remote port): state name} of every TCP socket, as the kernel
        lists them (embryonic requests and TIME_WAIT included). Listeners have the remote port 0."""
        return self.run(_read_states)

    def close(self):
        for made in self._sockets:
            try:
                made.close()
            except OSError:
                pass
        try:
            os.close(self.tun)
        except OSError:
            pass
        done = queue.Queue()
        self._requests.put((None, done))
        done.get()


def _new_namespace():
    """Two in a row: the first is the parent that gives the second a small socket table, so that listing it is fast."""
    for name, value in (("net.ipv4.tcp_child_ehash_entries", 4096), (None, None)):
        if _libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET): root is needed")
        if name:
            _write_sysctl(name, value)


def setsockopts(made, linger=None, receive_buffer=None, keepalive=None, user_timeout_ms=None, fastopen=None):
    """keepalive is (idle seconds, interval seconds, probes); linger 0 makes close() reset the connection."""
    if linger is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, linger))
    if receive_buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if keepalive is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in zip((socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT), keepalive):
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    if user_timeout_ms is not None:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, user_timeout_ms)
    if fastopen is not None:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, fastopen)


def _write_sysctl(name, value):
    with open("/proc/sys/" + name.replace(".", "/"), "w") as file:
        file.write(str(value))


def _read_states():
    found = {}
    for path in ("/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"):
        with open(path) as table:
            next(table)
            for line in table:
                fields = line.split()
                local, local_port = fields[1].split(":")
                remote, remote_port = fields[2].split(":")
                key = (_address(local), int(local_port, 16), _address(remote), int(remote_port, 16))
                found[key] = SOCK_STATES[int(fields[3], 16)]
    return found


def _address(text):
    words = [bytes.fromhex(text[i:i + 8])[::-1] for i in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))
