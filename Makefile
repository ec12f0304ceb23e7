# A bare `make` says what there is. `demo` and `test` do all their own set-up.

CARGO ?= cargo
RELEASE := --release --features face,osdp

.DEFAULT_GOAL := help
.PHONY: help setup build demo test bench models fuzz sim mutants traces

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## bring what building and testing need (packages, TensorFlow Lite, pictures); quick when all is there
	@deploy/setup.sh

build: setup ## both programs, into target/release/
	$(CARGO) build $(RELEASE)

demo: build ## a whole gate simulated on this machine; ARGS=--once plays a script and judges it
	target/release/eithergate demo $(ARGS)

test: setup ## every test; EITHERGATE_TEST_DATA=DIR adds those that want recorded captures and pictures
	$(CARGO) test $(RELEASE)

bench: setup ## speed and memory, beside the references they are compared with
	EITHERGATE_LITERT_PYTHON=$$(models/tools/make.sh bench-python) $(CARGO) bench --features face,osdp

models: setup ## rebuild the model files from their origins and compare checksums
	models/tools/make.sh

fuzz: ## fuzz what takes outside input, FUZZ_S seconds each (600); a finding ends it
	fuzz/run.sh

traces: setup ## a thousand recognitions, then a search of all files for pictures and templates (RECOGNITIONS=N)
	EITHERGATE_RECOGNITIONS=$(or $(RECOGNITIONS),1000) $(CARGO) test $(RELEASE) --test privacy_traces -- --nocapture

sim: setup ## ten thousand days at simulated gates, every invariant watched; ARGS="--days N --seed N --only SEED"
	$(CARGO) run $(RELEASE) -- simulate --least 1000 $(ARGS)

mutants: ## break the gate's judgement in every small way and see whether a test notices; ROOM=access, ARGS="--re X"
	tests/mutants/run.sh $(ROOM) $(ARGS)
