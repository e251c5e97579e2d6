"""Advice on the inputs of policy and supervisor, and on the policy itself."""

from __future__ import annotations

from physical_ai_bridge.contract.guide.advice import Advice, Effect, Group, Text
from physical_ai_bridge.contract.reasons import Reason

INPUTS = Group(
    title=Text('Inputs', '入力'),
    advice={
        Reason.OK: Advice(
            meaning_ja='報告することはありません。',
            effects=(Effect.NONE,),
            causes=Text('The loop works as it should.', '正常に動作しています。'),
            remedy=Text('Nothing to do.', '対応は不要です。')),
        Reason.IMAGE_MISSING: Advice(
            meaning_ja='カメラの画像がまだ 1 枚も届いていません。',
            effects=(Effect.NO_INFERENCE,),
            causes=Text(
                'The camera driver does not run, or publishes on another topic, in another '
                'namespace or another `ROS_DOMAIN_ID` than the cell file says.',
                'カメラドライバが動いていないか、トピック名・名前空間・`ROS_DOMAIN_ID` がセル'
                'ファイルと違います。'),
            remedy=Text(
                'Start the driver; compare `sensors.cameras.<name>.topic` with the topics that '
                'are there.',
                'ドライバを起動し、`sensors.cameras.<名前>.topic` を実際のトピックと照合して'
                'ください。')),
        Reason.IMAGE_STALE: Advice(
            meaning_ja='カメラの最新の画像が max_age より古くなっています。',
            effects=(Effect.NO_INFERENCE,),
            causes=Text(
                'The driver stalls or runs below its rate, stamps with another clock, or the '
                'machine is too busy to deliver frames.',
                'ドライバの停滞やフレームレート不足、別の時計によるスタンプ、またはマシンの'
                '過負荷です。'),
            remedy=Text(
                'Look at `image/<name>.rate_hz` and `.age_s`; synchronise the clocks (chrony, '
                'PTP); free the machine. Raise `max_age_s` only if the policy bears older '
                'pictures.',
                '`image/<名前>.rate_hz` と `.age_s` を確認し、時計を同期し（chrony、PTP）、'
                'マシンの負荷を下げてください。`max_age_s` を延ばすのは、ポリシーが古い画像に'
                '耐える場合だけです。')),
        Reason.IMAGE_STARVED: Advice(
            meaning_ja='カメラのトピックはありますが、画像が 1 枚も届きません。',
            effects=(Effect.NO_INFERENCE,),
            causes=Text(
                "The middleware loses large messages: Fast DDS's default shared memory is smaller "
                'than a frame, socket buffers are too small, or QoS does not match.',
                '大きなメッセージをミドルウェアが取りこぼしています。Fast DDS の既定の共有メモリが'
                '画像より小さい、ソケットバッファが小さい、QoS が合わない、のいずれかです。'),
            remedy=Text(
                'Start the camera driver with the packaged `config/dds/fastdds.xml`, too; raise '
                '`net.core.rmem_max`; see [check_live.md](check_live.md).',
                'カメラドライバも同梱の `config/dds/fastdds.xml` で起動し、`net.core.rmem_max` を'
                '増やしてください。[check_live.md](check_live.md) を参照。')),
        Reason.IMAGE_MALFORMED: Advice(
            meaning_ja='画像の符号化、寸法、ステップ、データ長のいずれかが正しくありません。',
            effects=(Effect.NO_INFERENCE,),
            causes=Text(
                'The camera was set to another resolution or encoding than the cell file says.',
                'カメラの解像度や符号化の設定がセルファイルと違います。'),
            remedy=Text(
                'Set the camera to `width`, `height` and `encoding` of the cell file, or write '
                'there what it sends.',
                'カメラをセルファイルの `width`、`height`、`encoding` に合わせるか、セルファイルを'
                '実際の値に直してください。')),
        Reason.IMAGE_SKEWED: Advice(
            meaning_ja='1 回の観測に使うカメラどうしの撮影時刻が離れすぎています。',
            effects=(Effect.NO_INFERENCE,),
            causes=Text(
                'One camera is slower or delayed; cameras on two machines have clocks apart.',
                '片方のカメラが遅いか遅延しているか、別マシンのカメラと時計がずれています。'),
            remedy=Text(
                'Trigger the cameras together or run them at one rate; synchronise the clocks.',
                'カメラを同期トリガにするか同じレートで動かし、時計を同期してください。')),
        Reason.JOINTS_MISSING: Advice(
            meaning_ja='関節状態がまだ届かないか、必要な関節が欠けています。',
            effects=(Effect.NO_INFERENCE, Effect.REFUSED),
            causes=Text(
                'The `joint_state_broadcaster` is not active, or its joints bear other names '
                '(a prefix such as `left_`) than `robot.joints`.',
                '`joint_state_broadcaster` が非アクティブか、関節名が `robot.joints` と違います'
                '（`left_` などの接頭辞）。'),
            remedy=Text(
                'Activate the broadcaster; write the names that it sends into `robot.joints`.',
                'ブロードキャスタをアクティブにし、実際の関節名を `robot.joints` に書いて'
                'ください。')),
        Reason.JOINTS_STALE: Advice(
            meaning_ja='最新の関節状態が max_age より古くなっています。',
            effects=(Effect.REFUSED, Effect.NO_INFERENCE),
            causes=Text(
                'The driver stalls, stamps with another clock, or sends old states out of order.',
                'ドライバの停滞、別の時計によるスタンプ、または順序の入れ替わりです。'),
            remedy=Text(
                'Synchronise the clocks; see that no node mixes `use_sim_time`; look at the '
                "driver's load.",
                '時計を同期し、`use_sim_time` が混在していないか、ドライバの負荷はどうかを確認'
                'してください。')),
        Reason.JOINTS_MALFORMED: Advice(
            meaning_ja='関節状態が有限値でないか、配列の長さが合いません。',
            effects=(Effect.REFUSED, Effect.NO_INFERENCE),
            causes=Text(
                'A hardware interface that is not ready reports NaN; a driver names a joint twice '
                'or leaves positions out.',
                '準備のできていないハードウェアインタフェースが NaN を出しているか、関節名の重複や'
                '位置の欠落があります。'),
            remedy=Text(
                'Mend the driver or wait until the hardware is up; `last_refusal` names the '
                'joint.',
                'ドライバを直すか、ハードウェアの起動を待ってください。関節名は `last_refusal` に'
                '出ます。')),
        Reason.JOINTS_JUMPED: Advice(
            meaning_ja='関節が、動けるはずの距離より遠くに跳んでいます。',
            effects=(Effect.REFUSED,),
            causes=Text(
                'A spike of an encoder, a wrap by a turn, two publishers of joint states, or the '
                'robot was homed anew.',
                'エンコーダのスパイク、1 回転の折り返し、関節状態の二重配信、または原点復帰の'
                'やり直しです。'),
            remedy=Text(
                'See that one node alone publishes the joint states; check encoders and cabling. '
                'After homing, deactivate and activate the supervisor.',
                '関節状態の配信元が 1 つだけか確認し、エンコーダと配線を点検してください。原点復帰'
                'のあとはスーパーバイザを再アクティブ化します。')),
        Reason.WRENCH_MISSING: Advice(
            meaning_ja='力覚センサの値がまだ届いていません。',
            effects=(Effect.NO_INFERENCE,),
            causes=Text(
                'The `force_torque_sensor_broadcaster` is not active or has another topic.',
                '`force_torque_sensor_broadcaster` が非アクティブか、トピック名が違います。'),
            remedy=Text(
                'Activate it; compare `sensors.wrenches.<name>.topic`.',
                'アクティブにし、`sensors.wrenches.<名前>.topic` を照合してください。')),
        Reason.WRENCH_STALE: Advice(
            meaning_ja='力覚センサの最新値が max_age より古くなっています。',
            effects=(Effect.REFUSED, Effect.NO_INFERENCE),
            causes=Text(
                'The sensor stalls or its stamps come from another clock (its own, often).',
                'センサの停滞、または別の時計（多くはセンサ自身の時計）によるスタンプです。'),
            remedy=Text(
                'Have the driver stamp with ROS time on arrival, or synchronise the clocks.',
                'ドライバで受信時に ROS 時刻を付けるか、時計を同期してください。')),
        Reason.WRENCH_MALFORMED: Advice(
            meaning_ja='力覚センサの値が有限値ではありません。',
            effects=(Effect.REFUSED, Effect.NO_INFERENCE),
            causes=Text(
                'A sensor that is not ready, or a broken one, reports NaN.',
                '準備のできていない、または故障したセンサが NaN を出しています。'),
            remedy=Text(
                'Check sensor and cable; wait until its driver is up before activation.',
                'センサと配線を点検し、ドライバの起動後にアクティブ化してください。')),
        Reason.FROM_THE_FUTURE: Advice(
            meaning_ja='スタンプが現在より未来です。時計が合っていません。',
            effects=(Effect.REFUSED, Effect.DROPPED, Effect.NO_INFERENCE),
            causes=Text(
                'Two machines without a common clock; a node on simulated time among nodes that '
                'are not.',
                'マシン間で時計が同期していないか、`use_sim_time` のノードが混ざっています。'),
            remedy=Text(
                'Synchronise the clocks to within a few milliseconds; give every node the same '
                '`use_sim_time`.',
                '時計を数ミリ秒以内に同期し、全ノードの `use_sim_time` をそろえてください。')),
        Reason.TASK_UNKNOWN: Advice(
            meaning_ja='作業指示がバンドルの一覧にありません。',
            effects=(Effect.NO_INFERENCE,),
            causes=Text(
                'The text on `/policy_node/task` is not, letter by letter, one of `tasks` in the '
                'manifest; or none was given and the bundle lists several.',
                '`/policy_node/task` の文字列がマニフェストの `tasks` と一字一句同じでないか、'
                '複数の指示があるのに未指定です。'),
            remedy=Text(
                'Publish one of the listed instructions; `last_refusal` lists them.',
                '一覧にある指示を送ってください。一覧は `last_refusal` に出ます。')),
        Reason.MESSAGE_MALFORMED: Advice(
            meaning_ja='メッセージのバイト列が型と合いません。',
            effects=(Effect.REFUSED, Effect.DROPPED),
            causes=Text(
                'A publisher of another message version, a proposal of far too many points, or a '
                'defect of the middleware.',
                'メッセージ定義の版の違い、点数が極端に多い提案、またはミドルウェアの不具合です。'),
            remedy=Text(
                'Build all machines from the same distribution; find the publisher by the topic '
                'in `last_refusal`.',
                '全マシンを同じディストリビューションにそろえ、`last_refusal` のトピックから'
                '送信元を特定してください。')),
    })

POLICY = Group(
    title=Text('The policy', 'ポリシー'),
    advice={
        Reason.DEADLINE_MISSED: Advice(
            meaning_ja='推論が期限より長くかかりました。',
            effects=(Effect.NO_PROPOSAL,),
            causes=Text(
                'The machine is too busy or too slow for the model; the provider fell back to '
                'the CPU.',
                'マシンの過負荷や能力不足、または実行プロバイダが CPU に切り替わっています。'),
            remedy=Text(
                'Look at `inference_p99_ms` and `provider`; set `require_provider`, `threads` or '
                '`deadline_s`; free the machine.',
                '`inference_p99_ms` と `provider` を確認し、`require_provider`、`threads`、'
                '`deadline_s` を見直すか、負荷を下げてください。')),
        Reason.ACTION_MALFORMED: Advice(
            meaning_ja='モデルの出力が有限値でないか、形が違います。',
            effects=(Effect.NO_PROPOSAL,),
            causes=Text(
                'The model diverges on what it sees (inputs far from its training), or half '
                'precision overflows.',
                '学習範囲から外れた入力による発散、または半精度のオーバーフローです。'),
            remedy=Text(
                'Keep the record and evaluate the bundle on it; export again with full precision.',
                '記録を残してバンドルを評価し、単精度でエクスポートし直してください。')),
        Reason.INFERENCE_FAILED: Advice(
            meaning_ja='モデルの実行中にエラーが起きました。',
            effects=(Effect.NO_PROPOSAL,),
            causes=Text(
                'The execution provider lacks memory or an operator; a driver was updated below '
                'it.',
                '実行プロバイダのメモリや演算子の不足、またはドライバの更新です。'),
            remedy=Text(
                '`last_refusal` has its message. Try `providers: [cpu]`; run `physical_ai_bridge '
                'check` on this machine.',
                '`last_refusal` のメッセージを確認し、`providers: [cpu]` で試すか、このマシンで '
                '`physical_ai_bridge check` を実行してください。')),
        Reason.ACTION_OUT_OF_REACH: Advice(
            meaning_ja='TCP の目標姿勢に、制限内の関節角では到達できません。',
            effects=(Effect.NO_PROPOSAL,),
            causes=Text(
                "The policy leads the tcp out of the arm's reach or against a joint limit; "
                '`tcp_frame` or the base frame is another one than in training.',
                'ポリシーが TCP を可動範囲の外や関節の限界へ導いているか、`tcp_frame` や基準座標が'
                '学習時と違います。'),
            remedy=Text(
                '`last_refusal` says what is left and which joint is at its limit. Compare the '
                'frames; start from another pose; see [action_kinds.md](action_kinds.md).',
                '残りの誤差と限界に達した関節は `last_refusal` に出ます。座標系を照合し、開始姿勢'
                'を変えてください。[action_kinds.md](action_kinds.md) を参照。')),
        Reason.ACTION_TOO_FAST: Advice(
            meaning_ja='TCP の目標姿勢には、関節の速度制限を超える動きが必要です。',
            effects=(Effect.NO_PROPOSAL,),
            causes=Text(
                'A step that is too long for its time, or a pose near a singularity, where a '
                'small step of the tcp turns a joint far.',
                '時間に対して大きすぎる移動、または特異点付近の姿勢です（TCP のわずかな移動で関節'
                'が大きく回ります）。'),
            remedy=Text(
                '`last_refusal` names the joint. Keep the task away from the singularity, or '
                'record and train more slowly; see [action_kinds.md](action_kinds.md).',
                '関節名は `last_refusal` に出ます。作業を特異点から離すか、より遅い速度で収録・'
                '学習してください。[action_kinds.md](action_kinds.md) を参照。')),
        Reason.TASK_CHANGED: Advice(
            meaning_ja='モデルの実行中に作業指示が変わりました。',
            effects=(Effect.NO_PROPOSAL,),
            causes=Text(
                'An instruction came on `/policy_node/task` during an inference.',
                '推論中に `/policy_node/task` へ指示が届きました。'),
            remedy=Text(
                'Nothing: the next inference is for the new instruction.',
                '対応は不要です。次の推論から新しい指示に従います。')),
    })
