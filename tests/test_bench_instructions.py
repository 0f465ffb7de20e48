"""Instructions of the stages around the network: what is above its budget is named."""

import json

from gpen_webui.bench import instructions


def test_a_stage_more_than_a_tenth_above_its_budget_is_named():
    budget = {"crop": 1000, "blend": 1000}
    assert instructions.compare({"crop": 1099, "blend": 500}, budget) == []
    (words,) = instructions.compare({"crop": 1101, "blend": 500}, budget)
    assert "“crop” takes 1,101 instructions" in words
    assert instructions.compare({"new": 1}, budget)


def test_every_stage_that_is_counted_runs_and_has_a_budget():
    stages = instructions.stages()
    for stage in stages.values():
        stage()
    assert set(stages) == set(json.loads(instructions.BUDGET.read_text(encoding="utf-8")))
