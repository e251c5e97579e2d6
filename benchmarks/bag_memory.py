"""
How much memory an evaluation takes, whatever the size of the recording.

``python benchmarks/bag_memory.py --gigabytes 2.2`` writes a recording with two raw 640x480
cameras at 30 Hz, evaluates it in a process of its own, and prints the largest resident set.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import resource
import subprocess
import sys
import tempfile
import time

from evaluation import vga_cell, write_vga_bag
from physical_ai_bridge.contract.resources import config_path

# Two frames of 640x480x3 bytes, 30 times a second.
BYTES_A_SECOND = 2 * 640 * 480 * 3 * 30


def main() -> int:
    """Write, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--gigabytes', type=float, default=2.2)
    parser.add_argument('--compression', default='none', choices=('none', 'zstd', 'lz4'))
    parser.add_argument('--most-mb', type=float, default=1000.0)
    args = parser.parse_args()
    duration_s = args.gigabytes * 1e9 / BYTES_A_SECOND
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cell = vga_cell(folder)
        bag = write_vga_bag(folder / 'bag', cell, duration_s, args.compression)
        size = sum(path.stat().st_size for path in bag.iterdir())
        begun_s = time.perf_counter()
        status = subprocess.run(
            [sys.executable, '-m', 'physical_ai_bridge.cli', 'evaluate', str(bag), '--cell',
             str(cell), '--bundle', str(config_path('bundles/ur5e_insertion')), '--jobs', '1',
             '--out', str(folder / 'out')], check=False).returncode
        wall_s = time.perf_counter() - begun_s
    # Of the process that was awaited and of those that it awaited: the largest of them.
    largest_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f'{size / 1e9:.2f} GB on disk, {duration_s:.0f} s recorded: evaluated in '
          f'{wall_s:.1f} s, largest resident set {largest_mb:.0f} MB')
    return 0 if status == 0 and largest_mb < args.most_mb else 1


if __name__ == '__main__':
    sys.exit(main())
