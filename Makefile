# Excise: `make run` starts the dashboard, `make test` runs every test, `make screenshots` takes the pictures of the docs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PORT ?= 8501
ADDRESS ?= 127.0.0.1

.PHONY: run test check screenshots browser clean

run: $(INSTALLED)
	$(BIN)/python -m backend dashboard --address $(ADDRESS) --port $(PORT)

test: $(INSTALLED) browser
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile $(PYTEST)

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

screenshots: $(INSTALLED) browser
	$(BIN)/python tools/screenshots.py

$(INSTALLED): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Excise needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=/path/to/python3.11."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

# The browser tests drive Debian's Chromium.  Where it cannot be installed they are skipped with a reason.
browser:
	@if [ -n "$$EXCISE_CHROMIUM" ] || command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Chromium for the browser tests …"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null || \
		echo "Chromium could not be installed; the browser tests will be skipped."; \
	else echo "No Chromium found (set EXCISE_CHROMIUM to one); the browser tests will be skipped."; fi

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
