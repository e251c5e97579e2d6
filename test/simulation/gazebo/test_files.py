"""The files that are shipped are those that are written from the MuJoCo cell."""

from __future__ import annotations

import dataclasses

from physical_ai_bridge.contract.errors import CellError
from physical_ai_bridge.simulation.gazebo.__main__ import main
from physical_ai_bridge.simulation.gazebo.files import texts
from physical_ai_bridge.simulation.gazebo.source import Source
import pytest


def test_what_is_shipped_is_what_is_written(source, folder):
    written = texts(source)
    assert {path.name for path in folder.iterdir()} == set(written)
    for name, text in written.items():
        assert (folder / name).read_text(encoding='utf-8') == text, (
            f'{name} is out of date: python -m physical_ai_bridge.simulation.gazebo config/gazebo')


def test_another_seed_moves_the_socket_and_the_start_and_nothing_else(tmp_path, folder):
    assert main([str(tmp_path), '--seed', '5']) == 0
    changed = {
        path.name: [
            line for line, before in zip(
                path.read_text().splitlines(), (folder / path.name).read_text().splitlines(),
                strict=True)
            if line != before]
        for path in tmp_path.iterdir()}
    assert changed['robot.sdf'] == changed['bridge.yaml'] == changed['controllers.yaml'] == []
    # The socket's pose, and where the headlight looks.
    assert [line.split('>')[0].split()[0] for line in changed['world.sdf']] == [
        '<direction', '<pose']
    assert len(changed['robot.urdf']) <= 6
    assert all('initial_value' in line for line in changed['robot.urdf'])


def test_a_cell_that_gazebo_cannot_be_is_refused_with_every_reason(cell):
    scene = dataclasses.replace(cell.sensors.cameras['scene'], encoding='bgr8')
    joints = dataclasses.replace(cell.sensors.joint_states, topic='/arm/joints', rate_hz=100.0)
    sensors = dataclasses.replace(
        cell.sensors, joint_states=joints, cameras={'scene': scene})
    controller = dataclasses.replace(cell.controller, topic='/arm/jtc/joint_trajectory')
    with pytest.raises(CellError) as refused:
        Source.from_cell(dataclasses.replace(cell, sensors=sensors, controller=controller))
    assert [problem.key for problem in refused.value.problems] == [
        'controller.topic', 'sensors.joint_states.topic', 'sensors.joint_states.rate_hz',
        'sensors.cameras.scene.encoding']


def test_a_mistake_on_the_command_line_is_one_sentence(tmp_path, capsys):
    assert main([str(tmp_path), '--cell', str(tmp_path / 'none.yaml')]) == 1
    said = capsys.readouterr().err
    assert 'none.yaml' in said
    assert 'Traceback' not in said
