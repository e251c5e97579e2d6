"""The page's own words in Japanese. What bags, cells and bundles say stays as it is."""

from __future__ import annotations

from html import escape
import re

from physical_ai_bridge.contract.guide import GROUPS
from physical_ai_bridge.evaluation.offline.findings import FindingCode

_PAGE = {
    'evaluation of recordings': '記録の評価',
    'Passed': '合格', 'Did not pass': '不合格',
    'Evaluated, without a gate': '評価済み（判定基準なし）',
    'Against the baseline': 'ベースラインとの比較',
    'Evaluated only in part': '一部のみ評価',
    'better': '改善', 'worse': '悪化', 'cannot tell': '判断できない',
    'policy': 'ポリシー', 'baseline': 'ベースライン', 'cell': 'セル',
    'latency assumed': '仮定した遅延', 'software': 'ソフトウェア',
    'Action error': '行動誤差', 'Error of the tcp': 'TCP の誤差',
    'Proposals passed unchanged': 'そのまま通した提案',
    'Stops it would have made': '起こしたはずの停止',
    'Jump between chunks': 'チャンク間の跳び', 'Parity': '再現一致',
    'Recordings': '記録', 'Inferences': '推論',
    'Gate': '判定基準', 'met': '達成', 'missed': '未達', 'metric': '指標', 'found': '実測',
    'condition': '条件', 'detail': '詳細',
    'quantity': '量', 'pairs': '組', 'this policy': 'このポリシー', 'difference': '差',
    '95 % interval': '95 % 区間', 'verdict': '判定',
    'Paired by episode; 95 % intervals by drawing again, p by flipping signs.':
        'エピソードごとに対にし、95 % 区間は再標本化、p は符号反転検定で求めています。',
    'The difference is this policy less the baseline: left of zero is better.':
        '差はこのポリシーからベースラインを引いたものです。0 より左が改善です。',
    'action error over all joints and rows': '全関節・全行の行動誤差',
    'distance of the tcp from where it then was': '実際の位置からの TCP の距離',
    'jump between a chunk and the next': 'チャンクと次のチャンクの間の跳び',
    'share of proposals that the supervisor would not pass unchanged':
        'スーパーバイザがそのまま通さない提案の割合',
    'stops that the supervisor would have made': 'スーパーバイザが起こしたはずの停止',
    'jerk of what was proposed': '提案のジャーク',
    'share of observations that could not be made': '作れなかった観測の割合',
    'What was found in the recordings': '記録に見つかったこと',
    'Nothing.': 'ありません。', 'error': 'エラー', 'warning': '警告', 'note': '注記',
    'recording': '記録', 'where': '場所', 'times': '回数', 'when': '時刻',
    'Over time': '時間の経過', 'Joint': '関節', 'Whole recording': '記録全体',
    'The proposals fan out from the recorded motion where the policy disagrees with it. Drag to '
    'zoom; click a picture or a numbered mark to go there.':
        'ポリシーが記録と食い違うところでは、提案が記録された動作から扇状に離れます。'
        'ドラッグで拡大、画像または番号の印をクリックするとその時刻へ移ります。',
    'the worst recordings: first those decided differently than recorded, then by the rmse of the '
    'action error': '最も悪い記録。記録時と判断が異なるものを先に、次に行動誤差の rmse の順です',
    'The worst moments': '最も悪い瞬間', 'Topics': 'トピック',
    'no picture in the page': '画像はページにありません',
    'No recording has a timeline.': '時系列のある記録はありません。',
    'measured': '実測', 'commanded': '指令', 'proposed': '提案',
    'position [°]': '位置 [°]', 'error [°]': '誤差 [°]', 'force [N]': '力 [N]',
    'time [s]': '時刻 [s]', 'mode': 'モード', 'pauses': '途切れ', 'worst moment': '最も悪い瞬間',
    'Error by time ahead': '先の時間ごとの誤差',
    'Each row of a chunk predicts one instant: how the error grows along the chunk, over all '
    'joints.': 'チャンクの各行は 1 つの時点の予測です。誤差がチャンクに沿ってどう増えるかを'
        '全関節について示します。',
    'Drift': 'ドリフト', 'Error by joint': '関節ごとの誤差',
    'Over all rows of all chunks.': '全チャンクの全行です。',
    'time ahead [s]': '先の時間 [s]', 'rmse, baseline': 'rmse（ベースライン）',
    '95th percentile': '95 パーセンタイル',
    'change from the baseline [%]: less is better': 'ベースラインからの変化 [%]（小さいほど良い）',
    'What the supervisor would have done': 'スーパーバイザがしたはずのこと',
    'It judged every proposal beside the recorded motion, and moved nothing.':
        '記録された動作と並べてすべての提案を判定し、何も動かしていません。',
    'No inference could be made.': '推論は一度もできませんでした。',
    'Every proposal would have passed unchanged.': 'すべての提案がそのまま通ったはずです。',
    'would stop': '停止', 'would limit': '制限', 'limit ahead': '先に制限',
    'without a value': '値なし', 'p': 'p',
    'refused by the supervisor': '拒否',
    'no observation': '観測なし', 'no proposal': '提案なし', 'reason': '理由', 'meaning': '意味',
    'Age of the inputs': '入力の古さ',
    'How old the newest sample of each input was when an observation was made.':
        '観測を作ったとき、各入力の最新の値がどれだけ古かったかです。',
    'cameras apart': 'カメラ間のずれ',
    'Smoothness': '滑らかさ',
    'Jerk over all joints, from a Savitzky-Golay fit; path is the travel of all joints.':
        '全関節のジャーク（Savitzky-Golay）です。経路は全関節の移動量です。',
    'recorded': '記録', 'proposed by the baseline': 'ベースラインの提案',
    'jerk p50': 'ジャーク p50',
    'path': '経路',
    'Parity with the recorded run': '記録された実行との再現一致',
    'Where the bridge itself was running when the recording was made: whether it decides the same '
    'again, bit for bit.': '記録時に本ソフトウェアが動いていた場合、同じ判断をビット単位で'
        '再現するかどうかです。',
    'No recording holds a run of this bridge.': '本ソフトウェアの実行を含む記録はありません。',
    'parity': '再現一致', 'identical decisions': '一致した判断',
    'same': '一致', 'different': '不一致',
    'Latency': '遅延',
    'Measured on the machine that evaluated: not a property of the recordings, and not in '
    'metrics.json.':
        '評価したマシンでの実測です。記録の性質ではなく、metrics.json にはありません。',
    'machine': 'マシン', 'inference': '推論', 'deadline': '期限', 'over the deadline': '期限超過',
    'the whole evaluation': '評価全体', 'processes': 'プロセス数', 'inference [ms]': '推論 [ms]',
    'Click a title to sort; a name that is a button shows its timeline.':
        '見出しをクリックすると並べ替え、ボタンになっている名前をクリックすると時系列を表示します。',
    'status': '状態', 'evaluated': '評価済み', 'partly': '一部', 'failed': '失敗', 'time': '時間',
    'inferences': '推論', 'action rmse': '行動 rmse', 'tcp rmse': 'TCP rmse', 'passed': '通過',
    'stops': '停止', 'findings': '所見', 'speed': '速さ', 'topic': 'トピック', 'type': '型',
    'messages': 'メッセージ', 'rate': '周波数', 'the cell file says': 'セルファイル',
    'longest gap': '最長の途切れ',
    "This is software, not a certified safety function: it stands beside the robot's own safety "
    'controller, never instead of it.':
        'これはソフトウェアであり、認証された安全機能ではありません。ロボット自身の安全コントローラ'
        'と並べて使うもので、その代わりにはなりません。',
    'Self-contained: this page makes no network request.':
        'このページは単独で完結し、ネットワークに接続しません。',
}

# By code: what it means, and what to do.
_FINDINGS = {
    'BAG_UNREADABLE': (
        '記録を開けませんでした', '収録元からもう一度すべてコピーしてください'),
    'BAG_DAMAGED': (
        '記録の一部が欠けているか壊れています',
        'もう一度コピーしてください。読めた部分は評価しました'),
    'TOPIC_MISSING': (
        '必要なトピックが記録にありません',
        '収録するか、代わりのトピックを --remap FROM:=TO で指定してください'),
    'TYPE_UNEXPECTED': (
        'トピックの型がセルファイルと異なります',
        'セルファイルの型を直すか、トピックを付け替えてください'),
    'ROBOT_DIFFERENT': (
        'セルファイルとは別のロボットの記録です',
        '収録したロボットのセルファイルを指定してください'),
    'UNDECODABLE': (
        'メッセージを記録された型として復号できません',
        'このトピックに配信しているものを調べてください'),
    'NOT_FINITE': (
        'センサから NaN または無限大が来ました', 'このセンサのドライバを調べてください'),
    'STALE_SAMPLES': (
        'max_age_s の許す範囲より古い、または新しい値があります',
        '時計を合わせ、メッセージを遅らせているものを調べてください'),
    'STREAM_GAP': (
        'ストリームが max_age_s より長く途切れました',
        'メッセージの欠落を調べてください（ネットワーク、収録側のディスク、ドライバ）'),
    'STREAM_SLOW': (
        'ストリームがセルファイルの周波数より遅く届いています',
        'セルファイルの rate_hz を直すか、メッセージの欠落を調べてください'),
    'STAMPS_BACKWARDS': (
        'トピックのタイムスタンプが逆行しています',
        '配信するマシンの時計を合わせ、収録中に時刻を飛ばさないでください'),
    'STAMPS_FROZEN': (
        '多くのメッセージが同じタイムスタンプです',
        'ドライバを調べてください。古いデータを配信しているか、タイムスタンプを付けていません'),
    'CLOCKS_APART': (
        'タイムスタンプと収録側の時計がずれています',
        'シミュレーションでは use_sim_time で収録し、実機では時計を合わせてください'),
    'JOINT_ORDER_CHANGED': (
        '関節状態の関節名の順序が変わります',
        '関節状態を配信しているものがほかにないか調べてください。関節は名前で対応付けます'),
    'JOINTS_SWAPPED': (
        '別の関節への指令どおりに動いています。関節名が入れ替わっているようです',
        'ドライバの関節の順序と名前を照らし合わせてください'),
    'JOINT_JUMP': (
        '関節が 2 つの関節状態の間で可能な速さより速く動きました',
        'エンコーダ、関節名、メッセージの欠落を調べてください'),
    'FRAME_FROZEN': (
        'カメラが新しいタイムスタンプで同じ画像を出し続けています',
        'カメラのドライバを調べてください'),
    'IMAGE_REFUSED': (
        'フレームを使えません（サイズ、エンコーディング、内容）',
        'セルファイルのカメラ設定か、カメラを直してください'),
    'ASSUMED_RELEASED': (
        '非常停止が記録にないため、解除されているものとしました',
        'スーパーバイザの判断に含めるには、そのトピックを収録してください'),
    'ASSUMED_NO_FORCE': (
        '力覚センサが記録にないため、0 としました',
        'そのトピックを収録してください。力の制限は判定していません'),
    'REFERENCE_MEASURED': (
        '指令が記録にないため、実測の動作で代えました',
        'コントローラのトピックが軌道であれば、それも収録してください'),
}

# Sentences with numbers in them.
_HEADLINES = (
    (r'Nothing was evaluated', '何も評価していません'),
    (r'(\d+) of (\d+) recordings? decided differently than when it was recorded',
     r'\2 件中 \1 件の記録で、記録時と判断が異なります'),
    (r'Gate missed: (\d+) of (\d+) thresholds? not met', r'判定基準は未達: \2 項目中 \1 項目'),
    (r'Gate passed: all (\d+) thresholds met', r'判定基準を達成: 全 \1 項目'),
    (r'Gate passed: the only threshold met', '判定基準を達成: 1 項目'),
    (r'(\d+) of (\d+) recordings? could not be evaluated',
     r'\2 件中 \1 件の記録を評価できませんでした'),
    (r'No inference could be made on (\d+) recordings?',
     r'\1 件の記録で推論が一度もできませんでした'),
    (r'(\d+) recordings? evaluated: action error (.+), no stop by the supervisor',
     r'\1 件の記録を評価: 行動誤差 \2、スーパーバイザの停止なし'),
    (r'(\d+) recordings? evaluated: action error (.+), (\d+) stops? by the supervisor',
     r'\1 件の記録を評価: 行動誤差 \2、スーパーバイザの停止 \3 回'),
    (r'(\d+) recordings? evaluated: no stop by the supervisor',
     r'\1 件の記録を評価: スーパーバイザの停止なし'),
    (r'(\d+) recordings? evaluated: (\d+) stops? by the supervisor',
     r'\1 件の記録を評価: スーパーバイザの停止 \2 回'),
)


def japanese(headline: str) -> dict[str, str]:
    """
    Return everything that the page says in English, with the same in Japanese.

    ``headline`` is that of ``summary.verdict``.
    """
    said = {found[0]: found.expand(text) for pattern, text in _HEADLINES
            if (found := re.fullmatch(pattern, headline))}
    reasons = {reason.meaning: advice.meaning_ja
               for group in GROUPS for reason, advice in group.advice.items()}
    findings = {said_in_english: text for code, texts in _FINDINGS.items()
                for said_in_english, text in zip(
                    (FindingCode(code).meaning, FindingCode(code).advice), texts, strict=True)}
    return reasons | findings | _PAGE | said


def word(text: str) -> str:
    """Return text of the page's own as HTML whose language the reader switches."""
    return f'<span data-t>{escape(text)}</span>' if text else ''
