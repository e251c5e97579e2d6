"""The loop that ties observation, policy and supervisor together over explicit time."""
