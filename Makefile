# `make run` and `make test` create the environment .venv if it does not exist.
# `make bench` uses its own environment, because it also installs other libraries.

PYTHON ?= python3
BIN := .venv/bin
NATIVE := plugins/native
KERNELS := $(NATIVE)/setup.py $(NATIVE)/seqforge_native/kernel_build.py $(wildcard $(NATIVE)/seqforge_native/kernels/*)
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
PROJECTS := pyproject.toml plugins/requirements.txt $(PLUGINS:=/pyproject.toml) $(KERNELS)

# Python writes the modules that it has compiled, even in a container that switches this off: the installation leaves that
# to the first import.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test cuda lint examples extras pythons arm dist docs bench clean

run: .venv/installed
	@echo "C from linux-small, a pretrained model:"
	$(BIN)/seqforge sample linux-small --prompt "static void " --temperature 0.8 --length 500
	@echo "Now the first run, which trains a smaller model for three minutes:"
	$(BIN)/seqforge run experiments/first-run.toml

# One process per core and one thread per process, because threads that share a core slow each other down. With worksteal,
# most tests of a file run in the same process, which then makes their shared fixtures once.
test: .venv/installed-for-tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal

# Cells, backends and runs on a CUDA device that is not there: it finds operands on the wrong device, and counts what a
# step asks of a GPU. With a real GPU, leave out the plugin. Then the same on the GPU of a Mac, which is not there either.
cuda: .venv/installed-for-tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p tests.cuda.fake_device \
		-k "not inductor and not native and not onednn and not peepholes" \
		tests/cuda plugins/cudnn tests/training/test_golden_losses.py \
		tests/training/test_labelled_runs.py::test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one \
		tests/training/test_labelled_runs.py::test_every_topology_can_be_trained_in_bfloat16
	OMP_NUM_THREADS=1 SEQFORGE_FAKE_DEVICE=mps $(BIN)/python -m pytest -p tests.cuda.fake_device -k "not bfloat16" tests/cuda

# The modules that could depend on the system. For Windows and macOS, only these are checked.
SYSTEM_MODULES = $(shell grep -rlE --include='*.py' --exclude-dir=tests --exclude-dir=build \
	'^ *(import|from) (os|sys|signal|ctypes|mmap|time|shutil|socket|select|subprocess|multiprocessing|faulthandler)\b' seqforge plugins)

lint: .venv/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	@for system in Windows Darwin; do echo "pyright: $$system"; \
		$(BIN)/pyright --pythonpath $(BIN)/python --pythonplatform $$system $(SYSTEM_MODULES) || exit 1; done
	$(BIN)/lint-imports

# The packages in examples/ and a new package with every kind of component, as their authors would develop them: in an
# environment of their own, which finds seqforge and its dependencies in .venv.
examples: .venv/installed-for-tests
	.ci/examples $(BIN)

# What needs the extras of plugins, and other implementations of cells, whose libraries are too large for .venv. It is
# skipped if they cannot be installed.
extras: .venv-extras/installed
	@[ ! -e $< ] || OMP_NUM_THREADS=1 .venv-extras/bin/python -m pytest -n auto --dist worksteal --quiet -p no:cacheprovider \
		-p tests.made.onnx_operators \
		plugins/trackers/tests/test_trackers.py plugins/onnx/tests \
		plugins/transformers/tests/test_conformance.py plugins/transformers/tests/test_exporter.py \
		tests/api/test_import_keras.py tests/api/test_export_web.py tests/api/test_export_predictor.py tests/docs/test_demo.py \
		plugins/essentials/tests/test_tables.py plugins/essentials/tests/test_urls.py \
		tests/cells/test_reference_implementations.py

# One run with each version of Python at hand, and with the lowest versions of the libraries. Not a part of .ci/run: it
# downloads and unpacks gigabytes, and takes a minute only if they are installed already.
pythons:
	.ci/pythons

# The kernels for ARM: a cross compiler builds them, and QEMU executes them, each call on the memory of the tests, which run
# on this machine. On Debian: apt install g++-aarch64-linux-gnu qemu-user. Not a part of .ci/run: some minutes. The tests
# that are left out execute none of these kernels.
ARM := _PYTHON_HOST_PLATFORM=linux-aarch64 CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++

arm: .venv/installed-for-tests
	cd $(NATIVE) && $(ARM) $(CURDIR)/$(BIN)/python setup.py --quiet build_ext --inplace
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p tests.systems.fake_arm -k "not inductor and not emulated and not linear_in_bfloat16" \
		$(NATIVE)/tests

# Every distribution, in dist/, and a run with them in an empty environment. Not a part of .ci/run, since it compiles the
# kernels of every instruction set and installs everything again: some minutes.
dist: .venv/installed-for-tests
	.ci/dist $(BIN)

# The generated pages, the site in site/, and its checks. To see changes of a page at once: .venv/bin/zensical serve
docs: .venv/installed-for-tests
	$(BIN)/pip install --quiet --editable "plugins/onnx[onnxruntime]"
	$(BIN)/python -m website

bench: .venv-bench/installed
	.venv-bench/bin/python -m benchmarks all --markdown docs/results/benchmarks.md

clean:
	rm -rf .venv .venv-bench .venv-examples .venv-extras .venv-pythons dist site .pytest_cache .ruff_cache .hypothesis

.venv/bin/pip .venv-bench/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "seqforge needs Python 3.11 or newer. Choose one: make PYTHON=python3.12 run"; exit 1; }
	@$(PYTHON) -m venv $(@:/bin/pip=) || \
		{ rm -rf $(@:/bin/pip=); echo "Cannot create .venv. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }

# Without isolation, pip makes no environment of its own for each package. To compile all modules takes half of the time of
# the installation; Python compiles those that it imports.
INSTALL := $(BIN)/pip install -q --disable-pip-version-check --no-build-isolation --no-compile

EDITABLE := $(filter-out $(NATIVE),$(PLUGINS))

# Install this package with its extras $(1). One pip uses one core. Meanwhile, a second one installs the plugins without
# their libraries, and the kernels are compiled, with a lower priority. The last pip installs what the plugins need, and the
# plugin `native`, for which it compiles only what has failed.
define install
	@echo "1 of 2: installing PyTorch: 0.2 GB to download for the CPU, 3 GB with CUDA. See docs/get-started/install.md"
	@$(INSTALL) "setuptools>=77" "hatchling>=1.27" editables
	@trap 'kill $$plugins 2> /dev/null' EXIT; trap 'exit 130' INT TERM; \
		(cd $(NATIVE) && nice $(CURDIR)/$(BIN)/python setup.py build_ext --inplace > /dev/null 2>&1) & \
		$(INSTALL) --no-deps $(EDITABLE:%=-e ./%) & plugins=$$!; \
		$(INSTALL) --no-warn-conflicts "torch>=2.9" && wait $$plugins && plugins= && \
		echo "2 of 2: installing seqforge, its plugins and their libraries: less than a minute" && \
		$(INSTALL) --no-warn-conflicts -e ".$(1)" && wait
	@$(INSTALL) -e ./$(NATIVE) $(EDITABLE:plugins/%=seqforge-%)
	@touch $@
endef

.venv/installed: $(PROJECTS) | .venv/bin/pip
	$(call install)

# The tests need the kernels of every instruction set.
.venv/installed-for-tests: export SEQFORGE_KERNELS = all
.venv/installed-for-tests: $(PROJECTS) | .venv/bin/pip
	$(call install,[dev])
	@touch .venv/installed

.venv-extras/installed: .venv/installed-for-tests
	@.ci/extras $(BIN) && touch $@ || echo "the extras of the plugins cannot be installed; their tests are skipped"

.venv-bench/installed: $(PROJECTS) | .venv-bench/bin/pip
	.venv-bench/bin/pip install -e ".[bench]" -r plugins/requirements.txt
	@touch $@
