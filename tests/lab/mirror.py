# SPDX-License-Identifier: BSD-2-Clause
"""A mirror port: a third host whose interface `path` receives what the tap sees, for a sensor that watches live."""

import os

from .netns import IFF_TAP, Host
from .pcapfile import PcapWriter

IGNORED = "192.0.2.77/32"  # an address of the sensor's own, which nothing uses


class MirrorTap(PcapWriter):
    """As Lab's tap: `with Lab(spec) as lab: lab.path.set_tap(MirrorTap(lab.spec.link))`. Run the sensor with
    host.spawn("tcpwitness", "-i", "path", ...). What is seen is recorded as well."""

    def __init__(self, link="ethernet", **options):
        super().__init__("ethernet" if link == "raw" else link, **options)
        self.host = Host("sensor", [IGNORED], device=IFF_TAP)
        self.failures = 0

    def add(self, time_ns, raw, from_client):
        super().add(time_ns, raw, from_client)
        try:
            os.write(self.host.tun, self._frame(raw, from_client))
        except OSError:
            self.failures += 1

    def close(self):
        self.host.close()
