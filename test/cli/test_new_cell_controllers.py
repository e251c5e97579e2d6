"""Controllers are found however their parameters are laid out over nodes, namespaces and files."""

from __future__ import annotations

from physical_ai_bridge.cli.new_cell_controllers import Controllers
import pytest
import yaml

JTC = 'joint_trajectory_controller/JointTrajectoryController'
ARM = {'joints': ['a', 'b'], 'state_interfaces': ['position'], 'command_interfaces': ['position']}


@pytest.fixture
def read(tmp_path):
    """Return a function that reads files given as plain values."""
    def run(*files):
        paths = []
        for index, values in enumerate(files):
            paths.append(tmp_path / f'{index}.yaml')
            paths[-1].write_text(yaml.safe_dump(values))
        return Controllers(paths, {})

    return run


def node(**parameters):
    return {'ros__parameters': parameters}


@pytest.mark.parametrize(('values', 'name'), [
    ({'controller_manager': node(arm={'type': JTC}), 'arm': node(**ARM)}, '/arm'),
    ({'/controller_manager': node(arm={'type': JTC}), '/arm': node(**ARM)}, '/arm'),
    ({'/**': {'controller_manager': node(arm={'type': JTC}), 'arm': node(**ARM)}}, '/arm'),
    ({'/**/controller_manager': node(arm={'type': JTC}), '/**/arm': node(**ARM)}, '/arm'),
    ({'left': {'controller_manager': node(arm={'type': JTC}), 'arm': node(**ARM)}}, '/left/arm'),
    ({'/left/controller_manager': node(arm={'type': JTC}), '/left/arm': node(**ARM)},
     '/left/arm'),
    ({'controller_manager': node(arm={}), 'arm': node(type=JTC, **ARM)}, '/arm'),
    ({'controller_manager': node(**{'arm.type': JTC}), 'arm': node(**ARM)}, '/arm'),
    ({'controller_manager': node(arm={'type': JTC}), '/**': node(**ARM)}, '/arm'),
])
def test_a_controller_is_found_wherever_it_stands(read, values, name):
    controllers = read(values)
    found = controllers.choose(None)
    assert found.name == name
    assert controllers.joints_of(found) == ['a', 'b']
    assert controllers.problems == []


def test_later_files_overrule_earlier_ones(read):
    controllers = read(
        {'controller_manager': node(update_rate=100, arm={'type': JTC}), 'arm': node(**ARM)},
        {'controller_manager': node(update_rate=500), 'arm': node(joints=['c'])})
    found = controllers.choose(None)
    assert (found.rate_hz, controllers.joints_of(found)) == (500.0, ['c'])


def test_a_controllers_own_update_rate_comes_first(read):
    controllers = read({
        'controller_manager': node(update_rate=500, arm={'type': JTC}),
        'arm': node(update_rate=250, **ARM)})
    assert controllers.choose(None).rate_hz == 250.0


def test_two_arms_are_told_apart_by_their_namespaces(read):
    sensor = 'force_torque_sensor_broadcaster/ForceTorqueSensorBroadcaster'
    sides = {side: {
        'controller_manager': node(arm={'type': JTC}, force={'type': sensor}),
        'arm': node(**ARM), 'force': node(frame_id=side)} for side in ('left', 'right')}
    assert read(sides).choose(None) is None
    assert read(sides).choose('arm') is None
    controllers = read(sides)
    arm = controllers.choose('/right/arm')
    assert arm.name == '/right/arm'
    assert [each.name for each in controllers.wrenches(arm)] == ['/right/force']


def test_a_broadcaster_that_leaves_out_a_driven_joint_is_named(read):
    controllers = read({
        'controller_manager': node(
            arm={'type': JTC}, states={'type': 'joint_state_broadcaster/JointStateBroadcaster'}),
        'arm': node(**ARM), 'states': node(joints=['a'], interfaces=['position'])})
    controllers.joint_states(controllers.choose(None), ['a', 'b'])
    [problem] = controllers.problems
    assert (problem.key, problem.found) == ('states.joints', 'b is not in it')


@pytest.mark.parametrize(('values', 'changes'), [
    ({}, ['interpolate_from_desired_state', 'allow_trajectory_replacement']),
    ({'interpolate_from_desired_state': True, 'allow_trajectory_replacement': False}, []),
    ({'interpolate_from_desired_state': True, 'allow_trajectory_replacement': False,
      'allow_nonzero_velocity_at_trajectory_end': True},
     ['allow_nonzero_velocity_at_trajectory_end']),
    ({'interpolate_from_desired_state': True, 'allow_trajectory_replacement': False,
      'speed_scaling': {'state_interface': 'speed_scaling/speed_scaling_factor'}},
     ['keep the speed slider at 100 %']),
])
def test_what_to_change_in_the_controller_is_told(read, values, changes):
    controllers = read({
        'controller_manager': node(arm={'type': JTC}), 'arm': node(**ARM, **values)})
    notes = controllers.check(controllers.choose(None))
    assert len(notes) == len(changes)
    assert all(change in note for change, note in zip(changes, notes, strict=True))
