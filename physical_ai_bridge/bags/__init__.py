"""Recordings: written without blocking the loop, and read back as samples."""
