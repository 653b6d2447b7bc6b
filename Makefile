# What a developer types. Users have ./appliance.
UV ?= .venv/bin/uv
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
          --custom-compile-command "make lock"

.PHONY: lock
# Pinned and hashed, and without any index address, so that a site's own mirror serves as well as the public one.
lock:
	$(COMPILE) --group dev pyproject.toml -o requirements/dev.txt
	$(COMPILE) -c requirements/dev.txt pyproject.toml -o requirements/sisock.txt
	for group in build node crossbar ocs control; do \
	  $(COMPILE) -c requirements/dev.txt --group $$group -o requirements/$$group.txt || exit 1; done
# socs wants a pyasn1 that crossbar cannot take; they never share an environment. In all else it is that of OCS, and more.
	$(COMPILE) -c requirements/ocs.txt --group socs -o requirements/socs.txt

.PHONY: new-site
# A folder for a new site: make new-site NAME=yale
new-site:
	@python3 -m scaffold.site "$(NAME)"
