"""The robot as verification sees it: its tcp, its shapes, and how far each joint moves what."""

from __future__ import annotations

from dataclasses import dataclass
import warnings

import coal
import numpy as np
from physical_ai_bridge.contract.cell import Box, Cell
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.reach import Reach
from physical_ai_bridge.safety.urdf import hull_of, read_urdf
import pinocchio

# Metres: what may be lost where an arm is all but along its joint's axis.
_ROUNDING_M = 1e-7
_WORLD_AXES = pinocchio.ReferenceFrame.LOCAL_WORLD_ALIGNED


@dataclass(frozen=True, slots=True)
class Pair:
    """Two shapes that are kept ``least_m`` apart; ``what`` names their links or keep-out box."""

    reason: Reason
    what: str
    least_m: float


class RobotModel:
    """
    Kinematics and collision geometry of the cell's robot, all in its base frame.

    ``joints`` is the order of every array of joints here: the cell's. ``locked`` are the movable
    joints of the URDF that the cell does not drive; they stand at their neutral position, and what
    they carry is one body with what carries them.

    ``tcp_reach`` (N,) and ``pair_reach`` (P, N) are Lipschitz constants that hold in every
    configuration: no motion of joint j by 1 rad (or 1 m) moves the tcp by more than
    ``tcp_reach[j]`` m, nor changes the distance of ``pairs[i]`` by more than ``pair_reach[i, j]``.
    ``tcp_support`` (N,) is 1 where a joint moves the tcp, else 0.

    Not thread-safe.
    """

    def __init__(
            self, model: pinocchio.Model, geometry: pinocchio.GeometryModel, cell: Cell,
            locked: tuple[str, ...] = (),
    ) -> None:
        """Take what ``read_urdf`` returns, or models like it."""
        self.joints = cell.robot.joints
        self.locked = locked
        self._model, self._geometry = model, geometry
        self._data = model.createData()
        # model_q = q[self._order]
        self._order = np.array([self.joints.index(name) for name in model.names[1:]])
        self._tcp = model.getBodyId(cell.robot.tcp_frame)
        reach = Reach(model, cell)
        tcp = model.frames[self._tcp]
        self.tcp_reach = reach.of(tcp.parentJoint, tcp.placement.translation[None, :])
        self.tcp_support = (reach.support(tcp.parentJoint)).astype(np.float64)
        self._pair_up(cell, reach)
        self._placements = pinocchio.GeometryData(geometry)
        # Views into the data: they show what was computed last.
        pinocchio.forwardKinematics(model, self._data, pinocchio.neutral(model))
        self._position = self._data.oMf[self._tcp].translation
        self._frames = [(placement.rotation, placement.translation) for placement in (
            self._data.oMi[joint] for joint in range(model.njoints))]
        self._results = [self._placements.distanceResults[i] for i in range(len(self.pairs))]
        # Iterations begin anew, not where the last query ended: the same question has the same
        # answer. The first of these is deprecated, but still overrules the other.
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)
            for request in self._placements.distanceRequests:
                request.enable_cached_gjk_guess = False
                request.gjk_initial_guess = coal.GJKInitialGuess.BoundingVolumeGuess

    @classmethod
    def from_urdf(cls, urdf_xml: str, cell: Cell) -> RobotModel:
        """
        Return the model of a URDF's text, for the joints, frames and checks of ``cell``.

        Raises
        ------
        SetupError
            If the text is no URDF, lacks a joint or frame of the cell, or has meshes that cannot
            be loaded; if it has no collision geometry although the cell keeps parts out of boxes
            or apart; if a link to ignore is not there.

        """
        model, geometry, locked = read_urdf(urdf_xml, cell)
        return cls(model, geometry, cell, locked)

    def _pair_up(self, cell: Cell, reach: Reach) -> None:
        """Choose the pairs of shapes that are measured."""
        model, geometry, safety = self._model, self._geometry, cell.safety
        shapes = list(geometry.geometryObjects)
        links = [model.frames[shape.parentFrame].name for shape in shapes]
        moving = [index for index, shape in enumerate(shapes) if shape.parentJoint]
        hulls = [hull_of(shape) for shape in shapes]
        reaches = [reach.of(shape.parentJoint, *hull)
                   for shape, hull in zip(shapes, hulls, strict=True)]
        self._shapes = _Shapes(reach, [shape.parentJoint for shape in shapes], hulls, reaches)
        for key, wanted, without in (
                ('keep_out', safety.keep_out, 'remove safety.keep_out'),
                ('self_collision', safety.self_collision, 'write self_collision: null')):
            if wanted and not moving:
                raise SetupError(
                    f'the URDF has no collision geometry on a link that moves, which '
                    f'safety.{key} of the cell file needs: add <collision> elements to it, or '
                    f'{without}')
        pairs: list[Pair] = []
        pair_reach: list[np.ndarray] = []
        members: list[tuple[int, int]] = []
        for name, box in safety.keep_out.items():
            index = geometry.addGeometryObject(_box(f'keep_out.{name}', box))
            for i in moving:
                geometry.addCollisionPair(pinocchio.CollisionPair(i, index))
                pairs.append(Pair(
                    Reason.KEEP_OUT, f'{links[i]} and the keep-out box {name}', 0.0))
                pair_reach.append(reaches[i])
                members.append((i, -1))
        if safety.self_collision is not None:
            ignored = self._ignored(cell)
            for i, first in enumerate(shapes):
                for j in range(i + 1, len(shapes)):
                    a, b = first.parentJoint, shapes[j].parentJoint
                    joined = a == b or model.parents[a] == b or model.parents[b] == a
                    if joined or frozenset((links[i], links[j])) in ignored:
                        continue
                    geometry.addCollisionPair(pinocchio.CollisionPair(i, j))
                    pairs.append(Pair(
                        Reason.SELF_COLLISION, f'{links[i]} and {links[j]}',
                        safety.self_collision.min_distance_m))
                    # A joint that moves both does not change their distance.
                    both = reach.support(a) & reach.support(b)
                    pair_reach.append(np.where(both, 0.0, reaches[i] + reaches[j]))
                    members.append((i, j))
        self.pairs = tuple(pairs)
        self.least_m = np.array([pair.least_m for pair in pairs])
        self.pair_reach = np.array(pair_reach).reshape(-1, len(self.joints))
        self._moved = self.pair_reach > 0.0
        self._members = np.array(members).reshape(-1, 2)

    def _ignored(self, cell: Cell) -> set[frozenset[str]]:
        pairs = cell.safety.self_collision.ignore
        unknown = sorted({link for pair in pairs for link in pair
                          if not self._model.existBodyName(link)})
        if unknown:
            links = sorted({self._model.frames[shape.parentFrame].name
                            for shape in self._geometry.geometryObjects})
            raise SetupError(
                f'safety.self_collision.ignore of the cell file names {", ".join(unknown)}, '
                f'which the URDF does not have; write links with collision geometry: '
                f'{", ".join(links)}')
        return {frozenset(pair) for pair in pairs}

    def tcp(self, q: np.ndarray) -> np.ndarray:
        """Return the tcp's position (3,) at joints ``q`` (N,)."""
        pinocchio.forwardKinematics(self._model, self._data, q[self._order])
        pinocchio.updateFramePlacement(self._model, self._data, self._tcp)
        return self._position.copy()

    def tcp_velocities(self, q: np.ndarray, v: np.ndarray) -> np.ndarray:
        """
        Return the tcp's position and velocity (M, 2, 3) in m and m/s.

        Arguments are M joint positions and velocities, (M, N) each.
        """
        model, data, tcp, position = self._model, self._data, self._tcp, self._position
        states = np.empty((len(q), 2, 3))
        for state, q_, v_ in zip(states, q[:, self._order], v[:, self._order], strict=True):
            pinocchio.forwardKinematics(model, data, q_, v_)
            pinocchio.updateFramePlacement(model, data, tcp)
            state[0] = position
            state[1] = pinocchio.getFrameVelocity(model, data, tcp, _WORLD_AXES).linear
        return states

    def tcp_states(self, q: np.ndarray, v: np.ndarray, a: np.ndarray) -> np.ndarray:
        """
        Return the tcp's position, velocity and acceleration (M, 3, 3) in m, s.

        Arguments are M joint positions, velocities and accelerations, (M, N) each.
        """
        model, data, tcp, position = self._model, self._data, self._tcp, self._position
        states = np.empty((len(q), 3, 3))
        for state, q_, v_, a_ in zip(
                states, q[:, self._order], v[:, self._order], a[:, self._order], strict=True):
            pinocchio.forwardKinematics(model, data, q_, v_, a_)
            pinocchio.updateFramePlacement(model, data, tcp)
            state[0] = position
            state[1] = pinocchio.getFrameVelocity(model, data, tcp, _WORLD_AXES).linear
            state[2] = pinocchio.getFrameClassicalAcceleration(
                model, data, tcp, _WORLD_AXES).linear
        return states

    def distances(self, q: np.ndarray) -> np.ndarray:
        """Return the distance (P,) in m of every pair at joints ``q`` (N,), overlap negative."""
        pinocchio.updateGeometryPlacements(
            self._model, self._data, self._geometry, self._placements, q[self._order])
        pinocchio.computeDistances(self._geometry, self._placements)
        return np.array([result.min_distance for result in self._results])

    def reach_near(self, travel: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """
        Return the ``pair_reach`` (M, N) that some ``pairs`` (M,) have near where they were.

        It holds as long as no joint is further than ``travel`` (N,) from the configuration that
        ``distances`` was last asked for.
        """
        shapes = self._shapes.reach_near(self._frames, travel)
        first, second = self._members[pairs].T
        return np.where(self._moved[pairs], shapes[first] + shapes[second], 0.0)

    def distance(self, q: np.ndarray, pair: int) -> float:
        """Return the distance in m of ``pairs[pair]`` at joints ``q`` (N,)."""
        pinocchio.updateGeometryPlacements(
            self._model, self._data, self._geometry, self._placements, q[self._order])
        pinocchio.computeDistance(self._geometry, self._placements, pair)
        return float(self._results[pair].min_distance)


class _Shapes:
    """Balls around the shapes of a robot, and how far its joints can move what is in them."""

    def __init__(
            self, reach: Reach, bodies: list[int], hulls: list[tuple[np.ndarray, float]],
            reaches: list[np.ndarray],
    ) -> None:
        self._reach = reach
        self._bodies = np.array(bodies, dtype=np.intp)
        self._reaches = np.array(reaches).reshape(-1, len(reach.joints))
        # What a joint slides, it moves as far everywhere.
        self._slides = np.where(reach.axes.any(axis=1), 0.0, np.inf)
        middles = [0.5 * (points.min(axis=0) + points.max(axis=0)) for points, _ in hulls]
        self._middles = np.array(middles).reshape(-1, 3)
        self._radii = np.array([
            float(np.linalg.norm(points - middle, axis=1).max()) + radius + _ROUNDING_M
            for (points, radius), middle in zip(hulls, middles, strict=True)])

    def reach_near(
            self, frames: list[tuple[np.ndarray, np.ndarray]], travel: np.ndarray) -> np.ndarray:
        """
        Return (G + 1, N): the reach of each joint on each shape near a configuration, and 0.

        The last row is that on what no joint moves.

        ``frames`` are the joints' rotations and origins in it. What turns about a joint's axis
        is as far from it as there, and changes that by what the joints beyond it can carry it.
        """
        rotations, origins = (np.array(part) for part in zip(*frames, strict=True))
        middles = origins[self._bodies] + (
            rotations[self._bodies] @ self._middles[:, :, None])[:, :, 0]
        joints, beyond = self._reach.joints, self._reach.beyond
        axes = (rotations[joints] @ self._reach.axes[:, :, None])[:, :, 0]
        arms = middles[:, None, :] - origins[joints]
        # What of an arm is across its joint's axis, by Pythagoras.
        along = (arms * axes).sum(axis=2)
        across = np.sqrt(np.maximum((arms * arms).sum(axis=2) - along * along, 0.0))
        near = across + self._radii[:, None] + (self._reaches * travel) @ beyond.T + self._slides
        shapes = np.zeros((len(near) + 1, len(joints)))
        np.minimum(near, self._reaches, out=shapes[:-1])
        return shapes


def _box(name: str, box: Box) -> pinocchio.GeometryObject:
    low, high = np.array(box.min), np.array(box.max)
    solid = coal.Box(*(high - low).tolist())
    solid.computeLocalAABB()
    return pinocchio.GeometryObject(
        name, 0, 0, pinocchio.SE3(np.eye(3), 0.5 * (low + high)), solid)
