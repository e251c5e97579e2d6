"""A policy server that speaks openpi's protocol over real sockets, and can misbehave."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from enum import Enum
from http import HTTPStatus
import logging
import ssl
import threading
from typing import Any

import numpy as np
from physical_ai_bridge.contract.teacher import TASK, Teacher
from physical_ai_bridge.policy.msgpack_numpy import MOST_BYTES, pack, unpack
from physical_ai_bridge.policy.protocol import Policy
from websockets.asyncio.server import serve, Server, ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

TRACEBACK = """Traceback (most recent call last):
  File "/srv/policy.py", line 7, in infer
    raise KeyError('observation/state')
KeyError: 'observation/state'
"""

# What goes wrong here is meant to, and keys are in the headers.
_SILENT = logging.getLogger(__name__)
_SILENT.setLevel(logging.CRITICAL + 1)

Serve = Callable[[dict[str, Any]], dict[str, Any]]


class Fault(Enum):
    """What a server may do at one question, or one connection, instead of what it should."""

    TRACEBACK = 'a text, then the end of the connection, as openpi does'
    DROP = 'the end of the connection'
    SILENCE = 'nothing, for ever'
    HUGE = 'more bytes than anybody reads'
    MALFORMED = 'bytes that are no msgpack'
    NOT_A_MAPPING = 'a list'
    TEXT_NOT_UTF8 = 'a text frame that is none'
    TWICE = 'the reply, and the same again'
    UNREAD = 'it does not read what comes'


class TeacherServer:
    """
    Serves ``answer`` on a port of its own, on a thread of its own; a context manager.

    ``answer`` gets an observation and returns the reply; ``server_timing`` is added to it.
    ``api_key`` is asked for if given, and connections without it get the status 401. What came is
    in ``observations``; ``connections`` counts those that were let in. Each of ``faults`` takes
    the place of one reply, each of ``greetings`` that of one connection's first message.
    """

    def __init__(
            self, answer: Serve, *, metadata: Mapping[str, Any] | None = None,
            api_key: str | None = None, redirect_to: str | None = None,
            tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.metadata = dict(metadata or {})
        self.observations: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.traceback = TRACEBACK
        self.connections = 0
        self.faults: deque[Fault] = deque()
        self.greetings: deque[Fault] = deque()
        self._api_key, self._redirect_to, self._tls = api_key, redirect_to, tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: Server | None = None

    @property
    def port(self) -> int:
        """The port that the server was given."""
        return self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """The address for clients."""
        host = '127.0.0.1' if self._tls is None else 'localhost'
        return f'{"ws" if self._tls is None else "wss"}://{host}:{self.port}'

    def drop_connections(self) -> None:
        """End every connection, and return when that is done."""
        async def drop() -> None:
            for connection in tuple(self._server.connections):
                connection.transport.abort()
                await connection.wait_closed()

        self._do(drop())

    def wait_until_received(self) -> None:
        """Return when the clients have taken in all that was sent to them."""
        async def ping() -> None:
            for connection in tuple(self._server.connections):
                await (await connection.ping())

        self._do(ping())

    def wait_until_left(self) -> None:
        """Return when no client is connected any more."""
        async def left() -> None:
            for connection in tuple(self._server.connections):
                await connection.wait_closed()

        self._do(left())

    def stop(self) -> None:
        """End every connection, and take no more."""
        async def close() -> None:
            for connection in tuple(self._server.connections):
                connection.transport.abort()
            self._server.close()
            await self._server.wait_closed()

        self._do(close())

    def __enter__(self) -> TeacherServer:
        self._thread.start()

        async def begin() -> Server:
            return await serve(
                self._handle, '127.0.0.1', 0, compression=None, max_size=None, ssl=self._tls,
                process_request=self._let_in, ping_interval=None, logger=_SILENT)

        self._server = self._do(begin())
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> Any:
        done: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(timeout=30.0)

    def _let_in(self, connection: ServerConnection, request: Request) -> Response | None:
        self.headers.append(dict(request.headers.raw_items()))
        if request.path == '/healthz':
            return connection.respond(HTTPStatus.OK, 'OK\n')
        if self._redirect_to is not None:
            response = connection.respond(HTTPStatus.FOUND, '')
            response.headers['Location'] = self._redirect_to
            return response
        if self._api_key is not None and (
                request.headers.get('Authorization') != f'Api-Key {self._api_key}'):
            return connection.respond(HTTPStatus.UNAUTHORIZED, 'no such key\n')
        return None

    async def _handle(self, connection: ServerConnection) -> None:
        self.connections += 1
        try:
            if self.greetings:
                await self._misbehave(connection, self.greetings.popleft(), b'')
            else:
                await connection.send(pack(self.metadata))
            while True:
                if self.faults and self.faults[0] is Fault.UNREAD:
                    self.faults.popleft()
                    connection.transport.pause_reading()
                observation = unpack(await connection.recv(), most_bytes=1 << 30)
                self.observations.append(observation)
                reply = pack({'server_timing': {'infer_ms': 1.5}, **self.answer(observation)})
                if self.faults:
                    await self._misbehave(connection, self.faults.popleft(), reply)
                else:
                    await connection.send(reply)
        except ConnectionClosed:
            pass

    async def _misbehave(
            self, connection: ServerConnection, fault: Fault, reply: bytes) -> None:
        if fault is Fault.TRACEBACK:
            await connection.send(self.traceback)
            await connection.close(1011, 'Internal server error.')
        elif fault is Fault.DROP:
            connection.transport.abort()
        elif fault is Fault.HUGE:
            await connection.send(bytes(MOST_BYTES + 1))
        elif fault is Fault.MALFORMED:
            await connection.send(b'\xc1\xc1')
        elif fault is Fault.NOT_A_MAPPING:
            await connection.send(pack([1, 2]))
        elif fault is Fault.TEXT_NOT_UTF8:
            await connection.send(b'\xff\xfe', text=True)
        elif fault is Fault.TWICE:
            await connection.send(reply)
            await connection.send(reply)


def answers_of(policy: Policy, teacher: Teacher) -> Serve:
    """
    Return what serves ``policy`` to a client that sends what ``teacher`` says.

    The teacher's keys must cover the policy's inputs; its columns and first row must be None.
    """
    inputs = {key: name for name, key in teacher.keys.items()}

    def answer(observation: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for key, value in observation.items():
            name = inputs.get(key, TASK if key == teacher.prompt_key else key)
            if name == TASK:
                found[name] = np.array(policy.manifest.tasks.index(value), np.int64)
            elif name.startswith('observation.images.') and teacher.layout == 'chw':
                found[name] = np.ascontiguousarray(value.transpose(1, 2, 0))
            else:
                found[name] = value
        return {'actions': policy.infer(found)}

    return answer
