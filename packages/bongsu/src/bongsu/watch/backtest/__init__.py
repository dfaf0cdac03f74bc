"""A replay of stored history through the live judgement and the live record of incidents."""
