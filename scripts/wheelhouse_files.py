"""
Write the two files of a wheelhouse that are no wheels: requirements.txt with hashes, README.txt.

Every wheel stands in requirements.txt with its sha256: pip installs these files or nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
import platform
import sys

README = """\
physical_ai_bridge[{extras}], to be installed without a network
on {machine}, with Python {python}

Copy this folder to the machine. There:

    python{python} -m venv {options}my_env
    my_env/bin/python -m pip install --no-index --find-links {folder} \\
        --require-hashes -r {folder}/requirements.txt
    my_env/bin/physical_ai_bridge --version

pip refuses a file whose sha256 is not the one in requirements.txt. That tells damage, not intent:
who can change a wheel can change requirements.txt too. Take requirements.txt a way of its own, or
compare its sha256 with what was printed when the folder was made.
{hint}"""
APT_HINT = """
ROS 2 is not in here: --system-site-packages lets the environment see the one that apt installed.
Source /opt/ros/<distribution>/setup.bash before you use it.
"""


def requirement(wheel: Path) -> str:
    """Return the line of one wheel: name==version and its sha256."""
    name, version = wheel.name.split('-')[:2]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f'{name.replace("_", "-").lower()}=={version} --hash=sha256:{digest}'


def write_files(folder: Path, extras: str) -> Path:
    """Write both files and return the path of the requirements."""
    lines = sorted(requirement(wheel) for wheel in folder.glob('*.whl'))
    path = folder / 'requirements.txt'
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    with_ros = bool({'kilted', 'jazzy'} & set(extras.split(',')))
    (folder / 'README.txt').write_text(README.format(
        extras=extras, machine=f'{platform.system()} {platform.machine()}',
        python='{}.{}'.format(*sys.version_info[:2]), folder=folder.resolve().name,
        options='' if with_ros else '--system-site-packages ', hint='' if with_ros else APT_HINT),
        encoding='utf-8')
    return path


def main() -> None:
    folder, extras = Path(sys.argv[1]), sys.argv[2]
    digest = hashlib.sha256(write_files(folder, extras).read_bytes()).hexdigest()
    print(f'sha256 of requirements.txt: {digest}')


if __name__ == '__main__':
    main()
