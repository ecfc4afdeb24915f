# `make check` and `make test` are all that CI runs.
.PHONY: check test test-all format recipes docs bench bench-peers

check:
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	$(MAKE) recipes

recipes:
	nmt recipe check $$(find recipes -name '*.yaml')

# In two processes, file by file, for what a file's fixtures make is made once; in their order, which has the small ones last.
test:
	pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" --cov --cov-report=term-missing:skip-covered

test-all:
	pytest

format:
	ruff check --fix .
	ruff format .

docs:
	python docs/generate.py
	python -m benchmarks.document
	python -m reproduction page

# make bench DATA=path/to/multi30k MODEL=runs/work/TIME; see benchmarks/README.md
bench:
	python -m benchmarks.bench $(if $(DATA),data.path=$(DATA)) $(if $(MODEL),--model $(MODEL)) $(BENCH)

bench-peers:
	python -m benchmarks.peers.compare $(if $(DATA),data.path=$(DATA)) $(BENCH)
