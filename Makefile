# The Rust side comes from cargo: all targets use the release profile and all features, so that the
# dependencies, burn above all, are compiled once. The Python side lives in .venv, which `make venv`
# makes from the lists in pyproject.toml.

CARGO ?= cargo
SCOPE := --workspace --all-features --release
SMOKE_PLOT := target/sudoku-smoke.png

PYTHON ?= python3
PACKAGE := crates/argrad-python
VENV := .venv
RUFF := $(VENV)/bin/ruff
# The kernels of cards compiled for the host, by which the tests of the package see the way of tensors
# on a card. A wheel has none.
MATURIN_ARGS ?= --features host-kernels

# Debug assertions are the kernels' only guard, and the release profile has none. Same profile
# otherwise, so that no dependency is compiled again; the solver in units and hardly optimized, so
# that it is compiled soon.
CHECKED := --config profile.release.package.argrad-solver.debug-assertions=true \
	--config profile.release.package.argrad-solver.overflow-checks=true \
	--config profile.release.package.argrad-solver.opt-level=1 \
	--config profile.release.package.argrad-solver.codegen-units=16
.PHONY: test format columns lint docs features unit checked sudoku-smoke fuzz deny package
.PHONY: bench accuracy cones units problems large model argmin decision miri
.PHONY: gpu-check gpu-emulate gpu-sanitize bench-gpu
.PHONY: venv python python-lint python-types python-test wheel bench-peers test-tensorflow test-ray
.PHONY: bench-gpu-peers
.NOTPARALLEL:

## Everything that is checked before a change is accepted.
# The package with the features of the other checks, see there, so that its dependencies are
# compiled already.
test: MATURIN_ARGS := --features whole-workspace
test: format columns deny lint docs features unit checked sudoku-smoke python-lint python-types python-test

format:
	$(CARGO) fmt --all --check

## Lines of at most 100 columns: rustfmt and ruff see to code, this to comments and prose.
columns:
	$(PYTHON) .ci/columns.py $(COLUMNS_OF)

## Licences, sources and banned crates, where cargo-deny is installed. Advisories need the network:
## `cargo deny check`.
deny:
	@if $(CARGO) deny --version > /dev/null 2>&1; \
	then $(CARGO) deny --offline check licenses bans sources; \
	else echo "cargo-deny is not installed: licences, bans and sources are not checked"; fi

lint:
	$(CARGO) clippy $(SCOPE) --all-targets -- -D warnings

## Documentation of the public API, with warnings denied.
docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(SCOPE) --no-deps

## The published crates without default features.
features:
	$(CARGO) check --workspace --no-default-features --release --lib --examples

## Unit and integration tests, examples' own tests, doctests.
unit:
	$(CARGO) test $(SCOPE)

## The solver's integration tests with debug assertions and overflow checks.
checked:
	$(CARGO) test $(SCOPE) $(CHECKED) --test solver

## Malformed files, programs and models: none may panic. FUZZ_ARGS="--seed 1" for others.
fuzz:
	$(CARGO) run --all-features --release --bin argrad-fuzz -- --inputs 100000 $(FUZZ_ARGS)

## The crates as they would be published, compiled from their packages.
package:
	$(CARGO) publish --workspace --dry-run --allow-dirty

## The sudoku example from puzzles to plot, on a fraction of its data.
sudoku-smoke:
	mkdir -p target
	rm -f $(SMOKE_PLOT)
	$(CARGO) run --all-features --release --example sudoku -- \
		--train 300 --test 50 --epochs 2 --batch 50 --plot $(SMOKE_PLOT)
	test -s $(SMOKE_PLOT)

## The unsafe kernels, and a small solve of each engine, in an interpreter that sees undefined
## behaviour. Needs `rustup component add miri rust-src --toolchain nightly`; not part of `test`.
miri:
	MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-deterministic-floats" RAYON_NUM_THREADS=1 \
		$(CARGO) +nightly miri test -p argrad-solver --lib -- small::

## Speed, against Clarabel in one run. BENCH_ARGS="--quick" for a smoke test.
bench:
	$(CARGO) bench -p argrad-conformance --bench race -- $(BENCH_ARGS)

## Accuracy, against the exact active-set oracle. BENCH_ARGS="--count 100" for a tenth of it.
accuracy:
	$(CARGO) bench -p argrad-conformance --bench accuracy -- $(BENCH_ARGS)

## Every cone, against the reference in double-double arithmetic. BENCH_ARGS="--count 100" for a
## tenth.
cones:
	$(CARGO) bench -p argrad-conformance --bench cones -- $(BENCH_ARGS)

## Answers in many units, gradients of ill-conditioned programs, certificates, against exact oracles.
## BENCH_ARGS="--count 30" for a tenth.
units:
	$(CARGO) bench -p argrad-conformance --bench units -- $(BENCH_ARGS)

## Real programs and max-cut relaxations, against Clarabel. BENCH_ARGS="--set max-cut --only 100" for
## some. Files are read from the folder in ARGRAD_PROBLEMS.
problems:
	$(CARGO) bench -p argrad-conformance --bench problems -- $(BENCH_ARGS)

## One program with a million variables, against Clarabel. BENCH_ARGS="--sizes 10000" for a small one.
large:
	$(CARGO) bench -p argrad-conformance --bench large -- $(BENCH_ARGS)

## The modelling language: compile time and memory, the share of the maps, a predictive controller.
model:
	$(CARGO) bench -p argrad --bench model

## Batches of nonlinear programs, and of predictive controllers of a cart-pole, against Ipopt, one
## by one, in an environment of its own.
argmin:
	$(PYTHON) -m venv .venv-ipopt
	.venv-ipopt/bin/python -m pip install --quiet casadi numpy
	$(CARGO) bench -p argrad --bench argmin > .venv-ipopt/argmin.txt
	.venv-ipopt/bin/python $(PACKAGE)/benches/argmin_ipopt.py .venv-ipopt/argmin.txt
	$(CARGO) run --release -p argrad-applications --example cartpole -- --race \
		> .venv-ipopt/cartpole.txt
	.venv-ipopt/bin/python $(PACKAGE)/benches/cartpole_ipopt.py .venv-ipopt/cartpole.txt

## SPO+ training against PyEPO with open solvers, in an environment of its own that sees this one.
decision:
	$(PYTHON) -m venv .venv-pyepo
	echo "import site; site.addsitedir('$$($(VENV)/bin/python -c \
		'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
		> $$(.venv-pyepo/bin/python -c \
		'import sysconfig; print(sysconfig.get_path("purelib"))')/parent.pth
	.venv-pyepo/bin/python -m pip install --quiet pyepo ortools
	.venv-pyepo/bin/python $(PACKAGE)/benches/decision.py $(BENCH_ARGS)

## Every kernel compiled for three generations of cards, without a card: registers, spills,
## occupancy. NVIDIA's compilers come as Python packages, into .venv-gpu.
gpu-check: .venv-gpu/.installed
	.venv-gpu/bin/python crates/argrad-gpu/check/compile.py

## What NVRTC makes of the kernels, run by an interpreter on the host and compared with what the
## host's compiler makes of them: launches of every kind of kernel, in minutes.
gpu-emulate: .venv-gpu/.installed
	rm -rf target/launches
	$(CARGO) run --release -p argrad-gpu-host --example record -- target/launches
	.venv-gpu/bin/python crates/argrad-gpu/check/emulate.py target/launches

.venv-gpu/.installed: Makefile
	$(PYTHON) -m venv .venv-gpu
	.venv-gpu/bin/python -m pip install --quiet "nvidia-cuda-nvrtc-cu12>=12.9,<13" \
		"nvidia-cuda-nvcc-cu12>=12.9,<13" numpy
	touch $@

## The tests of the kernels on the host with sanitizers: memory and arithmetic, then missing
## barriers.
gpu-sanitize:
	ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 ARGRAD_GPU_SANITIZE=address,undefined \
		$(CARGO) test -p argrad-gpu-host --release --test host
	TSAN_OPTIONS=suppressions=$(CURDIR)/crates/argrad-gpu-host/tsan.supp \
		ARGRAD_GPU_SANITIZE=thread \
		$(CARGO) test -p argrad-gpu-host --release --test host threads::

## Batches on a card against the CPU engine. BENCH_ARGS="--sizes 10,100 --batches 128" for some.
bench-gpu:
	$(CARGO) bench -p argrad-gpu --features cuda --bench gpu -- $(BENCH_ARGS)

## The Python environment: what the package's tests and checks need, and the package itself,
## editable.
venv: $(VENV)/.installed

$(VENV)/.installed: $(PACKAGE)/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --group $(PACKAGE)/pyproject.toml:dev
	touch $@

## Builds the Python package into .venv.
python: venv
	PIP_QUIET=1 VIRTUAL_ENV=$(CURDIR)/$(VENV) $(VENV)/bin/maturin develop --release --quiet \
		-m $(PACKAGE)/Cargo.toml $(MATURIN_ARGS)

python-lint: venv
	$(RUFF) format --check $(PACKAGE)
	$(RUFF) check $(PACKAGE)

## Types of the package, and its stub of the extension module against the module.
python-types: python
	cd $(PACKAGE) && $(CURDIR)/$(VENV)/bin/mypy
	cd $(PACKAGE) && $(CURDIR)/$(VENV)/bin/stubtest argrad._core

python-test: python
	cd $(PACKAGE) && $(CURDIR)/$(VENV)/bin/python -m pytest -n 2 --dist loadfile

## A wheel for this platform, into dist/.
wheel: venv
	$(VENV)/bin/maturin build --release -m $(PACKAGE)/Cargo.toml --out dist
	$(VENV)/bin/twine check --strict dist/*.whl

## The race against the Python peers, installed into .venv-peers. BENCH_ARGS="--quick" for a smoke
## run.
bench-peers: python
	$(VENV)/bin/python $(PACKAGE)/benches/peers/install.py .venv-peers
	.venv-peers/bin/python $(PACKAGE)/benches/peers $(BENCH_ARGS)

## The race on a card, installed into .venv-peers-gpu. Without a card it ends at once, by code 2.
bench-gpu-peers:
	$(PYTHON) $(PACKAGE)/benches/peers/card.py
	$(MAKE) python
	$(VENV)/bin/python $(PACKAGE)/benches/peers/install.py .venv-peers-gpu --device cuda
	.venv-peers-gpu/bin/python $(PACKAGE)/benches/peers --device cuda $(BENCH_ARGS)

## The TensorFlow layer, in an environment of its own: a large install.
test-tensorflow: python
	$(PYTHON) -m venv .venv-tf
	.venv-tf/bin/pip install --quiet tensorflow-cpu numpy scipy "cvxpy>=1.9,<2" pytest
	cd $(PACKAGE) && PYTHONPATH=python $(CURDIR)/.venv-tf/bin/python -m pytest tests_tensorflow

## argrad.ray on a local cluster of three nodes, of which one is killed, in an environment of its own.
test-ray: python
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/pip install --quiet "ray[data]" numpy scipy pytest
	cd $(PACKAGE) && PYTHONPATH=python $(CURDIR)/.venv-ray/bin/python -m pytest tests_ray
