"""methods.py ROOT: whole methods trained, embedded with and evaluated on numpy arrays."""
import os
import pathlib
import sys
import tempfile
import unittest

import numpy as np

import couplet

sys.argv.pop()
folder = tempfile.TemporaryDirectory()
os.environ["COUPLET_CACHE"] = folder.name
PATH = os.path.join(folder.name, "rows.cpl")
pathlib.Path(PATH).write_text("""use nn, columns, optim, losses
data train = data.arrays("nowhere.npz") { row : real[12], label : int }
hyper tau = 0.5 | tau > 0
view x, y = columns.noise(train.row, deviation = 0.3)
net encoder = trunk: nn.linear(8) >> head: nn.linear(4)
loss losses.nt_xent(encoder(x), encoder(y), tau)
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.5) }
eval { knn(k = 5, features = encoder.trunk, of = train.row, bank = train, query = train) }
""")
rng = np.random.default_rng(11)
CENTRES = rng.normal(size=(4, 12))
LABELS = rng.integers(0, 4, 100)
ROWS = (CENTRES[LABELS] + 0.2 * rng.normal(size=(100, 12))).astype(np.float32)


class Methods(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.method = couplet.compile(PATH)

    def refused(self, words, function, *args, **kwargs):
        with self.assertRaises(couplet.CoupletError) as raised:
            function(*args, **kwargs)
        self.assertIn(words, str(raised.exception))
        return raised.exception

    def test_what_it_reads(self):
        m = self.method
        about = (m.name, m.batch, m.feature_width, m.parameter_count)
        self.assertEqual(about, ("rows", 16, 8, 140))
        shapes = {i.name: (i.dtype, i.shape) for i in m.inputs}
        self.assertEqual(shapes["train.row"], (np.float32, (16, 12)))
        self.assertEqual([(f.name, f.shape) for f in m.fields], [("row", (12,))])

    def test_training(self):
        losses = []
        data = {"train": {"row": ROWS, "label": LABELS}}

        def note(step, loss):
            losses.append(loss)

        model = self.method.train(data, epochs=20, seed=3, on_step=note)
        self.assertEqual((len(losses), model.steps), (120, 120))
        self.assertLess(np.mean(losses[-6:]), np.mean(losses[:6]) - 0.1)
        features = model.embed(ROWS)
        self.assertEqual((features.shape, features.dtype), ((100, 8), np.float32))
        again = self.method.train(data, epochs=20, seed=3, threads=1).embed(ROWS)
        np.testing.assert_array_equal(features, again)  # the same seed, the same bits
        other = self.method.train(data, epochs=20, seed=4).embed(ROWS)
        self.assertTrue((features != other).any())
        half = features[:50], LABELS[:50], features[50:], LABELS[50:]
        self.assertGreater(couplet.knn(*half, k=5), 90)

    def test_weights(self):
        path = os.path.join(folder.name, "w.safetensors")
        model = self.method.train({"train": {"row": ROWS}}, epochs=2, seed=1)
        model.save(path)
        fresh = self.method.model(seed=9)
        self.assertTrue((fresh.embed(ROWS) != model.embed(ROWS)).any())
        fresh.load(path)
        np.testing.assert_array_equal(fresh.embed(ROWS), model.embed(ROWS))
        self.refused("cannot be", fresh.load, os.path.join(folder.name, "none.safetensors"))
        self.assertEqual(fresh.embed(ROWS[:1]).shape, (1, 8))

    def test_steps_by_hand(self):
        model = self.method.model(steps=2, seed=1)
        batch = {"train.row": ROWS[:16], "train.index": np.arange(16)}
        first = model.step(batch)
        self.assertGreater(first, 0)
        self.assertEqual(couplet.compile(PATH).model(steps=2, seed=1).step(batch), first)
        colder = couplet.compile(PATH, tau=0.2).model(steps=2, seed=1)
        self.assertNotEqual(colder.step(batch), first)
        self.refused("`train.row` has the shape [15, 12]", model.step, {"train.row": ROWS[:15]})
        self.refused("there is no input `train.rows`", model.step, {"train.rows": ROWS[:16]})
        self.refused("which was not given", model.step, {})
        whole = np.ones((16, 12), int)
        self.refused("an array of int64 was given", model.step, {"train.row": whole})
        bad = dict(batch)
        bad["train.row"] = np.full((16, 12), np.nan)
        self.refused("nan", model.step, bad)
        model.step(batch)
        self.refused("all 2 of total_steps are made", model.step, batch)

    def test_mistakes(self):
        error = self.refused("no hyper `tua`", couplet.compile, PATH, tua=3)
        self.assertEqual(error.code, "E604")
        error = self.refused("out of the range", couplet.compile, PATH, tau=-1)
        self.assertEqual(error.code, "E510")
        plain = os.path.join(folder.name, "plain.cpl")
        pathlib.Path(plain).write_text("fn f(x[N]) = sum[i] x[i]\n")
        self.refused("no `loss`", couplet.compile, plain)
        self.refused("cannot be read", couplet.compile, os.path.join(folder.name, "none.cpl"))
        train = self.method.train
        self.refused("`data` has no `train`", train, {})
        self.refused("the data of `train` has no `row`", train, {"train": {"label": LABELS}})
        self.refused("unequal lengths", train, {"train": {"row": ROWS, "label": LABELS[:9]}})
        self.refused("has 15 rows, and a batch takes 16", train, {"train": {"row": ROWS[:15]}})
        self.refused("has the shape [100, 11]", train, {"train": {"row": ROWS[:, :11]}})
        self.refused("has the shape [3, 11]", self.method.model().embed, ROWS[:3, :11])
        self.refused("there is no field `rows`", self.method.model().embed, {"rows": ROWS})

    def test_scores(self):
        bank, query = ROWS[:60], ROWS[60:]
        a, b = LABELS[:60], LABELS[60:]
        unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (bank.astype(float), query)]
        near = np.argsort(-(unit[1] @ unit[0].T), axis=1)[:, :1]
        want = 100 * (a[near[:, 0]] == b).mean()
        self.assertAlmostEqual(couplet.knn(bank, a, query, b, k=1), want)
        self.assertEqual(couplet.linear_probe(bank, a, query, b), 100)
        self.assertEqual(couplet.linear_probe(bank, a + 7, query, b + 7), 100)
        far = rng.integers(0, 4, 40)
        self.assertLess(couplet.linear_probe(bank, a, query, far), 70)
        self.refused("k is 1 to the 60 rows", couplet.knn, bank, a, query, b, k=61)
        self.refused("40 whole numbers are expected", couplet.knn, bank, a, query, a)
        self.refused("have 12 numbers and the query's 11", couplet.knn, bank, a, query[:, :11], b)
        self.refused("no finite number", couplet.linear_probe, bank * np.nan, a, query, b)


unittest.main()
