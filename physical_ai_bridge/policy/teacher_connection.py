"""One WebSocket to a teacher's server, as openpi serves its policies."""

from __future__ import annotations

from collections.abc import Mapping
import logging
import os
import re
import socket
import struct
import time
from typing import Any
from urllib.parse import urlsplit

from physical_ai_bridge.contract.errors import EndpointError, SetupError, WireError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.teacher import Teacher
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.policy.msgpack_numpy import MOST_BYTES, unpack

CLOSE_TIMEOUT_S = 1.0
_REDIRECTS = (301, 302, 303, 307, 308)
_MESSAGE_TOO_BIG = 1009

# Whoever turns on debug logging must not find the key in the log: websockets writes out headers.
_SILENT = logging.getLogger(f'{__name__}.websockets')
_SILENT.setLevel(logging.CRITICAL + 1)


class DroppedError(Exception):
    """The connection ended without an answer; on a new one the question may be asked again."""


class ServerError(InferenceError):
    """The server failed at a question and said how: ``traceback`` is what it sent."""

    def __init__(self, where: str, traceback: str) -> None:
        self.traceback = traceback
        super().__init__(
            Reason.INFERENCE_FAILED, f"{where}: the teacher's server failed: "
            f"{last_line(traceback)}; its whole traceback is in the server's own log")


class TeacherConnection:
    """
    A connection that is open; ``metadata`` is what the server said first.

    Only the teacher's endpoint is contacted: no proxy, no redirect is followed.
    """

    def __init__(self, teacher: Teacher) -> None:
        """
        Connect, and hear what the server says of itself.

        Raises
        ------
        EndpointError
            If the server cannot be reached, refuses, or does not speak as openpi's does.
        SetupError
            If the teacher's key is not in the environment, or websockets is not installed.

        """
        self._teacher = teacher
        self._where = teacher.place
        self._closed, self._socket = _open(teacher, self._where)
        try:
            self.metadata = self._greeting()
        except BaseException:
            self.abort()
            raise

    def ask(self, question: bytes) -> bytes:
        """
        Return the server's reply to one question.

        Raises
        ------
        DroppedError
            If the connection had been dropped, or is now.
        InferenceError
            If no whole reply comes in time. The connection is closed: a late reply must not be
            taken for that to the next question.
        ServerError
            If the server sends a traceback.
        EndpointError
            If the server had sent something that nobody asked for.

        """
        begun_s = time.monotonic()
        try:
            self._check_quiet()
            self._socket.send(question)
            reply = self._socket.recv(timeout=self._left_s(begun_s))
        except self._closed as error:
            self.abort()
            raise self._ended(error, begun_s) from None
        except TimeoutError:
            self.abort()
            raise self._late() from None
        except BaseException:
            self.abort()
            raise
        if isinstance(reply, str):
            self.abort()
            raise ServerError(self._where, reply)
        return reply

    def close(self) -> None:
        """Say good-bye, and wait a moment for an answer."""
        self._socket.close()

    def abort(self) -> None:
        """Close without a word."""
        self._socket.close_socket()

    def _greeting(self) -> Mapping[str, Any]:
        try:
            first = self._socket.recv(timeout=self._teacher.timeout_s)
        except TimeoutError:
            raise EndpointError(
                f'{self._where}: the server says nothing of itself within '
                f"{self._teacher.timeout_s:g} s, as openpi's does; see that it is one") from None
        except self._closed:
            raise EndpointError(f'{self._where}: the server closed the connection at once; see '
                                'its log') from None
        if isinstance(first, str):
            raise EndpointError(f"{self._where}: the teacher's server failed: {last_line(first)}; "
                                'see its log')
        try:
            metadata = unpack(first)
        except WireError as error:
            raise EndpointError(f"{self._where}: the server's first message {error}; see that it "
                                'speaks as openpi does') from None
        if not isinstance(metadata, dict):
            raise EndpointError(f"{self._where}: the server's first message is a "
                                f'{type(metadata).__name__}, not a mapping; see that it speaks '
                                'as openpi does')
        return metadata

    def _check_quiet(self) -> None:
        """Make sure that the next message can only be the reply to the next question."""
        try:
            early = self._socket.recv(timeout=0.0)
        except TimeoutError:
            return
        if isinstance(early, str):
            raise ServerError(self._where, early)
        raise EndpointError(f'{self._where}: the server sent {len(early)} bytes that nobody asked '
                            'for; see that it speaks as openpi does')

    def _left_s(self, begun_s: float) -> float:
        return max(0.0, begun_s + self._teacher.timeout_s - time.monotonic())

    def _late(self) -> InferenceError:
        return InferenceError(
            Reason.DEADLINE_MISSED, f'{self._where}: no whole reply within timeout_s, '
            f'{self._teacher.timeout_s:g} s; write a longer one if the teacher needs it')

    def _ended(self, error: Any, begun_s: float) -> Exception:
        """Return what the end of the connection amounts to."""
        if error.sent is not None and not error.rcvd_then_sent:
            # It was us who ended it, over something that the server sent.
            found = (f'is larger than {MOST_BYTES} bytes' if error.sent.code == _MESSAGE_TOO_BIG
                     else f'breaks the protocol: {last_line(error.sent.reason)}')
            return InferenceError(
                Reason.ACTION_MALFORMED, f'{self._where}: the reply {found}')
        if not self._left_s(begun_s):
            return self._late()
        return DroppedError()


def last_line(text: str) -> str:
    """Return the last line that says something, fit for a terminal and a report."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ['nothing']
    line = ''.join(letter if letter.isprintable() else '?' for letter in lines[-1])
    return line if len(line) <= 300 else f'{line[:297]}...'


def _open(teacher: Teacher, where: str) -> tuple[type[Exception], Any]:
    """Return an open connection, and the exception that tells its end."""
    try:
        from websockets.exceptions import (
            ConnectionClosed,
            InvalidHandshake,
            InvalidStatus,
            InvalidURI,
        )
        from websockets.sync.client import connect
    except ImportError:
        raise SetupError('a teacher at an endpoint needs websockets, which is not installed: pip '
                         'install "physical_ai_bridge[teacher]"') from None
    headers = _headers(teacher)
    try:
        return ConnectionClosed, connect(
            teacher.endpoint, sock=_tcp(teacher), proxy=None, compression=None,
            additional_headers=headers, user_agent_header='physical_ai_bridge',
            open_timeout=teacher.timeout_s,
            # openpi's server answers no ping while its policy runs.
            ping_interval=None, close_timeout=CLOSE_TIMEOUT_S, max_size=MOST_BYTES, max_queue=2,
            logger=_SILENT)
    except InvalidStatus as error:
        raise EndpointError(f'{where}: {_refusal(teacher, error.response)}') from None
    except (InvalidHandshake, InvalidURI, EOFError) as error:
        raise EndpointError(f'{where}: what answers is no WebSocket server: '
                            f'{last_line(str(error))}; correct endpoint') from None
    except TimeoutError:
        raise EndpointError(f'{where}: no connection within {teacher.timeout_s:g} s; start the '
                            "teacher's server, or correct endpoint") from None
    except (OSError, UnicodeError) as error:
        said = last_line(getattr(error, 'strerror', None) or str(error))
        raise EndpointError(f'{where}: no connection: {said}; '
                            "start the teacher's server, or correct endpoint") from None


def _headers(teacher: Teacher) -> dict[str, str]:
    """Return the header with the key, which comes from the environment alone."""
    if teacher.api_key_env is None:
        return {}
    key = os.environ.get(teacher.api_key_env, '')
    if not key:
        raise SetupError(f'{teacher.where}: api_key_env: the environment has no '
                         f"{teacher.api_key_env}; export the teacher's key in it")
    if not re.fullmatch(r'[\x21-\x7e]+', key):
        raise SetupError(f'{teacher.where}: api_key_env: {teacher.api_key_env} holds spaces, line '
                         'ends or other signs that no key has; export the bare key')
    return {'Authorization': f'Api-Key {key}'}


def _refusal(teacher: Teacher, response: Any) -> str:
    status = response.status_code
    if status in (401, 403):
        return (f'the server does not take the key in {teacher.api_key_env} (status {status})'
                if teacher.api_key_env else f'the server wants a key (status {status}); name the '
                'variable that holds it in api_key_env')
    if status in _REDIRECTS:
        to = last_line(response.headers.get('Location', 'nowhere'))
        return (f'the server redirects to {to}, which is not followed; write that as the endpoint '
                'if you mean it')
    return f'the server refuses the connection with status {status}; correct endpoint'


def _tcp(teacher: Teacher) -> socket.socket:
    """Connect; a send that the other side does not read fails: websockets has no limit for it."""
    parts = urlsplit(teacher.endpoint)
    port = parts.port or (443 if parts.scheme == 'wss' else 80)
    connection = socket.create_connection((parts.hostname, port), timeout=teacher.timeout_s)
    connection.settimeout(None)
    seconds, fraction = divmod(teacher.timeout_s, 1.0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO,
                          struct.pack('@ll', int(seconds), int(fraction * 1e6)))
    return connection
