"""torch_module.py ROOT: formulas as torch modules, on torch's own memory."""
import copy
import io
import os
import pickle
import sys
import tempfile
import threading
import unittest

import torch

import couplet

sys.argv.pop()
folder = tempfile.TemporaryDirectory()
os.environ["COUPLET_CACHE"] = folder.name
PATH = os.path.join(folder.name, "mine.cpl")
TEXT = """hyper scale = 1 | scale > 0
fn pairs(x[N, D], y[N, D], tau = 0.5) =
  scale * (mean[i] (-dot(x[i], y[i]) / tau + log(sum[j] exp(dot(x[i], y[j]) / tau))))
fn same(x[N, D], c : int[N], w : bool[N]) = mean[i, j | c[i] == c[j] and w[i]] dot(x[i], x[j])
fn forward(x[N], training = 1) = training * sum[i] x[i]
fn rows(x[N, D]) = normalise(x)
fn drawn(x[N]) {
  draw e[N] ~ normal(0, 1)
  return sum[i] x[i] * e[i]
}
fn power(x[N], k : int = 2) = sum[i] x[i]^k
fn soft(x[N], m[N]) = log(sum[i] exp(x[i] + m[i]))
"""
with open(PATH, "w") as made:
    made.write(TEXT)
torch.manual_seed(3)


def wanted(x, y, tau=0.5):
    return torch.nn.functional.cross_entropy(x @ y.T / tau, torch.arange(len(x)))


def draw(n, d):
    return torch.randn(n, d, requires_grad=True), torch.randn(n, d, requires_grad=True)


def gradients(value, *of):
    return torch.autograd.grad(value, of)


class Modules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.loss = couplet.torch.loss(PATH, "pairs", tau=0.5)

    def near(self, found, want, tolerance=1e-5):
        found, want = found.detach(), want.detach()
        scale = max(0.1, float(want.abs().max()))
        self.assertLess(float((found - want).abs().max()), tolerance * scale)

    def refused(self, kind, words, function, *args, **kwargs):
        with self.assertRaises(kind) as raised:
            function(*args, **kwargs)
        self.assertIn(words, str(raised.exception))
        return raised.exception

    def test_value_and_gradients(self):
        for n, d in ((4, 3), (17, 9), (256, 32)):
            x, y = draw(n, d)
            found, want = self.loss(x, y), wanted(x, y)
            self.near(found, want)
            for a, b in zip(gradients(3 * found + 1, x, y), gradients(3 * want + 1, x, y)):
                self.near(a, b)
        one = self.loss(*draw(1, 4))
        self.assertEqual((one.item(), one.dtype, one.shape), (0, torch.float32, ()))

    def test_it_reads_memory_where_it_lies(self):
        x, y = draw(8, 4)
        slots = [couplet.torch._slot(p, t) for p, t in zip(self.loss._declared, (x, y))]
        self.assertEqual([s.address for s in slots], [x.data_ptr(), y.data_ptr()])
        before = x.detach().clone()
        self.loss(x, y).backward()
        self.assertTrue(torch.equal(x, before))

    def test_layouts_and_kinds(self):
        x, y = draw(12, 6)
        want = gradients(self.loss(x, y), x)[0]
        by_columns = x.detach().T.contiguous().T.requires_grad_()
        wide = torch.zeros(12, 12)
        wide[:, ::2] = x.detach()
        slices, double = wide[:, ::2].requires_grad_(), x.detach().double().requires_grad_()
        for same in (by_columns, slices, double):
            value = self.loss(same, y.detach())
            self.assertEqual(value.dtype, same.dtype)
            found = gradients(value, same)[0]
            self.assertEqual(found.dtype, same.dtype)
            self.near(found, want)
        for kind, tolerance in ((torch.float16, 2e-3), (torch.bfloat16, 2e-2)):
            half = x.detach().to(kind).requires_grad_()
            value = self.loss(half, y.detach())
            self.assertEqual(value.dtype, torch.float32)
            found = gradients(value, half)[0]
            self.assertEqual(found.dtype, kind)
            in_floats = gradients(wanted(half.float(), y), half)[0].float()
            self.near(found.float(), in_floats, tolerance)

    def test_gradients_of_some_arguments(self):
        x, y = draw(10, 4)
        fresh = couplet.torch.loss(PATH, "pairs", tau=0.5)
        fresh(x, y.detach()).backward()
        self.assertIsNone(y.grad)
        self.near(x.grad, gradients(wanted(x, y), x)[0])
        with torch.no_grad():
            value = fresh(x, y)
        self.assertFalse(value.requires_grad)
        self.near(value, wanted(x, y))
        self.assertFalse(fresh(x.detach(), y.detach()).requires_grad)
        self.assertEqual(len(fresh._kernels), 2)  # with the gradient of x, and without any
        twice = x.detach().clone().requires_grad_()
        both = [gradients(loss(twice, twice), twice)[0] for loss in (fresh, wanted)]
        self.near(*both)

    def test_a_temperature_that_learns(self):
        tau = torch.nn.Parameter(torch.tensor(0.7))
        loss = couplet.torch.loss(PATH, "pairs", tau=tau)
        self.assertEqual([name for name, _ in loss.named_parameters()], ["tau"])
        optimiser = torch.optim.SGD(loss.parameters(), lr=0.01)
        x, y = draw(20, 5)
        for _ in range(3):
            optimiser.zero_grad()
            loss(x, y).backward()
            same = tau.detach().clone().requires_grad_()
            self.near(tau.grad, gradients(wanted(x, y, same), same)[0], 1e-4)
            optimiser.step()
        self.assertEqual(len(loss._kernels), 1)
        self.assertEqual(list(loss.state_dict()), ["tau"])

    def test_another_number_compiles_nothing(self):
        loss = couplet.torch.loss(PATH, "pairs", tau=0.5)
        x, y = draw(6, 3)
        for tau in (0.1, 0.4, 2):
            loss.tau = tau
            self.near(loss(x, y), wanted(x, y, tau))
            self.near(loss(x, y, tau=tau / 2), wanted(x, y, tau / 2))
        self.near(loss(x, y, tau=torch.tensor(2)), wanted(x, y, 2))
        self.assertEqual(len(loss._kernels), 1)

    def test_each_call_draws_anew(self):
        loss, x = couplet.torch.loss(PATH, "drawn", seed=5), torch.ones(4)
        values = [float(loss(x)) for _ in range(3)]
        self.assertEqual(len(set(values)), 3)
        loss.step = 1
        self.assertEqual(float(loss(x)), values[1])
        loss.eval()
        self.assertEqual(float(loss(x)), float(loss(x)))
        self.assertEqual(float(copy.deepcopy(loss)(x)), values[2])
        other = couplet.torch.loss(PATH, "drawn", seed=6)
        self.assertNotEqual(float(other(x)), values[0])

    def test_labels_and_masks(self):
        loss = couplet.torch.loss(PATH, "same")
        x, _ = draw(6, 4)
        c, w = torch.tensor([0, 1, 0, 2, 1, 0]), torch.tensor([1, 0, 1, 1, 1, 0]).bool()
        want = (x @ x.T)[(c[:, None] == c) & w[:, None]].mean()
        for labels in (c, c.int(), c.short(), c.byte()):
            found = loss(x, labels, w)
            self.near(found, want)
        self.near(gradients(found, x)[0], gradients(want, x)[0])
        power, three = couplet.torch.loss(PATH, "power"), torch.tensor(3)
        self.near(power(x[0], three), (x[0] ** 3).sum())
        self.near(power(x[0], 3), (x[0] ** 3).sum())
        self.refused(couplet.CoupletError, "`c` holds 5000000002", loss, x, c + 5 * 10**9, w)
        self.refused(couplet.CoupletError, "an array of reals was given", loss, x, c.float(), w)
        self.refused(TypeError, "torch.complex64", loss, x, c + 0j, w)

    def test_the_graph_may_change_behind_it(self):
        x, y = draw(7, 3)
        h = x * 2
        value = self.loss(h, y)
        want = gradients(wanted(x * 2, y), x)[0]
        with torch.no_grad():
            h += 100
        self.near(gradients(value, x)[0], want)
        value = self.loss(x, y)
        first = gradients_twice(value, x)
        self.assertTrue(torch.equal(*first))
        with self.assertRaisesRegex(RuntimeError, "second time"):
            value.backward()

    def test_no_second_derivative(self):
        x, y = draw(5, 3)
        first, = torch.autograd.grad(self.loss(x, y), x, create_graph=True)
        self.near(first, gradients(wanted(x, y), x)[0])
        words = "`pairs` of %s has no second" % PATH
        self.refused(couplet.CoupletError, words, first.sum().backward)
        scale = torch.ones((), requires_grad=True)
        first, = torch.autograd.grad(scale * self.loss(x, y.detach()), x, create_graph=True)
        self.refused(couplet.CoupletError, "no second", torch.autograd.grad, first.sum(), scale)

    def test_numbers_that_go_wrong(self):
        x, y = draw(5, 3)
        bad = x.detach().clone()
        bad[1, 2] = float("nan")
        bad.requires_grad_()
        error = self.refused(couplet.CoupletError, "x[1, 2] is nan", self.loss, bad, y)
        self.assertEqual((error.code, error.file, error.line), ("E803", PATH, 3))
        lets = couplet.torch.loss(PATH, "pairs", tau=0.5, finite=False)
        value = lets(bad, y)
        self.assertTrue(value.isnan())
        value.backward()
        soft = couplet.torch.loss(PATH, "soft")
        m = torch.tensor([0, -float("inf"), 0])
        v = torch.tensor([1.0, 2, 3], requires_grad=True)
        soft(v, m).backward()
        self.near(v.grad, torch.softmax(v + m, 0))

    def test_what_does_not_fit(self):
        x, y = draw(6, 4)
        error = self.refused(couplet.CoupletError, "axis 1 of `y` has 5", self.loss, x, y[:5])
        self.assertEqual((error.code, error.line, error.column), ("E208", 2, 19))
        self.refused(couplet.CoupletError, "0 entries", self.loss, x[:0], y[:0])
        self.refused(couplet.CoupletError, "`y`, which was not given", self.loss, x)
        self.refused(couplet.CoupletError, "did you mean `tau`?", self.loss, x, y, tua=1)
        self.refused(TypeError, "takes 2 arguments, and 3", self.loss, x, y, y)
        self.refused(TypeError, "got `x` twice", self.loss, x, y, x=x)
        self.refused(TypeError, "on meta", self.loss, x.to("meta"), y)
        self.refused(TypeError, "torch.sparse_coo", self.loss, x.detach().to_sparse(), y)
        self.refused(TypeError, "given a str", self.loss, "x", y)
        make = couplet.torch.loss
        self.refused(couplet.CoupletError, "`rows` gives an array", make(PATH, "rows"), x.detach())
        self.refused(couplet.CoupletError, "must give one number", make(PATH, "rows"), x)
        self.refused(AttributeError, "did you mean `pairs`?", make, PATH, "pears")
        self.refused(couplet.CoupletError, "no hyper `tua`", make, PATH, "pairs", tua=1)
        self.refused(TypeError, "a member of this name", make, PATH, "forward", training=2)
        self.near(make(PATH, "forward")(torch.ones(3), 2), torch.tensor(6.0))
        wide = torch.arange(8).reshape(2, 4) + 2**40
        self.refused(couplet.CoupletError, "`x` is made of reals", self.loss, wide, wide)
        self.refused(TypeError, "torch.jit cannot trace", torch.jit.trace, self.loss, (x, y))
        func = getattr(torch, "func", None)
        if func is not None:  # torch 2
            self.refused(TypeError, "torch.func", func.grad(lambda a: self.loss(a, y)), x)

    def test_copies(self):
        x, y = draw(9, 4)
        loss = couplet.torch.loss(PATH, "pairs", tau=0.25, scale=2)
        want = loss(x, y)
        self.near(want, 2 * wanted(x, y, 0.25))
        saved = io.BytesIO()
        torch.save(loss, saved)
        copies = [copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))]
        with open(PATH, "w") as file:
            file.write("nothing of the kind\n")  # a copy is of the text that was read
        try:
            copies.append(pickle.loads(pickle.dumps(loss)))
        finally:
            with open(PATH, "w") as file:
                file.write(TEXT)
        for same in copies:
            self.assertEqual(same(x, y).item(), want.item())
            self.assertEqual(repr(same), repr(loss))

    def test_data_parallel_is_refused(self):
        self.refused(RuntimeError, "no mean over parts", self.loss._replicate_for_data_parallel)

    def test_threads(self):
        x, y = draw(64, 16)
        want = gradients(self.loss(x, y), x)[0]
        found = []

        def work():
            for _ in range(4):
                mine = x.detach().clone().requires_grad_()
                self.loss(mine, y.detach()).backward()
                found.append(mine.grad)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(found), 16)
        self.assertTrue(all(torch.equal(want, g) for g in found))

    def test_a_training(self):
        torch.manual_seed(0)
        data = torch.randn(128, 12)
        losses = []

        def features(net):
            return torch.nn.functional.normalize(net(data + 0.1 * torch.randn(128, 12)))

        for loss in (couplet.torch.loss(PATH, "pairs", tau=0.2), lambda x, y: wanted(x, y, 0.2)):
            torch.manual_seed(1)
            layers = torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 8)
            net = torch.nn.Sequential(*layers)
            optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
            for _ in range(20):
                value = loss(features(net), features(net))
                optimiser.zero_grad()
                value.backward()
                optimiser.step()
            losses.append(value.detach())
        self.assertLess(float(losses[0]), 3)
        self.near(losses[0], losses[1], 1e-3)


def gradients_twice(value, of):
    return [torch.autograd.grad(value, of, retain_graph=again)[0] for again in (True, False)]


unittest.main()
