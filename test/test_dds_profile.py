"""The Fast DDS profile that ships with the package lets large images through."""

from __future__ import annotations

from importlib import resources
from xml.etree import ElementTree

import pytest

NAMESPACE = {'dds': 'http://www.eprosima.com'}
VGA_BYTES = 640 * 480 * 3


@pytest.fixture(scope='module')
def profile() -> ElementTree.Element:
    path = resources.files('physical_ai_bridge') / 'config' / 'dds' / 'fastdds.xml'
    return ElementTree.fromstring(path.read_text(encoding='utf-8'))


def transport(profile: ElementTree.Element, kind: str) -> ElementTree.Element:
    """Return the one transport of a kind, SHM or UDPv4."""
    found = [
        element for element in profile.iterfind('.//dds:transport_descriptor', NAMESPACE)
        if element.findtext('dds:type', namespaces=NAMESPACE) == kind
    ]
    assert len(found) == 1
    return found[0]


def number(element: ElementTree.Element, name: str) -> int:
    return int(element.findtext(f'dds:{name}', namespaces=NAMESPACE))


def test_a_shared_memory_segment_holds_several_frames(profile):
    shared_memory = transport(profile, 'SHM')
    assert number(shared_memory, 'segment_size') == 8 * 2**20
    assert number(shared_memory, 'segment_size') > 5 * VGA_BYTES
    assert number(shared_memory, 'maxMessageSize') > 5 * VGA_BYTES


def test_a_udp_socket_holds_several_frames(profile):
    udp = transport(profile, 'UDPv4')
    assert number(udp, 'receiveBufferSize') == 4 * 2**20
    assert number(udp, 'sendBufferSize') == 4 * 2**20


def test_every_participant_uses_these_transports_and_no_others(profile):
    participant = profile.find('.//dds:participant', NAMESPACE)
    assert participant.get('is_default_profile') == 'true'
    used = [e.text for e in participant.iterfind('.//dds:userTransports/*', NAMESPACE)]
    declared = [e.text for e in profile.iterfind('.//dds:transport_descriptor/dds:transport_id',
                                                 NAMESPACE)]
    assert sorted(used) == sorted(declared)
    assert participant.findtext('.//dds:useBuiltinTransports', namespaces=NAMESPACE) == 'false'
