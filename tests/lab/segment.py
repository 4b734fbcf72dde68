# SPDX-License-Identifier: BSD-2-Clause
"""IP packets that carry TCP: reading them for rules and checks, and forging them for injections."""

import ipaddress
import struct

FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
TCP, ICMP, ICMP6 = 6, 1, 58

SEQUENCE_SPACE = 1 << 32


class Segment:
    """One IP packet. tcp is False for anything but a whole TCP header; then only raw, src and dst are set."""

    __slots__ = ("raw", "version", "protocol", "src", "dst", "tcp", "sport", "dport", "seq", "ack", "flags", "window",
                 "options", "payload", "from_client", "time")

    def __init__(self, raw, from_client=None, time=None):
        self.raw = raw
        self.from_client = from_client
        self.time = time
        self.tcp = False
        self.version = raw[0] >> 4 if raw else 0
        if self.version == 4 and len(raw) >= 20:
            header = (raw[0] & 15) * 4
            end = min(len(raw), struct.unpack_from("!H", raw, 2)[0])
            self.protocol = raw[9]
            self.src, self.dst = (str(ipaddress.IPv4Address(raw[i:i + 4])) for i in (12, 16))
        elif self.version == 6 and len(raw) >= 40:
            header = 40
            end = min(len(raw), 40 + struct.unpack_from("!H", raw, 4)[0])
            self.protocol = raw[6]
            self.src, self.dst = (str(ipaddress.IPv6Address(raw[i:i + 16])) for i in (8, 24))
        else:
            self.protocol, self.src, self.dst = None, None, None
            return
        if self.protocol == TCP and end - header >= 20:
            self._read_tcp(header, end)

    def _read_tcp(self, at, end):
        self.sport, self.dport, self.seq, self.ack, offset, self.flags, self.window = struct.unpack_from(
            "!HHIIBBH", self.raw, at)
        data = at + (offset >> 4) * 4
        self.options = read_options(self.raw[at + 20:data])
        self.payload = self.raw[data:end]
        self.tcp = True

    def has(self, flags):
        return self.tcp and self.flags & flags == flags

    @property
    def is_syn(self):
        return self.tcp and self.flags & (SYN | ACK) == SYN

    @property
    def is_synack(self):
        return self.tcp and self.flags & (SYN | ACK) == SYN | ACK

    @property
    def is_fin(self):
        return self.has(FIN)

    @property
    def is_rst(self):
        return self.has(RST)

    @property
    def is_bare_ack(self):
        return self.tcp and self.flags & (SYN | FIN | RST | ACK) == ACK and not self.payload

    @property
    def is_data(self):
        return self.tcp and len(self.payload) > 0

    @property
    def text(self):
        """S, S., F., R, R., P. and so on, as tcpdump writes flags."""
        if not self.tcp:
            return "icmp" if self.protocol in (ICMP, ICMP6) else "other"
        letters = "".join(letter for bit, letter in ((FIN, "F"), (SYN, "S"), (RST, "R")) if self.flags & bit)
        if self.payload:
            letters += "P"
        return letters + ("." if self.flags & ACK else "") or "none"


def read_options(data):
    """{kind: value bytes}; stops at the first malformed option."""
    found, at = {}, 0
    while at < len(data) and data[at] != 0:
        if data[at] == 1:
            at += 1
            continue
        if at + 1 >= len(data) or data[at + 1] < 2 or at + data[at + 1] > len(data):
            break
        found[data[at]] = data[at + 2:at + data[at + 1]]
        at += data[at + 1]
    return found


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mss_option(mss=1460):
    return struct.pack("!BBH", 2, 4, mss)


def forge(src, dst, sport, dport, flags, seq, ack=0, window=64240, options=b"", payload=b"", ttl=64, ip_id=0):
    """An IP packet with a TCP segment, checksums right."""
    options += b"\0" * (-len(options) % 4)
    source, target = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    offset = (20 + len(options)) // 4 << 4
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq % SEQUENCE_SPACE, ack % SEQUENCE_SPACE, offset, flags, window, 0,
                      0) + options + payload
    if source.version == 4:
        pseudo = source.packed + target.packed + struct.pack("!BBH", 0, TCP, len(tcp))
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), ip_id, 0x4000, ttl, TCP, 0, source.packed,
                         target.packed)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    else:
        pseudo = source.packed + target.packed + struct.pack("!IHBB", len(tcp), 0, 0, TCP)
        ip = struct.pack("!IHBB16s16s", 6 << 28, len(tcp), TCP, ttl, source.packed, target.packed)
    return ip + tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
