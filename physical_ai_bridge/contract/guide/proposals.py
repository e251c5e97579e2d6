"""Advice on proposals that the supervisor drops."""

from __future__ import annotations

from physical_ai_bridge.contract.guide.advice import Advice, Effect, Group, Text
from physical_ai_bridge.contract.reasons import Reason

PROPOSALS = Group(
    title=Text('Proposals', '提案'),
    advice={
        Reason.PROPOSAL_EMPTY: Advice(
            meaning_ja='提案に点がありません。',
            effects=(Effect.DROPPED,),
            causes=Text(
                'A proposer of your own, or another node on `/proposed_trajectory`.',
                '自作のポリシー、または `/proposed_trajectory` に送る別ノードです。'),
            remedy=Text(
                'See who publishes there; to come to rest, propose a motion that ends at rest.',
                '送信元を確認してください。静止させるには、静止で終わる動作を提案します。')),
        Reason.PROPOSAL_TOO_LARGE: Advice(
            meaning_ja='提案の点数が多すぎるか、時間が長すぎます。',
            effects=(Effect.DROPPED,),
            causes=Text(
                'A whole plan was sent in the place of the next second or so.',
                '次の 1 秒程度ではなく、計画全体を送っています。'),
            remedy=Text(
                'Propose the next part alone, and again before it ends; `last_refusal` has the '
                'bounds.',
                '直近の区間だけを、途切れる前に繰り返し提案してください。上限は `last_refusal` に'
                '出ます。')),
        Reason.PROPOSAL_JOINTS: Advice(
            meaning_ja='関節名がセルの関節の並べ替えになっていません。',
            effects=(Effect.DROPPED,),
            causes=Text(
                'A bundle of another robot or a prefix in front of the names.',
                '別ロボットのバンドル、または関節名の接頭辞です。'),
            remedy=Text(
                'Run `physical_ai_bridge check`; make the names of manifest and cell file agree.',
                '`physical_ai_bridge check` を実行し、マニフェストとセルファイルの関節名を'
                'そろえてください。')),
        Reason.PROPOSAL_WIDTHS: Advice(
            meaning_ja='点の位置や速度が足りないか、余分があります。',
            effects=(Effect.DROPPED,),
            causes=Text(
                'A proposer that sends positions alone.',
                '位置だけを送っています。'),
            remedy=Text(
                'Each point needs positions and velocities, one for each joint.',
                '各点に、関節数と同じ数の位置と速度を入れてください。')),
        Reason.PROPOSAL_NOT_FINITE: Advice(
            meaning_ja='NaN または無限大の値があります。',
            effects=(Effect.DROPPED, Effect.LIMITS),
            causes=Text(
                'A proposer of your own that does not check what it computes.',
                '自作のポリシーが計算結果を確かめていません。'),
            remedy=Text(
                'Find the point and joint in `last_refusal`; check before publishing.',
                '`last_refusal` の点と関節を調べ、送信前に検査してください。')),
        Reason.PROPOSAL_TIMES: Advice(
            meaning_ja='時刻が負か、単調に増えていません。',
            effects=(Effect.DROPPED, Effect.LIMITS),
            causes=Text(
                'Points in the wrong order, or a stamp that was taken off twice.',
                '点の順序の誤り、またはスタンプの二重減算です。'),
            remedy=Text(
                'Let `time_from_start` begin at 0 or later and rise by 0.1 ms at least.',
                '`time_from_start` を 0 以上から始め、0.1 ms 以上ずつ増やしてください。')),
        Reason.PROPOSAL_STALE: Advice(
            meaning_ja='提案のもとになった観測が max_age より古くなっています。',
            effects=(Effect.DROPPED,),
            causes=Text(
                'Inference or cameras are too slow, or the proposer is on another clock.',
                '推論やカメラが遅いか、提案側の時計が違います。'),
            remedy=Text(
                'Look at `observation_to_proposal_p99_ms`; synchronise the clocks. '
                '`safety.proposal_max_age_s` is the bound.',
                '`observation_to_proposal_p99_ms` を確認し、時計を同期してください。上限は '
                '`safety.proposal_max_age_s` です。')),
        Reason.PROPOSAL_REORDERED: Advice(
            meaning_ja='提案が、すでに受け取ったものより古くなっています。',
            effects=(Effect.PASSED_OVER,),
            causes=Text(
                'Messages overtook each other, two proposers run, or it is from before the last '
                'reset.',
                '順序の入れ替わり、提案元の重複、または最後のリセットより前の提案です。'),
            remedy=Text(
                'Single ones are harmless. Where they keep coming, look for a second proposer.',
                '単発なら問題ありません。続くなら、提案元が 2 つないか確認してください。')),
        Reason.PROPOSAL_ENDED: Advice(
            meaning_ja='提案の全体がすでに過去のものです。',
            effects=(Effect.DROPPED,),
            causes=Text(
                'A chunk that is shorter than the way from the camera to here.',
                'チャンクの長さが、カメラからここまでの遅れより短くなっています。'),
            remedy=Text(
                'Shorten the latency, or train with a longer horizon.',
                '遅れを減らすか、より長いホライズンで学習してください。')),
        Reason.PROPOSAL_FAR: Advice(
            meaning_ja='提案が、現在の計画からロボットが到達できる範囲の外にあります。',
            effects=(Effect.DROPPED,),
            causes=Text(
                'Degrees for radians, a joint off by a turn, a constant offset, another zero '
                'position of the robot.',
                '度とラジアンの取り違え、1 回転のずれ、一定のオフセット、原点の違いです。'),
            remedy=Text(
                '`last_refusal` names joint and distance. Check units and calibration before '
                'anything else.',
                '`last_refusal` の関節と距離を見て、まず単位とキャリブレーションを確認して'
                'ください。')),
    })
