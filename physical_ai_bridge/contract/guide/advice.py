"""What a reason code leads to and what to do about it: the form in which each entry is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from physical_ai_bridge.contract.reasons import Reason


@dataclass(frozen=True, slots=True)
class Text:
    """The same in English and in Japanese, as Markdown."""

    en: str
    ja: str


class Effect(Enum):
    """What the software does when a reason holds: its short name, and what that means."""

    short: Text
    text: Text

    def __init__(self, short: Text, text: Text) -> None:
        self.short, self.text = short, text

    NONE = (
        Text('nothing', 'なし'),
        Text('Nothing.', '何もしません。'))
    NO_INFERENCE = (
        Text('no inference', '推論しない'),
        Text('The policy makes no inference on what it has. The supervisor follows the last '
             'proposal; where none comes in time in motion, it stops (`PROPOSALS_SILENT`).',
             'ポリシーは手元の入力では推論しません。スーパーバイザは最後の提案に従い、動作中に'
             '次の提案が間に合わなければ停止します（`PROPOSALS_SILENT`）。'))
    NO_PROPOSAL = (
        Text('no proposal', '提案しない'),
        Text('The policy throws the inference away and proposes nothing. The supervisor follows '
             'the last proposal; where none comes in time in motion, it stops '
             '(`PROPOSALS_SILENT`).',
             'ポリシーは推論結果を捨て、何も提案しません。スーパーバイザは最後の提案に従い、動作中に'
             '次の提案が間に合わなければ停止します（`PROPOSALS_SILENT`）。'))
    REFUSED = (
        Text('message refused', 'メッセージを拒否'),
        Text('The message is not used and is counted (`refused.<code>`). It feeds no watchdog: '
             'where no good one comes in time, the supervisor stops with the `_SILENT` code of '
             'that input.',
             'そのメッセージは使わず、数えます（`refused.<コード>`）。ウォッチドッグの更新には'
             'ならないため、正しいものが期限内に届かなければ、その入力の `_SILENT` で'
             '停止します。'))
    DROPPED = (
        Text('proposal dropped', '提案を破棄'),
        Text('The supervisor drops the proposal, counts it and follows the last good one. '
             '`watchdogs.bad_proposals` in a row stop the motion (`PROPOSALS_BAD`).',
             'スーパーバイザはその提案を破棄して数え、最後の正しい提案に従い続けます。'
             '`watchdogs.bad_proposals` 回続くと停止します（`PROPOSALS_BAD`）。'))
    PASSED_OVER = (
        Text('proposal passed over', '提案を見送り'),
        Text('The supervisor passes the proposal over. It does not count as a bad one.',
             'スーパーバイザはその提案を見送ります。不正な提案には数えません。'))
    LIMITS = (
        Text('limits', '動作を制限'),
        Text('The supervisor goes on in `LIMITING`: it lets through what is within the limit, '
             'slower or by another way, or comes to rest before it. Not latched: it ends by '
             'itself.',
             'スーパーバイザは `LIMITING` で続行します。制限に収まる動作だけを、減速するか経路を'
             '変えて通し、それもできなければ手前で静止します。ラッチせず、自然に解除されます。'))
    WITHHELD = (
        Text('command not sent', '指令を送らない'),
        Text('The command is not sent. The controller goes on with the one before, which ends at '
             'rest. Not latched.',
             'その指令は送りません。コントローラは直前の指令を続け、それは静止で終わります。'
             'ラッチしません。'))
    WAITS = (
        Text('keeps INACTIVE', 'INACTIVE のまま待つ'),
        Text('Before the robot is taken over, the supervisor stays `INACTIVE` as long as this '
             'holds, and goes on by itself.',
             'ロボットを引き継ぐ前であれば、これが続くかぎり `INACTIVE` にとどまり、解消すれば'
             '自動的に先へ進みます。'))
    STOPS = (
        Text('stops, latched', '停止（ラッチ）'),
        Text('The supervisor brakes to standstill: `STOPPING`, then `STOPPED`. Latched: only '
             '`~/reset` ends it, at standstill and with the cause gone.',
             'スーパーバイザはブレーキをかけて静止させます（`STOPPING`、続いて `STOPPED`）。'
             'ラッチするため、静止して原因がなくなったあとの `~/reset` でのみ解除できます。'))
    STOPS_SENDING_NOTHING = (
        Text('stops, latched until activated anew', '停止（再アクティブ化までラッチ）'),
        Text('The supervisor stops and sends nothing more, for any command could make the robot '
             'jump; the last one ends at rest. `~/reset` is refused: deactivate and activate the '
             'supervisor, which takes the robot over where it stands.',
             'スーパーバイザは停止し、以後は何も送りません（どの指令もロボットを跳ばせかねない'
             'ためです）。最後の指令は静止で終わります。`~/reset` は拒否されます。スーパーバイザ'
             'を非アクティブにしてから再びアクティブにし、その場の姿勢から引き継がせてください。'))
    REFUSES_RESET = (
        Text('`~/reset` refused', '`~/reset` を拒否'),
        Text('`~/reset` is refused as long as this holds.',
             'これが続くかぎり `~/reset` は拒否されます。'))
    FAULT = (
        Text('FAULT, the node ends', 'FAULT、ノード終了'),
        Text('The supervisor brakes, says `FAULT` and ends its process with status 1.',
             'スーパーバイザはブレーキをかけ、`FAULT` を報告し、プロセスを終了コード 1 で'
             '終えます。'))

    @property
    def latched(self) -> bool:
        """Whether a person has to end it."""
        return self in (Effect.STOPS, Effect.STOPS_SENDING_NOTHING, Effect.FAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """
    One reason code, for people.

    ``meaning_ja`` is ``Reason.meaning`` in Japanese. ``effects`` has everything that it leads to,
    the more frequent first.
    """

    meaning_ja: str
    effects: tuple[Effect, ...]
    causes: Text
    remedy: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Reason codes that belong together, in the order of ``Reason``."""

    title: Text
    advice: Mapping[Reason, Advice]
