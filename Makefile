# make book       build the book and print the page to open
# make pdf        print the book as one PDF and offer it in the pages’ download menu; needs Chromium
# make test       everything that is checked: style, types, mathematics, notebooks, pages in a browser
# make notebooks  write and execute the notebooks for Colab from the chapters (TEXT=1: only renew their prose)
# make serve      show the built book at http://localhost:8000
# make train      train on the 60,000 digits (PRESET=cpu, RUN=runs/mine)
# make chapter NAME=schedules   a quick look at one chapter
# make mutants    change the mathematics in every small way and see whether the tests notice (an hour; ROOMS=forward: one part)
# make clean      remove what was built; the virtual environment stays

PYTHON ?= python3
PRESET ?= cpu
RUN ?= runs/mine
PORT ?= 8000

BIN := .venv/bin
READY := .venv/.ready
DIGITS := $(wildcard ../shared/mnist)
ifneq ($(DIGITS),)
export DDPM_EDU_DATA ?= $(abspath $(DIGITS))
endif
export IPYTHONDIR := $(CURDIR)/_build/ipython
# Threads that wait sleep instead of spinning: beside other work on the machine, networks run several times as fast.
export OMP_WAIT_POLICY ?= passive
export PYDEVD_DISABLE_FILE_VALIDATION = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: book pdf test notebooks serve train chapter mutants clean

book: $(READY)
	@$(BIN)/python book/_ext/build.py

pdf: book
	@$(BIN)/python book/_ext/pdf.py

chapter: $(READY)
	@$(BIN)/python book/_ext/build.py --chapter $(NAME)

test: $(READY)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { echo "Chromium is missing and the browser tests need it; as root: apt-get install chromium"; exit 1; }
	@$(BIN)/python book/_ext/build.py || echo "The book did not build; the tests below say so too."
	@$(BIN)/python -m pytest -q --nbval --nbval-current-env tests book

notebooks: $(READY)
	@$(BIN)/python book/_ext/twins.py $(if $(TEXT),--text) $(NAMES)

serve: book
	@$(BIN)/python -m http.server $(PORT) --directory _build/html

train: $(READY)
	@$(BIN)/python -m ddpm_edu train --preset $(PRESET) --run $(RUN)

mutants: $(READY)
	@$(BIN)/python -m pip install --quiet --requirement tests/mutants/requirements.txt
	@$(BIN)/python tests/mutants/run.py $(ROOMS)

clean:
	rm -rf _build

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	  "This book needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is %d.%d; name another one: make PYTHON=python3.12" % v)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "Python could not make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing into .venv (about 2 GB, a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
