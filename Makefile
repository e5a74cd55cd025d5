# gemba: build, run, test. `make run` and `make test` are the only set-up there is.

GO      ?= go
BUILD   := build
GEMBA   := $(BUILD)/gemba
RQLITED := $(BUILD)/rqlited
ALL     := ./...
DATA    ?= $(BUILD)/demo
SSH     ?= 127.0.0.1:2222
API     ?= 127.0.0.1:8443
FUZZ    ?= 20s

SUITE   := ./testdata/security

.PHONY: run build test security check race bench cluster fuzz golden tools rqlited clean

run: build            ## build and start the demonstration plant on embedded SQLite
	./$(GEMBA) serve --demo --data $(DATA) --ssh $(SSH) --api $(API)

build:
	@mkdir -p $(BUILD)
	$(GO) build -o $(GEMBA) ./cmd/gemba

rqlited:              ## build the replicated engine, once
	@deploy/rqlited/build.sh

tools:                ## say what the tests need and how to get it
	@deploy/tools.sh

test: tools rqlited   ## everything: both engines, real SSH clients, real TLS, the security suite's quick form
	$(GO) vet $(ALL) $(SUITE)
	$(GO) test -timeout 20m $(ALL)
	$(GO) test -timeout 20m $(SUITE)

security: rqlited     ## the whole security suite with outside tools; leaves build/security.json
	@deploy/tools.sh security
	$(GO) test -timeout 90m -count=1 $(SUITE) -args -security.full

check: tools rqlited  ## formatting, vet, module files, and the race detector on everything
	@test -z "$$(gofmt -l cmd keys mes server storage testdata tui)" || { gofmt -l cmd keys mes server storage testdata tui; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet $(ALL) $(SUITE)
	$(GO) mod tidy -diff
	$(MAKE) race

race: tools rqlited
	$(GO) test -race -timeout 40m $(ALL)

bench: rqlited        ## figures beside their floors; ONLY=name,name runs some
	$(GO) run ./cmd/bench -only "$(ONLY)" -out $(BUILD)/bench.json

cluster: build rqlited  ## three database nodes and a gemba on loopback
	$(GO) run ./storage/rqlitetest/cluster -gemba $(GEMBA) -data $(BUILD)/cluster

fuzz:                 ## every fuzz target for FUZZ each
	@deploy/fuzz.sh $(FUZZ)

golden:               ## write the golden views anew; look at the difference before you commit it
	$(GO) test ./tui -update

clean:
	rm -rf $(BUILD)
