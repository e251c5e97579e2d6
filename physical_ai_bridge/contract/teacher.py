"""A teacher behind an endpoint: where it is, what it is sent, and which of its answer is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
import hashlib
import json
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from physical_ai_bridge.contract.action import ActionSpec
from physical_ai_bridge.contract.bundle import Count, Hertz, Manifest, ObservationSpec, Shaping
from physical_ai_bridge.contract.fields import check_fields, Complaint, Quantity, STRICT, Text
from physical_ai_bridge.contract.gripper import GripperAction

TASK = 'task'
PROMPT = 'prompt'
# What a manifest has, too: written here it takes the place of what `like` says.
_MANIFEST_KEYS = ('joints', 'rate_hz', 'observation', 'action')

Index = Annotated[int, Quantity('', at_least=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherImages:
    """
    How images are sent: uint8, rows first (``hwc``) or channels first (``chw``).

    ``width`` and ``height``, both or none, are what the observation's images are resized to
    instead of the sizes in the manifest.
    """

    layout: Literal['hwc', 'chw'] = 'hwc'
    width: Count | None = None
    height: Count | None = None
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = [(key, f'missing beside {other}', 'write both, or none of them')
                 for key, other in (('width', 'height'), ('height', 'width'))
                 if getattr(self, key) is None and getattr(self, other) is not None]
        check_fields(self, extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherActions:
    """
    Which part of the reply's ``actions`` is the chunk; what is left out must fit exactly.

    ``columns`` are the reply's columns in the order of the manifest's; ``first_row`` the reply's
    row from which ``action.horizon`` rows are taken.
    """

    columns: tuple[Index, ...] | None = None
    first_row: Index | None = None
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        if self.columns is not None and (
                not self.columns or len(set(self.columns)) != len(self.columns)):
            extra.append(('columns', f'found {list(self.columns)}',
                          "write each column of the reply's actions once, counted from 0"))
        check_fields(self, extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherFile:
    """A teacher file as it is written; ``contract.teacher_file.load_teacher`` completes it."""

    schema: Literal[1]
    name: Annotated[str, Text('a short name for this teacher')]
    endpoint: Annotated[str, Text('an address such as ws://teacher.local:8000')]
    keys: Annotated[dict[str, str], Text("the teacher's key for that input")]
    api_key_env: str | None = None
    timeout_s: Annotated[float, Quantity('s', at_least=0.01, at_most=3600.0)] = 30.0
    like: Annotated[str | None, Text('the folder of a bundle')] = None
    joints: Annotated[
        tuple[str, ...] | None, Text('joint names in the order of the teacher')] = None
    rate_hz: Hertz | None = None
    observation: ObservationSpec | None = None
    action: ActionSpec | None = None
    shaping: Shaping | None = None
    gripper: GripperAction | None = None
    tasks: Annotated[tuple[str, ...] | None, Text('an instruction in words')] = None
    images: TeacherImages = field(default_factory=TeacherImages)
    prompt: Annotated[str | None, Text('an instruction in words')] = None
    actions: TeacherActions = field(default_factory=TeacherActions)
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra: list[Complaint] = []
        complaint = endpoint_complaint(self.endpoint)
        if complaint is not None:
            extra.append(('endpoint', *complaint))
        if self.api_key_env is not None and not re.fullmatch(
                r'[A-Za-z_][A-Za-z0-9_]{0,99}', self.api_key_env):
            # Not shown: somebody may have written the key itself.
            extra.append(('api_key_env', 'found what is no name of an environment variable',
                          'write the name of the variable that holds the key, such as '
                          'TEACHER_API_KEY, and never the key itself'))
        if not self.keys:
            extra.append(('keys', 'found an empty mapping', 'write at least one input and the '
                          "teacher's key for it"))
        if self.like is None:
            extra += [(key, 'missing', 'write it as in a manifest, or write like: and the folder '
                       'of a bundle that has it')
                      for key in _MANIFEST_KEYS if getattr(self, key) is None]
        check_fields(self, extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """
    A teacher that can be asked; ``contract.teacher_file`` makes it.

    ``manifest`` says what it sees and returns, as a bundle's does; it lists no files. ``keys`` are
    from ``input_tensors(manifest)`` to the keys that the teacher knows: what is not listed is not
    sent. ``prompt`` goes out under ``prompt_key``; without one the instruction does, if the
    manifest has tasks. ``columns`` and ``first_row`` are those of ``TeacherActions``. ``where`` is
    the file or the address that it was made from.
    """

    name: str
    endpoint: str
    manifest: Manifest
    keys: Mapping[str, str]
    where: str
    api_key_env: str | None = None
    timeout_s: float = 30.0
    layout: Literal['hwc', 'chw'] = 'hwc'
    prompt: str | None = None
    columns: tuple[int, ...] | None = None
    first_row: int | None = None

    @property
    def place(self) -> str:
        """Where it is named and where it is, for messages."""
        return self.where if self.where == self.endpoint else f'{self.where}: {self.endpoint}'

    @property
    def prompt_key(self) -> str:
        """The teacher's key for an instruction in words."""
        return self.keys.get(TASK, PROMPT)

    @property
    def digest(self) -> str:
        """The sha256 of all that is said of it here, but not of where that was written."""
        values = {each.name: getattr(self, each.name) for each in fields(self)
                  if each.name not in ('where', 'manifest', 'keys')}
        values |= {'manifest': asdict(self.manifest), 'keys': dict(self.keys)}
        text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(',', ':'))
        return hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()


def endpoint_complaint(endpoint: str) -> tuple[str, str] | None:
    """Return what is wrong with a teacher's address and what to write, None where it is right."""
    write = 'write an address such as ws://teacher.local:8000 or wss://teacher.local/policy'
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        return f'found an address that cannot be read: {error}', write
    if parts.username is not None or parts.query or parts.fragment or '?' in endpoint:
        # Not shown: it may hold a key.
        return ('found an address with a name, a key or a question in it',
                'write the bare address, and name the variable with the key in api_key_env')
    found = f'found {endpoint!r}'
    if parts.scheme not in ('ws', 'wss'):
        return f'{found}, which is no WebSocket', write
    # What urlsplit drops on its way (spaces, line ends) would go to another place than it says.
    if not parts.hostname or port == 0 or not endpoint.isprintable() or ' ' in endpoint:
        return found, write
    return None
