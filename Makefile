# The Rust side comes from cargo: all targets use the release profile and all features, so that the
# dependencies, burn above all, are compiled once. The Python side lives in .venv, which `make venv` makes from
# the lists in pyproject.toml.

CARGO ?= cargo
SCOPE := --workspace --all-features --release
SMOKE_PLOT := target/sudoku-smoke.png

PYTHON ?= python3
PACKAGE := crates/argrad-python
VENV := .venv
RUFF := $(VENV)/bin/ruff

.PHONY: test format lint unit sudoku-smoke bench accuracy cones large model docs
.PHONY: venv python python-lint python-test wheel bench-peers test-tensorflow
.NOTPARALLEL:

## Everything that is checked before a change is accepted.
test: format lint unit sudoku-smoke python-lint python-test

format:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy $(SCOPE) --all-targets -- -D warnings

## Unit and integration tests, examples' own tests, doctests.
unit:
	$(CARGO) test $(SCOPE)

## The sudoku example from puzzles to plot, on a fraction of its data.
sudoku-smoke:
	mkdir -p target
	rm -f $(SMOKE_PLOT)
	$(CARGO) run --all-features --release --example sudoku -- \
		--train 300 --test 50 --epochs 2 --batch 50 --plot $(SMOKE_PLOT)
	test -s $(SMOKE_PLOT)

## Speed, against Clarabel in one run. BENCH_ARGS="--quick" for a smoke test.
bench:
	$(CARGO) bench -p argrad-conformance --bench race -- $(BENCH_ARGS)

## Accuracy, against the exact active-set oracle. BENCH_ARGS="--count 100" for a tenth of it.
accuracy:
	$(CARGO) bench -p argrad-conformance --bench accuracy -- $(BENCH_ARGS)

## Every cone, against the reference in double-double arithmetic. BENCH_ARGS="--count 100" for a tenth.
cones:
	$(CARGO) bench -p argrad-conformance --bench cones -- $(BENCH_ARGS)

## One program of a million samples, against Clarabel. BENCH_ARGS="--sizes 10000" for a small one.
large:
	$(CARGO) bench -p argrad-conformance --bench large -- $(BENCH_ARGS)

## The modelling language: compile time and memory, the share of the maps, a predictive controller.
model:
	$(CARGO) bench -p argrad --bench model

## Documentation of the public API, with broken links denied.
docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(SCOPE) --no-deps

## The Python environment: what the package's tests and checks need, and the package itself, editable.
venv: $(VENV)/.installed

$(VENV)/.installed: $(PACKAGE)/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --group $(PACKAGE)/pyproject.toml:dev
	touch $@

## Builds the Python package into .venv.
python: venv
	PIP_QUIET=1 VIRTUAL_ENV=$(CURDIR)/$(VENV) $(VENV)/bin/maturin develop --release --quiet -m $(PACKAGE)/Cargo.toml

python-lint: venv
	$(RUFF) format --check $(PACKAGE)
	$(RUFF) check $(PACKAGE)

python-test: python
	cd $(PACKAGE) && $(CURDIR)/$(VENV)/bin/python -m pytest

## A wheel for this platform, into dist/.
wheel: venv
	$(VENV)/bin/maturin build --release -m $(PACKAGE)/Cargo.toml --out dist

## The race against the Python peers, installed into .venv-peers. BENCH_ARGS="--quick" for a smoke run.
bench-peers: python
	$(VENV)/bin/python $(PACKAGE)/benches/peers/install.py .venv-peers
	.venv-peers/bin/python $(PACKAGE)/benches/peers $(BENCH_ARGS)

## The TensorFlow layer, in an environment of its own: a large install.
test-tensorflow: python
	$(PYTHON) -m venv .venv-tf
	.venv-tf/bin/pip install --quiet tensorflow-cpu numpy scipy "cvxpy>=1.9,<2" pytest
	cd $(PACKAGE) && PYTHONPATH=python $(CURDIR)/.venv-tf/bin/python -m pytest tests_tensorflow
