"""Attacks on the program, and a table of what came of them."""
