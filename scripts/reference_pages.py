"""
Write docs/reasons.md and docs/diagnostics.md, in English and Japanese, from the code.

Type ``python scripts/reference_pages.py`` after a reason code, its advice or a diagnostics key
has changed; a test holds the pages against what this writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from physical_ai_bridge.contract.guide import Advice, Effect, GROUPS, Text
from physical_ai_bridge.contract.guide.keys import Key, MODES, Source, SOURCES
from physical_ai_bridge.contract.reasons import Reason

DOCS = Path(__file__).resolve().parents[1] / 'docs'
LANGUAGES = ('en', 'ja')

OTHER = Text('日本語: [{name}.ja.md]({name}.ja.md)', 'English: [{name}.md]({name}.md)')
REASONS = {
    'title': Text('Reason codes', '理由コード'),
    'intro': Text(
        'Every refusal, limit and stop carries one of these codes. It shows in `~/state` of the '
        'supervisor, in `/diagnostics` (see [diagnostics.md](diagnostics.md)), in the log, in the '
        "report, and in the name of the incident's record. This page is written from the code by "
        '`scripts/reference_pages.py`: change it there.',
        '拒否・制限・停止には必ず次のコードのどれかが付きます。コードはスーパーバイザの '
        '`~/state`、`/diagnostics`（[diagnostics.ja.md](diagnostics.ja.md)）、ログ、レポート、'
        'インシデント記録のファイル名に現れます。このページは `scripts/reference_pages.py` が'
        'コードから生成したものです。修正は元のコードに対して行ってください。'),
    'modes': Text('Modes', 'モード'),
    'mode': Text('mode', 'モード'),
    'meaning': Text('meaning', '意味'),
    'effects': Text('What a code leads to', 'コードごとの動作'),
    'effect': Text('in the table', '表での表記'),
    'latched': Text('latched', 'ラッチ'),
    'yes': Text('yes', 'する'),
    'no': Text('no', 'しない'),
    'explained': Text('what it means', '動作の内容'),
    'overview': Text('All codes', 'コード一覧'),
    'code': Text('code', 'コード'),
    'leads': Text('leads to', '動作'),
    'happens': Text('What happens', '動作'),
    'causes': Text('Usual causes', 'よくある原因'),
    'remedy': Text('What to do', '対処'),
}
DIAGNOSTICS = {
    'title': Text('Diagnostics keys', '診断キー'),
    'intro': Text(
        'What each node says about itself, once a second on `/diagnostics` and, where it says so, '
        'on a latched topic of its own. An empty value means that there is none yet. Reason codes '
        'are explained in [reasons.md](reasons.md). This page is written from the code by '
        '`scripts/reference_pages.py`: change it there.',
        '各ノードが自身について報告する内容です。`/diagnostics` に毎秒 1 回、またはラッチ付きの'
        '専用トピックに送ります。空の値は「まだない」を意味します。理由コードの説明は '
        '[reasons.ja.md](reasons.ja.md) にあります。このページは `scripts/reference_pages.py` が'
        'コードから生成したものです。修正は元のコードに対して行ってください。'),
    'key': Text('key', 'キー'),
    'unit': Text('unit', '単位'),
    'meaning': Text('meaning', '意味'),
}


def say(text: Text, language: str) -> str:
    """Return a text in a language."""
    return getattr(text, language)


def row(*cells: str) -> str:
    """Return a row of a table."""
    return f'| {" | ".join(cells)} |'


def table(*head: str) -> Iterator[str]:
    """Yield the head of a table."""
    yield row(*head)
    yield '|' + '---|' * len(head)


def meaning(reason: Reason, advice: Advice, language: str) -> str:
    """Return what a reason means, as a sentence."""
    if language == 'ja':
        return advice.meaning_ja
    return f'{reason.meaning[0].upper()}{reason.meaning[1:]}.'


def reasons_page(language: str) -> str:
    """Return docs/reasons.md in a language."""
    return '\n'.join([*_head('reasons', REASONS, language), *_modes(language),
                      *_effects(language), *_overview(language), *_codes(language)])


def _head(name: str, words: dict[str, Text], language: str) -> Iterator[str]:
    yield f'# {say(words["title"], language)}'
    yield ''
    yield say(words['intro'], language)
    yield ''
    yield say(OTHER, language).format(name=name)
    yield ''


def _modes(language: str) -> Iterator[str]:
    yield f'## {say(REASONS["modes"], language)}'
    yield ''
    yield from table(say(REASONS['mode'], language), say(REASONS['meaning'], language))
    for mode, text in MODES.items():
        yield row(f'`{mode}`', say(text, language))
    yield ''


def _effects(language: str) -> Iterator[str]:
    yield f'## {say(REASONS["effects"], language)}'
    yield ''
    yield from table(*(say(REASONS[key], language) for key in ('effect', 'latched', 'explained')))
    for effect in Effect:
        yield row(say(effect.short, language),
                  say(REASONS['yes' if effect.latched else 'no'], language),
                  say(effect.text, language))
    yield ''


def _overview(language: str) -> Iterator[str]:
    yield f'## {say(REASONS["overview"], language)}'
    yield ''
    yield from table(*(say(REASONS[key], language) for key in ('code', 'meaning', 'leads')))
    between = ', ' if language == 'en' else '、'
    for group in GROUPS:
        for reason, advice in group.advice.items():
            yield row(f'[`{reason}`](#{str(reason).lower()})', meaning(reason, advice, language),
                      between.join(say(effect.short, language) for effect in advice.effects))
    yield ''


def _codes(language: str) -> Iterator[str]:
    for group in GROUPS:
        yield f'## {say(group.title, language)}'
        yield ''
        for reason, advice in group.advice.items():
            yield f'### `{reason}`'
            yield ''
            yield meaning(reason, advice, language)
            yield ''
            between = ' ' if language == 'en' else ''
            for key, text in (
                    ('happens', between.join(say(each.text, language) for each in advice.effects)),
                    ('causes', say(advice.causes, language)),
                    ('remedy', say(advice.remedy, language))):
                yield f'- **{say(REASONS[key], language)}:** {text}'
            yield ''


def diagnostics_page(language: str) -> str:
    """Return docs/diagnostics.md in a language."""
    lines = list(_head('diagnostics', DIAGNOSTICS, language))
    for source in SOURCES:
        lines += _source(source, language)
    return '\n'.join(lines)


def _source(source: Source, language: str) -> Iterator[str]:
    yield f'## `{source.node}`: `{source.topic}`'
    yield ''
    yield from table(*(say(DIAGNOSTICS[key], language) for key in ('key', 'unit', 'meaning')))
    for key in source.keys:
        yield _key(key, language)
    yield ''


def _key(key: Key, language: str) -> str:
    name = key.name
    if language == 'ja':
        name = name.replace('<code>', '<コード>').replace('<input>', '<入力>')
    return row(f'`{name}`', key.unit, say(key.meaning, language))


def pages() -> dict[str, str]:
    """Return every page by its file's name."""
    made = {}
    for language in LANGUAGES:
        ending = '.md' if language == 'en' else f'.{language}.md'
        made[f'reasons{ending}'] = reasons_page(language)
        made[f'diagnostics{ending}'] = diagnostics_page(language)
    return made


def main() -> None:
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding='utf-8')
        print(f'docs/{name}: {len(text.splitlines())} lines')


if __name__ == '__main__':
    main()
