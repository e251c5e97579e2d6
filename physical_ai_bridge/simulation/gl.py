"""The one place that imports MuJoCo, with its GL backend chosen first."""

from __future__ import annotations

import os
import sys

from physical_ai_bridge.contract.errors import SetupError

GL_PACKAGES = 'libegl1 libegl-mesa0 libgl1-mesa-dri'


def gl_missing(cause: BaseException) -> SetupError:
    """Return the error for a machine on which nothing can be rendered."""
    backend = os.environ.get('MUJOCO_GL', '')
    return SetupError(
        f'MuJoCo cannot render here: MUJOCO_GL={backend!r} failed with '
        f'{type(cause).__name__}: {cause}. For the default, egl, install the system libraries: '
        f'sudo apt-get install -y --no-install-recommends {GL_PACKAGES}')


if sys.platform == 'linux':
    # MuJoCo reads this once, at import. EGL needs no display and, with Mesa, no GPU either.
    os.environ.setdefault('MUJOCO_GL', 'egl')
try:
    import mujoco
except (ImportError, AttributeError, OSError, RuntimeError) as error:
    # PyOpenGL says AttributeError where libEGL is not there, MuJoCo RuntimeError for a bad name.
    if isinstance(error, ModuleNotFoundError) and error.name == 'mujoco':
        raise SetupError(
            'the simulated cell needs MuJoCo: pip install "physical_ai_bridge[sim]"') from error
    raise gl_missing(error) from error

__all__ = ['GL_PACKAGES', 'gl_missing', 'mujoco']
