"""
The exceptions of this package.

::

    BridgeError                    one sentence for a person; never needs a traceback
    ├── ContractError              a file that a person wrote or copied is wrong
    │   ├── CellError              the cell file
    │   ├── BundleError            the bundle: manifest, model, hashes
    │   ├── TeacherError           the teacher file, or a teacher's address
    │   └── BindingError           cell and bundle are fine, but not for each other
    ├── WireError                  a message's bytes are not what its type says
    ├── EndpointError              a teacher's server cannot be reached, or cannot be used
    ├── ProviderError              the execution provider asked for is not to be had
    └── SetupError                 something on this machine is missing (a library, GL, ROS)
"""

from __future__ import annotations

from dataclasses import dataclass


class BridgeError(Exception):
    """Something a person can mend. ``str(error)`` is the whole message."""


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One thing that is wrong in a file.

    ``where`` is the file, ``key`` the dotted path in it ('' for the whole file), ``found`` what
    stands there, and ``write`` what to write instead or what to do.
    """

    where: str
    key: str
    found: str
    write: str

    def __str__(self) -> str:
        place = f'{self.where}: {self.key}' if self.key else self.where
        return f'{place}: {self.found}; {self.write}'


class ContractError(BridgeError):
    """One or more problems, all of them, in the order in which they stand in the file."""

    def __init__(self, problems: list[Problem] | tuple[Problem, ...]) -> None:
        self.problems = tuple(problems)
        super().__init__('\n'.join(str(problem) for problem in self.problems))


class CellError(ContractError):
    """The cell file cannot be used."""


class BundleError(ContractError):
    """The bundle cannot be used."""


class TeacherError(ContractError):
    """The teacher file, or a teacher's address, cannot be used."""


class BindingError(ContractError):
    """The bundle does not fit the cell."""


class WireError(BridgeError):
    """The bytes of a message do not decode as its type."""


class EndpointError(BridgeError):
    """A teacher's server cannot be reached, refuses, or is not what it was: asking on is vain."""


class ProviderError(BridgeError):
    """The execution provider that was required is not the one that runs."""


class SetupError(BridgeError):
    """Something that this command needs is not on this machine."""
