#!/usr/bin/env python3
"""catch_game.py COUPLET ROOT RUNTIME: examples/applications/catch.py, the game and its agent: the
rules of the board, and a short training of the library that `couplet build` makes of curl.cpl.
RUNTIME is the folder of libcouplet.so."""
import importlib.util
import os
import random
import re
import subprocess
import sys
import tempfile

import command

couplet, root, runtime = sys.argv[1:4]
check = command.Checks()
program = f"{root}/examples/applications/catch.py"
parts = importlib.util.spec_from_file_location("catch", program)
catch = importlib.util.module_from_spec(parts)
parts.loader.exec_module(catch)

# The rules: a game has seven moves, its reward comes with the last one, and who goes to where the
# ball comes down always catches it.
def lit(picture):
    """The cells of the board that a picture shows, (row, column)."""
    size = catch.PIXELS
    return {((i // size - catch.EDGE) // 2, (i % size - catch.EDGE) // 2) for i,
            v in enumerate(picture) if v}


def landing(game):
    column, side = game.column, game.side
    for _ in range(catch.MOVES - game.row):
        side = -side if not 0 <= column + side < catch.SIDE else side
        column += side
    return column


rewards, whole = [], True
for number in range(200):
    game = catch.Game(random.Random(number))
    for move in range(catch.MOVES):
        goal = landing(game)
        reward, over = game.move(0 if goal < game.paddle else 2 if goal > game.paddle + 1 else 1)
        whole &= over == (move == catch.MOVES - 1) and (over or reward == 0)
        whole &= {(catch.SIDE - 1, game.paddle), (catch.SIDE - 1, game.paddle + 1),
                  (game.row, game.column)} == lit(game.now)
        whole &= (game.row < catch.SIDE and 0 <= game.column < catch.SIDE
                  and 0 <= game.paddle < catch.SIDE - 1)
    rewards.append(reward)
check(whole, "a game has seven moves, and its pictures show ball and paddle")
# some balls fall faster than a paddle crosses the board
check(sum(rewards) / len(rewards) > 0.95, "who knows the way catches the ball", sum(rewards))
away = catch.Game(random.Random(3))
away.column, away.side, away.paddle = 7, 0, 0
check([away.move(0)[0] for _ in range(catch.MOVES)] == [0] * 6 + [-1], "a missed ball is worth -1")
seen, after, action, reward, done = zip(*catch.transitions(28, random.Random(2)))
check(sum(done) == 4 and all(r == 0 or d for r, d in zip(reward, done))
      and all(a[len(a) // 2:] == s[:len(s) // 2] for a, s in zip(seen, after)),
      "the next picture's past is this one's present")

# The agent: a library of the spec, and the same figures for the same seed.
with tempfile.TemporaryDirectory() as folder:
    built = command.run(couplet, "build", f"{root}/examples/applications/curl.cpl", "--emit",
                        "lib", "-o", f"{folder}/catch_agent", "--target", "x86-64-v3", "--set",
                        "width=4")
    if check(built.returncode == 0, "couplet build --emit lib", built.stderr):
        play = lambda *words: subprocess.run([sys.executable, program, *words],
                                             capture_output=True, text=True,
                                             env={**os.environ, "LD_LIBRARY_PATH": runtime})
        first, again, other = (play(f"{folder}/libcatch_agent.so", "20", seed)
                               for seed in ("1", "1", "2"))
        figures = re.findall(r"^(\w+) +(-?[0-9.]+)$", first.stdout, re.MULTILINE)
        check([name for name, _ in figures] == ["guessing", "untrained", "trained"]
              and all(-1 <= float(figure) <= 1 for _, figure in figures),
              f"twenty steps: {figures}", first.stdout + first.stderr)
        check(first.stdout == again.stdout and first.stdout != other.stdout,
              "the same seed plays the same games", again.stdout + other.stdout)
    none = subprocess.run([sys.executable, program], capture_output=True, text=True)
    check(none.returncode == 1 and "LIBRARY" in none.stderr,
          "without a library it says what it needs", none.stderr)
check.finish()
