# SPDX-License-Identifier: BSD-2-Clause
"""Recordings made from others by leaving packets out, as a sensor that starts late or sees one direction would."""

from .laboratory import derived


@derived(130, source="client_closes_first", shape=">P. <. <P. >. >F. <. <F. >.")
def midstream(frames):
    """client_closes_first without the three segments of the handshake: the sensor starts in mid-stream."""
    return frames[3:]


@derived(131, source="client_closes_first", shape=">F. <. <F. >.")
def midstream_close(frames):
    """client_closes_first from the first FIN on."""
    return frames[7:]


@derived(132, source="server_aborts", link="vlan:42", shape=">P. <. <P. >. <R.")
def midstream_reset(frames):
    """server_aborts without the handshake."""
    return frames[3:]


@derived(133, source="client_closes_first", shape=">S >. >P. >. >F. >.")
def one_way_client(frames):
    """client_closes_first, of which the tap sees only what the client sends."""
    return [frame for frame in frames if frame[2]]


@derived(134, source="client_closes_first", shape="<S. <. <P. <. <F.")
def one_way_server(frames):
    """client_closes_first, of which the tap sees only what the server sends."""
    return [frame for frame in frames if not frame[2]]


@derived(135, source="half_close_with_data_ipv6", shape=">F. <. <P. >. <P. >. <P. >. <F. >.")
def midstream_half_close_ipv6(frames):
    """half_close_with_data_ipv6 from the first FIN on: data follow in one direction only."""
    return frames[7:]
