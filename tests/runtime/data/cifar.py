#!/usr/bin/env python3
"""cifar.py READ_TABLE MODULES: data.cifar10 and data.cifar100, and files that are not what they
should be."""
import os

from tables import Table, check, end, folder, refused, write
import numpy as np

rng = np.random.RandomState(7)
BATCHES = [f"data_batch_{i}.bin" for i in range(1, 6)]


def records(count, *classes):
    labels = [rng.randint(0, c, count).astype(np.uint8) for c in classes]
    pictures = rng.randint(0, 256, (count, 3072)).astype(np.uint8)
    return np.concatenate([label[:, None] for label in labels] + [pictures], 1), labels, pictures


def cifar10():
    parts = [records(7 + i, 10) for i in range(6)]
    for name, part in zip(BATCHES + ["test_batch.bin"], parts):
        write(part[0].tobytes(), "ten", name)
    root = os.path.join(folder, "ten")
    table = Table("cifar10", root)
    check("fields", table.fields == {"image": "u8[3, 32, 32]", "label": "int"}
          and table.class_count["label"] == 10, (table.error, table.fields))
    check("pictures", (table.raw == np.concatenate([p[2] for p in parts[:5]]).ravel()).all())
    check("labels", [int(v) for v in table.column()] ==
          list(np.concatenate([p[1][0] for p in parts[:5]])))
    check("names of rows", table.names[7] == os.path.join(root, "data_batch_2.bin") + ", record 0",
          table.names[7])
    check("no names without their file", table.classes["label"] == [])
    test = Table("cifar10", root, "split=test")
    check("test", (test.raw == parts[5][2].ravel()).all())
    one = Table("cifar10", os.path.join(root, "test_batch.bin"))
    check("one file", (one.raw == test.raw).all() and one.column() == test.column(), one.error)
    check("keys differ", len({table.key, test.key}) == 2)
    write("\n".join("airplane automobile bird cat deer dog frog horse ship truck".split()).encode()
          + b"\n\n", "ten", "batches.meta.txt")
    check("names of classes", Table("cifar10", root).classes["label"][3] == "cat")
    write(b"one\ntwo\n", "ten", "batches.meta.txt")
    refused("too few names", Table("cifar10", root), "batches.meta.txt", "2 names",
            "10 were expected")
    os.remove(os.path.join(root, "batches.meta.txt"))
    refused("an unknown split", Table("cifar10", root, "split=valid"), "\"valid\"",
            "\"train\" or \"test\"")
    refused("a split of a file", Table("cifar10", os.path.join(root, "test_batch.bin"),
                                       "split=test"), "leave `split` out")
    bad = parts[2][0].copy()
    bad[4, 0] = 10
    write(bad.tobytes(), "ten", BATCHES[2])
    refused("a label outside", Table("cifar10", root), "data_batch_3.bin", "record 4",
            "has 10 for `label`", "0 to 9")
    write(parts[2][0].tobytes()[:-1], "ten", BATCHES[2])
    refused("a file that is cut", Table("cifar10", root), "data_batch_3.bin",
            "whole records of 3073 bytes")
    write(b"", "ten", BATCHES[2])
    refused("an empty file", Table("cifar10", root), "data_batch_3.bin", "0 bytes")
    os.remove(os.path.join(root, BATCHES[2]))
    refused("a file is missing", Table("cifar10", root), "data_batch_3.bin", "No such file")
    os.makedirs(os.path.join(root, BATCHES[2]))
    refused("a folder for a file", Table("cifar10", root), "data_batch_3.bin", "no file")
    refused("no folder", Table("cifar10", os.path.join(folder, "nowhere")), "nowhere")


def cifar100():
    train, test = records(300, 20, 100), records(5, 20, 100)
    write(train[0].tobytes(), "hundred", "train.bin")
    write(test[0].tobytes(), "hundred", "test.bin")
    write("\n".join(f"fine{i}" for i in range(100)).encode(), "hundred", "fine_label_names.txt")
    write("\n".join(f"coarse{i}" for i in range(20)).encode(), "hundred", "coarse_label_names.txt")
    root = os.path.join(folder, "hundred")
    table = Table("cifar100", root)
    check("fields of 100", table.fields == {"image": "u8[3, 32, 32]", "coarse": "int",
                                            "label": "int"}, (table.error, table.fields))
    check("classes of 100", table.class_count["label"] == 100 and table.class_count["coarse"] == 20
          and table.classes["label"][99] == "fine99", table.class_count)
    check("values of 100", [[int(v) for v in row] for row in table.values] ==
          [list(pair) for pair in zip(*train[1])])
    check("pictures of 100", (table.raw == train[2].ravel()).all())
    check("test of 100", len(Table("cifar100", root, "split=test").names) == 5)
    refused("ten read as a hundred",
            Table("cifar100", write(records(3, 10)[0].tobytes(), "wrong.bin")), "3074 bytes")


cifar10()
cifar100()
end()
