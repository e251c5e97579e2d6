"""Which time it is, whether all nodes agree on that, and whether stamps are of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.observation.align import FUTURE_TOLERANCE_NS
from physical_ai_bridge.runtime.live_check.finding import About, Finding
from physical_ai_bridge.runtime.live_check.observed import Expected, Observed, Received

USE_SIM_TIME = 'use_sim_time'
_ABOUT = About('clocks')
# Simulated time that is so near the system's is as good as it.
_SAME_TIME_NS = 100_000_000
# Beyond this a stamp is of another clock, not late.
_OTHER_CLOCK_S = 10.0
_WARN_SHARE = 0.05


def judge_clocks(
        expected: Sequence[Expected], observed: Observed, controller: str | None,
) -> tuple[list[Finding], bool | None]:
    """
    Return what is to be said of the clocks, and whether time is simulated; None for nobody knows.

    Who publishes /clock makes time and need not follow it. Only nodes that have to do with the
    cell count: a viewer's clock is its own affair.
    """
    concerned = {each.node for stream in expected
                 for each in observed.topic(stream.topic).publishers}
    concerned |= {*observed.supervisors, *([controller] if controller else [])}
    told = {node: bool(observed.parameters[node][USE_SIM_TIME])
            for node in sorted(concerned - set(observed.clock_publishers))
            if USE_SIM_TIME in observed.parameters.get(node, {})}
    simulated = [node for node, value in told.items() if value]
    system = [node for node, value in told.items() if not value]
    if simulated and system:
        few = simulated if len(simulated) <= len(system) else system
        return [_ABOUT.failed(
            USE_SIM_TIME, f'{_listed(simulated)} {_runs(simulated)} on simulated time, '
            f'{_listed(system)} on the system clock',
            f'start {_listed(few)} with --ros-args -p use_sim_time:='
            f'{"false" if few is simulated else "true"}')], None
    if simulated:
        return _judge_simulated(simulated, observed)
    return _judge_system(system, expected, observed)


def _judge_simulated(
        nodes: list[str], observed: Observed) -> tuple[list[Finding], bool | None]:
    if not observed.clock_publishers:
        return [_ABOUT.failed(
            '/clock', f'{_listed(nodes)} {_runs(nodes)} on simulated time, and nobody publishes '
            '/clock', 'start the simulation, or start them with use_sim_time:=false')], None
    if observed.clock_ns is None or observed.clock_ns[0] == observed.clock_ns[1]:
        return [_ABOUT.failed(
            '/clock', f'{_listed(list(observed.clock_publishers))} publishes /clock, and it '
            'stands still', 'let the simulation run: it is paused')], None
    return [_ABOUT.passed(
        USE_SIM_TIME, f'simulated time, in all of {_listed(nodes)}; start our nodes with '
        'use_sim_time:=true')], True


def _judge_system(
        nodes: list[str], expected: Sequence[Expected], observed: Observed,
) -> tuple[list[Finding], bool | None]:
    if not observed.clock_publishers:
        if nodes:
            return [_ABOUT.passed(USE_SIM_TIME, f"the system's clock, in all of {_listed(nodes)}")
                    ], False
        return [_ABOUT.not_checked(USE_SIM_TIME, 'no node told its use_sim_time')], False
    offset_ns = observed.clock_offset_ns
    if offset_ns is not None and abs(offset_ns) < _SAME_TIME_NS:
        return [_ABOUT.passed(
            USE_SIM_TIME, f"/clock and the system's clock are {abs(offset_ns) / 1e6:.0f} ms "
            'apart: either will do')], False
    if not nodes and offset_ns is not None and _fits_simulated(expected, observed):
        return [_ABOUT.passed(
            USE_SIM_TIME, 'stamps are of simulated time; start our nodes with '
            'use_sim_time:=true')], True
    return [_ABOUT.warned(
        USE_SIM_TIME, f'{_listed(list(observed.clock_publishers))} publishes /clock, and '
        f'{_listed(nodes) or "no node"} does not follow it',
        'stop what publishes /clock, or start all nodes with use_sim_time:=true')], False


def _fits_simulated(expected: Sequence[Expected], observed: Observed) -> bool:
    """Tell whether stamps are nearer to simulated time than to the system's."""
    apart = [(abs(each.simulated_ns - each.stamp_ns), abs(each.system_ns - each.stamp_ns))
             for stream in expected for each in observed.stream(stream.topic).received
             if each.stamp_ns is not None and each.simulated_ns is not None]
    return bool(apart) and bool(np.median([a - b for a, b in apart]) < 0)


def _listed(nodes: list[str]) -> str:
    return ', '.join(nodes)


def _runs(nodes: list[str]) -> str:
    return 'runs' if len(nodes) == 1 else 'run'


def judge_stamps(
        about: About, expected: Expected, received: Sequence[Received], *, simulated: bool,
) -> Iterator[Finding]:
    """Yield whether stamps are of now: by their median, so that one held-up message is none."""
    stamped = [each for each in received if each.stamp_ns is not None
               and not (simulated and each.simulated_ns is None)]
    if not stamped or expected.max_age_s is None:
        return
    stamps = np.array([each.stamp_ns for each in stamped], dtype=np.int64)
    if not stamps.any():
        yield about.failed('stamps', 'every stamp is 0',
                           'let the driver stamp its messages: header.stamp = now()')
        return
    if len(stamps) > 2 and (stamps == stamps[0]).all():
        yield about.failed('stamps', f'all {len(stamps)} messages bear the same stamp',
                           'the driver repeats old data: start it, or its device, again')
        return
    ages_s = np.array([each.instant(simulated).ros_ns - each.stamp_ns
                       for each in stamped]) / NS_PER_S
    age_s = float(np.median(ages_s))
    ahead_s = min(FUTURE_TOLERANCE_NS / NS_PER_S, expected.max_age_s)
    if age_s < -ahead_s:
        yield about.failed('stamps', f'stamps lie {-age_s:.3f} s in the future', _mend(
            stamped, age_s, simulated=simulated))
    elif age_s > expected.max_age_s:
        yield about.failed('stamps', f'messages are {age_s:.3f} s old when they come, max_age_s '
                           f'is {expected.max_age_s:g}',
                           _mend(stamped, age_s, simulated=simulated))
    elif (share := float(np.mean(ages_s > expected.max_age_s))) > _WARN_SHARE:
        yield about.warned('stamps', f'{share:.0%} of the messages are older than max_age_s '
                           f'{expected.max_age_s:g} when they come, up to {ages_s.max():.3f} s',
                           'look whether this machine or the network is too busy, or raise '
                           'max_age_s if the bundle bears it')
    else:
        yield about.passed('stamps', f'{age_s * 1e3:.0f} ms old')


def _mend(received: list[Received], age_s: float, *, simulated: bool) -> str:
    """Say what to do about stamps that are off by ``age_s``."""
    other = [each.instant(not simulated).ros_ns - each.stamp_ns for each in received
             if each.simulated_ns is not None]
    if other and abs(float(np.median(other))) < abs(age_s) * NS_PER_S / 10:
        mine, theirs = ('true', 'the system clock') if simulated else ('false', 'simulated time')
        return (f'its stamps are of {theirs}: start its node with --ros-args -p '
                f'use_sim_time:={mine}')
    if abs(age_s) > _OTHER_CLOCK_S:
        return ("its stamps are of another clock, the device's own perhaps: let the driver stamp "
                'with ROS time')
    if age_s < 0.0:
        return ('set the clocks of the two machines by one source: `chronyc tracking` on each '
                'shows its offset')
    return ('set the clocks of the machines by one source (`chronyc tracking`); if they agree, '
            'shorten the way: fewer hops, smaller frames, a wired network')
