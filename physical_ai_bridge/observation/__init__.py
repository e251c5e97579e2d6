"""Sensor samples to the policy's input tensors: decode, resize, align in time, staleness."""
