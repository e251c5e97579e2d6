"""Advice on stops: what somebody pressed, what a sensor tells, and which stream is silent."""

from __future__ import annotations

from physical_ai_bridge.contract.guide.advice import Advice, Effect, Group, Text
from physical_ai_bridge.contract.reasons import Reason

STOPS = Group(
    title=Text('Stops: people, forces, inputs', '停止: 人・力・入力'),
    advice={
        Reason.EMERGENCY_STOP: Advice(
            meaning_ja='非常停止が押されています。',
            effects=(Effect.STOPS, Effect.WAITS),
            causes=Text(
                'Somebody pressed it, or the heartbeat says `true` for another reason.',
                '誰かが押したか、別の理由でハートビートが `true` になっています。'),
            remedy=Text(
                'Make the cell safe, find out why it was pressed, release it, then `~/reset`.',
                'セルの安全を確保し、押した理由を確かめ、解除してから `~/reset` を呼びます。')),
        Reason.EMERGENCY_STOP_SILENT: Advice(
            meaning_ja='非常停止のハートビートが途絶えました。',
            effects=(Effect.STOPS, Effect.WAITS),
            causes=Text(
                'The node that publishes it has ended, its cable or network is cut, or it '
                'publishes more slowly than `emergency_stop.timeout_s`.',
                '配信ノードの終了、ケーブルやネットワークの断、または `emergency_stop.timeout_s` '
                'より遅い配信周期です。'),
            remedy=Text(
                'Bring the heartbeat back; send it at least three times within the timeout; then '
                '`~/reset`. Silence counts as pressed, by design.',
                'ハートビートを復旧させ、タイムアウト内に 3 回以上送ってから `~/reset` を'
                '呼びます。途絶を押下とみなすのは仕様です。')),
        Reason.STOP_REQUESTED: Advice(
            meaning_ja='~/stop が呼ばれました。',
            effects=(Effect.STOPS,),
            causes=Text(
                'A person or a program called the service.',
                '人またはプログラムがサービスを呼びました。'),
            remedy=Text(
                'Find out why, then `~/reset`. One that came while `INACTIVE` holds until the '
                'supervisor is activated anew.',
                '理由を確かめてから `~/reset` を呼びます。`INACTIVE` 中に呼ばれたものは、'
                'スーパーバイザを再アクティブ化するまで続きます。')),
        Reason.FORCE_LIMIT: Advice(
            meaning_ja='力またはトルクが制限を超えています。',
            effects=(Effect.STOPS, Effect.WAITS),
            causes=Text(
                'A collision or jammed parts; a limit below what the task needs; a sensor with '
                'an offset.',
                '衝突や部品の噛み込み、作業に必要な力より低い制限、またはセンサのオフセットです。'),
            remedy=Text(
                'It stays in contact until somebody moves it: free the robot by its own means, '
                'look at the incident, then `~/reset`.',
                '誰かが動かすまで接触したままです。ロボット自身の操作で離し、インシデント記録を'
                '確認してから `~/reset` を呼びます。')),
        Reason.WRENCH_SATURATED: Advice(
            meaning_ja='センサが測定範囲の上限を示しています。',
            effects=(Effect.STOPS, Effect.WAITS),
            causes=Text(
                'An overload, a broken cable, or a saturation that is written too low.',
                '過負荷、断線、または低すぎる飽和値の設定です。'),
            remedy=Text(
                'Check the sensor before it is trusted again: an overload may have damaged it.',
                '過負荷で損傷している可能性があります。点検してから使用を再開してください。')),
        Reason.TARING: Advice(
            meaning_ja='引き継ぎの前に、静止状態でセンサのゼロ点をとっています。',
            effects=(Effect.WAITS,),
            causes=Text(
                'Part of every activation with `force_limits.<name>.tare`; it takes 0.1 s.',
                '`force_limits.<名前>.tare` があれば毎回行います。0.1 秒で終わります。'),
            remedy=Text(
                'Wait. Where it does not end, the sensor delivers too few readings.',
                'お待ちください。終わらない場合は、センサの値がほとんど届いていません。')),
        Reason.TARE_IMPLAUSIBLE: Advice(
            meaning_ja='接触のないはずのロボットで、センサの値が大きすぎます。',
            effects=(Effect.WAITS,),
            causes=Text(
                'The tool touches something, its weight is not taken off, or the sensor drifts.',
                '工具が接触している、重量が補償されていない、またはセンサのドリフトです。'),
            remedy=Text(
                "Free the tool and zero the sensor; have the driver take the tool's weight off; "
                'it goes on by itself.',
                '工具を離してセンサをゼロ調整し、ドライバで工具の重量を補償してください。解消すれば'
                '自動的に進みます。')),
        Reason.PROPOSALS_SILENT: Advice(
            meaning_ja='正しい提案がウォッチドッグの期限内に届きませんでした。',
            effects=(Effect.STOPS,),
            causes=Text(
                'The policy died or hangs, proposes nothing because an input is missing, or the '
                'machine is too busy.',
                'ポリシーの異常終了や停滞、入力不足による提案の途絶、またはマシンの過負荷です。'),
            remedy=Text(
                'The diagnostics of `policy_node` say why it proposes nothing. Mend that, then '
                '`~/reset`.',
                '提案しない理由は `policy_node` の診断に出ます。直してから `~/reset` を'
                '呼びます。')),
        Reason.PROPOSALS_BAD: Advice(
            meaning_ja='不正な提案が続きました。',
            effects=(Effect.STOPS,),
            causes=Text(
                'A bundle that does not fit, clocks apart, or another node on '
                '`/proposed_trajectory`.',
                '合わないバンドル、時計のずれ、または `/proposed_trajectory` への別ノードの送信'
                'です。'),
            remedy=Text(
                'The detail has the last refusal: go to its code on this page.',
                '詳細に最後の拒否理由が出ます。このページのそのコードを参照してください。')),
        Reason.JOINTS_SILENT: Advice(
            meaning_ja='関節状態がウォッチドッグの期限内に届きませんでした。',
            effects=(Effect.STOPS, Effect.WAITS),
            causes=Text(
                'The driver or the broadcaster ended; the network is cut; or all of its messages '
                'are refused.',
                'ドライバやブロードキャスタの終了、ネットワークの断、または全件拒否です。'),
            remedy=Text(
                'The detail has the last refusal, if there was one. Bring the joint states back, '
                'then `~/reset`; while `READY` it only waits.',
                '拒否があれば詳細に出ます。関節状態を復旧させてから `~/reset` を呼びます。`READY` '
                '中は待つだけです。')),
        Reason.JOINTS_FROZEN: Advice(
            meaning_ja='ロボットを動かしているのに関節状態が変化しません。',
            effects=(Effect.STOPS,),
            causes=Text(
                'The driver repeats old positions under new stamps; the robot is in a protective '
                'stop.',
                'ドライバが古い位置に新しいスタンプを付けているか、ロボットが保護停止中です。'),
            remedy=Text(
                "Clear the robot's own stop, restart its driver, then `~/reset`; where the robot "
                'is not where it was sent, deactivate and activate.',
                'ロボット側の停止を解除し、ドライバを再起動してから `~/reset` を呼びます。位置が'
                'ずれていれば再アクティブ化してください。')),
        Reason.WRENCH_SILENT: Advice(
            meaning_ja='力覚センサの値がウォッチドッグの期限内に届きませんでした。',
            effects=(Effect.STOPS, Effect.WAITS),
            causes=Text(
                'The sensor or its driver ended, or all of its messages are refused.',
                'センサやドライバの停止、または全件拒否です。'),
            remedy=Text(
                'Bring it back, then `~/reset`; while `READY` it only waits.',
                '復旧させてから `~/reset` を呼びます。`READY` 中は待つだけです。')),
    })
