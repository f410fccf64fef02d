#!/usr/bin/env python3
"""step_order.py COUPLET ROOT [FIRST COUNT]: methods drawn at random, against a model of a run in
plain Python: the order of a step, phases and stages, what stands between epochs, queues, averages,
optimisers, what is frozen or clipped, evaluations over time; in one piece and resumed.

The methods have few numbers and the data are ones, so that the model is short and nothing depends
on the order of the samples. FIRST and COUNT choose others than the forty of the test suite."""
import math
import random
import struct
import sys
import tempfile
import zipfile

import command

couplet = sys.argv[1]
first, count = map(int, sys.argv[3:5]) if sys.argv[3:] else (0, 40)
check = command.Checks()
ROWS, TOLERANCE = 12, 1e-4
STATES = "s0", "s1", "s2"
CLOCK = ["step", "steps", "epoch"]
NET = """net holder(start)(x[N, D]) {
  param P = start
  let y[n, d] = P * x[n, d]
  return y
}
net a = holder(0.3)
net b = copy a
let ya = a(train.x), yb = stop(b(train.x))
let A = mean[n, d] ya[n, d], B = mean[n, d] yb[n, d]
"""


class Formula:
    """A formula as text, and its value in a dictionary of names."""

    def __init__(self, text, value):
        self.text, self.value = text, value

    def __call__(self, names):
        return self.value(names)


def number(x):
    return Formula(f"{x}" if x >= 0 else f"({x})", lambda at: x)


def name(key):
    if key in CLOCK:
        return Formula(f"(0.1 * real({key}))", lambda at: 0.1 * at[key])
    return Formula(key, lambda at: at[key])


def binary(op, a, b):
    value = {"+": lambda at: a(at) + b(at), "-": lambda at: a(at) - b(at),
             "*": lambda at: a(at) * b(at), "min": lambda at: min(a(at), b(at)),
             "max": lambda at: max(a(at), b(at))}[op]
    return Formula(f"{op}({a.text}, {b.text})" if op in ("min", "max") else
                   f"({a.text} {op} {b.text})", value)


def tanh(a):
    return Formula(f"tanh({a.text})", lambda at: math.tanh(a(at)))


def choice(condition, a, b):
    return Formula(f"(if {condition.text} then {a.text} else {b.text})",
                   lambda at: a(at) if condition(at) else b(at))


def between(low, high, a):
    """A formula with values from low to high, of one with any."""
    half = (high - low) / 2
    return Formula(f"({low + half} + {half} * tanh({a.text}))",
                   lambda at: low + half + half * math.tanh(a(at)))


def negated(condition):
    return Formula(f"not ({condition.text})", lambda at: not condition(at))


class Drawn:
    """A method: its text, and its parts as the model of a run reads them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.stages = [None] if self.chance(0.5) else ["one", "two", "three"][:self.whole(2, 3)]
        self.batch = self.random.choice([2, 3, 4, 6])
        self.lines = ["use optim", "data train = data.arrays(\"x.npz\") { x : real[2] }",
                      "hyper h = 0.5, hb = true"]
        self.draw_starts()
        self.lines.append(NET)
        self.draw_queue()
        self.draw_forward()
        self.losses, self.updates, self.averages, self.between = [], [], [], []
        self.draw_branches()
        for _ in range(self.whole(0, 2)):
            self.draw_between(None, "")
        self.draw_evaluation()
        self.draw_training()
        self.text = "\n".join(self.lines) + "\n"

    def chance(self, p):
        return self.random.random() < p

    def whole(self, low, high):
        return self.random.randint(low, high)

    def condition(self, names):
        k = self.random.random()
        if "epoch" in names and k < 0.3:
            n = self.whole(0, 3)
            return Formula(f"epoch >= {n}", lambda at: at["epoch"] >= n)
        if "step" in names and k < 0.5:
            n = self.whole(0, 7)
            return Formula(f"step < {n}", lambda at: at["step"] < n)
        if "stage" in names and self.stages[0] and k < 0.7:
            stage = self.random.choice(self.stages)
            return Formula(stage, lambda at: at["stage"] == stage)
        return Formula("hb", lambda at: at["hb"])

    def formula(self, names, depth=0):
        k = self.random.random()
        if depth == 3 or k < 0.35:
            key = self.random.choice([n for n in names if n != "stage"] + [None])
            return name(key) if key else number(round(self.random.uniform(-1, 1), 2))
        a, b = self.formula(names, depth + 1), self.formula(names, depth + 1)
        op = self.random.choice(["+", "-", "*", "min", "max", "tanh", "if"])
        if op == "tanh":
            return tanh(a)
        return choice(self.condition(names), a, b) if op == "if" else binary(op, a, b)

    def bounded(self, names):
        return tanh(self.formula(names))

    # ---- what a run keeps ----

    def draw_starts(self):
        self.starts = {state: self.bounded(["h"]) for state in STATES}
        self.lines += [f"state {state} = {start.text}" for state, start in self.starts.items()]
        self.let_of_hypers = self.bounded(["h"])
        self.lines += [f"let lh = {self.let_of_hypers.text}",
                       "param p = 2 * lh - 0.1, q = 0.25"]

    def draw_queue(self):
        self.length = self.random.choice([self.batch, self.batch + 1, 5 * self.batch // 2 + 1])
        self.read_after = self.chance(0.3)
        self.pushed = self.bounded(["s0", "h", "lh", "step", "epoch", "stage"])
        after = " read after push" if self.read_after else ""
        self.lines += [f"let column[n] = {self.pushed.text} * train.x[n, 0]",
                       f"queue Q[{self.length}] {{ v <- column }}{after}",
                       "let G = (mean[j | filled(Q, j)] Q.v[j] else 0.5)",
                       "let H = sum[j] Q.v[j]"]

    def draw_forward(self):
        """Values of the forward pass, without a gradient: E0 and E1 of states, F of all."""
        self.names = [*STATES, "h", "lh", *CLOCK, "stage"]
        self.forward = {"E0": self.bounded(self.names + ["B", "G", "H"])}
        self.forward["E1"] = self.bounded(self.names + ["E0"])
        self.forward["F"] = self.bounded(self.names + ["E0", "E1", "p", "q", "A"])
        self.lines += [f"let {key} = stop({value.text})" for key, value in self.forward.items()]

    # ---- what a step does ----

    def draw_branches(self):
        kinds = ["none", "epoch", "step"] + (["stage"] if self.stages[0] else [])
        kind = self.random.choice(kinds)
        if kind == "none":
            self.draw_branch(None, "")
            return
        n, stage = self.whole(1, 8), self.random.choice(self.stages)
        condition = {"epoch": Formula(f"epoch >= {n % 4}", lambda at: at["epoch"] >= n % 4),
                     "step": Formula(f"step < {n}", lambda at: at["step"] < n),
                     "stage": Formula(stage, lambda at: at["stage"] == stage)}[kind]
        self.lines.append(f"when {condition.text} {{")
        self.draw_branch(condition, "  ")
        self.lines.append("} else {")
        self.draw_branch(negated(condition), "  ")
        self.lines.append("}")

    def draw_branch(self, condition, margin):
        weights = [round(self.random.uniform(0.2, 1), 2) for _ in range(3)]
        self.lines.append(f"{margin}loss A * E0 + {weights[0]} / 2 * A^2 + p * E1 + "
                          f"{weights[1]} / 2 * p^2 + q * F + {weights[2]} / 2 * q^2")
        self.losses.append((condition, weights))
        for target in *STATES, "p":
            if self.chance(0.8):
                self.draw_update(condition, target, margin)
        if self.chance(0.7):
            rate = between(0, 1, self.formula(["h", *CLOCK, "stage"]))
            before = self.chance(0.4)
            self.lines.append(f"{margin}ema b <- a rate {rate.text}" +
                              (" before forward" if before else ""))
            self.averages.append((condition, rate, before))
        if self.chance(0.3):
            self.draw_between(condition, margin)

    def draw_update(self, condition, target, margin):
        new = [] if target == "p" else [f"new({s})" for s in STATES if s < target]
        value = self.bounded(self.names + ["p", "q", "E0", "F", "A", "B"] + new)
        self.lines.append(f"{margin}update {target} <- {value.text}")
        self.updates.append((condition, target, value))

    def draw_between(self, condition, margin):
        unit, every = self.random.choice(["epochs", "steps"]), self.whole(1, 4)
        every = max(every, 2 if unit == "steps" else 1)
        work = []
        for _ in range(self.whole(1, 3)):
            value = self.bounded([*STATES, "h", "p", "q", *CLOCK, "stage"])
            target = self.random.choice([*STATES, None, None])
            report = f"r{len(self.between)}_{len(work)}"
            work.append((target, report, value))
        head = f"every {every} {unit}" if every > 1 else "every epoch"
        self.lines.append(f"{margin}{head} {{")
        self.lines += [f"{margin}  update {target} <- {value.text}" if target else
                       f"{margin}  report {report} = {value.text}"
                       for target, report, value in work]
        self.lines.append(f"{margin}}}")
        self.between.append((condition, unit, every, work))

    def draw_evaluation(self):
        self.evaluated = self.bounded([*STATES, "h", "p", "q", *CLOCK])
        self.measured = self.random.choice([None, ("epochs", 1), ("epochs", 2), ("steps", 3)])
        words = {None: "", ("epochs", 1): "every epoch "}.get(self.measured)
        if words is None:
            words = "every {} {} ".format(*reversed(self.measured))
        self.lines.append(f"eval {words}{{ report last = {self.evaluated.text} }}")

    def draw_rule(self):
        rate = between(0, 0.1, self.formula(["h", *CLOCK, "stage"]))
        kind = self.random.choice(["sgd", "sgd", "adam"])
        momentum, decay = self.random.choice([0, 0.5, 0.9]), self.random.choice([0, 0.1])
        given = f"momentum = {momentum}, " if kind == "sgd" else ""
        return (f"optimiser optim.{kind}(lr = {rate.text}, {given}decay = {decay})",
                (kind, rate, momentum, decay))

    def draw_training(self):
        text, rest = self.draw_rule()
        self.rule = dict.fromkeys(("a", "p", "q"), (0, rest))
        if self.chance(0.5):
            other, rule = self.draw_rule()
            text = f"{other} on p, a\n  {text} on rest"
            self.rule.update(a=(1, rule), p=(1, rule))
        self.clip = self.random.choice([None, None, 0.05, 0.5])
        text += f"\n  clip {self.clip}" if self.clip else ""
        self.frozen, self.frozen_steps = self.random.choice([None, "a", "p", "q"]), self.whole(1, 5)
        if self.frozen:
            text += f"\n  freeze {self.frozen} while step < {self.frozen_steps}"
        self.epochs = {stage: self.random.choice([1, 1.5, 2, 3]) for stage in self.stages}
        if self.stages[0]:
            self.lines += [f"stage {stage} {{ epochs {n} }}" for stage, n in self.epochs.items()]
        own = "" if self.stages[0] else f"epochs {self.epochs[None]}, "
        self.lines.append(f"train {{\n  {own}batch {self.batch}\n  {text}\n}}")


class Run:
    """A run of a drawn method, as docs/language.md has it: "What happens in a step, in order"."""

    def __init__(self, method, hypers):
        self.method, self.known = method, dict(hypers)
        self.kept = {state: start(self.known) for state, start in method.starts.items()}
        self.known["lh"] = method.let_of_hypers(self.known)
        self.kept.update(p=2 * self.known["lh"] - 0.1, q=0.25, a=0.3, b=0.3)
        self.moments = {}
        self.queue, self.head = [None] * method.length, 0
        self.losses, self.reports = [], []
        self.epoch_steps = ROWS // method.batch
        stages = [(stage, int(n * self.epoch_steps)) for stage, n in method.epochs.items()]
        self.clock = {"stage": stages[0][0], "step": 0, "steps": stages[0][1], "epoch": 0}
        self.evaluate()
        for number, (stage, steps) in enumerate(stages):
            for step in range(steps):
                self.set_clock(stage, step, steps)
                self.work_between()
                self.step()
                self.set_clock(stage, step + 1, steps)
                is_last = number == len(stages) - 1 and step == steps - 1
                if is_last or (method.measured and self.is_due(*method.measured)):
                    self.evaluate()

    def set_clock(self, stage, step, steps):
        self.clock = {"stage": stage, "step": step, "steps": steps,
                      "epoch": step // self.epoch_steps}

    def names(self):
        return {**self.known, **self.clock, **self.kept}

    def evaluate(self):
        self.reports.append(self.method.evaluated(self.names()))

    def is_due(self, unit, every):
        step, epoch = self.clock["step"], self.clock["epoch"]
        if unit == "steps":
            return step % every == 0
        return step % self.epoch_steps == 0 and epoch % every == 0

    def work_between(self):
        for condition, unit, every, work in self.method.between:
            if not self.is_due(unit, every) or (condition and not condition(self.names())):
                continue
            for target, _, value in work:
                found = value(self.names())
                if target:
                    self.kept[target] = found
                else:
                    self.reports.append(found)

    def averaged(self, at, kept, before):
        for condition, rate, is_before in self.method.averages:
            if is_before == before and (condition is None or condition(at)):
                m = rate(at)
                return m * self.kept["b"] + (1 - m) * kept["a"]
        return kept["b"]

    def push(self, at):
        rows = list(self.queue)
        for i in range(self.method.batch):
            rows[(self.head + i) % len(rows)] = self.method.pushed(at)
        return rows

    def forward(self):
        at = self.names()
        self.kept["b"] = self.averaged(at, self.kept, True)
        at.update(A=self.kept["a"], B=self.kept["b"])
        pushed = self.push(at)
        filled = [x for x in (pushed if self.method.read_after else self.queue) if x is not None]
        at.update(G=sum(filled) / len(filled) if filled else 0.5, H=sum(filled))
        for key, value in self.method.forward.items():
            at[key] = value(at)
        return at, pushed

    def gradients(self, at):
        weights = next(w for c, w in self.method.losses if c is None or c(at))
        self.losses.append(sum(at[key] * at[factor] + w / 2 * at[key] ** 2 for key, factor, w in
                               zip(("A", "p", "q"), ("E0", "E1", "F"), weights)))
        found = {"a": at["E0"] + weights[0] * at["A"], "p": at["E1"] + weights[1] * at["p"],
                 "q": at["F"] + weights[2] * at["q"]}
        if at["step"] < self.method.frozen_steps:
            found.pop(self.method.frozen, None)
        norm = math.sqrt(sum(x * x for x in found.values()))
        scale = min(1, (self.method.clip or math.inf) / norm) if norm else 1
        return {key: x * scale for key, x in found.items()}

    def optimised(self, at):
        after = dict(self.kept)
        for key, gradient in self.gradients(at).items():
            number, (kind, rate, momentum, decay) = self.method.rule[key]
            u = gradient + decay * self.kept[key]
            m, v, t = self.moments.get((number, key), (0, 0, 0))
            if kind == "sgd":
                m = momentum * m + u
                after[key] -= rate(at) * m
            else:
                m, v, t = 0.9 * m + 0.1 * u, 0.999 * v + 0.001 * u * u, t + 1
                root = math.sqrt(v / (1 - 0.999 ** t)) + 1e-8
                after[key] -= rate(at) * (m / (1 - 0.9 ** t)) / root
            self.moments[number, key] = m, v, t
        return after

    def step(self):
        at, pushed = self.forward()
        after = self.optimised(at)
        updates = [(target, value) for condition, target, value in self.method.updates
                   if condition is None or condition(at)]
        at.update(p=after["p"], q=after["q"])
        for target, value in updates:
            if target == "p":
                after["p"] = value(at)
        at["p"] = after["p"]
        after["b"] = self.averaged(at, after, False)
        for state in STATES:
            after[state] = next((value(at) for target, value in updates if target == state),
                                self.kept[state])
            at[f"new({state})"] = after[state]
        self.kept, self.queue = after, pushed
        self.head = (self.head + self.method.batch) % len(pushed)


def write_ones(path):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({ROWS}, 2), }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", array + struct.pack("<f", 1) * ROWS * 2)


def ran(spec, out, hypers, stop):
    """Trains, stopping once behind the step `stop`, unless it is 0. Returns what the log has."""
    words = [couplet, "train", spec, "--out", out, "--quiet"]
    for key, value in hypers.items():
        words += ["--set", f"{key}={str(value).lower()}"]
    if stop:
        command.run(*words, "--max-steps", stop)
    done = command.run(*words, *(["--resume"] if stop else []))
    return done, command.rows(out + "/metrics.jsonl") if done.returncode == 0 else []


def reported(rows):
    for row in rows:
        if "value" in row:
            yield row["value"]
        else:
            yield from (x for key, x in row.items() if key[0] == "r" and key[1].isdigit())


def differs(found, wanted):
    if len(found) != len(wanted):
        return f"{len(found)} of {len(wanted)}"
    away = [(i, a, b) for i, (a, b) in enumerate(zip(found, wanted))
            if not abs(a - b) <= TOLERANCE * max(1, abs(b))]
    return "number {}: {}, expected {}".format(*away[0]) if away else ""


def tried(seed, folder):
    """Says where a drawn method's run differs from the model; "" if nowhere."""
    method, drawn = Drawn(seed), random.Random(seed + 1000003)
    hypers = {"h": drawn.choice([0.5, 0.9, -0.3]), "hb": drawn.random() < 0.5}
    model = Run(method, hypers)
    stop = drawn.choice([0, 0, drawn.randrange(1, max(2, len(model.losses)))])
    spec = command.write(f"{folder}/m{seed}.cpl", method.text)
    done, rows = ran(spec, f"{folder}/run{seed}", hypers, stop)
    if done.returncode:
        return done.stderr + method.text
    arrays = command.arrays(f"{folder}/run{seed}")
    keys = {**{key: key for key in (*STATES, "p", "q")}, "a": "a.P", "b": "b.P"}
    kept = [key for key in keys if keys[key] in arrays]
    faults = {"losses": differs([row["loss"] for row in rows if "loss" in row], model.losses),
              "reports": differs(list(reported(rows)), model.reports),
              "states": differs([arrays[keys[key]][0] for key in kept],
                                [model.kept[key] for key in kept])}
    said = [f"{key}: {fault}" for key, fault in faults.items() if fault]
    return "\n".join([*said, f"{hypers}, stopped after {stop}", method.text]) if said else ""


with tempfile.TemporaryDirectory() as folder:
    write_ones(folder + "/x.npz")
    for seed in range(first, first + count):
        fault = tried(seed, folder)
        check(not fault, f"method {seed}", fault)
check.finish()
