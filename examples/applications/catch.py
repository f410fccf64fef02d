#!/usr/bin/env python3
"""catch.py LIBRARY [STEPS [SEED]]: plays Catch with the agent of curl.cpl, and trains it on what it
meets.

    couplet build examples/applications/curl.cpl --emit lib -o catch_agent
    LD_LIBRARY_PATH=build/release/runtime python3 examples/applications/catch.py
    ./libcatch_agent.so 4000 1     where libcouplet.so lies

A ball falls from the top of a board and bounces off its sides; a paddle at the bottom moves left,
stays or moves right; catching the ball is worth 1, missing it -1. The agent sees two
pictures, now and one move ago. Printed: the mean reward of a thousand games of a player that
guesses, of the agent before training, every 500 steps, and at the end."""
import ctypes
import random
import sys

# the board in cells of 2 x 2 pixels, the empty pixels around it, the moves of a game
SIDE, EDGE, MOVES = 8, 4, 7
PIXELS = 2 * SIDE + 2 * EDGE
PLAYERS, KEPT, TESTED = 32, 20000, 1000


class Game:
    """One board. `observe` is what the agent sees, [2, PIXELS, PIXELS] bytes."""

    def __init__(self, chance):
        self.chance = chance
        self.begin()

    def begin(self):
        self.row, self.column, self.side = 0, self.chance.randrange(SIDE), self.chance.choice(
            [-1, 0, 1])
        self.paddle = self.chance.randrange(SIDE - 1)
        self.before = self.now = self.picture()

    def picture(self):
        pixels = bytearray(PIXELS * PIXELS)
        for row, column in ((self.row, self.column), (SIDE - 1, self.paddle),
                            (SIDE - 1, self.paddle + 1)):
            for i in range(2):
                at = (EDGE + 2 * row + i) * PIXELS + EDGE + 2 * column
                pixels[at:at + 2] = b"\xff\xff"
        return bytes(pixels)

    def observe(self):
        return self.before + self.now

    def move(self, action):
        """The reward of 0: left, 1: stay, 2: right; and whether the game is over."""
        self.paddle = min(SIDE - 2, max(0, self.paddle + action - 1))
        if not 0 <= self.column + self.side < SIDE:
            self.side = -self.side
        self.row, self.column = self.row + 1, self.column + self.side
        self.before, self.now = self.now, self.picture()
        if self.row < MOVES:
            return 0.0, False
        return 1.0 if self.paddle <= self.column <= self.paddle + 1 else -1.0, True


def transitions(count, chance):
    """(picture, next picture, action, reward, done) of a player that guesses."""
    game = Game(chance)
    for _ in range(count):
        seen, action = game.observe(), chance.randrange(3)
        reward, over = game.move(action)
        yield seen, game.observe(), action, reward, float(over)
        if over:
            game.begin()


class Options(ctypes.Structure):
    _fields_ = [("threads", ctypes.c_int), ("seed", ctypes.c_uint64),
                ("total_steps", ctypes.c_int64), ("steps_per_epoch", ctypes.c_int64),
                ("arena", ctypes.c_void_p), ("arena_bytes", ctypes.c_size_t)]


class Input(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.c_void_p), ("count", ctypes.c_int64)]


class Agent:
    """The method of the library, as couplet.h describes it."""

    def __init__(self, path, steps, seed):
        self.library = ctypes.CDLL(path)
        self.library.couplet_model_error.restype = ctypes.c_char_p
        self.library.couplet_method_batch.restype = ctypes.c_int64
        self.library.couplet_model_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p,
                                                     ctypes.c_int64, ctypes.c_void_p]
        method, self.model, said = (ctypes.byref(ctypes.c_char.in_dll(self.library,
                                                                      "couplet_curl")),
                                    ctypes.c_void_p(), ctypes.create_string_buffer(256))
        options = Options(1, seed, steps, 0, None, 0)
        if self.library.couplet_model_new(method, ctypes.byref(options), ctypes.byref(self.model),
                                          said, ctypes.c_size_t(256)):
            sys.exit(said.value.decode())
        self.batch = self.library.couplet_method_batch(method)

    def must(self, status):
        if status:
            sys.exit(self.library.couplet_model_error(self.model).decode())

    def actions(self, pictures):
        """The best action of each, by its worth."""
        worth = (ctypes.c_float * (3 * len(pictures)))()
        self.must(self.library.couplet_model_embed(self.model, b"".join(pictures), len(pictures),
                                                   worth))
        return [max(range(3), key=lambda a: worth[3 * i + a]) for i in range(len(pictures))]

    def step(self, rows):
        seen, after, action, reward, done = zip(*rows)
        n, loss = len(rows), ctypes.c_float()
        arrays = [(b"replay.image", b"".join(seen)), (b"replay.next", b"".join(after)),
                  (b"replay.action", (ctypes.c_int * n)(*action)),
                  (b"replay.reward", (ctypes.c_float * n)(*reward)),
                  (b"replay.done", (ctypes.c_float * n)(*done)),
                  (b"replay.index", (ctypes.c_int * n)(*range(n)))]
        given = (Input * len(arrays))(*[Input(name, ctypes.cast(data, ctypes.c_void_p), len(data))
                                        for name, data in arrays])
        self.must(self.library.couplet_model_step(self.model, given, len(arrays),
                                                  ctypes.byref(loss)))
        return loss.value


def tested(choose, seed=7):
    """The mean reward of TESTED games that begin alike for every player."""
    games = [Game(random.Random(seed + i)) for i in range(TESTED)]
    for _ in range(MOVES):
        rewards = [game.move(action)[0] for game,
                   action in zip(games, choose([game.observe() for game in games]))]
    return sum(rewards) / TESTED


def main(path, steps=3000, seed=1):
    chance, agent = random.Random(seed), Agent(path, steps, seed)
    games, kept = [Game(random.Random(1000 * seed + i)) for i in range(PLAYERS)], []
    print(f"guessing     {tested(lambda seen: [chance.randrange(3) for _ in seen]):.3f}")
    print(f"untrained    {tested(agent.actions):.3f}", flush=True)
    for step in range(steps):
        bold = max(0.05, 1 - 2 * step / steps) # the share of actions that are guessed
        seen = [game.observe() for game in games]
        for i, (game, action) in enumerate(zip(games, agent.actions(seen))):
            action = chance.randrange(3) if chance.random() < bold else action
            reward, over = game.move(action)
            kept.append((seen[i], game.observe(), action, reward, float(over)))
            if over:
                game.begin()
        kept = kept[-KEPT:]
        agent.step([chance.choice(kept) for _ in range(agent.batch)])
        if (step + 1) % 500 == 0 and step + 1 < steps:
            print(f"step {step + 1:<7} {tested(agent.actions):.3f}", flush=True)
    print(f"trained      {tested(agent.actions):.3f}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:4]))
