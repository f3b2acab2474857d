"""Renders the template of a KernelCI pipeline as its scheduler does: with the
parameters of the job, the platform and the node of a kernel build.

The names in the configuration are those that the pipeline's loader takes.
"""
import sys

import jinja2
import yaml

config, template, kernel, job, *name = sys.argv[1:]
with open(config) as file:
    config = yaml.safe_load(file)
assert set(config) == {"jobs", "scheduler"}, config
for entry in config["jobs"].values():
    assert set(entry) <= {"template", "kind", "image", "params"}, entry
for entry in config["scheduler"]:
    assert set(entry) <= {"job", "event", "runtime", "platforms"}, entry
    assert entry["job"] in config["jobs"], entry
node = {"id": "1", "artifacts": {"kernel": kernel}}
platform = {"base_name": "qemu", "context": {"arch": "amd64"}}
environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
with open(template) as file:
    text = environment.from_string(file.read()).render(
        node=node,
        platform_config=platform,
        notify=None,
        **config["jobs"][name[0] if name else "pidone"]["params"],
    )
with open(job, "w") as file:
    file.write(text)
