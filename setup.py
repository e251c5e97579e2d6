"""
Everything that pip, colcon and ament need to know about this package.

All metadata stands here and none in pyproject.toml: with a ``[project]`` table beside setup.py,
``colcon build --symlink-install`` fails or loses executables on common setuptools versions.
"""

from collections import defaultdict
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'physical_ai_bridge'
HERE = Path(__file__).resolve().parent

CORE = [
    'numpy>=1.26,<3',  # every value that the core computes with
    # DESIGN.md and rosdep say OpenCV; from PyPI it is the headless build, because the other one
    # does not import on a machine without libGL.
    'opencv-python-headless>=4.11,<6',  # decodes and resizes camera frames
    'pyyaml>=6,<7',  # reads cell files
    'pydantic>=2.6,<3',  # validates cell files and bundle manifests
    'ruckig>=0.19.4,<1',  # jerk-limited braking
    'pin>=4,<5',  # pinocchio: kinematics of the robot's URDF
    'transforms3d>=0.4.2,<0.5',  # rotations of tcp deltas, from axis and angle
    'coal>=3.0.3,<4',  # distances between the robot's parts, and to what it keeps out of
    'rich>=13.7,<16',  # live status line and tables
    'rosbags>=0.11.9,<0.12',  # bags and CDR without a ROS installation
    'apsw>=3.40,<4',  # SQLite with half the cost a row of Python's own; rosbags requires it, too
    'mcap>=1.6,<2',  # the records of an MCAP that rosbags refuses: cut short, or damaged
    'zstandard>=0.22,<1',  # a compressed chunk as far as it goes, which rosbags' zstd has not
    'lz4>=4.3,<5',  # the same for the other compression of an MCAP
    'msgpack>=1.0.8,<2',  # the wire format of remote teachers
]

# ROS 2 as wheels, for machines without an apt ROS. They are extras, so that a sourced ROS is never
# shadowed. The two exclude each other: their versions contradict, and pip says so.
KILTED = [
    'ros-rclpy>=9.1.2,<10',
    'ros-rmw-fastrtps-cpp>=9.3.3,<10',  # `import rclpy` fails without a middleware
    'ros-ament-index-python>=1.11,<1.12',
    'ros-builtin-interfaces>=2.3,<2.4',
    'ros-diagnostic-msgs>=5.5.1,<6',
    'ros-geometry-msgs>=5.5.1,<6',
    'ros-lifecycle-msgs>=2.3,<2.4',
    'ros-rcl-interfaces>=2.3,<2.4',
    'ros-rosgraph-msgs>=2.3,<2.4',
    'ros-sensor-msgs>=5.5.1,<6',
    'ros-std-msgs>=5.5.1,<6',
    'ros-std-srvs>=5.5.1,<6',
    'ros-trajectory-msgs>=5.5.1,<6',
]
JAZZY = [
    'ros-rclpy>=7.1.6,<8',
    'ros-rmw-fastrtps-cpp>=8.4.3,<9',
    'ros-ament-index-python>=1.8.1,<1.9',
    'ros-builtin-interfaces>=2.0.3,<2.1',
    'ros-diagnostic-msgs>=5.3.6,<5.4',
    'ros-geometry-msgs>=5.3.6,<5.4',
    'ros-lifecycle-msgs>=2.0.3,<2.1',
    'ros-rcl-interfaces>=2.0.3,<2.1',
    'ros-rosgraph-msgs>=2.0.3,<2.1',
    'ros-sensor-msgs>=5.3.6,<5.4',
    'ros-std-msgs>=5.3.6,<5.4',
    'ros-std-srvs>=5.3.6,<5.4',
    'ros-trajectory-msgs>=5.3.6,<5.4',
]

EXTRAS = {
    # The ONNX Runtime: exactly one of the two, since both install the same module.
    'cpu': ['onnxruntime>=1.19,<2'],
    'gpu': ['onnxruntime-gpu>=1.19,<2'],
    # Asks a teacher at an endpoint. 15 is the first that uses proxies, and can be told not to;
    # that its threaded client follows no redirect was read in 15.
    'teacher': ['websockets>=15,<16'],
    'sim': ['mujoco>=3.3,<5'],
    'report': ['plotly>=6,<8', 'pillow>=10.3,<14'],
    # What judging recordings computes with; a report on a run needs none of it. 1.11 is what
    # Ubuntu 24.04, and with it ROS Jazzy, has.
    'evaluate': ['scipy>=1.11,<2'],
    # Recordings on many machines. The range is wide because it must be the very ray of the
    # cluster, which somebody else chose; tried with 2.60.
    'ray': ['ray>=2.40,<3'],
    # Before torch 2.5 the exporter that we use was a preview.
    'distill': ['torch>=2.5,<3', 'onnx>=1.17,<2', 'onnxscript>=0.2,<1', 'safetensors>=0.4,<1'],
    'kilted': KILTED,
    'jazzy': JAZZY,
    # colcon runs pytest only where the extra 'test' names it; otherwise it finds no tests.
    'test': [
        'pytest>=8,<10',
        'pytest-timeout>=2.3,<3',
        'pytest-xdist>=3.5,<4',  # the tests of the core on all cores
        'hypothesis>=6.100,<7',
        'onnx>=1.17,<2',  # builds the small models that tests run
        'websockets>=15,<16',  # serves the fake teacher that tests ask
    ],
    # Public URDFs with their meshes, 130 MB: the tests that want them are skipped without.
    'descriptions': ['example-robot-data>=6,<7'],
    # Drives the Chromium of the system, in which tests look at the reports; brings none itself.
    'browser': ['playwright>=1.49,<2'],
    # Carries the SDFormat library, with which the tests read the world for Gazebo.
    'gazebo': ['drake>=1.40,<2'],
    'lint': [
        'ruff>=0.15,<0.18',
        'import-linter>=2.1,<3',
        # The plug-ins with which ament_flake8 runs, which is not on PyPI itself.
        'flake8>=7,<8',
        'flake8-blind-except',
        'flake8-builtins',
        'flake8-class-newline',
        'flake8-comprehensions',
        'flake8-deprecated',
        'flake8-docstrings',
        'flake8-import-order',
        'flake8-quotes',
        'pydocstyle>=6.3,<7',
    ],
    # What builds the package as a ROS workspace does. setuptools 80 has dropped commands that
    # colcon calls.
    'colcon': ['colcon-common-extensions>=0.3,<0.4', 'colcon-ros>=0.4', 'setuptools>=64,<80'],
}

EXECUTABLES = [
    f'{PACKAGE} = {PACKAGE}.cli:main',
    *(f'{name} = {PACKAGE}.nodes.start:{name}' for name in (
        'policy_node', 'safety_supervisor', 'mujoco_cell', 'simulated_emergency_stop',
        'bring_up', 'episodes')),
]

# The verbs of `ros2 policy`, which are those of the console script.
VERBS = [
    'check', 'demo', 'distill', 'evaluate', 'export', 'new-cell', 'record', 'replay-incident',
    'rollout']
ROS2CLI = {
    'ros2cli.command': [f'policy = {PACKAGE}.cli.ros2_policy:PolicyCommand'],
    'ros2cli.extension_point': ['ros2policy.verb = ros2cli.verb:VerbExtension'],
    'ros2policy.verb': [
        f'{verb} = {PACKAGE}.cli.ros2_policy:{verb.replace("-", "_")}' for verb in VERBS],
}


def shared_files() -> list[tuple[str, list[str]]]:
    """Return what colcon and pip install under share/: the ament index, launch and config."""
    share = f'share/{PACKAGE}'
    files = defaultdict(list)
    files['share/ament_index/resource_index/packages'] = [f'resource/{PACKAGE}']
    files[share] = ['package.xml']
    for folder in ('launch', 'config'):
        for path in sorted((HERE / folder).rglob('*')):
            relative = path.relative_to(HERE)
            if path.is_file() and '__pycache__' not in relative.parts:
                files[f'{share}/{relative.parent}'].append(str(relative))
    return sorted(files.items())


setup(
    name=PACKAGE,
    version='0.1.0',
    description='Run a distilled policy on a robot cell, behind an independent safety supervisor.',
    author='The physical_ai_bridge authors',
    author_email='maintainers@example.com',
    maintainer='The physical_ai_bridge authors',
    maintainer_email='maintainers@example.com',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    # physical_ai_bridge/config is a link to config/: one source for package data and for share/.
    package_data={PACKAGE: ['config/**/*', 'evaluation/page/*', 'py.typed']},
    include_package_data=False,
    data_files=shared_files(),
    install_requires=CORE,
    extras_require=EXTRAS,
    entry_points={'console_scripts': EXECUTABLES, **ROS2CLI},
    zip_safe=False,
)
