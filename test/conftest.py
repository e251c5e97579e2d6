"""What all tests share. It needs no ROS: only the tests of nodes do, and they say so."""

from __future__ import annotations

import os

from hypothesis import settings

# A test process that starts nodes talks to this machine alone, in a domain of its own, whatever
# the shell says that robots here use. Domains up to 101 keep clear of the ports that the system
# hands out.
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 101)

# MuJoCo reads this when it is imported, which a test may do before the simulation does.
os.environ.setdefault('MUJOCO_GL', 'egl')

# No deadlines: a machine that is busy is not a failing test. Derandomised, so that a run in CI
# says the same twice; `--hypothesis-profile=search` looks for new examples.
settings.register_profile('repeatable', deadline=None, derandomize=True, database=None)
settings.register_profile('search', deadline=None, max_examples=2_000)
settings.load_profile('repeatable')
