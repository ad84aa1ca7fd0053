#!/usr/bin/env python3
"""Stands for a coding agent: reads its hooks from where the agent would, and calls them as the agent would.

The first argument is a file with one step a line: an event of a hook, as the agent would write it to the hook's standard input (or
`raw_hex`, other bytes), or `{"do": SHELL}`. Prints one line a step: {"step", "code", "out"}.
"""
import json
import os
import subprocess
import sys
import tomllib

if os.path.exists("/etc/codex/requirements.toml"):
    with open("/etc/codex/requirements.toml", "rb") as file:
        settings = tomllib.load(file)
elif os.path.exists("/etc/claude-code/managed-settings.json"):
    with open("/etc/claude-code/managed-settings.json") as file:
        settings = json.load(file)
else:
    settings = {}

for line in open(sys.argv[1], "rb"):
    step = json.loads(line)
    if "do" in step:
        name, command, given = "do", step["do"], b""
    else:
        name = step["hook_event_name"]
        given = bytes.fromhex(step["raw_hex"]) if "raw_hex" in step else line
        groups = settings.get("hooks", {}).get(name)
        if groups is None:
            continue
        command = groups[0]["hooks"][0]["command"]
    done = subprocess.run(["sh", "-c", command], input=given, stdout=subprocess.PIPE)
    print(json.dumps({"step": name, "code": done.returncode, "out": done.stdout.decode()}), flush=True)
