"""formulas.py ROOT: formulas as functions of numpy arrays."""
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import numpy as np

import couplet
from couplet._arrays import array_of

sys.argv.pop()
folder = tempfile.TemporaryDirectory()
os.environ["COUPLET_CACHE"] = folder.name

TEXT = """# For the tests.
use losses
hyper scale = 1 | scale > 0
fn pairs(x[N, D], y[N, D], tau = 0.5) =
  scale * (mean[i] (-dot(x[i], y[i]) / tau + log(sum[j] exp(dot(x[i], y[j]) / tau))))
fn same(x[N, D], c : int[N], w : bool[N]) = mean[i, j | c[i] == c[j] and w[i]] dot(x[i], x[j])
fn nearest(x[N, D], k : int = 1) {
  let best[i, r < k] = topk[d, r] x[i, d]
  return sum[i, r] x[i, best[i, r]]
}
fn at(x[N], c : int[M]) = sum[m] x[c[m]]^2
fn soft(x[N], m[N]) = log(sum[i] exp(x[i] + m[i]))
fn features(x[N, D]) = normalise(x)
"""
rng = np.random.default_rng(7)


def arrays(n, d, dtype=np.float32):
    return rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(n, d)).astype(dtype)


def pairs(x, y, tau):
    s = x.astype(np.float64) @ y.astype(np.float64).T / tau
    top = s.max(1, keepdims=True)
    return float((np.log(np.exp(s - top).sum(1)) + top[:, 0] - np.diag(s)).mean())


def pairs_grad(x, y, tau):
    x, y = x.astype(np.float64), y.astype(np.float64)
    s = x @ y.T / tau
    p = np.exp(s - s.max(1, keepdims=True))
    p = p / p.sum(1, keepdims=True) - np.eye(len(x))
    return p @ y / tau / len(x), p.T @ x / tau / len(x), float((-p * s).sum() / tau / len(x))


def close(test, found, wanted, tolerance=1e-5):
    scale = np.abs(wanted).max()
    test.assertLess(np.abs(found - wanted).max(), tolerance * scale)


class Formulas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.f = couplet.load_text(TEXT, "made.cpl")

    def refused(self, code, words, function, *args, **kwargs):
        with self.assertRaises(couplet.CoupletError) as raised:
            function(*args, **kwargs)
        error = raised.exception
        self.assertEqual(error.code, code, error)
        self.assertIn(words, str(error))
        return error

    # ---- values ------------------------------------------------------------------------------

    def test_value_and_gradients(self):
        for n, d in ((1, 1), (2, 3), (33, 17), (300, 40)):
            x, y = arrays(n, d)
            value, gradients = self.f.pairs.value_and_grad(x, y, tau=0.7)
            self.assertEqual(list(gradients), ["x", "y"])
            self.assertAlmostEqual(value, pairs(x, y, 0.7), delta=1e-5 * (1 + abs(value)))
            self.assertEqual(value, self.f.pairs(x, y, tau=0.7))
            if n > 1:
                by_x, by_y, _ = pairs_grad(x, y, 0.7)
                close(self, gradients["x"], by_x)
                close(self, gradients["y"], by_y)

    def test_chosen_gradients(self):
        x, y = arrays(8, 5)
        _, gradients = self.f.pairs.value_and_grad(x, y, 0.7, wrt=["y", "tau"])
        self.assertEqual(sorted(gradients), ["tau", "y"])
        self.assertEqual(gradients["tau"].shape, ())
        close(self, gradients["tau"], pairs_grad(x, y, 0.7)[2])
        self.assertEqual(list(self.f.pairs.grad(x, y, wrt="x")), ["x"])
        with self.assertRaisesRegex(TypeError, "no gradient for `z`: it has some for x, y"):
            self.f.pairs.value_and_grad(x, y, wrt="z")
        with self.assertRaisesRegex(TypeError, "no gradient for `c`"):
            self.f.same.value_and_grad(x, np.zeros(8, int), np.ones(8, bool), wrt="c")

    def test_another_number_compiles_nothing(self):
        x, y = arrays(9, 4)
        f = couplet.load_text(TEXT, "made.cpl").pairs
        for tau in (0.1, 0.2, 0.3, np.float32(0.4), np.array(0.5), 1, np.int64(2), np.array(3)):
            self.assertAlmostEqual(f(x, y, tau=tau), pairs(x, y, float(tau)), places=4)
        self.assertEqual(len(f._kernels), 1)
        f(*arrays(10, 4))
        self.assertEqual(len(f._kernels), 2)

    def test_few_shapes_are_kept(self):
        f, most = couplet.load_text(TEXT, "made.cpl").pairs, couplet._formula.MOST_KEPT
        couplet._formula.MOST_KEPT = 2
        try:
            values = [f(*[a[:n] for a in arrays(9, 4)]) for n in (7, 8, 9)]
        finally:
            couplet._formula.MOST_KEPT = most
        self.assertEqual(len(f._kernels), 2)
        self.assertTrue(np.isfinite(values).all())
        most, couplet._formula.MOST_BYTES = couplet._formula.MOST_BYTES, 1
        try:
            f(*arrays(5, 4))
        finally:
            couplet._formula.MOST_BYTES = most
        self.assertEqual(len(f._kernels), 1)

    def test_memory_is_given_back(self):
        def held():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096

        x, y = arrays(100, 50)
        f = couplet.load_text(TEXT, "made.cpl").pairs
        f.value_and_grad(x, y)
        before = held()
        for _ in range(2000):
            f.value_and_grad(x, y)
        self.assertLess(held() - before, 10 << 20)

    def test_memory_is_read_where_it_lies(self):
        x, y = arrays(6, 4)
        slots = self.f.pairs._slots((x, y), {})
        self.assertEqual([s.address for s in slots], [x.ctypes.data, y.ctypes.data])
        wide = np.zeros(6 * 4 + 1, np.float32)[1:].reshape(6, 4)  # not aligned to 16 bytes
        wide[:] = x
        self.assertEqual(self.f.pairs(wide, y), self.f.pairs(x, y))
        before = x.copy(), y.copy()
        self.f.pairs.value_and_grad(x, y)
        np.testing.assert_array_equal(x, before[0])
        np.testing.assert_array_equal(y, before[1])

    def test_kinds_and_layouts(self):
        x, y = arrays(12, 6)
        want = self.f.pairs(x, y)
        both = np.zeros((12, 12), np.float32)
        both[:, ::2] = x
        for same in (x.astype(np.float64), np.asfortranarray(x), both[:, ::2], x.astype(">f4")):
            self.assertEqual(self.f.pairs(same, y), want)
        half = x.astype(np.float16)
        self.assertEqual(self.f.pairs(half, y), self.f.pairs(half.astype(np.float32), y))
        self.assertEqual(self.f.pairs([[1, 2]], [[3.0, 4]]), 0)
        bytes_of = b"-" + x.tobytes()
        odd = np.frombuffer(bytes_of, np.float32, x.size, 1).reshape(x.shape)
        self.assertFalse(odd.flags.aligned)
        self.assertEqual(self.f.pairs(odd, y), want)
        self.assertIs(array_of(x, self.f.pairs.parameters[0]), x)
        x.flags.writeable = False
        self.assertEqual(self.f.pairs(x, y), want)

    def test_whole_numbers_and_masks(self):
        x, _ = arrays(6, 4)
        c = np.array([0, 1, 0, 2, 1, 0])
        w = np.array([True, False, True, True, True, False])
        s = x.astype(np.float64) @ x.T.astype(np.float64)
        want = s[(c[:, None] == c) & w[:, None]].mean()
        for kind in (np.int64, np.int32, np.uint8, np.int16):
            self.assertAlmostEqual(self.f.same(x, c.astype(kind), w), want, places=5)
        self.assertAlmostEqual(self.f.same(x, c, w.astype(int)), want, places=5)
        best = np.sort(x, 1)[:, ::-1]
        self.assertAlmostEqual(self.f.nearest(x), best[:, 0].sum(), places=4)
        self.assertAlmostEqual(self.f.nearest(x, k=2), best[:, :2].sum(), places=4)
        c[3] = 5 * 10**9
        self.assertEqual(self.f.nearest(x, k=np.array(2)), self.f.nearest(x, k=np.int8(2)))
        error = self.refused(None, "c[3] is 5000000000", self.f.same, x, c, w)
        self.assertIn("32 bits", error.message)

    def test_infinities_that_a_softmax_leaves_out(self):
        x, m = np.array([1, 2, 3], np.float32), np.array([0, -np.inf, 0], np.float32)
        value, gradients = self.f.soft.value_and_grad(x, m, wrt="x")
        self.assertAlmostEqual(value, np.log(np.exp(1) + np.exp(3)), places=5)
        self.assertEqual(gradients["x"][1], 0)

    def test_results_that_are_arrays(self):
        x, _ = arrays(6, 4)
        want = x / np.linalg.norm(x, axis=1, keepdims=True)
        found = self.f.features(x)
        self.assertEqual((found.shape, found.dtype), ((6, 4), np.float32))
        close(self, found, want)
        self.assertIsNot(self.f.features(x), found)
        text = "fn counts(c : int[N]) {\n  let k[i] = count[j | c[i] == c[j]]\n  return k\n}\n"
        text += "fn above(x[N]) {\n  let k[i] = x[i] > 0\n  return k\n}\n"
        text += "fn logs(x[N]) = log(x)\n"
        f, c = couplet.load_text(text), np.array([2, 1, 2])
        self.assertEqual((f.counts(c).tolist(), f.counts(c).dtype), ([2, 1, 2], np.int32))
        self.assertEqual((f.above(x[0]) == (x[0] > 0)).all(), True)
        self.assertEqual(f.above(x[0]).dtype, np.bool_)
        self.refused("E803", "log(0) is -inf for element [1]", f.logs, np.array([1.0, 0, 2]))
        lets = couplet.load_text(text, finite=False).logs(np.array([1.0, 0, 2]))
        self.assertEqual(lets[1], -np.inf)

    def test_draws(self):
        text = "fn f(x[N]) {\n  draw e[N] ~ normal(0, 1)\n  return sum[i] x[i] * e[i]\n}\n"
        f, x = couplet.load_text(text, seed=3).f, np.ones(5)
        first = f(x)
        self.assertEqual(f(x), first)
        f.step = 1
        self.assertNotEqual(f(x), first)
        f.step = 0
        self.assertEqual(f(x), first)
        f.step = -1
        self.refused(None, "0 to 2147483647", f, x)
        self.assertNotEqual(couplet.load_text(text, seed=4).f(x), first)

    def test_hypers(self):
        x, y = arrays(5, 3)
        three = couplet.load_text(TEXT, "made.cpl", scale=3)
        self.assertAlmostEqual(three.pairs(x, y), 3 * self.f.pairs(x, y), places=4)
        self.refused("E604", "did you mean `scale`?", couplet.load_text, TEXT, "made.cpl", skale=3)
        negative = couplet.load_text(TEXT, "made.cpl", scale=-1)
        self.refused("E510", "out of the range", negative.pairs, x, y)

    def test_the_library_and_modules(self):
        z, w = arrays(16, 8)
        losses = couplet.load("losses")
        self.assertIn("nt_xent", dir(losses))
        head = "nt_xent(z[N, D], w[N, D], tau = 0.1 | tau > 0)"
        self.assertIn(head, repr(losses.nt_xent))
        self.assertTrue(losses.nt_xent.__doc__.startswith(head + "\n\nNT-Xent (L02). Chen"))
        self.assertEqual(losses.nt_xent(z, w, tau=0.5), self.f["losses.nt_xent"](z, w, tau=0.5))

    # ---- mistakes ----------------------------------------------------------------------------

    def test_shapes(self):
        x, y = arrays(6, 4)
        error = self.refused("E208", "axis 1 of `y` has 5 entries", self.f.pairs, x, y[:5])
        self.assertEqual((error.file, error.line, error.column), ("made.cpl", 4, 19))
        line = "    4 | fn pairs(x[N, D], y[N, D], tau = 0.5) =\n      |                   ^"
        self.assertIn(line, str(error))
        self.assertEqual(str(error).count("error["), 1)
        self.refused("E207", "needs an array of 2 axes, and gets one of 1", self.f.pairs, x[0], y)
        self.refused("E601", "axis 1 of `x` has 0 entries", self.f.pairs, x[:0], y[:0])
        self.refused("E601", "made of reals, and an array of whole", self.f.pairs, x.astype(int), y)
        self.refused("E601", "`y`, which was not given", self.f.pairs, x)
        self.refused("E601", "did you mean `tau`?", self.f.pairs, x, y, tua=0.5)
        self.refused("E601", "must give one number", self.f.features.value_and_grad, x)
        self.refused("E601", "`k` is a whole number, and 1.5", self.f.nearest, x, k=1.5)
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((str(copy), copy.code, copy.line), (str(error), "E208", 4))

    def test_what_python_says(self):
        x, y = arrays(6, 4)
        for words, args, kwargs in (
            ("takes 3 arguments, and 4 were given", (x, y, 1, 2), {}),
            ("got `x` twice", (x, y), {"x": x}),
            ("complex", (x.astype(complex), y), {}),
            ("object", (np.array([None]), y), {}),
            ("truth values were given", (x > 0, y), {}),
            ("masked array", (np.ma.masked_less(x, 0), y), {}),
        ):
            with self.assertRaisesRegex(TypeError, words):
                self.f.pairs(*args, **kwargs)
        with self.assertRaisesRegex(AttributeError, "no function `pears`; did you mean `pairs`?"):
            self.f.pears

    def test_numbers_that_go_wrong(self):
        x, y = arrays(6, 4)
        x[2, 3] = np.nan
        error = self.refused("E803", "x[2, 3] is nan", self.f.pairs, x, y)
        self.assertEqual(error.line, 5)
        error = self.refused("E801", "c[1] is 9", self.f.at, x[0], np.array([0, 9]))
        self.assertIn("   11 | fn at(x[N], c : int[M]) = sum[m] x[c[m]]^2\n", str(error))
        huge = np.full((6, 4), 1e300)
        self.refused("E803", " is inf", self.f.pairs, huge, y)

    def test_files(self):
        path = os.path.join(folder.name, "mine.cpl")
        x = np.ones(3, np.float32)
        with open(path, "w") as file:
            file.write("fn f(x[N]) = sum[i] x[i\n")
        error = self.refused("E001", "close the `[`", couplet.load, path)
        self.assertEqual((error.file, error.line), (path, 1))
        with open(path, "w") as file:
            file.write("fn f(x[N]) = sum[i] x[i]\n")
        first = couplet.load(path)
        with open(path, "w") as file:
            file.write("fn f(x[N]) = sum[i] 2 * x[i]\n")
        self.assertEqual((first.f(x), couplet.load(path).f(x)), (3, 6))  # as it was when loaded
        self.assertEqual(pickle.loads(pickle.dumps(first)).f(x), 3)
        self.refused("E605", "cannot be read", couplet.load, os.path.join(folder.name, "none.cpl"))
        with open(path, "wb") as file:
            file.write(b"fn f(x[N]) = sum[i] x[i] # \xff\n")
        self.refused("E002", "byte 0xff", couplet.load, path)
        with self.assertRaisesRegex(couplet.CoupletError, "NUL"):
            couplet.load_text("fn f(x[N]) = sum[i]\0 x[i]\n")

    # ---- several at once, and early ends -------------------------------------------------------

    def test_threads(self):
        x, y = arrays(64, 16)
        want, results = self.f.pairs.value_and_grad(x, y), []
        fresh = couplet.load_text(TEXT, "made.cpl").pairs

        def work():
            for _ in range(5):
                results.append(fresh.value_and_grad(x, y))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(results), 30)
        for value, gradients in results:
            self.assertEqual(value, want[0])
            np.testing.assert_array_equal(gradients["x"], want[1]["x"])

    def test_one_thread_gives_the_same_bits(self):
        x, y = arrays(200, 24)
        one = couplet.load_text(TEXT, "made.cpl", threads=1).pairs.value_and_grad(x, y)
        all_of_them = self.f.pairs.value_and_grad(x, y)
        self.assertEqual(one[0], all_of_them[0])
        np.testing.assert_array_equal(one[1]["y"], all_of_them[1]["y"])

    def test_a_fork(self):
        x, y = arrays(20, 5)
        want = self.f.pairs(x, y)
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if self.f.pairs(x, y) == want and self.f.pairs(*arrays(3, 2)) else 1)
            finally:
                os._exit(2)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(self.f.pairs(x, y), want)

    def test_two_processes(self):
        words = "import couplet, numpy as np; x = np.eye(7); "
        words += "print(couplet.load('losses').nt_xent(x, x))"
        several = [
            subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        said = [p.communicate(timeout=900)[0] for p in several]
        self.assertTrue(said[0])
        self.assertEqual(said[0], said[1])

    def test_the_lock_of_python_is_free_meanwhile(self):
        x, y = arrays(6000, 64)
        self.f.pairs.value_and_grad(x, y)  # compiled
        other = threading.Thread(target=self.f.pairs.value_and_grad, args=(x, y))
        other.start()
        turns = 0
        while other.is_alive():
            turns += 1
            time.sleep(0.001)
        self.assertGreater(turns, 5)

    def test_control_c_ends_a_long_run(self):
        x, _ = arrays(30000, 128)
        small = couplet.load_text(TEXT, "made.cpl").pairs
        slots = small._slots((x, x), {})
        small._kernels.compiled(slots, frozenset("xy"))  # ahead of the signal
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        start = time.process_time()  # a busy machine does not change it
        with self.assertRaises(KeyboardInterrupt):
            while True:
                small.value_and_grad(x, x)
        self.assertLess(time.process_time() - start, 30)
        timer.join()
        self.assertGreater(small(*arrays(4, 3)), -100)  # and the next one is not ended

    def test_an_end_in_the_middle(self):
        text = """import couplet, numpy, threading, time
x = numpy.random.randn(40000, 128)
loss = couplet.load("losses").nt_xent
threading.Thread(target=loss.value_and_grad, args=(x, x), daemon=True).start()
while not couplet._formula._under_way:
    time.sleep(0.01)
time.sleep(0.1)
print("begun")
"""
        start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, "begun\n"), done.stderr)
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - start, 60)

    def test_many_signals(self):
        """No run is left behind that writes into memory which is gone."""
        x, _ = arrays(5000, 64)
        want, done, met = self.f.pairs.value_and_grad(x, x), threading.Event(), 0

        def kill():
            while not done.wait(0.007):
                os.kill(os.getpid(), signal.SIGINT)

        def go_on(number, frame):
            heard.append(number)

        killer, heard = threading.Thread(target=kill), []
        signal.signal(signal.SIGINT, go_on)
        try:
            killer.start()
            while not heard:
                time.sleep(0.001)
            self.assertEqual(self.f.pairs.value_and_grad(x, x)[0], want[0])  # it raised nothing
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for _ in range(20):
                try:
                    self.f.pairs.value_and_grad(x, x)
                except KeyboardInterrupt:
                    met += 1
        finally:
            while killer.is_alive():
                try:
                    done.set()
                    killer.join()
                except KeyboardInterrupt:
                    pass
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.assertGreater(met, 0)
        found = self.f.pairs.value_and_grad(x, x)
        self.assertEqual(found[0], want[0])
        np.testing.assert_array_equal(found[1]["x"], want[1]["x"])


unittest.main()
