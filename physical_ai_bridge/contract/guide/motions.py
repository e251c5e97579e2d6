"""Advice on motions that the supervisor changes."""

from __future__ import annotations

from physical_ai_bridge.contract.guide.advice import Advice, Effect, Group, Text
from physical_ai_bridge.contract.reasons import Reason

MOTIONS = Group(
    title=Text('Motions', '動作'),
    advice={
        Reason.JOINING: Advice(
            meaning_ja='現在の計画の続きになっていない提案に、計画を滑らかに合流させています。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'The first proposal after a start; a policy whose chunks do not agree with each '
                'other.',
                '開始直後の最初の提案、またはチャンクどうしが食い違うポリシーです。'),
            remedy=Text(
                'Now and then it is normal. Where it is most of the time, the policy jumps: '
                'lower `shaping.bandwidth_rad_s`, lengthen `shaping.blend_s`, or train anew.',
                'ときどき出るのは正常です。大半を占めるならポリシーが跳んでいます。'
                '`shaping.bandwidth_rad_s` を下げる、`shaping.blend_s` を延ばす、または再学習して'
                'ください。')),
        Reason.POSITION_LIMIT: Advice(
            meaning_ja='関節が可動範囲を越えようとしています。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'The policy goes where the robot cannot; limits tighter than those of the '
                'training.',
                'ポリシーが可動範囲の外へ向かっているか、学習時より狭い制限です。'),
            remedy=Text(
                'Compare `joint_limits` with what the policy was trained under; start nearer to '
                'the middle of the range.',
                '`joint_limits` を学習時の条件と比べ、可動範囲の中央寄りから始めてください。')),
        Reason.VELOCITY_LIMIT: Advice(
            meaning_ja='関節が速度制限を超えようとしています。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'A policy that was recorded faster than the cell allows.',
                'セルで許される速度より速く収録されたポリシーです。'),
            remedy=Text(
                'Nothing, if slower is good enough. Else evaluate whether the limit may be '
                'higher; never raise it to silence this.',
                '遅くても差し支えなければ対応は不要です。制限を上げるのは、上げてよいと評価できた'
                '場合だけにしてください。')),
        Reason.ACCELERATION_LIMIT: Advice(
            meaning_ja='関節が加速度制限を超えようとしています。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'A proposer of your own that is not smooth; `policy_node` shapes its own.',
                '滑らかでない自作の提案です。`policy_node` の提案は整形済みです。'),
            remedy=Text(
                'Shape the reference before it is proposed, as [architecture.md](architecture.md) '
                'tells.',
                '提案の前に参照を整形してください（[architecture.md](architecture.md) 参照）。')),
        Reason.JERK_LIMIT: Advice(
            meaning_ja='関節がジャーク制限を超えようとしています。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'As for `ACCELERATION_LIMIT`: steps in the acceleration between points.',
                '`ACCELERATION_LIMIT` と同様で、点の間で加速度が段差になっています。'),
            remedy=Text(
                'Shape the reference with a third-order filter, or sample it more densely.',
                '3 次のフィルタで整形するか、点を密にしてください。')),
        Reason.TCP_SPEED_LIMIT: Advice(
            meaning_ja='TCP が速度制限を超えようとしています。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'A stretched arm, or a policy that is faster than `tcp_speed_max_m_s`.',
                '腕を伸ばした姿勢、または `tcp_speed_max_m_s` より速いポリシーです。'),
            remedy=Text(
                'Nothing, if slower is good enough. Check that `tcp_frame` is the tool that you '
                'mean.',
                '遅くてよければ対応は不要です。`tcp_frame` が意図した工具か確認してください。')),
        Reason.WORKSPACE_LIMIT: Advice(
            meaning_ja='TCP が作業領域の外へ出ようとしています。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'The box is written in another frame than `base_frame`, or the policy strays.',
                '領域が `base_frame` 以外の座標で書かれているか、ポリシーが逸れています。'),
            remedy=Text(
                'Measure the corners of the box with the robot itself, in `base_frame`, in m.',
                '領域の角を、ロボット自身で `base_frame` 基準（m）で測り直してください。')),
        Reason.KEEP_OUT: Advice(
            meaning_ja='ロボットの一部が進入禁止領域に入ろうとしています。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'The policy goes round a fixture too closely, or the box is larger than the '
                'thing.',
                '治具のすぐ近くを通っているか、領域が実物より大きくなっています。'),
            remedy=Text(
                'The detail names link and box. Where the robot stands in a box already, move it '
                'out by its own means.',
                'リンク名と領域名は詳細に出ます。すでに領域内にいる場合は、ロボット自身の操作で外へ'
                '動かしてください。')),
        Reason.SELF_COLLISION: Advice(
            meaning_ja='ロボットの部位どうしが近づきすぎます。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'A folded pose; coarse collision geometry; links that always stand close to each '
                'other.',
                '折りたたんだ姿勢、粗い干渉形状、または常に近接しているリンクです。'),
            remedy=Text(
                'The detail names the pair. One that is close by construction goes into '
                '`self_collision.ignore`, after a look at the robot.',
                '組は詳細に出ます。構造上いつも近い組だけを、実機を見て確かめたうえで '
                '`self_collision.ignore` に加えてください。')),
        Reason.NOT_VERIFIED: Advice(
            meaning_ja='制限に近すぎて、1 周期の検証では判定できません。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'A motion that runs along a limit, a wall of the workspace or a box.',
                '制限値、作業領域の境界、または領域の面に沿った動作です。'),
            remedy=Text(
                'Keep the task away from the border, or move the border where that is safe.',
                '作業を境界から離すか、安全なら境界を動かしてください。')),
        Reason.RAMPING_IN: Advice(
            meaning_ja='アクティブ化後しばらくのあいだ、速度を制限しています。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'The authority is `ramp` and the motion has not lasted `ramp.duration_s` yet.',
                '権限が `ramp` で、動作時間がまだ `ramp.duration_s` に達していません。'),
            remedy=Text(
                'Nothing: watch the robot, with your hand on the emergency stop.',
                '対応は不要です。非常停止に手を置いて見守ってください。')),
        Reason.FORCE_SLOW_DOWN: Advice(
            meaning_ja='力またはトルクが減速域に入っています。',
            effects=(Effect.LIMITS,),
            causes=Text(
                'A contact, as intended or not; the weight of a tool that the tare does not know.',
                '意図した、または意図しない接触、もしくはゼロ点補正後に変わった工具の重量です。'),
            remedy=Text(
                'Look at the task. Where nothing touches, tare at the pose of work or have the '
                'driver take the weight off.',
                '作業を確認してください。接触がないのに出る場合は、作業姿勢でゼロ点をとるか、'
                'ドライバ側で重量補償をしてください。')),
    })
