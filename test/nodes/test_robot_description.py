"""Without a file the URDF is the one on /robot_description, for ``new-cell`` as for the nodes."""

from __future__ import annotations

from pathlib import Path

from physical_ai_bridge.cli import main
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.resources import config_path
import pytest
import yaml

INPUTS = Path(__file__).parents[1] / 'cli' / 'new_cell'

pytestmark = pytest.mark.ros


@pytest.fixture
def here(graph, monkeypatch):
    """Return a graph whose domain this process looks into."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(graph.node.context.get_domain_id()))
    return graph


def test_new_cell_takes_the_urdf_that_the_running_robot_publishes(here, tmp_path):
    from physical_ai_bridge.nodes import qos
    from std_msgs.msg import String
    publisher = here.node.create_publisher(String, '/robot_description', qos.latched())
    publisher.publish(String(data=config_path('robots/ur5e.urdf').read_text()))
    path = tmp_path / 'cell.yaml'
    assert main(['new-cell', '--controllers', str(INPUTS / 'ur_controllers.yaml'),
                 '--controller', 'joint_trajectory_controller', '--var', 'tf_prefix=',
                 '--out', str(path)]) == 0
    robot = yaml.safe_load(path.read_text())['robot']
    assert robot['urdf'] == '/robot_description'
    assert (robot['base_frame'], robot['tcp_frame']) == ('base_link', 'tool0')


def test_where_nobody_publishes_it_says_what_to_start(here):
    from physical_ai_bridge.nodes.robot_description import published_description
    with pytest.raises(BridgeError, match=r'nothing came on /robot_description within 0\.2 s'):
        published_description(wait_s=0.2)
