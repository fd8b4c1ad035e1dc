# `make app` serves the app, `make test` runs all tests, `make check` adds format, lint and types. Each installs what it needs.
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for python in python3 python3.12 python3.11; do $$python $(NEW_ENOUGH) 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
# Test files that run beside each other; a processor's cores are shared by them and by what they train.
TESTS_AT_ONCE ?= 2
PYTEST := $(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --dist loadfile

.PHONY: app test test-avx2 check format lock clean

app: $(VENV)/app-ready
	$(BIN)/python -m streamlit run app.py --server.port $(PORT)

test: $(VENV)/dev-ready
	$(PYTEST)

# What depends on the processor, as one without AVX-512 computes it.
test-avx2: $(VENV)/dev-ready
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(PYTEST) -m "not browser" -rs \
		tests/answers tests/devices tests/laboratories tests/publishing tests/training/test_training.py tests/weights

check: $(VENV)/dev-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

format: $(VENV)/dev-ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Pins what requirements*.txt allow, with hashes, for Python 3.11 and newer. Needs uv. Write docs/licences.md anew afterwards.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
lock:
	$(LOCK) requirements.txt -o requirements.lock
	$(LOCK) requirements-dev.txt -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	@$(or $(PYTHON),false) $(NEW_ENOUGH) || \
		{ echo "Python 3.11 or newer is needed. Name one with: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/app-ready: requirements.lock | $(BIN)/python
	@echo "Installing what the app needs (about 6 GB, a few minutes) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/dev-ready: requirements-dev.lock | $(BIN)/python
	@echo "Installing what app and tests need (about 6 GB, a few minutes) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@ $(VENV)/app-ready
