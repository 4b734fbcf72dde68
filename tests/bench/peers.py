# SPDX-License-Identifier: BSD-2-Clause
"""Other programs that keep state of TCP connections, and how each is run here: on one core, reading a file, with as
little beside tracking as it lets itself be told. None of them is needed; those that are on the PATH are measured."""

import os
import shutil
from typing import Callable, NamedTuple


class Peer(NamedTuple):
    """One row of the table."""

    name: str
    binary: str
    # From the program's path, the capture and an empty folder of its own to the command.
    command: Callable[[str, str, str], list]
    note: str = ""


SURICATA = """%YAML 1.1
---
af-packet: []
vars: {{ address-groups: {{ HOME_NET: "any", EXTERNAL_NET: "any" }}, port-groups: {{ HTTP_PORTS: "80" }} }}
default-log-dir: {folder}
stats: {{ enabled: no }}
logging: {{ default-log-level: warning, outputs: [ {{ console: {{ enabled: yes }} }} ] }}
outputs: {outputs}
rule-files: []
app-layer: {{ protocols: {{}} }}
flow: {{ memcap: 16gb, hash-size: 4194304, prealloc: 10000, managers: 1, recyclers: 1 }}
stream: {{ memcap: 16gb, checksum-validation: no, inline: no, midstream: true, prealloc-sessions: 100000,
  reassembly: {{ memcap: 1gb, depth: 1, raw: no }} }}
defrag: {{ memcap: 32mb, hash-size: 65536, trackers: 65535 }}
host: {{ hash-size: 4096, prealloc: 1000, memcap: 32mb }}
mpm-algo: auto
"""

SURICATA_FLOWS = '[ { eve-log: { enabled: yes, filetype: regular, filename: eve.json, types: [ flow ] } } ]'

SNORT = """stream = { max_flows = 8000000, pruning_timeout = 3600 }
stream_tcp = { }
"""


def write(folder, name, text):
    """A file of the program's own; returns its path."""
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def suricata(outputs):
    """Suricata with these outputs."""

    def command(program, capture, folder):
        config = write(folder, "suricata.yaml", SURICATA.format(folder=folder, outputs=outputs))
        return [program, "-r", capture, "-c", config, "-l", folder, "-k", "none", "--runmode", "single",
                "-S", "/dev/null"]

    return command


def snort(program, capture, folder):
    """Snort 3 with its stream inspectors alone."""
    return [program, "-q", "-c", write(folder, "snort.lua", SNORT), "-r", capture, "-l", folder, "-k", "none"]


PEERS = (
    Peer("Suricata, tracking alone", "suricata", suricata("[]")),
    Peer("Suricata, flow records", "suricata", suricata(SURICATA_FLOWS)),
    Peer("Snort 3, tracking alone", "snort", snort),
    Peer("Zeek, bare scripts", "zeek", lambda program, capture, folder: [program, "-b", "-C", "-r", capture]),
    Peer("argus, records", "argus", lambda program, capture, folder: [program, "-X", "-r", capture, "-w", "/dev/null"]),
    Peer("nfpcapd, records", "nfpcapd", lambda program, capture, folder: [program, "-r", capture, "-w", folder]),
    Peer("ndpiReader", "ndpiReader", lambda program, capture, folder: [program, "-q", "-i", capture]),
    Peer("tcptrace", "tcptrace", lambda program, capture, folder: [program, "-n", "-b", capture]),
    Peer("tshark, conversations", "tshark",
         lambda program, capture, folder: [program, "-n", "-q", "-r", capture, "-z", "conv,tcp"]),
)

# Where Debian and the projects put programs that are not meant for everyone.
FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/suricata/bin", "/opt/zeek/bin", "/opt/snort/bin")


def find(peer):
    """The program's path, or None."""
    return shutil.which(peer.binary, path=os.pathsep.join((os.environ.get("PATH", ""),) + FOLDERS))
