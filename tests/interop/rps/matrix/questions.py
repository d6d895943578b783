"""Many questions on standard input as a JSON list, as many answers on standard output."""

import json
import sys
from collections.abc import Callable


def answer_all(verify: Callable[..., None]) -> None:
    answers = []
    for question in json.load(sys.stdin):
        try:
            verify(**question)
            answers.append({"accepted": True, "error": None})
        except Exception as refusal:
            answers.append({"accepted": False, "error": f"{type(refusal).__name__}: {refusal}"[:300]})
    print(json.dumps(answers))
