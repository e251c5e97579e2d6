"""Whatever can be judged, by what a person names it with: a bundle, a teacher file, an address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
import re
from typing import Literal

from physical_ai_bridge.contract.bundle import Manifest
from physical_ai_bridge.contract.bundle_file import load_bundle, MANIFEST
from physical_ai_bridge.contract.errors import Problem, TeacherError
from physical_ai_bridge.contract.teacher import Teacher
from physical_ai_bridge.contract.teacher_file import load_teacher, teacher_at
from physical_ai_bridge.policy.protocol import Policy
from physical_ai_bridge.policy.remote_policy import RemotePolicy

# pathlib leaves one of the two slashes.
_ADDRESS = re.compile(r'(wss?|https?):/+', re.IGNORECASE)
_TEACHER_FILES = ('.yaml', '.yml')


class OpenedPolicy:
    """
    A policy that was read and verified, and does not run yet.

    ``kind`` says what it is, ``manifest`` what it sees and returns, and ``manifest_path`` where
    that is written, for ``bind`` and other messages. It holds models and connections: what goes
    to another process are the arguments of ``open_policy``.
    """

    def __init__(
            self, kind: Literal['bundle', 'teacher'], manifest: Manifest, manifest_path: str,
            connect: Callable[[], tuple[Policy, str]], digest: str | None = None) -> None:
        """``connect`` makes the policy run, and returns it with the digest that names it."""
        self.kind = kind
        self.manifest = manifest
        self.manifest_path = manifest_path
        self._connect = connect
        self._digest = digest
        self._policy: Policy | None = None

    @property
    def name(self) -> str:
        """The name that the manifest or the teacher file gives it."""
        return self.manifest.name

    @property
    def policy(self) -> Policy:
        """What infers; connects if need be, and raises as ``connect`` does."""
        if self._policy is None:
            self._policy, self._digest = self._connect()
        return self._policy

    @property
    def digest(self) -> str:
        """
        The sha256 that names it in reports.

        A bundle's is its manifest file's. A teacher's also stands for what its server says of
        itself: it connects if need be, and raises as ``connect`` does.
        """
        if self._digest is None:
            self.connect()
        return self._digest or ''

    def connect(self) -> None:
        """
        Load the model, or connect to the endpoint, unless that was done.

        Raises
        ------
        ContractError
            If the model is not what its manifest says.
        EndpointError
            If the teacher's server cannot be reached, or cannot be used.
        ProviderError, SetupError
            If something that it needs is not on this machine.

        """
        _ = self.policy

    def close(self) -> None:
        """Close a teacher's connection; a bundle has nothing to close."""
        if isinstance(self._policy, RemotePolicy):
            self._policy.close()

    def __enter__(self) -> OpenedPolicy:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def open_policy(
        source: Path | str,
        *,
        like: Manifest | Path | str | None = None,
        providers: Sequence[str] = ('cpu',),
        threads: int = 1,
) -> OpenedPolicy:
    """
    Read a bundle's folder, a teacher file (``.yaml``) or a teacher's address (``ws://``).

    Nothing is run or contacted before ``connect``. ``like`` says what a teacher that is only an
    address sees and returns: a manifest, or a bundle or teacher file that has one. ``providers``
    and ``threads`` are a bundle's, as ``OnnxPolicy`` has them.

    Raises
    ------
    ContractError
        With everything that is wrong with what was named.

    """
    text = str(source)
    address = _ADDRESS.match(text)
    if address is not None:
        url = f'{address[1]}://{text[address.end():]}'
        if like is None:
            raise TeacherError([Problem(
                url, '', 'is only an address: it does not say what its teacher sees and returns',
                'write a teacher file, or compare it with a bundle')])
        return _teacher(teacher_at(
            url, like if isinstance(like, Manifest) else open_policy(like).manifest))
    path = Path(source)
    if path.suffix.lower() in _TEACHER_FILES and not path.is_dir():
        return _teacher(load_teacher(path))
    if path.name == MANIFEST and path.is_file():
        path = path.parent
    bundle = load_bundle(path)

    def load() -> tuple[Policy, str]:
        from physical_ai_bridge.policy.onnx_policy import OnnxPolicy

        return OnnxPolicy(bundle, providers=providers, intra_op_threads=threads), bundle.digest

    return OpenedPolicy(
        'bundle', bundle.manifest, str(bundle.folder / MANIFEST), load, bundle.digest)


def _teacher(teacher: Teacher) -> OpenedPolicy:
    def connect() -> tuple[Policy, str]:
        policy = RemotePolicy(teacher)
        return policy, policy.digest

    return OpenedPolicy('teacher', teacher.manifest, teacher.where, connect)
