"""Advice on stops: what the controller does, what the supervisor's own timing shows."""

from __future__ import annotations

from physical_ai_bridge.contract.guide.advice import Advice, Effect, Group, Text
from physical_ai_bridge.contract.reasons import Reason

EXECUTION = Group(
    title=Text('Stops: controller, timing, robot', '停止: コントローラ・時間・ロボット'),
    advice={
        Reason.TRACKING_LOST: Advice(
            meaning_ja='ロボットが、送った計画の位置にいません。',
            effects=(Effect.STOPS,),
            causes=Text(
                'A protective stop or a collision, a controller that lags more than '
                '`tracking_tolerance_rad`, or no controller at all behind the topic.',
                '保護停止や衝突、`tracking_tolerance_rad` を超える追従遅れ、またはトピックの先に'
                'コントローラがない状態です。'),
            remedy=Text(
                "Clear the robot's own stop. Where it is not where it was sent, `~/reset` is "
                'refused: deactivate and activate the supervisor.',
                'ロボット側の停止を解除します。計画とずれたままなら `~/reset` は拒否されるので、'
                'スーパーバイザを再アクティブ化してください。')),
        Reason.COMMAND_LOST: Advice(
            meaning_ja='コントローラが、最後の指令ではなく、それ以前の指令を続けています。',
            effects=(Effect.STOPS,),
            causes=Text(
                'The network dropped a command or the controller rejected it (its log says why).',
                'ネットワークでの欠落、またはコントローラによる拒否です（理由はそのログ）。'),
            remedy=Text(
                "Look at the controller's log; use a wired network; then `~/reset`.",
                'コントローラのログを確認し、有線ネットワークを使い、`~/reset` を呼びます。')),
        Reason.REFERENCE_LOST: Advice(
            meaning_ja='コントローラが、送った計画のどれも実行していません。',
            effects=(Effect.STOPS_SENDING_NOTHING,),
            causes=Text(
                'The controller was restarted, holds because of a tolerance, scales its speed, '
                'or obeys somebody else.',
                'コントローラの再起動、許容誤差による保持、速度スケーリング、または別の指令元'
                'です。'),
            remedy=Text(
                'Mend that; with a scaled controller see [command_interfaces.md]'
                '(command_interfaces.md). Then deactivate and activate the supervisor.',
                '原因を直し（速度スケーリングは [command_interfaces.md](command_interfaces.md) '
                '参照）、スーパーバイザを再アクティブ化してください。')),
        Reason.CONTROLLER_SILENT: Advice(
            meaning_ja='コントローラの状態がウォッチドッグの期限内に届きませんでした。',
            effects=(Effect.STOPS, Effect.WAITS),
            causes=Text(
                'The controller was deactivated or is not loaded, or `controller.state_topic` is '
                'another one.',
                'コントローラが非アクティブか未ロード、または `controller.state_topic` の誤り'
                'です。'),
            remedy=Text(
                'Activate the controller; compare the topic and `state_type`; then `~/reset`.',
                'コントローラをアクティブにし、トピックと `state_type` を照合し、`~/reset` を'
                '呼びます。')),
        Reason.CONTROLLER_MALFORMED: Advice(
            meaning_ja='コントローラの状態が有限値でない、関節が欠ける、またはスタンプが不正です。',
            effects=(Effect.REFUSED,),
            causes=Text(
                'A controller of other joints, or one on another clock.',
                '別の関節のコントローラ、または別の時計です。'),
            remedy=Text(
                'Compare its joints with `robot.joints`; synchronise the clocks.',
                '関節を `robot.joints` と照合し、時計を同期してください。')),
        Reason.SETPOINTS_LATE: Advice(
            meaning_ja='設定値の連続送信が途切れたか遅れ、計画から外れました。',
            effects=(Effect.STOPS,),
            causes=Text(
                "The supervisor's process was held up: a busy machine. The stream has come to "
                'rest by itself, beside the plan.',
                'スーパーバイザのプロセスが待たされました（マシンの過負荷）。設定値は計画から外れた'
                '位置で静止しています。'),
            remedy=Text(
                'See [real_time.md](real_time.md), then `~/reset`; '
                '[command_interfaces.md](command_interfaces.md) says what a stream of setpoints '
                'promises.',
                '[real_time.md](real_time.md) に従って負荷と優先度を見直し、`~/reset` を呼びます。'
                '連続送信の保証は [command_interfaces.md](command_interfaces.md) にあります。')),
        Reason.OTHER_PUBLISHER: Advice(
            meaning_ja='コントローラの指令トピックに、ほかのノードも送信しています。',
            effects=(Effect.STOPS, Effect.WAITS),
            causes=Text(
                'A teleoperation or planning node, a second supervisor, a `ros2 topic pub` that '
                'was left running.',
                '遠隔操作や計画のノード、2 つ目のスーパーバイザ、止め忘れた `ros2 topic pub` '
                'です。'),
            remedy=Text(
                'The detail names the node: end it, then `~/reset`. '
                '[security.md](security.md) keeps others out.',
                'ノード名は詳細に出ます。終了させてから `~/reset` を呼びます。締め出す方法は '
                '[security.md](security.md) にあります。')),
        Reason.COMMAND_LATE: Advice(
            meaning_ja='指令が滞留し、送っても間に合わないため、送りませんでした。',
            effects=(Effect.WITHHELD,),
            causes=Text(
                "The supervisor's process was held up for more than half of "
                '`controller.latency_s`: a busy machine.',
                'スーパーバイザのプロセスが `controller.latency_s` の半分を超えて待たされました'
                '（マシンの過負荷）。'),
            remedy=Text(
                'Free the machine; see [real_time.md](real_time.md).',
                '負荷を下げてください。[real_time.md](real_time.md) を参照。')),
        Reason.TICK_OVERRUN: Advice(
            meaning_ja='スーパーバイザ自身の周期処理が遅れすぎました。',
            effects=(Effect.STOPS,),
            causes=Text(
                'The process was held up for longer than `watchdogs.tick_s`: a busy machine, a '
                'suspended process, paging.',
                '`watchdogs.tick_s` を超える滞留です。過負荷、プロセスの一時停止、ページングが'
                '考えられます。'),
            remedy=Text(
                'See [real_time.md](real_time.md): priority, locked memory, a core of its own; '
                'then `~/reset`.',
                '[real_time.md](real_time.md) に従って優先度・メモリロック・専用コアを設定し、'
                '`~/reset` を呼びます。')),
        Reason.TICKS_LATE: Advice(
            meaning_ja='スーパーバイザ自身の周期遅れが多すぎます。',
            effects=(Effect.STOPS,),
            causes=Text(
                'A machine that is busy for seconds, with too few cores for all that runs.',
                'コア数に対して処理が多く、高負荷が続いています。'),
            remedy=Text(
                'As for `TICK_OVERRUN`; `late_ticks` and `tick_jitter_p99_ms` show the progress.',
                '`TICK_OVERRUN` と同様です。改善は `late_ticks` と `tick_jitter_p99_ms` で確認'
                'できます。')),
        Reason.CLOCK_STEPPED: Advice(
            meaning_ja='ROS 時刻が単調時計に対して跳びました。',
            effects=(Effect.STOPS,),
            causes=Text(
                'A clock was set in motion (NTP without slewing), a simulation was reset, a '
                'recording began again.',
                '動作中の時刻合わせ（NTP のステップ）、シミュレーションのリセット、記録の再生の'
                'やり直しです。'),
            remedy=Text(
                'Let chrony slew, not step. After a step ahead `~/reset`; after a step back '
                'deactivate and activate the supervisor.',
                'chrony はステップではなくスルーで合わせます。進んだ場合は `~/reset`、戻った場合は'
                'スーパーバイザを再アクティブ化してください。')),
        Reason.NOT_AT_REST: Advice(
            meaning_ja='指令していないのにロボットが動いています。',
            effects=(Effect.WAITS, Effect.REFUSES_RESET),
            causes=Text(
                'It still brakes, somebody else moves it (teach pendant, hand guiding), or joint '
                'states have gaps.',
                'ブレーキ中、別の手段（ペンダント、ハンドガイド）による動作、または関節状態の'
                '欠落です。'),
            remedy=Text(
                'Wait for standstill, then ask again.',
                '静止を待って、もう一度呼んでください。')),
        Reason.OUTSIDE_LIMITS: Advice(
            meaning_ja='ロボットが可動範囲の外で止まっています。',
            effects=(Effect.STOPS, Effect.WAITS),
            causes=Text(
                'It was moved there by hand, or the limits of the cell file are tighter than '
                'where it parks.',
                '手で動かされたか、待機姿勢よりセルファイルの制限が狭くなっています。'),
            remedy=Text(
                "Move it inside by the robot's own means; compare `joint_limits` with the place "
                'where it parks.',
                'ロボット自身の操作で範囲内へ戻し、`joint_limits` を待機姿勢と照合して'
                'ください。')),
        Reason.INTERNAL_ERROR: Advice(
            meaning_ja='スーパーバイザ自身にエラーが起きました。',
            effects=(Effect.FAULT,),
            causes=Text(
                'A defect of this software, or of a library below it.',
                '本ソフトウェア、または使用ライブラリの不具合です。'),
            remedy=Text(
                "Keep the log (it has the traceback) and the incident's record, and report both. "
                'Bring the cell up anew.',
                'ログ（トレースバックを含む）とインシデント記録を保存して報告し、セルを起動し直して'
                'ください。')),
    })
