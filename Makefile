# Tenon's doors for people; Meson and Ninja do the work. `make help` lists them.
PREFIX ?= /usr/local

.PHONY: deps build demo test test-long bench lint fmt asan tsan fuzz install clean help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

deps: ## what a build needs: Debian packages, DuckDB, ONNX Runtime, the console's tools
	@tools/deps

build: deps ## build/tenon
	@[ -f build/build.ninja ] || meson setup build -Dtests=false
	@ninja -C build tenon

demo: ## everything, from nothing: dependencies, build, server, New York's flights, predictions
	@tools/demo

test: ## every test that fits into minutes; ends with "N passed, N failed, N skipped"
	@tools/deps --test
	@test/run

test-long: ## the same with more of everything: long fuzzing, thousands of kills
	@tools/deps --test
	@test/run --long

bench: ## measures, and writes bench/RESULTS.md
	@tools/deps --test
	@bench/run

lint: ## floors, banned functions, lengths, clang-format, cppcheck
	@tools/deps --lint
	@tools/lint

fmt: ## formats the C sources
	@tools/deps --lint
	@tools/lint --fix-format

asan: ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/deps --test
	@test/run asan

tsan: ## unit tests of the threaded rooms under ThreadSanitizer
	@tools/deps --test
	@test/run tsan

fuzz: ## each fuzz target for a minute (SECONDS_EACH=N for longer)
	@tools/deps --test
	@test/run fuzz --seconds $(or $(SECONDS_EACH),60)

install: build ## PREFIX/bin/tenon and the libraries it opens, PREFIX/lib/tenon (PREFIX=/usr/local)
	install -D -s build/tenon $(DESTDIR)$(PREFIX)/bin/tenon
	install -d $(DESTDIR)$(PREFIX)/lib/tenon
	cp -P .deps/lib/*.so $(DESTDIR)$(PREFIX)/lib/tenon/

clean: ## everything that was built; dependencies and data stay
	rm -rf build build-asan build-tsan build-fuzz web/dist web/build-test
