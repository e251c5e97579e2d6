"""Record with ``ros2 bag record``, where rosbag2 is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import importlib.util
from pathlib import Path
import shutil
import signal
import subprocess
import tempfile
from types import FrameType
from typing import TYPE_CHECKING

from physical_ai_bridge.bags.metadata import NAME
from physical_ai_bridge.bags.reader import Recording
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import BridgeError, SetupError
import yaml

if TYPE_CHECKING:
    from physical_ai_bridge.nodes.recorder import TopicChoice

_STEP_S = 0.1
_STDERR = 2


def find_ros2_bag(writer: str, namespace: str) -> str | None:
    """
    Return the ``ros2`` executable that is to record; None where this package records itself.

    ``writer`` is 'auto', 'own' or 'rosbag2'. rosbag2 cannot record under other names than those
    on the wire, so that with a namespace the names of the cell file would be lost.

    Raises
    ------
    SetupError
        When rosbag2 was asked for and cannot do it.

    """
    if writer == 'own':
        return None
    ros2 = shutil.which('ros2')
    found = ros2 is not None and importlib.util.find_spec('ros2bag') is not None
    in_namespace = namespace.strip('/') != ''
    if writer == 'rosbag2' and in_namespace:
        raise SetupError(
            f'--writer rosbag2 records the names on the wire, those in /{namespace.strip("/")}, '
            'and not those of the cell file; write --writer own')
    if writer == 'rosbag2' and not found:
        missing = 'no `ros2` is on PATH' if ros2 is None else 'this Python has no ros2bag'
        raise SetupError(
            f'--writer rosbag2: {missing}; install ros-<distribution>-rosbag2 and '
            'ros-<distribution>-rosbag2-storage-mcap and source the setup.bash of ROS 2, or '
            'write --writer own')
    return ros2 if found and not in_namespace else None


def record_with_rosbag2(
        ros2: str, cell: Cell, folder: Path, notes: dict[str, str], received: Sequence[int],
) -> dict[str, int]:
    """
    Record what ``nodes.recorder`` would until a signal is ``received``; return counts by topic.

    rosbag2 gets SIGINT then, which ends it properly; a second signal is handed on as SIGTERM.

    Raises
    ------
    BridgeError
        When rosbag2 ends by itself, with another status than 0, or without a whole recording.

    """
    from physical_ai_bridge.nodes.dds import use_packaged_profile
    from physical_ai_bridge.nodes.recorder import cell_topics
    use_packaged_profile()
    topics = cell_topics(cell)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='record.') as workshop:
        qos = Path(workshop) / 'qos.yaml'
        qos.write_text(yaml.safe_dump(qos_overrides(topics)), encoding='utf-8')
        # A session of its own: Ctrl-C in a terminal would reach rosbag2 twice. What it says goes
        # to the error stream: the other one is for the verb's result.
        process = subprocess.Popen(
            [ros2, *bag_record_arguments([each.name for each in topics], folder, notes, qos)],
            stdin=subprocess.DEVNULL, stdout=_STDERR, start_new_session=True)
        status = _wait(process, received)
    if status != 0 or not received:
        how = f'with status {status}' if status >= 0 else f'of {signal.Signals(-status).name}'
        raise BridgeError(
            f'{folder}: ros2 bag record has ended {"" if received else "by itself, "}{how}; its '
            'lines above say why, and what it had written is left there')
    if not (folder / NAME).is_file():
        raise BridgeError(
            f'{folder}: ros2 bag record has ended without a recording: nothing may have been '
            'published; check that the nodes run in the same ROS_DOMAIN_ID')
    with Recording(folder) as recording:
        return {name: topic.count for name, topic in recording.topics.items()}


def bag_record_arguments(
        topics: Sequence[str], folder: Path, notes: dict[str, str], qos: Path) -> list[str]:
    """Return what follows ``ros2``: options that Jazzy and Kilted have."""
    # rosbag2 cuts a value off at its next equals sign.
    custom = [f'{key}={value}' for key, value in notes.items() if '=' not in value]
    return ['bag', 'record', '--storage', 'mcap', '--output', str(folder),
            '--disable-keyboard-controls', '--qos-profile-overrides-path', str(qos),
            '--custom-data', *custom, '--topics', *topics]


def qos_overrides(topics: Sequence[TopicChoice]) -> dict[str, dict[str, str | int]]:
    """Return how to subscribe, topic by topic: as this package's own recorder does."""
    return {each.name: {
        'history': 'keep_last', 'depth': each.depth,
        'reliability': 'reliable' if each.reliable else 'best_effort',
        'durability': 'transient_local' if each.latched else 'volatile'} for each in topics}


def _wait(process: subprocess.Popen[bytes], received: Sequence[int]) -> int:
    """Hand signals on until the process has ended, and return its status."""
    handed_on = 0
    while True:
        if len(received) > handed_on:
            process.send_signal(signal.SIGTERM if handed_on else signal.SIGINT)
            handed_on += 1
        try:
            return process.wait(_STEP_S)
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Yield a list that SIGINT and SIGTERM go into."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = [(number, signal.signal(number, note)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield received
    finally:
        for number, handler in before:
            signal.signal(number, handler)
