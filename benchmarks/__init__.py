"""Measurements that write benchmarks/RESULTS.md; `python -m benchmarks.NAME --help` says what each does."""

import bloodcell  # noqa: F401  before torch, so that all contestants' threads wait as users' do
