# Everything a checkout needs, on a machine with only Python 3.11 or later and make.
# PYTHON chooses the interpreter that .venv is made with, VENV another place for it.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_ROOT_USER_ACTION := ignore

.DELETE_ON_ERROR:
.PHONY: help demo test theirs torture check bench interpreter

help:
	@echo 'make demo   a year of flights: cold, unchanged, and after two changes'
	@echo 'make test   the tests'
	@echo 'make theirs the tests of libraries whose faces stagecache has, from their sources'
	@echo 'make torture  kills, damage, full disks and races, again and again; SECONDS=600'
	@echo 'make check  ruff, mypy, import-linter'
	@echo 'make bench  the benchmarks'

demo: $(VENV)/.with-examples
	@$(BIN)/python examples/flights/demo.py

# Compiled once: processes that the tests start keep nothing of what they compile.
test: $(VENV)/.with-test
	@$(BIN)/python -m compileall -q stagecache
	$(BIN)/python -m pytest -n 2 -q $(ARGS)

# A wheel brings no tests: the sources of the installed version do.
THEIRS := cachetools diskcache django
SOURCES := $(VENV)/sources
theirs: $(VENV)/.with-test $(THEIRS:%=$(SOURCES)/%)
	CACHETOOLS_CHECKOUT=$(abspath $(SOURCES)/cachetools) DISKCACHE_CHECKOUT=$(abspath $(SOURCES)/diskcache) \
	DJANGO_CHECKOUT=$(abspath $(SOURCES)/django) $(BIN)/python -m pytest -n 2 -q $(ARGS) \
		tests/integrations/test_diskcache_own.py tests/integrations/test_django_own.py tests/memory/test_cachetools_own.py

$(SOURCES)/%: $(VENV)/.with-test
	@rm -rf $@ $@.part && mkdir -p $@.part
	@version=$$($(BIN)/python -c "from importlib.metadata import version; print(version('$*'))") \
		&& $(BIN)/python -m pip download --quiet --no-deps --no-binary :all: --dest $@.part "$*==$$version" \
		&& tar -xzf $@.part/*.tar.gz -C $@.part --strip-components 1 && mv $@.part $@

# The seconds are of the clock on the wall, for all of it.
SECONDS ?= 600
torture: $(VENV)/.with-test
	@$(BIN)/python -m compileall -q stagecache
	$(BIN)/python -m pytest tests/torture --torture $(SECONDS) -n 2 --maxschedchunk 1 -q $(ARGS)

check: $(VENV)/.with-check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.with-bench
	@set -e; for script in benchmarks/[!_]*.py; do echo "--- $$script"; $(BIN)/python -m benchmarks.$$(basename $$script .py); done

# An extra is installed anew when pyproject.toml is newer than its stamp.
$(VENV)/.with-%: pyproject.toml | interpreter $(BIN)/python
	@echo 'Installing stagecache[$*] into $(VENV)'
	@$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@$(BIN)/python -m compileall -q stagecache
	@touch $@

# Debian's Python has no ensurepip unless python3-venv is installed: pip can then come from outside.
$(BIN)/python: | interpreter
	@rm -f $(BIN)/python*
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
		$(PYTHON) -m venv --without-pip $(VENV) \
		&& $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; \
	} || { echo 'Cannot make $(VENV): install python3-venv or pip for $(PYTHON).' >&2; exit 1; }

# What is said explicitly must be usable, and be what an existing .venv was made with.
interpreter:
	@test -n '$(PYTHON)' && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Python 3.11 or later is needed; say where it is: make PYTHON=/path/to/python' >&2; exit 1; }
ifneq ($(filter command% environment%,$(origin PYTHON)),)
	@test ! -x $(BIN)/python || { \
		version='import sys; print(*sys.version_info[:2], sep=".")'; \
		wanted=$$($(PYTHON) -c "$$version"); found=$$($(BIN)/python -c "$$version"); \
		test "$$wanted" = "$$found" || { \
			echo "$(VENV) has Python $$found, not $$wanted: remove it, or name another with VENV=" >&2; \
			exit 1; }; }
endif
