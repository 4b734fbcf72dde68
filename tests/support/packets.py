# SPDX-License-Identifier: BSD-2-Clause
"""A pcap file as a list of packets that tests leave out, double or shift, and write again."""

import gzip
import ipaddress
import struct
import subprocess
from dataclasses import dataclass

ETHERNET, RAW = 1, 101
TCP = 6
IPV4, IPV6, VLANS = b"\x08\x00", b"\x86\xdd", (b"\x81\x00", b"\x88\xa8")
FIN, SYN, PSH, ACK = 0x01, 0x02, 0x08, 0x10


@dataclass(frozen=True)
class Packet:
    number: int  # in the file that was read, from 1
    time_ns: int
    frame: bytes
    wire_bytes: int
    sender: tuple = None  # (address, port) of a TCP segment that is no fragment; else None
    receiver: tuple = None
    flags: int = 0
    tellable: bool = False  # a copy of it can be told from a repeat: it has an identification, or occupies numbers
    content: tuple = ()  # its ends, sequence number and payload: the same in what is sent again


def contents_of(path):
    if path.endswith(".zst"):
        return subprocess.run(("zstd", "-dcq", path), check=True, stdout=subprocess.PIPE).stdout
    with (gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")) as file:
        return file.read()


def segment_of(frame, link):
    """(sender, receiver, flags, tellable, content) of a whole TCP segment, or None."""
    kind = IPV4 if frame[:1] and frame[0] >> 4 == 4 else IPV6
    if link == ETHERNET:
        at, kind = 12, frame[12:14]
        while kind in VLANS:
            at, kind = at + 4, frame[at + 4:at + 6]
        frame = frame[at + 2:]
    if kind == IPV4 and len(frame) >= 40:
        header, protocol, ends = (frame[0] & 15) * 4, frame[9], (frame[12:16], frame[16:20])
        whole = struct.unpack_from("!H", frame, 6)[0] & 0x3FFF == 0
        identified = frame[4:6] != b"\0\0"
    elif kind == IPV6 and len(frame) >= 60:
        header, protocol, ends, whole = 40, frame[6], (frame[8:24], frame[24:40]), True
        identified = False
    else:
        return None
    if protocol != TCP or not whole or len(frame) < header + 20:
        return None
    if kind == IPV4:  # without the padding of Ethernet
        frame = frame[:struct.unpack_from("!H", frame, 2)[0] or len(frame)]
    ports = struct.unpack_from("!HH", frame, header)
    sender, receiver = ((str(ipaddress.ip_address(end)), port) for end, port in zip(ends, ports))
    flags = frame[header + 13]
    payload = frame[header + (frame[header + 12] >> 4) * 4:]
    tellable = identified or bool(payload) or bool(flags & (SYN | FIN))
    return sender, receiver, flags, tellable, (sender, receiver, flags & ~PSH, frame[header + 4:header + 8], payload)


class Capture:
    """A little-endian pcap file of Ethernet or raw IP frames: others are refused with ValueError."""

    def __init__(self, path):
        contents = contents_of(path)
        if len(contents) < 24:
            raise ValueError(f"{path}: too short")
        magic, *_, self.link = struct.unpack_from("<IHHiIII", contents)
        units = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}
        if magic not in units or self.link not in (ETHERNET, RAW):
            raise ValueError(f"{path}: not a pcap file that this module reads")
        self.packets = []
        at = 24
        while at + 16 <= len(contents):
            seconds, fraction, kept, wire_bytes = struct.unpack_from("<IIII", contents, at)
            frame = contents[at + 16:at + 16 + kept]
            found = segment_of(frame, self.link) or ()
            time_ns = seconds * 10**9 + fraction * units[magic]
            self.packets.append(Packet(len(self.packets) + 1, time_ns, frame, wire_bytes, *found))
            at += 16 + kept

    def write(self, path, packets):
        """A file with nanoseconds of these packets."""
        with open(path, "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, self.link))
            for packet in packets:
                seconds, nanoseconds = divmod(packet.time_ns, 10**9)
                file.write(struct.pack("<IIII", seconds, nanoseconds, len(packet.frame), packet.wire_bytes))
                file.write(packet.frame)
