"""One module per command: `add_to` names its arguments, `run` does it. What it needs is imported when it runs."""
