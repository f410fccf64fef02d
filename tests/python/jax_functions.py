"""jax_functions.py ROOT: formulas as functions of JAX arrays."""
import os
import resource
import subprocess
import sys
import tempfile
import unittest

import jax
import jax.numpy as jnp
import numpy as np

import couplet

sys.argv.pop()
folder = tempfile.TemporaryDirectory()
os.environ["COUPLET_CACHE"] = folder.name
PATH = os.path.join(folder.name, "mine.cpl")
with open(PATH, "w") as made:
    made.write("""hyper scale = 1 | scale > 0
fn pairs(x[N, D], y[N, D], tau = 0.5) =
  scale * (mean[i] (-dot(x[i], y[i]) / tau + log(sum[j] exp(dot(x[i], y[j]) / tau))))
fn same(x[N, D], c : int[N], w : bool[N]) = mean[i, j | c[i] == c[j] and w[i]] dot(x[i], x[j])
fn rows(x[N, D]) = normalise(x)
fn power(x[N], k : int = 2) = sum[i] x[i]^k
""")
rng = np.random.default_rng(5)


def draw(n, d):
    return tuple(jnp.asarray(rng.normal(size=(n, d)), jnp.float32) for _ in range(2))


def wanted(x, y, tau=0.5):
    s = x @ y.T / tau
    return jnp.mean(jax.nn.logsumexp(s, axis=1) - jnp.diag(s))


class Functions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.loss = staticmethod(couplet.jax.loss(PATH, "pairs"))

    def near(self, found, want, tolerance=1e-5):
        scale = max(0.1, float(jnp.abs(want).max()))
        self.assertLess(float(jnp.abs(found - want).max()), tolerance * scale)

    def test_value_and_gradients(self):
        for n, d in ((1, 1), (9, 4), (130, 33)):
            x, y = draw(n, d)
            for compiled in (lambda f: f, jax.jit):
                ask = dict(argnums=(0, 1, 2))
                found = compiled(jax.value_and_grad(self.loss, **ask))(x, y, 0.7)
                want = jax.value_and_grad(wanted, **ask)(x, y, 0.7)
                for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(want)):
                    self.near(a, b)

    def test_within_a_function(self):
        x, y = draw(20, 6)
        net = jnp.asarray(rng.normal(size=(6, 5)), jnp.float32)

        def step(loss, net):
            return 3 * loss(jnp.tanh(x @ net), y @ net) ** 2

        found = jax.jit(jax.grad(lambda n: step(self.loss, n)))(net)
        self.near(found, jax.grad(lambda n: step(wanted, n))(net))

    def test_only_what_is_asked_for(self):
        x, y = draw(6, 3)
        loss = couplet.jax.loss(PATH, "pairs", tau=0.3, scale=2)
        self.near(jax.grad(loss, argnums=1)(x, y), 2 * jax.grad(wanted, argnums=1)(x, y, 0.3))
        text = str(jax.make_jaxpr(jax.grad(loss, argnums=1))(x, y))
        self.assertRegex(text, r"\w+:f32\[\] \w+:f32\[6,3\] = ffi_call")
        self.near(loss(x, y), 2 * wanted(x, y, 0.3))

    def test_kinds(self):
        x, y = draw(8, 4)
        half = x.astype(jnp.bfloat16)
        found = jax.grad(self.loss)(half, y)
        self.assertEqual(found.dtype, jnp.bfloat16)
        loss = couplet.jax.loss(PATH, "same")
        c, w = jnp.array([0, 1, 0, 2, 1, 0, 2, 2]), jnp.array([1, 0, 1, 1, 1, 0, 1, 1], bool)

        def by_hand(x):
            chosen = (c[:, None] == c) & w[:, None]
            return jnp.sum(chosen * (x @ x.T)) / jnp.sum(chosen)

        self.near(jax.jit(loss)(x, c, w), by_hand(x))
        self.near(jax.grad(loss)(x, c, w), jax.grad(by_hand)(x))
        power = couplet.jax.loss(PATH, "power", k=3)
        self.near(jax.grad(power)(x[0]), 3 * x[0] ** 2)
        self.near(couplet.jax.loss(PATH, "power")(x[0], jnp.array(3)), (x[0] ** 3).sum())

    def test_whole_numbers_that_do_not_fit(self):
        x, _ = draw(4, 3)
        loss, mask = couplet.jax.loss(PATH, "same"), jnp.ones(4, bool)
        for kind in (jnp.uint8, jnp.int16, jnp.uint32):
            c = jnp.array([0, 1, 0, 2], kind)
            self.near(jax.jit(loss)(x, c, mask), loss(x, c.astype(jnp.int32), mask))
        wide = np.array([0, 2**32, 1, 0])  # as int32 the second would be 0
        with self.assertRaisesRegex(couplet.CoupletError, r"c\[1\] is 4294967296, and whole"):
            loss(x, wide, mask)
        wide = jnp.array([1, 2, 2**32 - 1, 0], jnp.uint32)
        for ask in (loss, jax.jit(loss), jax.grad(loss)):
            with self.assertRaisesRegex(Exception, r"c\[2\] is 4294967295, and whole"):
                jax.block_until_ready(ask(x, wide, mask))

    def test_vmap(self):
        x, y = draw(12, 4)
        several = x.reshape(3, 4, 4), y.reshape(3, 4, 4)
        self.near(jax.vmap(self.loss)(*several), jax.vmap(wanted)(*several))

    def test_an_end_in_the_middle(self):
        text = """import jax, couplet, sys
loss = jax.jit(jax.value_and_grad(couplet.jax.loss(sys.argv[1], "pairs")))
x, y = jax.random.normal(jax.random.PRNGKey(0), (2, 40000, 128))
found = loss(x, y)
print("begun")
"""
        started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        done = subprocess.run([sys.executable, "-c", text, PATH], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, "begun\n"), done.stderr)
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - started, 60)

    def test_mistakes(self):
        x, y = draw(6, 3)
        with self.assertRaisesRegex(couplet.CoupletError, "axis 1 of `y` has 5") as raised:
            jax.jit(self.loss)(x, y[:5])
        self.assertEqual((raised.exception.code, raised.exception.line), ("E208", 2))
        with self.assertRaisesRegex(couplet.CoupletError, "did you mean `tau`?"):
            self.loss(x, y, tua=2)
        with self.assertRaisesRegex(TypeError, "made of reals"):
            self.loss(x.astype(int), y)
        with self.assertRaisesRegex(couplet.CoupletError, "`rows` gives an array"):
            couplet.jax.loss(PATH, "rows")(x)
        with self.assertRaisesRegex(AttributeError, "did you mean `pairs`?"):
            couplet.jax.loss(PATH, "pears")
        with self.assertRaisesRegex(Exception, r"x\[1, 2\] is nan"):
            jax.block_until_ready(self.loss(x.at[1, 2].set(jnp.nan), y))
        for twice in (jax.hessian(self.loss), jax.jit(jax.hessian(self.loss)),
                      jax.grad(lambda x, y: jnp.sum(jax.grad(self.loss)(x, y) ** 2))):
            with self.assertRaisesRegex(couplet.CoupletError, "`pairs` has .* no second deriv"):
                twice(x, y)
        with self.assertRaisesRegex(TypeError, "`c` holds whole numbers, and an array of bool"):
            couplet.jax.loss(PATH, "same")(x, x[:, 0] > 0, x[:, 0] > 0)
        with self.assertRaisesRegex(TypeError, "`scale` is a number, and str was given"):
            couplet.jax.loss(PATH, "pairs", scale="a")


unittest.main()
