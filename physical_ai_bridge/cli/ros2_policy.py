"""
``ros2 policy VERB``: the verbs of the console script as a command of ros2cli.

ros2cli finds it through the entry points in setup.py, and nothing else imports it.
"""

from __future__ import annotations

import argparse
from functools import partial
import sys
from typing import Any

from physical_ai_bridge.cli.main import add_switches, answer, module_of, VERBS
from physical_ai_bridge.cli.output import Output
from ros2cli.command import add_subparsers_on_demand, CommandExtension
from ros2cli.verb import VerbExtension

VERB_GROUP = 'ros2policy.verb'


class PolicyCommand(CommandExtension):
    """Run a distilled policy on a robot cell, behind a safety supervisor."""

    def add_arguments(
            self, parser: argparse.ArgumentParser, cli_name: str, *,
            argv: list[str] | None = None) -> None:
        """Add the verbs; ros2cli loads the one that is named alone."""
        parser.allow_abbrev = False
        add_switches(parser)
        self._parser = parser
        # Not required: ros2cli parses before it knows the verbs, and --help would be an error.
        add_subparsers_on_demand(
            parser, cli_name, '_verb', VERB_GROUP, required=False, argv=argv)

    def main(self, *, parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
        """Run the verb that was named."""
        verb = getattr(args, '_verb', None)
        if verb is None:
            self._parser.print_help(sys.stderr)
            return 2
        return verb.main(args=args)


class PolicyVerb(VerbExtension):
    """One verb of the console script."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        # What ros2cli shows of it.
        self.__doc__ = VERBS[name].description

    def add_arguments(self, parser: argparse.ArgumentParser, cli_name: str) -> None:
        """Add the verb's own options."""
        parser.allow_abbrev = False
        group, _, _ = cli_name.rpartition(' ')
        parser.epilog = f'example:\n  {group} {VERBS[self._name].example}'
        add_switches(parser)
        module_of(self._name).add_arguments(parser)

    def main(self, *, args: argparse.Namespace) -> int:
        """Run it, with the console script's exit statuses and sentences."""
        args.json, args.debug = getattr(args, 'json', False), getattr(args, 'debug', False)
        out = Output(json=args.json)
        return answer(lambda: module_of(self._name).run(args, out), out, debug=args.debug)


def __getattr__(attribute: str) -> Any:
    """Return what makes the verb that an entry point names: ``replay_incident``, say."""
    name = attribute.replace('_', '-')
    if name not in VERBS:
        raise AttributeError(attribute)
    return partial(PolicyVerb, name)
