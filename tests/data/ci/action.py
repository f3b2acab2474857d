"""Carries out the steps of a composite action as a runner does: inputs from
the command line or their defaults, and the file of steps' outputs printed.
With `--workflow FILE JOB`, it is one job of a workflow's matrix, by its name:
inputs are those, and what is uploaded is an archive here.
"""
import os
import re
import subprocess
import sys
import tempfile
import zipfile

import yaml


def expanded(text, values):
    return re.sub(r"\${{ ([\w.-]+) }}", lambda m: str(values[m[1]]), text)


def of_workflow(file, name):
    """What the steps of the job are given."""
    with open(file) as text:
        job = yaml.safe_load(text)["jobs"]["pidone"]
    cells = job["strategy"]["matrix"]["include"]
    ((index, cell),) = [x for x in enumerate(cells) if x[1]["name"] == name]
    values = {"matrix." + key: value for key, value in cell.items()}
    values["strategy.job-index"] = index
    return [
        {key: expanded(text, values) for key, text in step["with"].items()}
        for step in job["steps"]
        if "with" in step
    ]


path, words = sys.argv[1], sys.argv[2:]
upload = None
if words[:1] == ["--workflow"]:
    given, upload = of_workflow(*words[1:])
else:
    given = dict(word.split("=", 1) for word in words)
with open(os.path.join(path, "action.yml")) as file:
    action = yaml.safe_load(file)
unknown = set(given) - set(action["inputs"])
assert not unknown, unknown
values = {"github.action_path": path}
for name, about in action["inputs"].items():
    assert name in given or not about.get("required"), name
    values["inputs." + name] = given.get(name, about.get("default"))

with tempfile.TemporaryDirectory() as folder:
    files = {
        name: os.path.join(folder, name)
        for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
    }
    code = 0
    for step in action["runs"]["steps"]:
        assert step["shell"] == "bash", step
        env = {k: expanded(v, values) for k, v in step.get("env", {}).items()}
        command = ["bash", "-e", "-c", expanded(step["run"], values)]
        done = subprocess.run(command, env=os.environ | files | env)
        code = code or done.returncode
    if upload:
        with zipfile.ZipFile(upload["name"] + ".zip", "w") as archive:
            archive.write(upload["path"])
    sys.stdout.flush()
    for name in files:
        with open(files[name]) as file:
            print(name + ":\n" + file.read())
sys.exit(code)
