"""
Print pip's settings as shell exports for uv, which reads none of them.

So no index, mirror or certificate is named in this repository: whatever pip is configured for, by
file or by environment, is what uv uses.
"""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys

# Later scopes win, as they do for pip.
SCOPES = ('global', 'install', ':env:')
VARIABLES = {
    # pip's key: uv's variable, and what stands between its values
    'index-url': ('UV_DEFAULT_INDEX', ' '),
    'extra-index-url': ('UV_INDEX', ' '),
    'find-links': ('UV_FIND_LINKS', ','),
    'no-index': ('UV_NO_INDEX', ' '),
    'trusted-host': ('UV_INSECURE_HOST', ' '),
    'cert': ('SSL_CERT_FILE', ' '),
    'proxy': ('ALL_PROXY', ' '),
}


def uv_variables(listing: str) -> dict[str, str]:
    """Translate the lines of ``pip config list``, such as ``global.index-url='https://…'``."""
    found = {}
    for scope in SCOPES:
        for line in listing.splitlines():
            key, _, value = line.partition('=')
            name = key.removeprefix(f'{scope}.')
            if name != key and name in VARIABLES:
                variable, between = VARIABLES[name]
                found[variable] = between.join(str(ast.literal_eval(value)).split())
    return found


def main() -> None:
    command = [sys.executable, '-m', 'pip', 'config', 'list']
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    for variable, value in uv_variables(listed.stdout).items():
        print(f'export {variable}={shlex.quote(value)}')


if __name__ == '__main__':
    main()
