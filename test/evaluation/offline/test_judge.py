"""A recording is judged by what the policy would have done, and by what is wrong with it."""

from __future__ import annotations

from dataclasses import replace
import struct

import numpy as np
from physical_ai_bridge.bags.reader import RecordedMessage
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.samples import JointSample
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.runtime import cdr
from physical_ai_bridge.testing.recorded import joint_state_bytes, wrench_bytes
import pytest

JOINTS, WRENCH = '/joint_states', '/force_torque_sensor/wrench'
CAMERA = '/wrist_camera/image_raw'
COMMANDS = '/joint_trajectory_controller/joint_trajectory'


def without(messages, topic, from_s=0.0, to_s=1e9):
    """Return the messages but for a topic's between two times from the begin."""
    begin_ns = messages[0].stamp_ns
    return [message for message in messages if message.topic != topic or not (
        from_s <= (message.stamp_ns - begin_ns) * 1e-9 < to_s)]


def with_joints(messages, change, from_s=0.0, to_s=1e9):
    """Return the messages with joint states changed between two times from the begin."""
    begin_ns, changed = messages[0].stamp_ns, []
    for message in messages:
        if (message.topic == JOINTS
                and from_s <= (message.stamp_ns - begin_ns) * 1e-9 < to_s):
            sample = change(cdr.decode_joint_state(message.data))
            changed.append(message._replace(data=joint_state_bytes(sample)))
        else:
            changed.append(message)
    return changed


class TestASoundRecording:

    def test_nothing_is_found_and_what_was_done_is_predicted(self, verdict):
        assert not verdict.findings
        assert verdict.scores.inferences > 20
        error = verdict.scores.action_error
        assert error.truth == 'commanded'
        assert error.rad.rmse < 0.02
        assert error.tcp_m.rmse < 0.01

    def test_the_proposals_pass_as_they_did_then(self, verdict):
        assert verdict.scores.verdicts.passed == verdict.scores.verdicts.proposals > 20
        assert not verdict.scores.verdicts.stops
        assert verdict.scores.verdicts.mode_share['ACTIVE'] > 0.8

    def test_the_error_grows_along_the_chunk(self, verdict):
        steps = verdict.scores.action_error.steps
        assert len(steps) == 16
        assert steps[0].rmse_rad < steps[-1].rmse_rad
        assert verdict.scores.action_error.drift_rad_per_s > 0.0

    def test_the_worst_moments_come_with_pictures(self, verdict):
        moments = verdict.judge.chunks.moments()
        errors = [each.error_rad for each in verdict.scores.action_error.worst]
        assert errors == sorted(errors, reverse=True)
        assert set(moments[0].frames) == {'scene', 'wrist'}
        assert moments[0].frames['wrist'].startswith(b'\xff\xd8')

    def test_ages_and_their_spread_are_told(self, verdict):
        ages = verdict.scores.ages_s
        assert ages['observation.images.wrist'].count >= verdict.scores.inferences
        assert ages['observation.images.wrist'].max < 0.2
        assert verdict.scores.sync_spread_s.max < 0.2

    def test_the_same_messages_give_the_same_scores(self, court, episode, verdict):
        assert court.judge(episode).scores == verdict.scores

    def test_an_episode_is_scored_from_all_its_chunks(self, verdict):
        (score,) = verdict.judge.episode_scores()
        assert score.scores['action_rmse_rad'] == pytest.approx(
            verdict.scores.action_error.rad.rmse, rel=1e-9)
        assert score.scores['limited_share'] == 0.0


class TestAPolicyThatIsWrong:
    class Off:
        """Asks for what the student does, and so much more of the first joint."""

        last_inference_s = 0.001

        def __init__(self, inner, offset_rad=0.5):
            self._inner, self.manifest = inner, inner.manifest
            self._offset_rad = offset_rad

        def infer(self, inputs):
            actions = self._inner.infer(inputs).copy()
            actions[:, 0] += self._offset_rad
            return actions

    class Silent(Off):
        """Gives up."""

        def infer(self, inputs):
            raise InferenceError(Reason.ACTION_MALFORMED, 'no')

    def test_its_error_is_told_by_joint(self, court, episode, verdict):
        off = court.judge(episode, policy=self.Off(court.policy)).scores.action_error
        was = verdict.scores.action_error
        first, *others = court.binding.cell.robot.joints
        assert off.joints_rad[first].rmse == pytest.approx(0.5, rel=0.1)
        assert off.joints_rad[others[0]].rmse == pytest.approx(
            was.joints_rad[others[0]].rmse, rel=1e-6)
        assert off.worst[0].joint == first

    def test_the_supervisor_would_have_limited_it(self, court, episode):
        hasty = self.Off(court.policy, offset_rad=1.5)
        verdicts = court.judge(episode, policy=hasty).scores.verdicts
        assert verdicts.limited_share > 0.5
        assert set(verdicts.ahead) <= {'TCP_SPEED_LIMIT', 'WORKSPACE_LIMIT'}
        assert verdicts.ahead['TCP_SPEED_LIMIT'] > 10

    def test_chunks_that_it_owes_are_counted_by_reason(self, court, episode):
        scores = court.judge(episode, policy=self.Silent(court.policy)).scores
        assert scores.inferences == 0
        assert set(scores.chunks_refused) == {'ACTION_MALFORMED'}
        assert scores.action_error.rad.rmse is None


class TestPlantedFaults:

    def test_a_camera_gap_is_found_with_its_place(self, court, episode):
        found = court.judge(without(episode, CAMERA, 1.5, 1.8)).findings['STREAM_GAP']
        assert found.where == CAMERA
        assert found.first_s == pytest.approx(1.5, abs=0.1)
        assert 'max_age_s' in found.detail

    def test_a_nan_is_found_and_never_becomes_motion(self, court, episode):
        def spoil(sample):
            position = sample.position.copy()
            position[2] = np.nan
            return JointSample(sample.stamp_ns, sample.names, position)

        spoilt = court.judge(with_joints(episode, spoil, 1.5, 1.51))
        assert spoilt.findings['NOT_FINITE'].where == JOINTS
        assert spoilt.findings['NOT_FINITE'].count in range(3, 8)
        assert np.isfinite(spoilt.scores.action_error.rad.max)

    def test_a_nan_of_a_wrench_is_found(self, court, episode):
        spoilt = []
        for index, message in enumerate(episode):
            spoilt.append(message)
            if message.topic == WRENCH and index % 500 == 0:
                sample = cdr.decode_wrench_stamped(message.data)
                spoilt[-1] = message._replace(data=wrench_bytes(
                    replace(sample, force=np.array([0.0, np.nan, 0.0]))))
        assert court.judge(spoilt).findings['NOT_FINITE'].where == WRENCH

    @pytest.mark.parametrize('commands', [True, False])
    def test_joints_that_are_swapped_half_way_are_named(self, court, episode, commands):
        def swap(sample):
            names = list(sample.names)
            names[1], names[2] = names[2], names[1]
            return JointSample(sample.stamp_ns, tuple(names), sample.position)

        messages = with_joints(episode, swap, from_s=1.5)
        found = court.judge(
            messages if commands else without(messages, COMMANDS)).findings
        assert 'JOINT_ORDER_CHANGED' in found
        detail = found['JOINTS_SWAPPED'].detail
        assert 'shoulder_lift_joint stands as elbow_joint' in detail
        assert 'elbow_joint stands as shoulder_lift_joint' in detail

    def test_joints_that_are_swapped_throughout_are_named_by_what_was_commanded(
            self, court, episode):
        def swap(sample):
            position = sample.position.copy()
            position[[1, 2]] = position[[2, 1]]
            return JointSample(sample.stamp_ns, sample.names, position)

        found = court.judge(with_joints(episode, swap)).findings
        assert 'elbow_joint stands as shoulder_lift_joint' in found['JOINTS_SWAPPED'].detail

    def test_the_same_joints_in_another_order_are_no_fault_of_the_values(
            self, court, episode, verdict):
        def turn(sample):
            return JointSample(sample.stamp_ns, sample.names[::-1], sample.position[::-1])

        turned = court.judge(with_joints(episode, turn))
        assert not turned.findings
        assert turned.scores.action_error == verdict.scores.action_error

    def test_a_joint_that_jumps_is_found(self, court, episode):
        def jump(sample):
            return JointSample(sample.stamp_ns, sample.names, sample.position + 0.5)

        found = court.judge(with_joints(episode, jump, 1.5, 1.6)).findings
        assert found['JOINT_JUMP'].where == JOINTS
        assert 'JOINTS_SWAPPED' not in found

    def test_stamps_that_run_backwards_are_found(self, court, episode):
        def back(sample):
            return replace(sample, stamp_ns=sample.stamp_ns - seconds_to_ns(0.02))

        found = court.judge(with_joints(episode, back, 1.5, 1.505)).findings
        assert found['STAMPS_BACKWARDS'].where == JOINTS

    def test_a_driver_that_does_not_stamp_any_more_is_found(self, court, episode):
        stamp_ns = cdr.decode_joint_state(
            next(m for m in episode if m.topic == JOINTS).data).stamp_ns
        found = court.judge(with_joints(
            episode, lambda sample: replace(sample, stamp_ns=stamp_ns), from_s=1.0)).findings
        assert found['STAMPS_FROZEN'].where == JOINTS

    def test_messages_that_do_not_decode_are_counted_and_the_rest_is_judged(
            self, court, episode, verdict):
        broken = [message._replace(data=message.data[:20])
                  if message.topic == WRENCH and index % 700 == 0 else message
                  for index, message in enumerate(episode)]
        spoilt = court.judge(broken)
        assert spoilt.findings['UNDECODABLE'].where == WRENCH
        assert spoilt.scores.inferences == verdict.scores.inferences

    def test_a_picture_that_stands_still_while_the_robot_moves_is_found(self, court, episode):
        first = next(message for message in episode if message.topic == CAMERA)
        at = 4 + 8  # the encapsulation, and the stamp behind it
        frozen = [message._replace(data=message.data[:at] + first.data[at:])
                  if message.topic == CAMERA else message for message in episode]
        assert court.judge(frozen).findings['FRAME_FROZEN'].where == CAMERA

    def test_a_frame_of_another_size_is_refused_by_name(self, court, episode):
        # The height stands behind the encapsulation, the stamp and an empty frame_id.
        small = [message._replace(data=message.data[:20] + b'\x64\0\0\0' + message.data[24:])
                 if message.topic == CAMERA else message for message in episode]
        found = court.judge(small)
        assert 'camera wrist' in found.findings['IMAGE_REFUSED'].detail
        assert found.scores.inferences == 0


class TestWhatIsMissing:

    def test_without_a_camera_the_rest_is_judged(self, court, episode):
        verdict = court.judge(without(episode, CAMERA))
        assert verdict.findings['TOPIC_MISSING'].where == CAMERA
        assert verdict.scores.inferences == 0
        assert verdict.scores.recorded.path_rad > 0.5
        assert verdict.scores.verdicts.mode_share['READY'] > 0.5

    def test_without_commands_the_measured_motion_stands_for_them(
            self, court, episode, verdict):
        measured = court.judge(without(episode, COMMANDS))
        assert 'REFERENCE_MEASURED' in measured.findings
        assert measured.scores.action_error.truth == 'measured'
        assert measured.scores.action_error.rad.rmse < 0.05
        assert measured.scores.verdicts.limited_share < 0.1

    def test_without_an_emergency_stop_it_is_taken_as_released(self, court, episode):
        verdict = court.judge(without(episode, '/emergency_stop'))
        assert 'ASSUMED_RELEASED' in verdict.findings
        assert verdict.scores.verdicts.passed > 20

    def test_a_pressed_emergency_stop_is_a_stop_and_the_rest_is_judged_too(
            self, court, episode):
        begin_ns = episode[0].stamp_ns
        pressed = [message._replace(data=message.data[:4] + b'\1')
                   if message.topic == '/emergency_stop'
                   and 1.5 < (message.stamp_ns - begin_ns) * 1e-9 < 1.7 else message
                   for message in episode]
        verdicts = court.judge(pressed).scores.verdicts
        assert verdicts.stops == {'EMERGENCY_STOP': 1}
        assert verdicts.mode_share['ACTIVE'] > 0.5

    def test_without_a_wrench_sensor_the_supervisor_is_told_zero_and_goes_on(
            self, court, episode):
        verdict = court.judge(without(episode, WRENCH))
        assert {'ASSUMED_NO_FORCE', 'TOPIC_MISSING'} <= set(verdict.findings)
        assert verdict.scores.verdicts.mode_share['READY'] > 0.5
        assert verdict.scores.inferences == 0

    def test_a_pause_of_days_is_one_pause_and_not_ticked_through(self, court, episode, verdict):
        half, days_ns = len(episode) // 2, seconds_to_ns(10 * 86_400.0)
        later = [message._replace(stamp_ns=message.stamp_ns + days_ns)
                 for message in episode[half:]]
        paused = court.judge([*episode[:half], *later])
        assert paused.findings['STREAM_GAP'].first_s == pytest.approx(
            verdict.judge.duration_s / 2, abs=0.5)
        assert set(paused.scores.verdicts.stops) == {'JOINTS_SILENT'}

    def test_where_stamps_are_on_another_clock_ros_time_goes_as_that_clock_says(
            self, court, episode, verdict):
        apart_ns, begin_ns, slow = seconds_to_ns(1e6), episode[0].stamp_ns, []
        for message in episode:
            # Simulated at half the speed of the recorder's clock.
            received_ns = begin_ns + 2 * (message.stamp_ns - begin_ns) + apart_ns
            seconds, nanoseconds = divmod(message.stamp_ns, 1_000_000_000)
            slow.append(RecordedMessage(
                '/clock', 'rosgraph_msgs/msg/Clock', received_ns,
                struct.pack('<4BiI', 0, 1, 0, 0, seconds, nanoseconds)))
            slow.append(message._replace(stamp_ns=received_ns))
        found = court.judge(slow, shift_ns=-apart_ns)
        assert 'STALE_SAMPLES' not in found.findings
        assert found.judge.duration_s == pytest.approx(verdict.judge.duration_s, abs=0.01)

    def test_stamps_on_another_clock_are_followed(self, court, episode, verdict):
        apart_ns = seconds_to_ns(1_000_000.0)
        later = [message._replace(stamp_ns=message.stamp_ns + apart_ns) for message in episode]
        assert court.judge(later, shift_ns=-apart_ns).scores == verdict.scores
