"""Run a distilled policy on a robot cell, behind an independent safety supervisor."""

__version__ = '0.1.0'
