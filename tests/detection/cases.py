# SPDX-License-Identifier: BSD-2-Clause
"""What is played: scenarios of the simulator with their values, and the figures for which each counts."""


class Case:
    """One scenario with its values. n_seeds: how often the full set plays it; short: whether the short one does, once."""

    def __init__(self, name, scenario, tags, n_seeds=3, short=False, **values):
        self.name = name
        self.scenario = scenario
        self.tags = frozenset(tags.split())
        self.n_seeds = n_seeds
        self.short = short
        self.values = values


def floods():
    """Floods by rate, over what stands before the victim, how it reacts, and how the sources look."""
    looks = (
        ("cookies", {}),
        ("silence", {"cookies": 0, "stack": "linux"}),
        ("windows", {"reaction": "windows", "stack": "windows"}),
        ("proxy", {"reaction": "proxy", "stack": "masscan"}),
        ("refusing", {"reaction": "refusing", "background": 0, "stack": "raw"}),
        ("one", {"spoof": "one", "owners_reset": 1}),
        ("botnet", {"spoof": "botnet", "stack": "mixed"}),
        ("net24", {"spoof": "net24", "stack": "masscan", "backlog": 4096}),
    )
    cases = []
    for rate in (500, 1000, 10000):
        for name, values in looks:
            few = {"background": 100, "seconds": 8, "tail": 45} | values
            # Where nobody else comes, the capture ends with the flood, and nothing is kept.
            more = "" if name == "refusing" else " clear cookies gauge"
            short = (rate, name) in ((500, "cookies"), (500, "silence"), (1000, "botnet"), (500, "refusing"))
            cases.append(Case(f"flood{rate}-{name}", "syn_flood", "fast grid class" + more,
                              n_seeds=1 if rate > 1000 else 3, short=short, rate=rate, **few))
    for name, values in looks:
        more = "" if name == "refusing" else " gauge"
        cases.append(Case(f"flood50-{name}", "syn_flood", "fifty grid class" + (" clear cookies" + more if more else ""),
                          n_seeds=4, short=name in ("cookies", "silence"), rate=50, **({"background": 100, "seconds": 30, "tail": 45} | values)))
        for rate in (5, 10, 20, 100):
            tags = "five class" if rate == 5 else "grid class"
            cases.append(Case(f"flood{rate}-{name}", "syn_flood", tags + more, n_seeds=2,
                              short=(rate, name) == (10, "cookies"),
                              rate=rate, **({"background": 20, "seconds": 60, "tail": 45} | values)))
    # Of a victim that refuses, and SYNs as real systems send them: it is there when the run begins.
    for rate, spoof in ((10, "random"), (20, "random"), (50, "random"), (500, "random"), (500, "net24"), (500, "botnet"), (500, "one")):
        tags = "fast " if rate == 500 else ""
        cases.append(Case(f"refused{rate}-{spoof}", "syn_flood", tags + "grid class", n_seeds=2, short=(rate, spoof) == (50, "random"),
                          rate=rate, spoof=spoof, reaction="refusing", stack="linux", background=0, seconds=30, tail=40))
    for stack in ("bare", "dominate", "zmap"):
        cases.append(Case(f"flood300-{stack}", "syn_flood", "grid class", n_seeds=1, rate=300, stack=stack, background=50,
                          seconds=10, tail=40, cookies=int(stack != "bare")))
    cases.append(Case("flood100k", "syn_flood", "fast grid class", n_seeds=2, rate=100000, background=100, seconds=2, tail=3))
    for rate in (20, 200):
        cases.append(Case(f"ramp{rate}", "syn_flood", "grid class", n_seeds=2, rate=rate, ramp=60, seconds=120, tail=45,
                          background=50))
    for rate in (100, 1000):
        cases.append(Case(f"pulses{rate}", "syn_flood", "pulses grid class", n_seeds=2, short=rate == 100, rate=rate,
                          on=10, off=50, seconds=250, tail=60, background=20))
    for rate in (20, 30, 60, 100, 500):
        tags = "fast " if rate == 500 else ""
        cases.append(Case(f"crowded{rate}", "syn_flood", tags + "crowded grid class", n_seeds=2, short=rate == 60, rate=rate, times=20,
                          background=50, stack="linux", lead=150, seconds=40, tail=40))
    cases.append(Case("flood-busy", "syn_flood", "grid class", n_seeds=1, rate=200, background=1000, seconds=15, tail=40))
    return cases


def time_wait():
    cases = []
    for name, rate, ramp, tags in (("step800", 800, 0, "tw800"), ("step480", 480, 0, "tw480"),
                                   ("ramp1", 700, 1, "twramp"), ("ramp05", 600, 0.5, "twramp")):
        tail = 5
        seconds = 47 if rate == 800 else 62 if rate == 480 else 600 if ramp == 1 else 1100
        cases.append(Case(f"time-wait-{name}", "exhaustion", tags + " forecast class", n_seeds=3 if ramp == 0 else 1,
                          short=rate == 800, rate=rate, ramp=ramp, seconds=seconds, tail=tail, background=20))
    cases.append(Case("time-wait-windows", "exhaustion", "twother class", n_seeds=1, rate=200, stack="windows", seconds=90,
                      tail=5, background=20))
    cases.append(Case("time-wait-macos", "exhaustion", "twother class", n_seeds=1, rate=620, stack="macos", seconds=45,
                      tail=5, background=20))
    cases.append(Case("time-wait-steady60", "exhaustion", "twsilent", n_seeds=2, rate=282, seconds=300, tail=5,
                      background=20))
    cases.append(Case("time-wait-reuse", "exhaustion", "twsilent", n_seeds=2, rate=700, reuse=1, seconds=120, tail=5,
                      background=20))
    return cases


def others():
    cases = [
        Case("trickle", "trickle", "trickle class gauge", n_seeds=3, short=True, rate=2, backlog=128, background=20, seconds=100, tail=5),
        Case("trickle-busy", "trickle", "trickle class gauge", n_seeds=2, rate=2, backlog=128, background=300, seconds=100, tail=5),
        Case("carpet", "carpet", "carpet class", n_seeds=3, short=True, rate=2, background=100, seconds=15, tail=45),
        Case("carpet-botnet", "carpet", "carpet class", n_seeds=2, short=True, rate=20, spoof="botnet", background=100, seconds=15, tail=45),
        Case("carpet-refusing", "carpet", "carpet class", n_seeds=2, short=True, rate=2, reaction="refusing", background=20, seconds=30, tail=30),
        Case("carpet-refusing-linux", "carpet", "carpet class", n_seeds=2, rate=2, reaction="refusing", stack="linux", background=20,
             seconds=30, tail=30),
        Case("carpet-refusing-64", "carpet", "carpet class", n_seeds=2, rate=2, hosts=64, reaction="refusing", background=20,
             seconds=30, tail=30),
        Case("carpet-refusing-ports", "carpet", "carpet class", n_seeds=2, rate=2, ports=20, reaction="refusing", stack="linux",
             background=20, seconds=30, tail=30),
        Case("carpet-ipv6", "carpet", "carpet class", n_seeds=1, short=True, rate=2, ipv6=1, background=20, seconds=15, tail=30),
        Case("flash5", "flash_crowd", "flash", n_seeds=3, times=5, background=20),
        Case("flash10", "flash_crowd", "flash", n_seeds=3, times=10, background=20),
        Case("flash20", "flash_crowd", "flash", n_seeds=3, short=True, times=20, background=20, seconds=20, tail=20),
        Case("flash20-busy", "flash_crowd", "flash", n_seeds=2, times=20, background=100),
        Case("flash20-minute", "flash_crowd", "flash", n_seeds=8, times=20, background=20),
        Case("flash20-long", "flash_crowd", "flash", n_seeds=8, short=True, times=20, background=30, seconds=90, tail=30),
        Case("flash15-long", "flash_crowd", "flash", n_seeds=4, times=15, background=25, seconds=120, tail=30),
        Case("flash20-known", "flash_crowd", "flash", n_seeds=4, times=20, background=20, lead=130, seconds=90, tail=40),
        Case("flash20-small", "flash_crowd", "flash", n_seeds=4, times=20, background=50, lead=70, seconds=90, tail=40, backlog=128),
        Case("accept-overflow", "accept_overflow", "class", n_seeds=3, short=True, background=50, seconds=30, tail=40),
        Case("reflection", "strays", "class clear", n_seeds=2, short=True, kind="reflection", background=20, seconds=10, tail=45),
        Case("backscatter", "strays", "class", n_seeds=2, short=True, kind="backscatter", background=20, seconds=60, tail=5),
        Case("slow-scan", "scan", "class", n_seeds=2, kind="slow", background=5),
        Case("worm", "scan", "class", n_seeds=2, short=True, kind="worm", background=20, tail=10),
        Case("distributed-scan", "scan", "class", n_seeds=2, short=True, kind="distributed", background=20, tail=10),
        Case("distributed-scan-few", "scan", "class", n_seeds=2, short=True, kind="distributed", sources=12, rate=600, background=20,
             tail=10),
    ]
    for kind in ("vertical", "horizontal", "fin", "null", "xmas", "ack"):
        cases.append(Case(f"scan-{kind}", "scan", "class", n_seeds=2, short=True, kind=kind, background=20, tail=10))
    for kind in ("ack", "rst", "fin"):
        cases.append(Case(f"strays-{kind}", "strays", "class clear", n_seeds=2, short=kind == "ack", kind=kind, lead=130,
                          background=10, seconds=10, tail=45))
    cases.append(Case("strays-fin-strong", "strays", "class clear", n_seeds=2, short=True, kind="fin", rate=5000, lead=30,
                      background=20, seconds=60, tail=45))
    for kind in ("idle", "established", "zero_window"):
        cases.append(Case(f"held-{kind}", "held", "class", n_seeds=2, short=kind == "idle", kind=kind, background=10, seconds=60, tail=10))
    cases.append(Case("held-time_wait", "held", "class", n_seeds=1, kind="time_wait", rate=1400, background=10, seconds=70, tail=5))
    cases.append(Case("injection", "injection", "class", n_seeds=3, short=True, background=10, seconds=30, tail=10))
    cases.append(Case("probes", "injection", "class", n_seeds=2, background=10, hits=0, rate=200, seconds=30, tail=10))
    for kind in ("close_wait", "fin_wait_2", "last_ack"):
        cases.append(Case(f"held-{kind}", "held", "class", n_seeds=1, kind=kind, background=10))
    for kind in ("refusing", "silent"):
        cases.append(Case(f"down-{kind}", "service_down", "class clear", n_seeds=3, short=True, kind=kind, background=20, seconds=30, tail=45))
    return cases


def clean(days):
    """Days without trouble; and what a poorer tap makes of an hour."""
    cases = [Case("day", "day", "clean", n_seeds=days, hours=24, background=3, snaplen=128)]
    cases.append(Case("hour", "day", "clean", n_seeds=2, short=True, hours=0.5, background=10, snaplen=128))
    for name, values in (("loss0.1", {"lost": 0.001}), ("loss1", {"lost": 0.01}), ("loss10", {"lost": 0.1}),
                         ("doubled", {"doubled": 1}), ("doubled1", {"doubled": 0.01}), ("reordered", {"reordered": 0.01}),
                         ("one-way", {"one_way": 1}), ("midstream", {"blind": 600}), ("snap54", {"snaplen": 54}),
                         ("snap64", {"snaplen": 64}), ("qinq", {"vlan": 42, "qinq": 7}), ("ipv6", {"ipv6": 1}),
                         ("step", {"step": 900, "step_back": 30})):
        hours = 0.5 if name in ("one-way", "loss10", "doubled", "midstream") else 1
        short = name in ("one-way", "loss10", "doubled")
        cases.append(Case(f"impaired-{name}", "day", "impaired", n_seeds=2, short=short,
                          **({"hours": hours, "background": 10} | values)))
        if name in ("loss10", "loss1", "one-way", "doubled", "midstream", "qinq", "ipv6"):
            more = {"blind": 10} if name == "midstream" else values
            cases.append(Case(f"flood-{name}", "syn_flood", "impairedflood", n_seeds=1, rate=500, background=50, seconds=8,
                              tail=45, **more))
    for name, hours, values in (("loss10-busy", 0.4, {"lost": 0.1, "background": 200}),
                                ("loss15-busy", 0.5, {"lost": 0.15, "background": 100}),
                                ("loss30", 0.4, {"lost": 0.3, "background": 30}),
                                ("reordered10", 0.4, {"reordered": 0.1, "background": 60})):
        cases.append(Case(f"impaired-{name}", "day", "impaired", n_seeds=2, short=name == "loss30", hours=hours, **values))
    busy = {"background": 100, "tail": 100}
    cases.append(Case("flood50-loss20", "syn_flood", "lossyflood clear cookies", n_seeds=4, short=True, rate=50, lost=0.2,
                      seconds=30, **busy))
    cases.append(Case("flood10-loss10", "syn_flood", "lossyflood clear cookies", n_seeds=4, short=True, rate=10, lost=0.1,
                      seconds=60, **busy))
    cases.append(Case("flood-joined", "syn_flood", "lossyflood", n_seeds=2, short=True, rate=500, blind=31, lead=30,
                      seconds=20, **busy))
    return cases


def all_cases(days=30):
    return floods() + time_wait() + others() + clean(days)
