"""Carries out the steps of a composite action as a runner does: inputs from
the command line or their defaults, and the file of steps' outputs printed.
"""
import os
import re
import subprocess
import sys
import tempfile

import yaml

path = sys.argv[1]
with open(os.path.join(path, "action.yml")) as file:
    action = yaml.safe_load(file)
given = dict(word.split("=", 1) for word in sys.argv[2:])
unknown = set(given) - set(action["inputs"])
assert not unknown, unknown
values = {"github.action_path": path}
for name, about in action["inputs"].items():
    assert name in given or not about.get("required"), name
    values["inputs." + name] = given.get(name, about.get("default"))


def expanded(text):
    return re.sub(r"\${{ ([\w.]+) }}", lambda m: values[m[1]], text)


with tempfile.TemporaryDirectory() as folder:
    files = {
        name: os.path.join(folder, name)
        for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
    }
    code = 0
    for step in action["runs"]["steps"]:
        assert step["shell"] == "bash", step
        env = {k: expanded(v) for k, v in step.get("env", {}).items()}
        command = ["bash", "-e", "-c", expanded(step["run"])]
        done = subprocess.run(command, env=os.environ | files | env)
        code = code or done.returncode
    sys.stdout.flush()
    for name in files:
        with open(files[name]) as file:
            print(name + ":\n" + file.read())
sys.exit(code)
