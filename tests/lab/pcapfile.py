# SPDX-License-Identifier: BSD-2-Clause
"""Capture files: writing what the tap saw (raw IP, Ethernet or VLAN-tagged Ethernet) and reading it back."""

import gzip
import os
import struct
import subprocess

LINKTYPE_ETHERNET, LINKTYPE_RAW = 1, 101
MAGIC_MICRO, MAGIC_NANO = 0xA1B2C3D4, 0xA1B23C4D
CLIENT_MAC, SERVER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


class PcapWriter:
    """link is "raw", "ethernet" or "vlan:ID". Frames are kept in memory; save() writes them."""

    def __init__(self, link="raw", snaplen=65535, nanoseconds=False):
        self.link = link
        self.snaplen = snaplen
        self.nanoseconds = nanoseconds
        self.frames = []  # (time_ns, raw IP packet, from_client)

    def add(self, time_ns, raw, from_client):
        self.frames.append((time_ns, bytes(raw), from_client))

    def _frame(self, raw, from_client):
        if self.link == "raw":
            return raw
        macs = SERVER_MAC + CLIENT_MAC if from_client else CLIENT_MAC + SERVER_MAC
        kind = b"\x86\xdd" if raw[0] >> 4 == 6 else b"\x08\x00"
        if self.link.startswith("vlan:"):
            return macs + struct.pack("!HH", 0x8100, int(self.link[5:])) + kind + raw
        return macs + kind + raw

    def contents(self):
        unit = 1 if self.nanoseconds else 1000
        link = LINKTYPE_RAW if self.link == "raw" else LINKTYPE_ETHERNET
        magic = MAGIC_NANO if self.nanoseconds else MAGIC_MICRO
        parts = [struct.pack("<IHHiIII", magic, 2, 4, 0, 0, self.snaplen, link)]
        for time_ns, raw, from_client in self.frames:
            frame = self._frame(raw, from_client)
            kept = frame[:self.snaplen]
            parts.append(struct.pack("<IIII", time_ns // 10**9, time_ns % 10**9 // unit, len(kept), len(frame)))
            parts.append(kept)
        return b"".join(parts)

    def save(self, path):
        """Writes path, compressed as its ending (.gz, .zst) says."""
        contents = self.contents()
        if path.endswith(".gz"):
            contents = gzip.compress(contents, 9, mtime=0)
        elif path.endswith(".zst"):
            contents = subprocess.run(("zstd", "-19", "-c", "-q"), input=contents, check=True,
                                      stdout=subprocess.PIPE).stdout
        temporary = path + ".new"
        with open(temporary, "wb") as file:
            file.write(contents)
        os.replace(temporary, path)


def read_contents(path):
    if path.endswith(".zst"):
        return subprocess.run(("zstd", "-dcq", path), check=True, stdout=subprocess.PIPE).stdout
    with (gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")) as file:
        return file.read()


def read_frames(path):
    """Yields (time_ns, frame, length on the wire) of a pcap file of this module's making."""
    contents = read_contents(path)
    magic = struct.unpack_from("<I", contents)[0]
    if magic not in (MAGIC_MICRO, MAGIC_NANO):
        raise ValueError(f"{path}: not a little-endian pcap file")
    unit = 1 if magic == MAGIC_NANO else 1000
    at = 24
    while at < len(contents):
        seconds, fraction, kept, length = struct.unpack_from("<IIII", contents, at)
        yield seconds * 10**9 + fraction * unit, contents[at + 16:at + 16 + kept], length
        at += 16 + kept
