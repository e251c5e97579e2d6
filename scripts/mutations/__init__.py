"""Every check of the shield, disabled one at a time; `scripts/mutation_check` runs them."""

from __future__ import annotations

from mutations import deciding, forces, geometry, inputs, limits, motions, shells, streams
from mutations.table import Mutation, TableError

__all__ = ['MUTATIONS', 'Mutation', 'TableError']

MUTATIONS: tuple[Mutation, ...] = (
    *limits.MUTATIONS, *geometry.MUTATIONS, *inputs.MUTATIONS, *forces.MUTATIONS,
    *motions.MUTATIONS, *deciding.MUTATIONS, *shells.MUTATIONS,
    *streams.MUTATIONS)
