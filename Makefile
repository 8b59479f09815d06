# Every target runs in .venv. The first one that needs it makes it from requirements.lock.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow lint lock bench-data bench-tokenizer bench-translate bench-remote bench-train clean help

help:
	@echo "make demo        the whole loop on the built-in sample"
	@echo "make test        the tests (some minutes)"
	@echo "make test-slow   the tests that take longer"
	@echo "make lint        ruff, mypy, import contracts, the reference pages, words in prose"
	@echo "make bench-data  speed and memory of the data side, compared with the bare libraries"
	@echo "make bench-tokenizer  fairness of tokenizers by rule, speed of encoding compared with SentencePiece"
	@echo "make bench-translate  speed of translation, and accuracy of the quality estimate"
	@echo "make bench-remote  requests a second of synthesis, compared with concurrency / latency"
	@echo "make bench-train  speed of training and decoding, compared with Hugging Face's if torch and transformers are installed"
	@echo "make lock        write requirements.lock from pyproject.toml"
	@echo "make clean       remove what these targets made"

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else f"expected Python 3.11, found {v[0]}.{v[1]}: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	@touch $@

demo: $(VENV)/.ready
	$(BIN)/glotmill demo --out demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile $(ARGS)

test-slow: $(VENV)/.ready
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/reference.py --check
	$(BIN)/python docs/prose.py

bench-data: $(VENV)/.ready
	$(BIN)/python benchmarks/data.py $(ARGS)

bench-tokenizer: $(VENV)/.ready
	$(BIN)/python benchmarks/tokenizing.py speed $(ARGS)
	$(BIN)/python benchmarks/tokenizing.py fairness $(ARGS)

bench-translate: $(VENV)/.ready
	$(BIN)/python benchmarks/translate.py $(ARGS)

bench-remote: $(VENV)/.ready
	$(BIN)/python benchmarks/synthesize.py $(ARGS)

bench-train: $(VENV)/.ready
	$(BIN)/python benchmarks/training.py $(ARGS)
	$(BIN)/python benchmarks/loader.py

lock:
	uv pip compile pyproject.toml --all-extras --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
