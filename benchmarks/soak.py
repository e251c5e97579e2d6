"""
Run the closed loop for minutes and see whether it holds its rates, its memory and its queues.

Usage: python benchmarks/soak.py --minutes 5 [--out soak.json]

Three processes over DDS run episodes one after the other, as the demo does. Every ten seconds
each process's resident memory and CPU share are read from /proc, and from /diagnostics the
supervisor's tick rate, jitter and duration and the latency from sensor to command. A queue that
grows shows as a latency that grows, or as messages that come late. Prints a table; exits 1 where
the tick's p99 jitter is 3 ms or more, memory grows by more than 5 % after the first minute, or the
latency of the last minute is more than half again that of the second.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import random
import statistics
import sys
import tempfile
import time

from physical_ai_bridge.bags.reader import decode, RecordedMessage
from physical_ai_bridge.cli.demo import _environment, DOMAINS
from physical_ai_bridge.cli.demo_conduct import Conductor
from physical_ai_bridge.cli.demo_processes import free_domain, NodeProcesses, private_network
from physical_ai_bridge.cli.demo_view import StatusLine, Watcher
from physical_ai_bridge.cli.output import Output
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.nodes.recorder import cell_topics, DIAGNOSTICS, RecorderSession

SAMPLE_S = 10.0
TICKS_PER_S = os.sysconf('SC_CLK_TCK')
PAGE_BYTES = os.sysconf('SC_PAGE_SIZE')
WANTED = ('tick_rate_hz', 'tick_p50_ms', 'tick_p99_ms', 'tick_jitter_p99_ms',
          'sensor_to_command_p50_ms', 'sensor_to_command_p99_ms')


class Sampler:
    """Reads the processes and the diagnostics every SAMPLE_S; called at every step."""

    def __init__(self, nodes: NodeProcesses) -> None:
        self._nodes = nodes
        self._begun = self._due = time.monotonic()
        self._cpu: dict[int, tuple[float, int]] = {}
        self.counts: dict[str, int] = {}
        self.newest: dict[str, float] = {}
        self.samples: list[dict[str, float]] = []

    def keep(self, topic: str, type_name: str, received_ns: int, data: bytes) -> None:
        """Count a message; of diagnostics keep the supervisor's figures."""
        self.counts[topic] = self.counts.get(topic, 0) + 1
        if topic == DIAGNOSTICS:
            for status in decode(RecordedMessage(topic, type_name, received_ns, data)):
                if 'tick_jitter_p99_ms' in status.values:
                    self.newest = {key: float(status.values[key]) for key in WANTED}

    def attend(self) -> None:
        """Take a sample where one is due."""
        self._nodes.check()
        now = time.monotonic()
        if now < self._due or not self.newest:
            return
        self._due = now + SAMPLE_S
        sample = {'t_s': round(now - self._begun, 1), **self.newest}
        for node in self._nodes.nodes:
            stat = Path(f'/proc/{node.pid}/stat').read_text().rpartition(')')[2].split()
            ticks = int(stat[11]) + int(stat[12])
            before = self._cpu.get(node.pid)
            self._cpu[node.pid] = (now, ticks)
            if before is not None:
                share = (ticks - before[1]) / TICKS_PER_S / (now - before[0])
                sample[f'{node.name}.cpu'] = round(share, 3)
            pages = int(Path(f'/proc/{node.pid}/statm').read_text().split()[1])
            sample[f'{node.name}.rss_mb'] = round(pages * PAGE_BYTES / 1e6, 1)
        self.samples.append(sample)


def run(minutes: float, seed: int) -> tuple[list[dict[str, float]], dict[str, float]]:
    """Return the samples, and the rate in Hz at which each topic came."""
    cell_file = config_path('cells/mujoco_ur5e.yaml').resolve()
    bundle = config_path('bundles/ur5e_insertion').resolve()
    cell = load_cell(cell_file)
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder)
        domain = free_domain(random.sample(DOMAINS, len(DOMAINS)))
        with _environment(private_network(domain, logs)), NodeProcesses() as nodes:
            nodes.start('mujoco_cell', {'cell': str(cell_file), 'seed': seed}, logs)
            nodes.start(
                'safety_supervisor', {'cell': str(cell_file), 'authority': 'live'}, logs)
            nodes.start('policy_node', {'cell': str(cell_file), 'bundle': str(bundle)}, logs)
            sampler = Sampler(nodes)
            out = Output()
            watcher = Watcher(cell, sampler.keep)
            with (StatusLine(out, watcher) as line,
                  RecorderSession('soak', cell_topics(cell), watcher, sampler.attend) as session):
                conductor = Conductor(session, nodes, watcher, line)
                conductor.bring_up()
                sampler.counts.clear()
                begun = time.monotonic()
                number = good = 0
                while time.monotonic() - begun < 60.0 * minutes:
                    number += 1
                    good += conductor.episode(f'episode {number}').success
                lasted = time.monotonic() - begun
                rates = {topic: round(count / lasted, 1)
                         for topic, count in sorted(sampler.counts.items())}
                print(f'{good} of {number} episodes succeeded in {lasted:.0f} s')
                conductor.bring_down()
    return sampler.samples, rates


def verdict(samples: list[dict[str, float]]) -> list[str]:
    """Return what is not as it should be."""
    wrong = []
    jitter = statistics.median(sample['tick_jitter_p99_ms'] for sample in samples)
    if jitter >= 3.0:
        wrong.append(f'tick jitter p99 is {jitter:.2f} ms')
    settled = [sample for sample in samples if sample['t_s'] >= 60.0]
    if len(settled) >= 2:
        for key in settled[0]:
            if key.endswith('.rss_mb') and settled[-1][key] > 1.05 * settled[0][key]:
                wrong.append(f'{key} grew from {settled[0][key]} to {settled[-1][key]}')
        first = statistics.median(s['sensor_to_command_p50_ms'] for s in settled[:6])
        last = statistics.median(s['sensor_to_command_p50_ms'] for s in settled[-6:])
        if last > 1.5 * first:
            wrong.append(f'sensor to command grew from {first:.2f} to {last:.2f} ms')
    return wrong


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[1])
    parser.add_argument('--minutes', type=float, default=5.0)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path)
    args = parser.parse_args()
    samples, rates = run(args.minutes, args.seed)
    for sample in (samples[len(samples) // 8], samples[-1]):
        print(json.dumps(sample, indent=1))
    print('rates in Hz:', json.dumps(rates, indent=1))
    if args.out:
        args.out.write_text(json.dumps({'samples': samples, 'rates_hz': rates}, indent=1))
    wrong = verdict(samples)
    print('\n'.join(wrong) or 'rates, memory and latency hold')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
