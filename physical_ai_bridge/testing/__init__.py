"""Clocks, cells, bundles and policies that tests may use, this project's and others'."""
