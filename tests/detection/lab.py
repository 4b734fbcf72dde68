#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The simulated kernels behave as real ones were measured in the laboratory: how many a backlog holds, how often SYN-ACKs are repeated, when
SYN cookies begin and what they lack, in which order ports are used and when there are none left, and what a full accept queue looks like.

lab.py SIMULATE
"""
import collections
import struct
import subprocess
import sys
import tempfile

FIN, SYN, RST, ACK = 1, 2, 4, 16

Segment = collections.namedtuple("Segment", "time client server flags seq ack options payload from_client")


def segments(simulate, scenario, **values):
    """All segments of a scenario without background, by time; client is (address, port)."""
    command = [simulate, scenario, "--seed", "7", *[f"{k}={v}" for k, v in ({"background": 0, "lead": 1} | values).items()]]
    with tempfile.TemporaryFile() as file:
        subprocess.run(command, stdout=file, check=True)
        file.seek(0)
        data = file.read()
    out, at = [], 24
    clients = {}
    while at < len(data):
        s, ns, kept, _ = struct.unpack_from("<4I", data, at)
        ip = data[at + 16 + 14:at + 16 + kept]
        at += 16 + kept
        tcp = ip[20:]
        sport, dport, seq, ack, offset, flags = struct.unpack_from(">HHIIBB", tcp)
        here, there = (ip[12:16], sport), (ip[16:20], dport)
        if flags & (SYN | ACK) == SYN:
            clients[here, there] = True
        from_client = (here, there) in clients
        client, server = (here, there) if from_client else (there, here)
        out.append(Segment(s + ns / 1e9, client, server, flags, seq, ack, tcp[20:offset // 16 * 4], len(tcp) - offset // 16 * 4,
                           from_client))
    return out


def kinds(options):
    """The option kinds in order, NOPs left out."""
    out, at = [], 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        out.append(options[at])
        at += options[at + 1]
    return tuple(out)


def synacks(all_segments):
    """{client: its SYN-ACKs}."""
    out = collections.defaultdict(list)
    for s in all_segments:
        if s.flags & (SYN | ACK) == SYN | ACK:
            out[s.client].append(s)
    return out


class Checks:
    def __init__(self):
        self.failed = 0

    def near(self, what, measured, lab, tolerance=0):
        ok = abs(measured - lab) <= tolerance
        self.failed += not ok
        print(f"{'ok' if ok else 'WRONG'}: {what}: {measured:g}, in the lab {lab:g}" + (f" (+- {tolerance:g})" if tolerance else ""))


def flood(simulate, checks):
    """L4: 1000 forged SYNs at 200/s to listen(128), cookies on."""
    all_segments = segments(simulate, "syn_flood", rate=200, seconds=5, tail=80, backlog=128, stack="linux", owners_reset=0)
    answers = synacks(all_segments)
    clients = [s.client for s in all_segments if s.flags == SYN]
    # What began before the first cookie: 5 s hold no pruned entry yet, so the queue does not open again.
    repeats = collections.Counter(len(a) - 1 for a in answers.values())
    checks.near("L4 answered from the backlog of 128", sum(n for r, n in repeats.items() if r > 0), 129)
    checks.near("L4 of these with 5 repetitions", repeats[5], 64, 1)
    checks.near("L4 of these with 2 repetitions", repeats[2], 65, 1)
    checks.near("L4 cookies, never repeated", repeats[0], len(clients) - 129)
    first = next(i for i, c in enumerate(clients) if len(answers[c]) == 1)
    checks.near("L4 the first cookie is this flow", first + 1, 130)
    longest = max(answers.values(), key=len)
    for i, gap in enumerate((1, 2, 4, 8, 16)):
        checks.near(f"L4 gap {i + 1} between SYN-ACKs", round(longest[i + 1].time - longest[i].time, 3), gap, 0.01)
    looks = {kinds(a[0].options) for a in answers.values()}
    checks.near("L4 option layouts with timestamps offered", len(looks), 1)


def windows_clients(simulate, checks):
    """L5: 600 forged SYNs without timestamps."""
    answers = synacks(segments(simulate, "syn_flood", rate=200, seconds=3, tail=80, backlog=128, stack="windows", owners_reset=0))
    bare = [a for a in answers.values() if kinds(a[0].options) == (2,)]
    full = [a for a in answers.values() if set(kinds(a[0].options)) == {2, 3, 4}]
    checks.near("L5 stateful: MSS, SACK, window scale", len(full), 129)
    checks.near("L5 cookies: MSS alone", len(bare), len(answers) - 129)
    checks.near("L5 of the bare ones repeated", sum(len(a) > 1 for a in bare), 0)


def without_cookies(simulate, checks):
    """L6: 600 forged SYNs, cookies off."""
    all_segments = segments(simulate, "syn_flood", rate=200, seconds=3, tail=80, backlog=128, stack="linux", owners_reset=0, cookies=0)
    syns = sum(s.flags == SYN for s in all_segments)
    checks.near("L6 answered", len(synacks(all_segments)), 129)
    checks.near("L6 never answered", syns - len(synacks(all_segments)), syns - 129)


def exhaustion(simulate, checks):
    """L1 to L3: 800/s to one service, the client closes first."""
    syns = [s for s in segments(simulate, "exhaustion", rate=800, seconds=70, tail=5) if s.flags == SYN]
    start = syns[0].time
    ports = [s.client[1] for s in syns]
    flip = next(i for i, port in enumerate(ports) if port % 2 != ports[0] % 2)
    checks.near("L2 SYNs before the parity flip", flip, 14128, 30)
    checks.near("L2 the flip comes after (s)", syns[flip].time - start, 17.7, 0.2)
    gap, at = max((b.time - a.time, i) for i, (a, b) in enumerate(zip(syns, syns[1:])))
    checks.near("L1 the first failure comes after (s)", syns[at].time - start, 44.4, 0.7)
    checks.near("L1 the silence lasts (s)", gap, 16, 1)
    checks.near("L1 connections before it", at + 1, 28258, 40)
    checks.near("L1 distinct ports before it", len(set(ports[:at + 1])), 28232)
    later = [s.time for s in syns if s.time > syns[flip].time + 1 and s.time <= syns[at].time]
    checks.near("L3 rate behind the flip", len(later) / (later[-1] - later[0]), 522, 23)


def reuse(simulate, checks):
    """L8b: tcp_tw_reuse = 1 at 700/s for 62 s."""
    syns = [s for s in segments(simulate, "exhaustion", rate=700, seconds=62, tail=1, reuse=1) if s.flags == SYN]
    ports = [s.client[1] for s in syns]
    checks.near("L8b connections", len(syns), 43400, 60)
    checks.near("L8b parities", len({port % 2 for port in ports}), 1)
    checks.near("L8b distinct ports", len(set(ports)), 13650, 480)
    last, least = {}, 1e9
    for s in syns:
        if s.client in last:
            least = min(least, s.time - last[s.client])
        last[s.client] = s.time
    # One turn of the range; the kernel's steps vary more than ours, so its soonest is sooner.
    checks.near("L8b soonest reuse (s)", least, 2.3, 2.1)


def accept_queue(simulate, checks):
    """L7, L7b, L7c: nobody accepts."""
    all_segments = segments(simulate, "burst", clients=30, gap=0.1, backlog=8, accept_backlog=8, seconds=70)
    answered = synacks(all_segments)
    syns = collections.Counter(s.client for s in all_segments if s.flags == SYN)
    checks.near("L7 established with listen(8)", len(answered), 9)
    silent = [syns[c] for c in syns if c not in answered]
    checks.near("L7 without a SYN-ACK", len(silent), 21)
    checks.near("L7 SYNs of each of these in 40 s", max(silent), 10, 1)

    all_segments = segments(simulate, "burst", clients=20, backlog=128, accept_backlog=32, waiting=30, seconds=80)
    answered = synacks(all_segments)
    repeats = [len(a) - 1 for a in answered.values()]
    checks.near("L7b got a SYN-ACK", len(answered), 20)
    checks.near("L7b established", sum(r == 0 for r in repeats), 3)
    checks.near("L7b SYN-ACKs repeated after a valid ACK", sum(r > 0 for r in repeats), 17)
    checks.near("L7b of these all five times", sum(r == 5 for r in repeats), 16, 1)

    all_segments = segments(simulate, "burst", clients=60, backlog=32, accept_backlog=32, seconds=80)
    answered = synacks(all_segments)
    acked = {s.client for s in all_segments if not s.from_client and s.payload == 0 and s.flags == ACK}
    data = {s.client for s in all_segments if s.from_client and s.payload > 0}
    checks.near("L7c answered", len(answered), 60)
    checks.near("L7c SYN-ACKs repeated", sum(len(a) > 1 for a in answered.values()), 0)
    checks.near("L7c data that the server never acknowledges", len(data - acked), 27)


def main(argv):
    if len(argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    checks = Checks()
    for experiment in (flood, windows_clients, without_cookies, exhaustion, reuse, accept_queue):
        experiment(argv[1], checks)
    print(f"{checks.failed} wrong")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
