# What can be done with Sigill. `make demo` needs Go alone; everything else
# installs what it lacks as far as it may (make deps) and says what it skipped.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Programs that judge us from outside. Exact versions of packages of npm, PyPI and
# Maven stand in cmd/judges: package.json, pyhanko.txt, verapdf/pom.xml.
DEBIAN := chromium fonts-liberation zbar-tools apache2 libapache2-mod-auth-openidc xmlsec1 openssl qpdf poppler-utils mupdf-tools postgresql redis-server redis-sentinel \
	simplesamlphp php-cli php-xml php-mbstring php-curl php-sqlite3 python3-pysaml2 libapache2-mod-shib shibboleth-sp-utils
JUDGES := ./cmd/judges
# Everything but the judges, which are not built with the race detector: their
# browser protocol is large, and what they judge is built with it.
ROOMS  := $$(go list ./... | grep -v -e '/cmd/judges$$' -e '/nonumbers$$')
# The e-IDs and their simulators, whose tests compute much and share little: the
# judges' demo, which is built with the race detector, runs all of them at once.
EIDS   := ./providers/... ./testidp/...
RACED  := $$(go list ./... | grep -v -e '/cmd/judges$$' -e '/nonumbers$$' -e '^sigill/providers' -e '^sigill/testidp')
RUN    := go run ./cmd/judges/testrun -log tmp/logs/test.log --

.PHONY: help demo deps deps-system deps-user deps-missing test soak judges bench lint fuzz

help:
	@echo 'make demo [ARGS=…]  everything on this machine: http://localhost:8084/'
	@echo 'make deps           what the tests use: deps-system (root) and deps-user'
	@echo 'make test [FUZZ=30s] all tests, the outside judges too'
	@echo 'make judges         only the outside judges: browser, other OpenID clients, kill -9, races'
	@echo 'make soak           kill and race tests with their full numbers'
	@echo 'make bench          speed and size, as ratios in one run'
	@echo 'make lint fuzz      what test does of them, alone'

demo:
	@go run ./cmd/demo $(ARGS)

deps: deps-system deps-user

# Debian packages; needs root.
deps-system:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $(DEBIAN)

# Packages of npm, PyPI and Maven, into an ignored folder; any user. No lock files,
# since they would name where this machine downloads from: every package that is
# named is pinned.
deps-user: .deps/npm .deps/pypi .deps/maven

.deps/npm: cmd/judges/package.json
	@mkdir -p .deps
	cp cmd/judges/package.json .deps/package.json
	cd .deps && npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

.deps/pypi: cmd/judges/pyhanko.txt
	@rm -rf .deps/python && mkdir -p .deps
	python3 -m pip install --quiet --no-deps --only-binary :all: --disable-pip-version-check --root-user-action=ignore --target .deps/python -r $<
	@touch $@

.deps/maven: cmd/judges/verapdf/pom.xml
	@rm -rf .deps/java && mkdir -p .deps
	mvn -q -B -f $< org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=$(CURDIR)/.deps/java
	@touch $@

# What is missing of both, as far as this user may install it. Never a failure
# by itself: the tests skip, or fail when CI is set, and say what they lacked.
deps-missing:
	@if ! dpkg-query -W -f '$${db:Status-Abbrev}\n' $(DEBIAN) 2>/dev/null | grep -c '^ii' | grep -qx $(words $(DEBIAN)); then \
		if [ "$$(id -u)" = 0 ]; then $(MAKE) --no-print-directory deps-system || true; \
		else echo 'some Debian packages are missing; as root: make deps-system'; fi; fi
	@for program in npm python3 mvn; do command -v $$program >/dev/null || echo "$$program is missing"; done
	@$(MAKE) --no-print-directory -k deps-user || true

# A run begins with empty logs, since the last step searches them for personal
# numbers. What lint or the fuzzers find does not keep the tests from running; lint
# is told of at the end, since it runs beside them. Many tests wait most of their
# time, so one package more than there are cores is tested at once.
test: deps-missing
	@status=0; \
	if [ -n "$(FUZZ)" ]; then $(MAKE) --no-print-directory fuzz || status=1; fi; \
	rm -rf tmp/logs && mkdir -p tmp/logs; \
	$(MAKE) --no-print-directory lint >tmp/lint.log 2>&1 & lint=$$!; \
	$(RUN) -race -p=$$(($$(nproc) + 1)) $(RACED) \
		-- -p=$$(($$(nproc) + 1)) $(EIDS) \
		-- -count=1 -run='^TestTrial$$' ./signing/orders \
		-- SIGILL_PAGES=1 -count=1 -run='InChromium|ScriptIsNotNeeded|WithoutScript' ./broker/web ./signing/web ./signing/web/check ./portal/web \
		-- SIGILL_JUDGES=1 -count=1 -timeout=15m $(JUDGES) \
		-- SIGILL_LOGS=$(CURDIR)/tmp/logs -count=1 $(JUDGES)/nonumbers || status=1; \
	wait $$lint || status=1; \
	cat tmp/lint.log; \
	exit $$status

judges: deps-missing
	@rm -rf tmp/logs && mkdir -p tmp/logs
	@$(RUN) SIGILL_JUDGES=1 -count=1 -timeout=15m $(JUDGES) \
		-- SIGILL_LOGS=$(CURDIR)/tmp/logs -count=1 $(JUDGES)/nonumbers

soak: deps-missing
	@rm -rf tmp/logs && mkdir -p tmp/logs
	@$(RUN) SIGILL_SOAK=1 -race -count=1 -timeout=60m $(ROOMS) \
		-- SIGILL_SOAK=1 SIGILL_JUDGES=1 -count=1 -timeout=120m -run='Kill|Raced|Nodes|Restore' $(JUDGES) \
		-- SIGILL_LOGS=$(CURDIR)/tmp/logs -count=1 $(JUDGES)/nonumbers

bench:
	@go test -run='^$$' -bench=. -benchmem $(ROOMS) | grep -E '^(Benchmark|pkg:|FAIL|---|panic)' || true
	@mkdir -p tmp/logs
	@SIGILL_JUDGES=1 go test -count=1 -run='^$$' -bench='^Benchmark(Login|Receipt|Stores|Statements|Pending)$$' -benchtime=1x -timeout=20m $(JUDGES)

lint:
	@bad=$$(git ls-files -co --exclude-standard '*.go' | xargs -r ls 2>/dev/null | xargs -r gofmt -l); \
		if [ -n "$$bad" ]; then echo "not gofmt: $$bad"; exit 1; fi
	@go vet ./...
	@if go run $(STATICCHECK) -version >/dev/null 2>&1; then go run $(STATICCHECK) ./...; \
		else echo 'staticcheck cannot be had here: skipped'; fi
	@go test ./cmd

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Each fuzz target for FUZZ (default 30s); their seeds run with every go test.
fuzz:
	@grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "fuzz $$name in $$(dirname "$$file")"; \
			go test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$${FUZZ:-30s} -fuzzminimizetime=100x "$$(dirname "$$file")" || exit 1; \
		done || exit 1; done
