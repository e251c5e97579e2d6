"""What a policy needs, what a cell offers, how they bind, and the errors of all three."""
