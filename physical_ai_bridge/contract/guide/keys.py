"""What the nodes say about themselves: every key of every DiagnosticStatus, and the modes."""

from __future__ import annotations

from dataclasses import dataclass

from physical_ai_bridge.contract.guide.advice import Text

MODES = {
    'INACTIVE': Text(
        'waits for its inputs, or is not active: nothing moves, nothing is sent',
        '入力を待っているか、非アクティブです。動かさず、何も送りません'),
    'READY': Text(
        'holds the robot and waits for a proposal', 'ロボットを保持し、提案を待っています'),
    'ACTIVE': Text(
        'passes what is proposed, unchanged', '提案をそのまま通しています'),
    'LIMITING': Text(
        'passes it slowed, led or bounded, or nothing of it; ends by itself',
        '減速・合流・制限して通すか、通しません。自然に解除されます'),
    'STOPPING': Text(
        'brakes to standstill', '静止までブレーキをかけています'),
    'STOPPED': Text(
        'stands still, latched: only `~/reset` leaves it',
        '静止してラッチしています。`~/reset` でのみ解除できます'),
    'FAULT': Text(
        'met an error of its own; its process ends', '自身のエラーです。プロセスは終了します'),
}


@dataclass(frozen=True, slots=True)
class Key:
    """
    One key of a DiagnosticStatus.

    ``name`` may hold one placeholder such as ``<code>``. ``unit`` is '' for a text, a count or
    true and false. One that is not there in every cell, and at any time, is not ``always``.
    """

    name: str
    unit: str
    meaning: Text
    always: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a DiagnosticStatus comes from: node, topic, and its keys in their order."""

    node: str
    topic: str
    keys: tuple[Key, ...]


def _key(name: str, unit: str, en: str, ja: str) -> Key:
    return Key(name, unit, Text(en, ja))


_REFUSED = Key('refused.<code>', '', Text(
    'how many inputs were refused with this reason code since activation',
    'アクティブ化以降、この理由コードで拒否した入力の数'), always=False)
_LAST_REFUSAL = _key('last_refusal', '', 'the newest refusal: code and sentence',
                     '最後の拒否（コードと説明文）')

POLICY_NODE = Source(node='policy_node', topic='/diagnostics', keys=(
    _key('proposal_rate_hz', 'Hz', 'proposals a second, over the last second',
         '直近 1 秒の提案レート'),
    _key('proposals', '', 'proposals since activation', 'アクティブ化以降の提案数'),
    _key('inference_p50_ms', 'ms', 'the model alone, median of the last 512',
         'モデル単体の推論時間（直近 512 回の中央値）'),
    _key('inference_p99_ms', 'ms', 'the same, 99th percentile', '同上、p99'),
    _key('observation_to_proposal_p50_ms', 'ms',
         "from the observation's stamp to the proposal, median of the last 512",
         '観測のスタンプから提案までの時間（直近 512 回の中央値）'),
    _key('observation_to_proposal_p99_ms', 'ms', 'the same, 99th percentile', '同上、p99'),
    _key('<input>.rate_hz', 'Hz', 'rate of an input: `joint_state`, `wrench/<name>`, '
         '`image/<name>`, `command`',
         '入力のレート。`joint_state`、`wrench/<名前>`、`image/<名前>`、`command`'),
    _key('<input>.age_s', 's', 'time since its last message, on the steady clock; empty before '
         'the first', '最後のメッセージからの時間（単調時計）。最初の受信までは空'),
    _REFUSED,
    _LAST_REFUSAL,
    _key('task', '', 'the instruction that is followed; empty where there is none',
         '現在の作業指示。なければ空'),
    _key('provider', '', 'the execution provider that really runs the model',
         '実際にモデルを動かしている実行プロバイダ'),
    _key('bundle', '', "the bundle's name", 'バンドル名'),
    _key('bundle_digest', '', "the bundle's sha256", 'バンドルの sha256'),
))

SUPERVISOR = Source(node='safety_supervisor', topic='/diagnostics', keys=(
    _key('tick_rate_hz', 'Hz', 'ticks of the timer a second', '周期処理のレート'),
    _key('tick_p50_ms', 'ms', 'what a tick takes, median of the last 512',
         '1 周期の処理時間（直近 512 回の中央値）'),
    _key('tick_p99_ms', 'ms', 'the same, 99th percentile', '同上、p99'),
    _key('tick_jitter_p99_ms', 'ms', 'how far a tick is from its period, 99th percentile',
         '周期のずれ、p99'),
    _key('late_ticks', '', 'ticks that came more than half a period late, since configuration',
         '半周期を超えて遅れた周期の数（configure 以降）'),
    _key('speed_share', '', 'the share of the speed limits that holds now, 0 to 1',
         '現在有効な速度制限の割合（0〜1）'),
    _key('sensor_to_command_p50_ms', 'ms', "from the observation's stamp to the first command "
         'that follows it, median of the last 512',
         '観測のスタンプから、それに従う最初の指令までの時間（直近 512 回の中央値）'),
    _key('sensor_to_command_p99_ms', 'ms', 'the same, 99th percentile', '同上、p99'),
    _key('commands', '', 'commands decided since configuration', 'configure 以降の指令数'),
    _key('interventions.limited', '', 'how often it entered `LIMITING`',
         '`LIMITING` に入った回数'),
    _key('interventions.stopped', '', 'how often it stopped the robot', '停止させた回数'),
    _REFUSED,
    _LAST_REFUSAL,
    _key('incidents.folder', '', 'where records of interventions go; empty where none are kept',
         'インシデント記録の保存先。記録しない場合は空'),
    _key('incidents.written', '', 'records written', '書き込んだ記録の数'),
    _key('incidents.dropped', '', 'records that could not be kept', '残せなかった記録の数'),
    _key('incidents.problem', '', 'why records cannot be written; empty where they can',
         '記録できない理由。問題がなければ空'),
    Key('gripper.limited', '', Text(
        'why the gripper is held back; empty where it is not. In cells with a gripper',
        'グリッパを抑えている理由。なければ空（グリッパのあるセルのみ）'), always=False),
    _key('reaction_delay_s', 's', 'what the filters of the wrench sensors add to the reaction '
         'to a contact', '力覚センサのフィルタが接触への反応に加える遅れ'),
    _key('cell_digest', '', "the cell file's sha256", 'セルファイルの sha256'),
    _key('authority', '', '`shadow`, `ramp` or `live`', '`shadow`、`ramp`、`live` のいずれか'),
    _key('other_publishers', '', "nodes that publish on the controller's topic, too",
         'コントローラの指令トピックに送信しているほかのノード'),
    _key('scheduling', '', 'how the thread that ticks is scheduled',
         '周期処理スレッドのスケジューリング'),
    _key('memory_locked', '', 'whether all memory is resident', 'メモリを常駐させているか'),
    _key('gc_pause_p99_ms', 'ms', "pauses of Python's collector, 99th percentile",
         'Python の GC による停止時間、p99'),
))

STATE = Source(node='safety_supervisor', topic='~/state', keys=(
    _key('mode', '', 'one of the modes', 'モード'),
    _key('reason', '', 'the reason code: why the mode is what it is; in a stop, the first cause',
         '理由コード。停止では最初の原因'),
    _key('meaning', '', 'what the code means', 'コードの意味'),
    _key('detail', '', 'names and numbers', '名前と数値'),
    _key('authority', '', '`shadow`, `ramp` or `live`', '`shadow`、`ramp`、`live` のいずれか'),
    _key('scale', '', 'the share of the proposed speed that was let through, 0 to 1',
         '提案された速度のうち通した割合（0〜1）'),
    _key('speed_share', '', 'the share of the speed limits that held, 0 to 1',
         '有効だった速度制限の割合（0〜1）'),
    _key('stamp_ns', 'ns', 'ROS time of the decision', '判断の ROS 時刻'),
    _key('proposal_stamp_ns', 'ns', "the followed proposal's observation time; empty without one",
         '従っている提案の観測時刻。なければ空'),
))

MUJOCO_CELL = Source(node='mujoco_cell', topic='/diagnostics', keys=(
    _key('step_rate_hz', 'Hz', 'steps of the physics a second', '物理計算のレート'),
    _key('real_time_factor', '', 'speed of simulated time', 'シミュレーション時間の進む速さ'),
    _key('overruns', '', 'how often it fell behind the clock', '実時間に遅れた回数'),
    _key('time_given_up_s', 's', 'simulated time that was left out to catch up',
         '追いつくために飛ばしたシミュレーション時間'),
    _key('frames', '', 'pictures rendered', '描画した画像の数'),
    _key('frames_skipped', '', 'pictures left out because rendering was busy',
         '描画が間に合わず飛ばした画像の数'),
    _key('render_p50_ms', 'ms', 'what rendering all cameras takes, median of the last 512',
         '全カメラの描画時間（直近 512 回の中央値）'),
    _key('render_p99_ms', 'ms', 'the same, 99th percentile', '同上、p99'),
    _key('commands_accepted', '', 'commands that the simulated controller accepted',
         'シミュレーションのコントローラが受理した指令の数'),
    _key('commands_rejected', '', 'commands that it rejected', '拒否した指令の数'),
    _key('commands_late', '', 'commands that came later than `controller.latency_s`',
         '`controller.latency_s` より遅れて届いた指令の数'),
    _key('command_age_p50_ms', 'ms', 'age of a command when it is taken, median of the last 512',
         '指令を受け取った時点での経過時間（直近 512 回の中央値）'),
    _key('command_age_p99_ms', 'ms', 'the same, 99th percentile', '同上、p99'),
    _key('emergency_stop_pressed', '', 'whether its emergency stop is pressed',
         '非常停止が押されているか'),
))

EPISODE = Source(node='mujoco_cell', topic='~/episode', keys=(
    _key('index', '', 'number of the episode, from 0', 'エピソード番号（0 から）'),
    _key('seed', '', 'its seed', 'シード'),
    _key('success', '', 'whether the connector is in', '挿入に成功したか'),
    _key('done', '', 'whether it is over', '終了したか'),
    _key('elapsed_s', 's', 'simulated time since its beginning', '開始からのシミュレーション時間'),
    _key('depth_m', 'm', 'how deep the connector is in', '挿入深さ'),
    _key('lateral_m', 'm', 'how far it is off sideways', '横方向のずれ'),
    _key('peak_force_n', 'N', 'largest force so far', 'これまでの最大の力'),
    _key('limits_worst_share', '', "largest share of any joint limit, by the cell's own audit",
         'セル自身の監査による、関節制限に対する最大の割合'),
    _key('limits_exceeded', '', 'which limits were exceeded; empty for none',
         '超えた制限。なければ空'),
))

SOURCES = (STATE, SUPERVISOR, POLICY_NODE, MUJOCO_CELL, EPISODE)
