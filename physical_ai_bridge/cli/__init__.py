"""The command line: one module a verb, imported only when that verb runs."""

from __future__ import annotations

from physical_ai_bridge.cli.main import main

__all__ = ['main']
