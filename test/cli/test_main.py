"""The console script: verbs, exit codes, errors in words, nothing heavy before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType

from physical_ai_bridge import __version__
from physical_ai_bridge.cli import main
from physical_ai_bridge.cli.main import Verb, VERBS
from physical_ai_bridge.contract.errors import BundleError, Problem, SetupError
import pytest


@pytest.fixture
def verb(monkeypatch):
    """Return a function that adds a verb ``try`` whose ``run`` is the function given."""
    def add(run):
        module = ModuleType('a_verb_for_tests')
        module.add_arguments = lambda parser: parser.add_argument('--number', type=int, default=0)
        module.run = run
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(VERBS, 'try', Verb(module.__name__, 'try something', 'try --number 3'))
    return add


def raiser(error):
    def run(args, out):
        raise error
    return run


class TestExitStatus:

    @pytest.mark.parametrize('status', [0, 1])
    def test_is_what_the_verb_returns(self, verb, status):
        verb(lambda args, out: status)
        assert main(['try']) == status

    @pytest.mark.parametrize('words', [
        [], ['unknown'], ['try', '--unknown'], ['try', '--number', 'many'], ['try', '--num', '3'],
        ['--deb', 'try']])
    def test_is_2_for_a_wrong_usage(self, verb, capsys, words):
        verb(lambda args, out: 0)
        assert main(words) == 2
        assert 'usage: physical_ai_bridge' in capsys.readouterr().err

    def test_is_130_when_interrupted_without_a_traceback(self, verb, capsys):
        verb(raiser(KeyboardInterrupt()))
        assert main(['try']) == 130
        assert capsys.readouterr().err == 'physical_ai_bridge: interrupted\n'


class TestErrors:

    def test_are_one_sentence(self, verb, capsys):
        verb(raiser(SetupError('libEGL.so.1 is missing; apt install libegl1')))
        assert main(['try']) == 1
        captured = capsys.readouterr()
        assert captured.out == ''
        assert captured.err == (
            'physical_ai_bridge: libEGL.so.1 is missing; apt install libegl1\n')

    def test_show_their_traceback_only_with_debug(self, verb, capsys):
        verb(raiser(SetupError('no')))
        main(['try', '--debug'])
        assert 'Traceback' in capsys.readouterr().err

    def test_name_every_problem_and_tell_machines_too(self, verb, capsys):
        problems = [Problem('m.json', 'rate_hz', 'missing', 'write a number'),
                    Problem('m.json', '', 'is too large', 'copy it again')]
        verb(raiser(BundleError(problems)))
        assert main(['--json', 'try']) == 1
        captured = capsys.readouterr()
        assert captured.err.splitlines() == [
            'physical_ai_bridge: 2 problems',
            '  m.json: rate_hz: missing; write a number',
            '  m.json: is too large; copy it again']
        answer = json.loads(captured.out)
        assert answer['ok'] is False
        assert answer['problems'][0] == {
            'where': 'm.json', 'key': 'rate_hz', 'found': 'missing', 'write': 'write a number'}

    def test_of_a_package_that_is_not_installed_say_how_to_get_it(self, verb, capsys):
        verb(raiser(ModuleNotFoundError("No module named 'torch'", name='torch')))
        assert main(['try']) == 1
        assert "pip install 'physical_ai_bridge[distill]'" in capsys.readouterr().err

    def test_of_the_file_system_name_the_file(self, verb, capsys, tmp_path):
        verb(lambda args, out: (tmp_path / 'nowhere' / 'x').write_text(''))
        assert main(['try']) == 1
        assert f'{tmp_path / "nowhere" / "x"}: No such file' in capsys.readouterr().err

    def test_of_our_own_making_are_not_hidden(self, verb):
        verb(raiser(ZeroDivisionError()))
        with pytest.raises(ZeroDivisionError):
            main(['try'])


class TestHelp:

    def test_lists_every_verb(self, capsys):
        assert main(['--help']) == 0
        text = capsys.readouterr().out
        assert all(name in text for name in VERBS)

    def test_of_a_verb_shows_one_example(self, verb, capsys):
        verb(lambda args, out: 0)
        assert main(['try', '--help']) == 0
        text = capsys.readouterr().out
        assert 'example:\n  physical_ai_bridge try --number 3' in text

    @pytest.mark.parametrize('name', sorted(VERBS))
    def test_examples_are_written_in_options_that_exist(self, name, capsys):
        assert main([name, '--help']) == 0
        text = capsys.readouterr().out.partition('example:')[0]
        for word in VERBS[name].example.split():
            if word.startswith('--'):
                assert word in text

    def test_version(self, capsys):
        assert main(['--version']) == 0
        assert capsys.readouterr().out == f'physical_ai_bridge {__version__}\n'

    def test_and_refusals_of_usage_need_no_verb_to_be_imported(self):
        program = (
            'import sys\n'
            'from physical_ai_bridge.cli import main\n'
            'status = main(sys.argv[1:])\n'
            'loaded = [m for m in sys.modules if m.startswith("physical_ai_bridge.cli.")]\n'
            'print(sorted(loaded), "rich" in sys.modules, "numpy" in sys.modules, status)\n')
        for words, status in (['--help'], 0), (['unknown'], 2):
            finished = subprocess.run([sys.executable, '-c', program, *words],
                                      capture_output=True, text=True, check=True)
            assert finished.stdout.splitlines()[-1] == (
                "['physical_ai_bridge.cli.main', 'physical_ai_bridge.cli.output'] False False "
                f'{status}')


class TestOutput:

    def test_without_json_is_for_people_alone(self, verb, capsys):
        def run(args, out):
            out.say('[bold] is not markup')
            out.table(('name', 'value'), [('a', 1)])
            out.result({'a': 1})
            return 0
        verb(run)
        main(['try'])
        text = capsys.readouterr().out
        assert text.startswith('[bold] is not markup\n')
        assert '{' not in text

    @pytest.mark.parametrize('words', [['--json', 'try'], ['try', '--json']])
    def test_with_json_is_one_object_with_nothing_beside_it(self, verb, capsys, words):
        def run(args, out):
            assert out.json
            assert args.json
            out.say('hello')
            out.passed('cell', 'fine')
            with out.progress('work', 2) as advance:
                advance()
            out.result({'rate': float('nan'), 'list': [1.0, float('inf')]})
            return 0
        verb(run)
        main(words)
        assert json.loads(capsys.readouterr().out) == {'rate': None, 'list': [1.0, None]}

    def test_survives_characters_that_the_terminal_or_the_file_system_cannot_show(
            self, verb, capsys):
        def run(args, out):
            out.say('a lone surrogate \udce9')
            raise SetupError('a lone surrogate \udce9')
        verb(run)
        assert main(['try']) == 1
        captured = capsys.readouterr()
        assert r'\udce9' in captured.out
        assert r'\udce9' in captured.err

    def test_may_be_cut_off_by_its_reader(self):
        program = (
            'import sys\n'
            'from types import ModuleType\n'
            'from physical_ai_bridge.cli.main import main, Verb, VERBS\n'
            'module = sys.modules["much"] = ModuleType("much")\n'
            'module.add_arguments = lambda parser: None\n'
            'module.run = lambda args, out: [out.say("x" * 1000) for _ in range(1000)] and 0\n'
            'VERBS["much"] = Verb("much", "say much", "much")\n'
            'sys.exit(main(["much"]))\n')
        finished = subprocess.run(
            ['bash', '-c', '"$0" -c "$1" | head -c 10', sys.executable, program],
            capture_output=True, text=True, check=True)
        assert finished.stderr == ''
