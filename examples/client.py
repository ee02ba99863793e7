"""Ask a running Whence from a program, over the network if need be.

    python app.py                                   # in one terminal
    python examples/client.py --out answer.json     # in another

Generates a picture, asks where the part in the box came from, prints the first five training images of
each method, and saves the whole answer as JSON. Needs gradio_client alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gradio_client import Client, handle_file


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ask a running Whence where a picture came from.")
    parser.add_argument("--server", default="http://127.0.0.1:7860", help="default: %(default)s")
    parser.add_argument("--prompt", default="a motorcycle and a stop sign on a road")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--box", type=float, nargs=4, default=(0.52, 0.3, 0.97, 0.9))
    parser.add_argument("--method", nargs="+", help="default: those that the page has ticked")
    parser.add_argument("--effort", default="refined", help="instant, refined or exhaustive")
    parser.add_argument("--out", type=Path, default=Path("answer.json"))
    return parser.parse_args()


def main() -> None:
    given = arguments()
    client = Client(given.server, verbose=False)
    picture, made = client.predict(
        prompt=given.prompt, seed=given.seed, steps=given.steps, api_name="/generate"
    )
    print(f"{picture}: seed {made['seed']}, {made['steps']} steps, guidance {made['guidance']:g}")
    answer = client.predict(
        picture=handle_file(picture),
        boxes=[list(given.box)],
        methods=given.method,
        effort=given.effort,
        api_name="/attribute",
    )
    for name, found in answer["methods"].items():
        print(f"\n{found['title']} ({name}): {found['candidates']}")
        for line in found["ranking"][:5]:
            error = "" if line["stderr"] is None else f" ± {line['stderr']:.2g}"
            print(f"  {line['rank']}  {line['score']:.4g}{error}  {line['id']}  {line['caption']}")
    given.out.write_text(json.dumps(answer, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\n{given.out}: the whole answer. The page shows it at {given.server}/?run={answer['run']}")


if __name__ == "__main__":
    main()
