# Every target works on a fresh machine with rustup, a C compiler and make.
# Stays with what GNU make 3.81 and a BSD userland understand.

CARGO ?= cargo
MINUTES ?= 10
SEEDS ?= 200
SEED ?=
KILLS ?= 300
CUTS ?= 100
DAMAGES ?= 1000000
SOAK_MINUTES ?= 10
SOAK_KILL_EVERY ?= 0
SECONDS ?= 60
TARGETS ?=
CASES ?= 120

.DEFAULT_GOAL := help
.PHONY: help run test ci fmt lint docs schemas deny bench-start bench-delivery bench-fairness bench-kills bench-diff bench-live bench-schedule \
	sim bench-log kill-log power-cut damage bootstrap soak soak-kill browser ops-check dist tree contract fuzz

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -e 's/:.*## /\t/' | expand -t 14

run: ## the whole pipeline against the simulator, with a receiver that verifies signatures; Ctrl-C ends it
	@$(CARGO) build --locked -p expensewire
	@# On a terminal the program gets a process group of its own: Ctrl-C reaches it and not make, and its exit code counts.
	@if [ -t 0 ]; then set -m; $(CARGO) run --locked --quiet -p expensewire -- demo & fg >/dev/null; \
	else exec $(CARGO) run --locked --quiet -p expensewire -- demo; fi

test: ## every test; STRICT=1 turns a skipped one into a failure
	$(CARGO) test --workspace --locked --no-fail-fast

ci: ## what the integration machine runs
	.ci/run

fmt: ## format the tree
	$(CARGO) fmt --all

lint: ## formatting and clippy, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@# The fuzzer is a workspace of its own: what a crate here comes to depend on must be in its lock file too.
	$(CARGO) metadata --locked --format-version 1 --manifest-path tests/fuzz/Cargo.toml >/dev/null

docs: ## the crates' documentation
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

schemas: ## write the files under schemas/ and the reference pages anew from the program; the tests compare them
	$(CARGO) build --locked -p expensewire
	$(CARGO) run --locked --quiet -p expensewire -- config schema > schemas/config.schema.json.new
	mv schemas/config.schema.json.new schemas/config.schema.json
	WRITE_SCHEMAS=1 $(CARGO) test --locked -p event-model --test schemas as_committed
	WRITE_DOCS=1 $(CARGO) test --locked -p expensewire --test pages as_committed
	WRITE_SCHEMAS=1 $(CARGO) test --locked -p http-api --lib contract::tests::the_documents_are_as_committed

deny: ## licences, bans, sources and advisories (needs cargo-deny)
	$(CARGO) deny --locked check

bench-start: ## seconds from process start to verified deliveries, and from Ctrl-C to the end
	$(CARGO) build --locked -p expensewire -p tests
	$(CARGO) run --locked --quiet -p tests --bin bench_start

bench-delivery: ## deliveries to 1, 10 and 100 subscriptions beside a bare client that posts the same bytes; delay, disk and memory; fails when a bound does not hold
	$(CARGO) run --release --locked --quiet -p tests --bin bench_delivery

bench-fairness: ## delay of 1,000 healthy subscriptions beside 100 that hang and one that catches up, and without them; fails when a bound does not hold
	$(CARGO) run --release --locked --quiet -p tests --bin bench_fairness

bench-kills: ## the dispatcher killed (-9) 200 times while 50 subscriptions, a fifth flaky, receive 20,000 events; fails when a bound does not hold
	$(CARGO) run --release --locked --quiet -p tests --bin bench_kills

bench-diff: ## what finding the changed reports among a million and ten million costs beside splitting and hashing their lines
	$(CARGO) run --release --locked --quiet -p tests --bin bench_diff

bench-live: ## seconds from a change in the simulator to its event in the log, over MINUTES, against the floor of the plan
	$(CARGO) build --release --locked -p expensewire -p tests
	$(CARGO) run --release --locked --quiet -p tests --bin bench_live -- --minutes $(MINUTES)

sim: ## the simulation of engine, store, upstream and subscriber: SEEDS=2000 for many seeds, SEED=123 for one with its trace
	$(CARGO) build --locked --release -p tests --bin sim
	$(CARGO) run --locked --quiet --release -p tests --bin sim -- $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

bench-schedule: ## mean delay under the planner over that of one who knows the rates, and over round robin; fails when a bound does not hold
	$(CARGO) run --locked --release --quiet -p tests --bin bench_schedule

bench-log: ## durable appends over a plain file, size, replay and restart of a million events, on disk, a slow disk and in memory; fails when a bound does not hold
	$(CARGO) build --release --locked -p tests --bin bench_log
	$(CARGO) run --release --locked --quiet -p tests --bin bench_log

kill-log: ## kill -9 at KILLS random moments of append, merge, retention and backup; nothing acknowledged may be lost
	$(CARGO) build --release --locked -p tests --bin log_proof
	$(CARGO) run --release --locked --quiet -p tests --bin log_proof -- kill --kills $(KILLS)

power-cut: ## CUTS power cuts under load, and some without fdatasync, which must lose (Linux, root, loop devices)
	$(CARGO) build --release --locked -p tests --bin log_proof
	$(CARGO) run --release --locked --quiet -p tests --bin log_proof -- cut --cuts $(CUTS)
	$(CARGO) run --release --locked --quiet -p tests --bin log_proof -- cut --cuts 10 --process-crash

bootstrap: ## a consumer in Python rebuilds 10,000 entities from 100,000 events while the log is compacted (python3)
	$(CARGO) test --release --locked -p tests --test bootstrap

damage: ## DAMAGES flipped bits, zeroed pages and cut files in copies of a small store: each found or harmless
	$(CARGO) build --release --locked -p tests --bin log_proof
	$(CARGO) run --release --locked --quiet -p tests --bin log_proof -- damage --count $(DAMAGES)

soak: ## simulator, service and subscriber in three processes for SOAK_MINUTES; prints what arrived against what was made
	$(CARGO) build --locked -p expensewire -p tests
	$(CARGO) run --locked --quiet -p tests --bin soak -- --minutes $(SOAK_MINUTES) --kill-every-s $(SOAK_KILL_EVERY)

soak-kill: ## the same with the service killed (-9) every 20 s
	$(MAKE) soak SOAK_KILL_EVERY=20

browser: ## the console in headless Chromium: each page and action, axe-core, screenshots under target/browser; STRICT=1 turns a SKIP into a failure
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund --prefix tests/browser; fi
	$(CARGO) test --locked -p tests --test browser -- --nocapture

contract: ## schemathesis with thousands of cases, validators, readers of metrics and streams that others wrote (python3, node)
	CONTRACT_EXAMPLES=$(CASES) CONTRACT_AT_LEAST=5000 $(CARGO) test --locked -p tests --test contract -- --test-threads=1

fuzz: ## what reads things from outside, SECONDS for each of TARGETS, guided by coverage; a crash with the command that shows it again
	CARGO=$(CARGO) tests/fuzz/run $(SECONDS) $(TARGETS)

ops-check: ## rules, dashboards, unit, image and manifests under ops/, by the programs that read them; STRICT=1 turns a SKIP into a failure
	@CARGO=$(CARGO) ops/check

dist: ## the release archive with its checksum, under target/dist (Linux)
	@CARGO=$(CARGO) ops/dist

tree: ## what the program is built on
	$(CARGO) tree --locked -p expensewire --edges normal
