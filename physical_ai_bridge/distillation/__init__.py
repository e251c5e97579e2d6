"""From a teacher to a small onboard student. Nothing outside this room imports torch."""
