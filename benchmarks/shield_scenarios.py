"""
Run adversarial scenarios against the supervisor, as many as wanted, and count what must never be.

Usage: python benchmarks/shield_scenarios.py --scenarios 100000 [--seed 0] [--out progress.json]

Each scenario is one integer seed: a robot with 6 or 7 joints and random limits, proposals smooth
and hostile, a transport that is late, loses, repeats and reorders, inputs that starve, and the
death of the policy or the supervisor at some instant, against the emulated controller at 2 ms.
Prints how often each fault, mode and reason was met, and every violation with its seed; exits 1
where there is one. With ``--out`` it goes on where it was stopped. One seed alone: --seed S
--scenarios 1.
"""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import as_completed, ProcessPoolExecutor
import json
import os
from pathlib import Path
import sys
import time

from physical_ai_bridge.testing.scenarios import random_scenario
from physical_ai_bridge.testing.shield import run

CHUNK = 50
COUNTERS = ('totals', 'faults', 'modes', 'reasons', 'executed')
SHARES = ('position', 'velocity', 'acceleration', 'jerk', 'sampled_velocity',
          'sampled_acceleration', 'sampled_jerk', 'position_jump', 'velocity_jump', 'tcp_speed',
          'tcp_outside_m', 'too_close_m')


def empty() -> dict:
    """Return a tally of nothing."""
    return {**{name: {} for name in COUNTERS}, 'largest': {}, 'violations': {}, 'cpu_s': 0.0}


def keep_larger(tally: dict, name: str, value: float, seed: int) -> None:
    """Note a share with its seed if it is the largest yet, or not a number."""
    if not value <= tally['largest'].get(name, (-1.0, 0))[0]:
        tally['largest'][name] = (value, seed)


def add(tally: dict, more: dict) -> None:
    """Add one tally to another."""
    for name in COUNTERS:
        tally[name] = dict(Counter(tally[name]) + Counter(more[name]))
    for name, (value, seed) in more['largest'].items():
        keep_larger(tally, name, value, seed)
    tally['violations'].update(more['violations'])
    tally['cpu_s'] += more['cpu_s']


def run_chunk(seeds: range, tolerance: float) -> dict:
    """Return the tally of some seeds; runs in a worker."""
    tally, counters = empty(), {name: Counter() for name in COUNTERS}
    begun = time.process_time()
    for seed in seeds:
        outcome = run(random_scenario(seed))
        within = outcome.within_its_power
        counters['totals'].update({
            'scenarios': 1, 'not ready': not outcome.ready, 'commands': outcome.commands,
            'commands lost': outcome.lost, 'upset controllers': not within,
            'upset controllers noticed': outcome.noticed_s is not None})
        counters['faults'].update(outcome.faults or ('none',))
        counters['modes'].update(outcome.modes)
        # Scenarios that have met it, rather than ticks.
        counters['reasons'].update(outcome.reasons.keys())
        counters['executed'].update(outcome.executed)
        for name in SHARES:
            keep_larger(tally, name, getattr(outcome.use, name), seed)
        found = outcome.violations(tolerance)
        if found:
            tally['violations'][str(seed)] = {
                'what': found, 'faults': outcome.faults, 'raised': outcome.raised}
    tally.update({name: dict(counter) for name, counter in counters.items()})
    tally['cpu_s'] = time.process_time() - begun
    return tally


def load(path: Path | None, seed: int, tolerance: float) -> dict:
    """Return the progress so far, or none."""
    if path is not None and path.exists():
        progress = json.loads(path.read_text())
        if (progress['seed'], progress['tolerance']) == (seed, tolerance):
            return progress
        sys.exit(f'{path} is the progress of --seed {progress["seed"]} --tolerance '
                 f'{progress["tolerance"]:g}: name another file')
    return {'seed': seed, 'tolerance': tolerance, 'done': [], 'tally': empty(), 'wall_s': 0.0}


def save(path: Path | None, progress: dict) -> None:
    """Write the progress, whole or not at all."""
    if path is not None:
        beside = path.with_suffix('.part')
        beside.write_text(json.dumps(progress))
        beside.replace(path)


def print_tally(progress: dict) -> None:
    """Print what was met, and what must never be."""
    tally = progress['tally']
    for name in COUNTERS:
        pairs = sorted(tally[name].items(), key=lambda pair: -pair[1])
        print(f'{name}: ' + ', '.join(f'{key} {count:g}' for key, count in pairs))
    print('largest share of a limit, or jump:')
    for name, (value, seed) in tally['largest'].items():
        beyond = f' (1 {value - 1.0:+.1e})' if abs(value - 1.0) < 1e-3 else ''
        print(f'  {name}: {value:.9g}{beyond}, seed {seed}')
    for seed, found in sorted(tally['violations'].items(), key=lambda pair: int(pair[0])):
        print(f'seed {seed}: {", ".join(found["what"])}; {", ".join(found["faults"])} '
              f'{found["raised"]}')
    count = tally['totals'].get('scenarios', 0)
    print(f'{count} scenarios, {tally["cpu_s"] / max(count, 1) * 1e3:.1f} ms of CPU each, '
          f'{count / max(progress["wall_s"], 1e-9):.1f} a second; '
          f'{len(tally["violations"])} with violations beyond {progress["tolerance"]:g}')


def main() -> int:
    """Run, count, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[1])
    parser.add_argument('--scenarios', type=int, default=2_000)
    parser.add_argument('--seed', type=int, default=0, help='the first; the others follow')
    parser.add_argument('--workers', type=int, default=os.cpu_count())
    parser.add_argument('--tolerance', type=float, default=1e-9, help='relative to each limit')
    parser.add_argument('--out', type=Path, help='keep the progress in this file')
    args = parser.parse_args()
    progress = load(args.out, args.seed, args.tolerance)
    end = args.seed + args.scenarios
    chunks = [range(begin, min(begin + CHUNK, end)) for begin in range(args.seed, end, CHUNK)]
    left = [seeds for seeds in chunks if [seeds.start, seeds.stop] not in progress['done']]
    begun, before_s = time.monotonic(), progress['wall_s']
    with ProcessPoolExecutor(args.workers) as pool:
        running = {pool.submit(run_chunk, seeds, args.tolerance): seeds for seeds in left}
        for number, future in enumerate(as_completed(running), 1):
            seeds = running[future]
            add(progress['tally'], future.result())
            progress['done'].append([seeds.start, seeds.stop])
            progress['wall_s'] = before_s + time.monotonic() - begun
            if number % 20 == 0 or number == len(left):
                save(args.out, progress)
                print(f'{number * CHUNK} of {len(left) * CHUNK}, '
                      f'{len(progress["tally"]["violations"])} with violations',
                      file=sys.stderr, flush=True)
    print_tally(progress)
    return 1 if progress['tally']['violations'] else 0


if __name__ == '__main__':
    sys.exit(main())
