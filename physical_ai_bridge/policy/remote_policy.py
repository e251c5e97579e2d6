"""A teacher's server behind the Policy protocol."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import math
import time
from typing import Any

import numpy as np
from physical_ai_bridge.contract.bundle import (
    action_columns,
    gripper_columns,
    input_tensors,
    Manifest,
)
from physical_ai_bridge.contract.errors import EndpointError, WireError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.teacher import TASK, Teacher
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.policy.inputs import check_inputs
from physical_ai_bridge.policy.msgpack_numpy import pack, pack_canonical, unpack
from physical_ai_bridge.policy.teacher_connection import (
    DroppedError,
    ServerError,
    TeacherConnection,
)

MOST_UNANSWERED = 3
_MOST_TIMINGS = 16


class RemotePolicy:
    """
    Asks a teacher's server, one observation at a time.

    Nothing is contacted before ``connect``, which ``infer`` calls where it was not. A connection
    that was dropped between two observations is opened again, once; it must lead to a server with
    the same metadata.
    """

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher
        self._inputs = input_tensors(teacher.manifest)
        self._columns = (*action_columns(teacher.manifest), *gripper_columns(teacher.manifest))
        self._connection: TeacherConnection | None = None
        self._metadata: Mapping[str, Any] | None = None
        self._digest: str | None = None
        self._unanswered = 0
        self._last_inference_s: float | None = None
        self._server_timing: Mapping[str, float] = {}
        self._server_traceback: str | None = None

    @property
    def manifest(self) -> Manifest:
        """What the policy needs and returns."""
        return self._teacher.manifest

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the server said of itself; connects if need be, and raises as ``connect`` does."""
        self.connect()
        return {} if self._metadata is None else self._metadata

    @property
    def digest(self) -> str:
        """The sha256 of the teacher's digest and its server's metadata; connects if need be."""
        if self._digest is None:
            self.connect()
        return self._digest or ''

    @property
    def last_inference_s(self) -> float | None:
        """How long the last reply took, the network's part included; None before the first."""
        return self._last_inference_s

    @property
    def server_timing(self) -> Mapping[str, float]:
        """What the last reply said under ``server_timing``: ms, by openpi's names."""
        return self._server_timing

    @property
    def server_traceback(self) -> str | None:
        """The last traceback that the server sent, as it came: text that nobody has checked."""
        return self._server_traceback

    def connect(self) -> None:
        """
        Connect, unless that was done.

        Raises
        ------
        EndpointError
            If the server cannot be reached, refuses, does not speak as openpi's does, or is not
            the one that it was.
        SetupError
            If the teacher's key is not in the environment, or websockets is not installed.

        """
        if self._connection is not None:
            return
        connection = TeacherConnection(self._teacher)
        digest = hashlib.sha256(
            bytes.fromhex(self._teacher.digest) + pack_canonical(connection.metadata)).hexdigest()
        if self._digest not in (None, digest):
            connection.abort()
            raise EndpointError(
                f'{self._teacher.place}: the server now says something else of itself than at '
                'first: it is another teacher; begin again')
        self._connection, self._metadata, self._digest = connection, connection.metadata, digest

    def close(self) -> None:
        """Close the connection; the next inference would open one again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """
        Return the action chunk, float32 (horizon, W), for one observation.

        Raises
        ------
        InferenceError
            If the server fails, is late, or returns what is no such chunk; the next observation
            may go better.
        EndpointError
            If the server is gone, is another one, or left ``MOST_UNANSWERED`` observations in a
            row unanswered: none will go better.
        SetupError
            As ``connect``.

        """
        check_inputs(inputs, self._inputs)
        question = pack(self._observation(inputs))
        begun_ns = time.perf_counter_ns()
        reply = self._ask(question)
        self._last_inference_s = (time.perf_counter_ns() - begun_ns) / 1e9
        try:
            values = unpack(reply)
        except WireError as error:
            raise InferenceError(
                Reason.ACTION_MALFORMED, f"the teacher's reply {error}") from None
        if not isinstance(values, dict):
            raise InferenceError(Reason.ACTION_MALFORMED, "the teacher's reply is a "
                                 f'{type(values).__name__}, not a mapping')
        self._server_timing = _timing(values.get('server_timing'))
        return self._chunk(values)

    def _observation(self, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return what is sent: the inputs that the teacher's keys list, and the instruction."""
        teacher, sent = self._teacher, {}
        for name, key in teacher.keys.items():
            if name != TASK:
                array = inputs[name]
                if name.startswith('observation.images.') and teacher.layout == 'chw':
                    array = array.transpose(2, 0, 1)
                sent[key] = array
        if teacher.prompt is not None:
            sent[teacher.prompt_key] = teacher.prompt
        elif teacher.manifest.tasks:
            task, tasks = int(inputs[TASK]), teacher.manifest.tasks
            if not 0 <= task < len(tasks):
                raise InferenceError(Reason.INFERENCE_FAILED, f'the input {TASK} is {task}, the '
                                     f'manifest lists {len(tasks)} instructions')
            sent[teacher.prompt_key] = tasks[task]
        return sent

    def _ask(self, question: bytes) -> bytes:
        """Return the reply, over a new connection if the one at hand was dropped."""
        while True:
            reused = self._connection is not None
            self.connect()
            try:
                reply = self._connection.ask(question)
            except DroppedError:
                self._connection = None
                if not reused:
                    raise self._given_up(InferenceError(
                        Reason.INFERENCE_FAILED, f'{self._teacher.place}: the server closed the '
                        'connection instead of replying; see its log')) from None
            except ServerError as error:
                self._connection = None
                self._server_traceback = error.traceback
                raise
            except InferenceError as error:
                self._connection = None
                raise self._given_up(error) from None
            except EndpointError:
                self._connection = None
                raise
            else:
                self._unanswered = 0
                return reply

    def _given_up(self, error: InferenceError) -> InferenceError | EndpointError:
        """Return ``error``, or, when it is one too many, that the endpoint is of no use."""
        self._unanswered += 1
        if self._unanswered < MOST_UNANSWERED:
            return error
        return EndpointError(f'{error}; {self._unanswered} observations in a row went unanswered')

    def _chunk(self, values: Mapping[str, Any]) -> np.ndarray:
        """Return the part of the reply's actions that the teacher file says, checked."""
        actions = values.get('actions')
        if not isinstance(actions, np.ndarray):
            found = ', '.join(repr(key)[:40] for key in list(values)[:10]) or 'nothing'
            raise _malformed(f"the reply has no array 'actions'; it has {found}")
        if actions.ndim != 2 or actions.dtype.kind not in 'fiu':
            raise _malformed(f'the actions are {actions.dtype} {list(actions.shape)}, a chunk is '
                             'numbers in rows and columns')
        rows, columns = self._rows(len(actions)), self._reply_columns(actions.shape[1])
        # Asked for by index, the rows and columns are a copy, which is the caller's.
        with np.errstate(over='ignore'):
            chunk = actions[rows][:, columns].astype(np.float32)
        if not np.isfinite(chunk).all():
            row, column = np.argwhere(~np.isfinite(chunk))[0]
            raise _malformed(f'row {row} of the chunk has {chunk[row, column]} for '
                             f'{self._columns[column]}')
        return chunk

    def _rows(self, found: int) -> slice:
        horizon, first = self.manifest.action.horizon, self._teacher.first_row
        if first is None and found > horizon:
            raise _malformed(f'the actions have {found} rows, the horizon is {horizon}; write in '
                             'actions.first_row of the teacher file from which row on to take '
                             'them')
        begin = first or 0
        if found < begin + horizon:
            raise _malformed(f'the actions have {found} rows, rows {begin} to '
                             f'{begin + horizon - 1} are wanted; write the action.horizon that '
                             'the teacher has in the teacher file')
        return slice(begin, begin + horizon)

    def _reply_columns(self, found: int) -> list[int]:
        columns = self._teacher.columns
        if columns is None:
            if found != len(self._columns):
                raise _malformed(
                    f'the actions have {found} columns, the manifest {len(self._columns)} '
                    f'({", ".join(self._columns)}); write in actions.columns of the teacher file '
                    'which to take')
            return list(range(found))
        if max(columns) >= found:
            raise _malformed(f'the actions have {found} columns, actions.columns of the teacher '
                             f'file asks for column {max(columns)}, counted from 0')
        return list(columns)


def _malformed(found: str) -> InferenceError:
    return InferenceError(Reason.ACTION_MALFORMED, f'the teacher: {found}')


def _timing(values: Any) -> dict[str, float]:
    """Return the finite numbers of a reply's timing; it is told, and decides nothing."""
    if not isinstance(values, dict):
        return {}
    return dict([(str(key)[:40], float(value)) for key, value in values.items()
                 if isinstance(value, (int, float, np.number)) and math.isfinite(value)
                 ][:_MOST_TIMINGS])
