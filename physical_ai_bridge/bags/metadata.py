"""What metadata.yaml says of a bag, in every version that rosbag2 has written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from physical_ai_bridge.bags.message import RecordedTopic
import yaml

NAME = 'metadata.yaml'
_TOP = 'rosbag2_bagfile_information'
_Loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class MetadataError(Exception):
    """The text is not what rosbag2 writes; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BagMetadata:
    """
    The part of metadata.yaml that matters for reading; ``stamps`` are the first and last, in ns.

    ``files`` are names in the bag's folder. ``compression_mode`` is '', 'file' or 'message'.
    """

    storage: str
    files: tuple[str, ...]
    topics: dict[str, RecordedTopic]
    stamps: tuple[int, int] | None
    compression_mode: str
    compression_format: str
    distribution: str | None
    notes: dict[str, str]


def parse_metadata(text: bytes) -> BagMetadata:
    """
    Return what a metadata.yaml says.

    Raises
    ------
    MetadataError
        When it is not YAML, or a field that is needed is missing or of another form.

    """
    try:
        return _bag(_load(text)[_TOP])
    except KeyError as error:
        raise MetadataError(f'{error} is missing') from error
    except (TypeError, AttributeError, ValueError) as error:
        raise MetadataError(f'a field is not what rosbag2 writes: {error}') from error


def facts_from_text(text: str) -> dict[str, Any]:
    """Return what a storage file's own copy of the metadata says; nothing where it is damaged."""
    try:
        found = _load(text.encode())
    except MetadataError:
        return {}
    return found if isinstance(found, dict) else {}


def notes_of(facts: dict[str, Any]) -> dict[str, str]:
    """Return the notes among the fields of a metadata.yaml."""
    custom = facts.get('custom_data')
    return {str(key): str(value) for key, value in custom.items()} if isinstance(
        custom, dict) else {}


def distribution_of(facts: dict[str, Any]) -> str | None:
    """Return the ROS distribution among the fields of a metadata.yaml; None where unknown."""
    found = facts.get('ros_distro')
    return found if isinstance(found, str) and found not in ('', 'unknown', 'rosbags') else None


def _load(text: bytes) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - the fast safe loader, or the other
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise MetadataError(f'it is no YAML: {" ".join(str(error).split())}') from error


def _bag(fields: dict[str, Any]) -> BagMetadata:
    topics: dict[str, RecordedTopic] = {}
    for entry in fields['topics_with_message_count'] or ():
        told = entry['topic_metadata']
        before = topics.get(told['name'])
        count = int(entry['message_count']) + (before.count if before else 0)
        topics[told['name']] = RecordedTopic(told['type'], count)
    first_ns = int(fields['starting_time']['nanoseconds_since_epoch'])
    last_ns = first_ns + int(fields['duration']['nanoseconds'])
    return BagMetadata(
        storage=str(fields['storage_identifier']),
        files=tuple(PurePath(name).name for name in fields['relative_file_paths']),
        topics=topics, stamps=(first_ns, last_ns) if int(fields['message_count']) else None,
        compression_mode=_mode(fields.get('compression_mode')),
        compression_format=str(fields.get('compression_format') or ''),
        distribution=distribution_of(fields), notes=notes_of(fields))


def _mode(value: object) -> str:
    mode = str(value or '').lower()
    return '' if mode == 'none' else mode
